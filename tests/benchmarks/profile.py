"""Where the time of a walk goes: prints the functions that take most of it, as shares, for a first and a later walk."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path

from exporter.bedrock import Sessions, TargetClient
from exporter.exposition import Renderer
from exporter.model import AwsSettings, Budget, Target
from exporter.walk import Memory, read

from .server import choose, lead_to, serving

JOBS = 30_000
SHOWN = 12
_DAY = 86_400.0


def main() -> None:
    """Walk a list of `JOBS` jobs twice under the profiler, after another list, so that the client is made."""
    with serving() as url:
        lead_to(url)
        target = Target("targets[0]", "us-east-1")
        aws = AwsSettings(None, None, connect_timeout=5, read_timeout=20, max_attempts=1)
        client, renderer, memory = TargetClient(target, Sessions(aws)), Renderer(target), Memory()

        def walk() -> None:
            read(
                client,
                budget=Budget(retain=14 * _DAY, max_jobs=1000, baseline_window=90 * _DAY),
                max_pages=10_000,
                now=time.time(),
                render=renderer.render,
                memory=memory,
            )

        choose(url, "s", 1000)
        walk()
        choose(url, "l", JOBS)
        for name in ("first", "later"):
            print(f"{name} walk of {JOBS:,} jobs, own time of functions:")
            print(_shares(walk))


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
