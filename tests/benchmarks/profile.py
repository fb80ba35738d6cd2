"""Where the time of a walk goes: prints the functions that take most of it, as shares."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path

from exporter.bedrock.clients import Clients
from exporter.bedrock.pages import TargetReader
from exporter.bedrock.settings import AwsSettings
from exporter.fleet.walk import walk
from exporter.jobs.snapshot import Budget
from exporter.targets.target import Target

from .server import choose, lead_to, serving

JOBS = 30_000
SHOWN = 12
_DAY = 86_400.0


def main() -> None:
    """Walk a list of `JOBS` jobs under the profiler, after another list, so that the client is made."""
    with serving() as url:
        lead_to(url)
        target = Target("targets[0]", "us-east-1")
        aws = AwsSettings(None, None, connect_timeout=5, read_timeout=20, max_attempts=1)
        reader = TargetReader(target, Clients(aws, 1))
        budget = Budget(retain=14 * _DAY, max_jobs=1000, baseline_window=90 * _DAY)

        def once() -> None:
            walk(target, reader, budget=budget, max_pages=10_000, now=time.time())

        choose(url, "s", 1000)
        once()
        choose(url, "l", JOBS)
        print(f"walk of {JOBS:,} jobs, own time of functions:")
        print(_shares(once))


def _shares(work: Callable[[], None]) -> str:
    profile = cProfile.Profile()
    profile.runcall(work)
    stats = pstats.Stats(profile)
    own = {function: figures[2] for function, figures in stats.stats.items()}  # type: ignore[attr-defined]
    most = sorted(own.items(), key=lambda item: item[1], reverse=True)[:SHOWN]
    return "".join(f"{seconds / sum(own.values()):7.1%}  {_name(*function)}\n" for function, seconds in most)


def _name(file: str, _line: int, function: str) -> str:
    """A function of a module, or one that is built in."""
    if file == "~":
        return function
    path = Path(file)
    return f"{path.parent.name}/{path.name}:{function}"


if __name__ == "__main__":
    main()
