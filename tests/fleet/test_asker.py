"""A round of calls about jobs: what is asked in which order, and what goes on meanwhile."""

import asyncio
import threading

from jobs.make import HOUR, NOW, at, job, snapshot_of

from exporter.errors import FailureReason, WalkError
from exporter.fleet.asker import Asker
from exporter.fleet.details import Call, Details
from exporter.fleet.turns import Turns
from exporter.jobs.details import DetailSettings, JobDetails, Tags
from exporter.jobs.snapshot import Snapshot
from exporter.work import Worker

SETTINGS = DetailSettings(enabled=True, calls_per_walk=20)
COMPLETED = [job(f"completed-{number}", status="Completed", end_time=at(-number * HOUR)) for number in (1, 2, 3)]
FAILED = job("failed", status="Failed", end_time=at(0))


class Reader:
    """Answers when it may, and remembers what it was asked.

    Attributes:
        asked: ids of jobs, in order.
        may: until it is set, nothing is answered.
    """

    def __init__(self, *failing: str) -> None:
        self.asked: list[str] = []
        self.may = threading.Event()
        self._failing = failing

    def details(self, job_arn: str) -> JobDetails | None:
        self.asked.append(job_arn.rpartition("/")[2])
        self.may.wait(30)
        if self.asked[-1] in self._failing:
            raise WalkError(FailureReason.SERVER_ERROR, "no")
        return JobDetails("broken")

    def tags(self, _: str) -> Tags | None:
        return {}


class Owner:
    """Holds the answers, as the loop of a target does."""

    def __init__(self, asker: Asker) -> None:
        self.details = Details().under(SETTINGS)
        self.over = asyncio.Event()
        self._asker = asker

    def walked(self, snapshot: Snapshot) -> None:
        self._asker.start(lambda: self.details, self._changed, snapshot, lambda: NOW)

    def _changed(self, details: Details, _: Call, last: bool) -> None:
        self.details = details
        if last:
            self.over.set()


def test_a_job_that_fails_meanwhile_is_next() -> None:
    """A round that is under way goes on with it, and asks nothing twice."""
    reader = Reader()

    async def work() -> None:
        owner = Owner(Asker(reader, Turns(1000), Worker("test", "wait")))
        owner.walked(snapshot_of(*COMPLETED))
        while not reader.asked:
            await asyncio.sleep(0.001)
        owner.walked(snapshot_of(*COMPLETED, FAILED))
        reader.may.set()
        async with asyncio.timeout(30):
            await owner.over.wait()

    asyncio.run(work())
    assert reader.asked == ["completed-1", "failed", "completed-2", "completed-3"]


def test_a_failure_ends_the_round() -> None:
    """What is wrong is most likely so for the next job, too: the next walk begins another round."""
    reader = Reader("completed-1")
    reader.may.set()

    async def work() -> Details:
        owner = Owner(Asker(reader, Turns(1000), Worker("test", "wait")))
        for _ in range(2):
            owner.over.clear()
            owner.walked(snapshot_of(*COMPLETED))
            async with asyncio.timeout(30):
                await owner.over.wait()
        return owner.details

    details = asyncio.run(work())
    assert reader.asked == ["completed-1", "completed-2", "completed-3"]
    assert details.failures == {FailureReason.SERVER_ERROR: 1}
