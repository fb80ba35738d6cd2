"""What details and tags cost in calls, and when the reasons of failed jobs are there, after a start: time is virtual.

``PYTHONPATH=tests python -m benchmarks.budget [--json docs/budget.json]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from jobs.make import ACCOUNT, DAY, EVERYTHING, NOW, at, job, snapshot_of
from virtual_clock import run

from exporter.fleet.asker import Asker
from exporter.fleet.fleet import Desired, Fleet
from exporter.fleet.schedule import Schedule
from exporter.fleet.state import Walked
from exporter.fleet.turns import Turns
from exporter.jobs.details import DetailSettings, JobDetails, Tags
from exporter.jobs.snapshot import Budget, Snapshot
from exporter.targets.target import Target

T = TypeVar("T")

SETTINGS = DetailSettings(enabled=True, tags=(("team", "tag_team"),))
"""As they are unless they are set, with both features on."""

SCHEDULE = Schedule(interval=60.0, timeout=45.0, stale_after=900.0, concurrency=8, max_pages=2000)
WALK, CALL = 0.5, 0.3
"""Seconds that AWS takes for a list, and for a call about a job."""


class Scene(NamedTuple):
    """What there is at the start.

    Attributes:
        targets: how many.
        jobs: ended ones in each, within `job_series.retain`; and one that runs.
        failed: every which of them has failed.
    """

    targets: int
    jobs: int
    failed: int = 20


SCENES = (Scene(1, 2000), Scene(1000, 2))


@dataclass(frozen=True)
class Measured:
    """What came of it.

    Attributes:
        targets: of the scene.
        ended_jobs: of all targets.
        failed_jobs: of these.
        calls: in all.
        most_per_minute: calls in the minute that has most.
        reasons_after: seconds until every failed job has its reason.
        all_after: seconds until nothing is left to ask.
    """

    targets: int
    ended_jobs: int
    failed_jobs: int
    calls: int
    most_per_minute: int
    reasons_after: int
    all_after: int


class _Aws:
    """Answers after a while, and remembers when it was called about which job."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, str, str]] = []

    def reader(self, prefix: str) -> _Reader:
        return _Reader(self, prefix)

    async def run(self, work: Callable[[], T], timeout: float) -> T:
        assert timeout > CALL
        answer = work()
        await asyncio.sleep(CALL)
        return answer


class _Reader(NamedTuple):
    aws: _Aws
    target: str

    def details(self, job_arn: str) -> JobDetails | None:
        self._called("details", job_arn)
        return JobDetails("Encountered an internal error when processing the request.", 0.5, (("0", 0.6),))

    def tags(self, job_arn: str) -> Tags | None:
        self._called("tags", job_arn)
        return {"team": "research"}

    def _called(self, kind: str, job_arn: str) -> None:
        self.aws.calls.append((asyncio.get_running_loop().time(), kind, f"{self.target} {job_arn}"))


class _Walker:
    account_id = ACCOUNT

    def __init__(self, target: Target, snapshot: Snapshot) -> None:
        self._walked = Walked(target, None, snapshot, 1, len(snapshot.job_series))

    async def walk(self, target: Target, budget: Budget, schedule: Schedule, now: float) -> Walked:  # noqa: ARG002
        await asyncio.sleep(WALK)
        return self._walked


def measure(scene: Scene) -> Measured:
    """Start an exporter with this, and let it go on until nothing is left to ask."""
    targets = [Target(f"targets[{number}]", f"region-{number}") for number in range(scene.targets)]
    snapshots: dict[str, Snapshot] = {}
    failed: set[str] = set()
    for number, target in enumerate(targets):
        jobs = [job("runs")]
        for each in range(scene.jobs):
            has_failed = (number * scene.jobs + each) % scene.failed == 0
            age = 14 * DAY * (each + 1) / (scene.jobs + 1)
            jobs.append(job(f"ended-{each}", status="Failed" if has_failed else "Completed", end_time=at(-age)))
            if has_failed:
                failed.add(f"{target.region} {jobs[-1].job_arn}")
        snapshots[target.region] = snapshot_of(*jobs)
    aws, turns = _Aws(), Turns(SETTINGS.calls_per_second)
    desired = Desired(
        tuple(targets),
        SCHEDULE,
        EVERYTHING,
        lambda target: _Walker(target, snapshots[target.region]),
        details=SETTINGS,
        new_asker=lambda target: Asker(aws.reader(target.region), turns, aws),
    )
    expected = scene.targets * (2 * scene.jobs + 1)  # details and tags of the ended, tags of the one that runs

    async def work() -> None:
        fleet = Fleet(desired, now=lambda: NOW + asyncio.get_running_loop().time())
        task = asyncio.create_task(fleet.run())
        while len(aws.calls) < expected:
            await asyncio.sleep(1)
        task.cancel()

    run(work())
    times = [time for time, *_ in aws.calls]
    most = max(sum(1 for each in times if start <= each < start + 60) for start in range(0, int(times[-1]) + 1, 10))
    reasons = max(time for time, kind, what in aws.calls if kind == "details" and what in failed)
    ended = scene.targets * scene.jobs
    seconds = (round(reasons + CALL), round(times[-1] + CALL))
    return Measured(scene.targets, ended, len(failed), len(aws.calls), most, *seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description="The price of details, in calls.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    flags = parser.parse_args()
    measured = [asdict(measure(scene)) for scene in SCENES]
    text = json.dumps(measured, indent=2) + "\n"
    print(text, end="")
    if flags.json:
        flags.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
