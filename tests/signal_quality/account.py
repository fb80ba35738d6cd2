"""The year of one account, written from a seed: its jobs, what is wrong with some, and what goes wrong around them."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from exporter.errors import FailureReason
from exporter.simulator.world import LONG, Job, Recipe, write

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
ACCOUNT, REGION = "111122223333", "us-east-1"
START = 1_800_000_000.0
HISTORY = 30 * DAY
"""The exporter is installed this long after the first job."""

STRETCH = 4 * DAY
"""Time is evaluated in stretches, each by itself."""

WARM_UP = 6 * HOUR
"""So long before a stretch its evaluation begins. No outage falls into that time."""


class Trouble(StrEnum):
    """What is wrong with a job."""

    NONE = "none"
    FAILED = "failed"
    BETWEEN = "stuck between two sub-tasks"
    STILL = "stuck in training"
    SLOW = "slow"
    STOPPING = "stuck while stopping"


@dataclass(frozen=True, slots=True)
class Rates:
    """How often what happens.

    Attributes:
        jobs: created in a day.
        failed: share of the jobs.
        stuck: share of the jobs, for each way of being stuck.
        faults: outages in a stretch of time, of AWS or of the exporter.
    """

    jobs: float = 30.0
    failed: float = 0.02
    stuck: float = 0.005
    faults: float = 0.6


@dataclass(frozen=True, slots=True)
class Fault:
    """A time without good walks.

    Attributes:
        start: Unix seconds.
        end: Unix seconds.
        reason: why walks fail; None if there is no exporter.
        rollout: whether the exporter comes back as another instance, the old one being gone without a trace.
    """

    start: float
    end: float
    reason: FailureReason | None = None
    rollout: bool = False


# Trainings of 14 to 18 hours: no trouble, though AWS modifies nothing meanwhile.
_VERY_LONG = Recipe("amazon.titan-text-premier-v1:0:32k", "CONTINUED_PRE_TRAINING", ("legal-corpus",), (840, 1080))
_REASONS = (
    FailureReason.NETWORK,
    FailureReason.SERVER_ERROR,
    FailureReason.THROTTLED,
    FailureReason.ACCESS_DENIED,
    FailureReason.TIMEOUT,
)


class Account:
    """Jobs and faults of some stretches of time, and jobs of a month before.

    Attributes:
        start: when the exporter is installed; Unix seconds.
        end: of what is simulated.
        jobs: oldest first.
        troubles: of each of the jobs.
        faults: earliest first; they don't touch.
    """

    def __init__(self, seed: int, stretches: int, rates: Rates) -> None:
        self.start, self.end = START, START + stretches * STRETCH
        self._seed = seed
        rng = random.Random(f"{seed}/jobs")
        number = round(rates.jobs * (HISTORY + stretches * STRETCH) / DAY)
        created = sorted(rng.uniform(START - HISTORY, self.end) for _ in range(number))
        troubles = [Trouble.FAILED, *list(Trouble)[2:]]
        weights = [rates.failed, *[rates.stuck] * 4]
        drawn = rng.choices([*troubles, Trouble.NONE], [*weights, 1 - sum(weights)], k=number)
        written = [(_write_job(rng, at, trouble), trouble) for at, trouble in zip(created, drawn, strict=True)]
        self.jobs = [job for job, _ in written]
        self.troubles = dict(written)
        self.faults = list(_write_faults(random.Random(f"{seed}/faults"), stretches, rates.faults))
        self._created = [job.created for job in self.jobs]
        self._fault_starts = [fault.start for fault in self.faults]
        times = ((job.created, job.halted, job.ended, *sum(job.spans, ())) for job in self.jobs)
        self._changes = sorted({time for each in times for time in each if math.isfinite(time)})

    def listed(self, now: float) -> int:
        """How many of the jobs have been created."""
        return bisect_right(self._created, now)

    def changes(self, now: float) -> int:
        """How often the list has changed."""
        return bisect_right(self._changes, now)

    def fault(self, now: float) -> Fault | None:
        """What keeps walks from being good now."""
        index = bisect_right(self._fault_starts, now) - 1
        return self.faults[index] if index >= 0 and now < self.faults[index].end else None

    def refusal(self, now: float) -> FailureReason | None:
        """Why a walk fails that ends now: in an outage of AWS, and without one every two-hundredth, too."""
        fault = self.fault(now)
        if fault is not None and fault.reason is not None:
            return fault.reason
        return FailureReason.NETWORK if random.Random(f"{self._seed}/{now}").random() < 0.005 else None

    def knowable(self, time: float) -> float:
        """When a walk could show first what is so from `time` on."""
        fault = self.fault(max(time, self.start))
        return max(time, self.start) if fault is None else fault.end


def _write_job(rng: random.Random, created: float, trouble: Trouble) -> Job:
    """A job with this trouble.

    Lengths differ by about a fifth from what is usual for the base model. Nothing is wrong with a job that waits up to
    100 minutes between two sub-tasks, or takes up to 50 minutes to stop, or is the only one of its base model.
    """
    recipe = _VERY_LONG if rng.random() < 0.03 else rng.choice(LONG)
    usual = rng.lognormvariate(0, 0.2)
    alone = trouble is not Trouble.SLOW and recipe is not _VERY_LONG and rng.random() < 0.02
    target = (ACCOUNT, REGION)
    if trouble is Trouble.FAILED:
        return write(rng, target, recipe, created, "Failed", slowness=usual, on_custom_model=alone)
    slowness = rng.uniform(4, 10) if trouble is Trouble.SLOW else usual
    job = write(rng, target, recipe, created, slowness=slowness, on_custom_model=alone)
    *before, (start, end) = job.spans
    if trouble is Trouble.NONE:
        if rng.random() < 0.01:
            wait = rng.uniform(10, 100) * MINUTE
            return replace(job, spans=(*before, (start + wait, end + wait)), halted=end + wait, ended=end + wait + 5)
        if rng.random() < 0.03:
            halted = round(rng.uniform(created + MINUTE, end), 3)
            return replace(job, outcome="Stopped", halted=halted, ended=halted + rng.uniform(1, 50) * MINUTE)
    if trouble in {Trouble.BETWEEN, Trouble.STILL}:  # until somebody stops it [rec]
        last = (math.inf, math.inf) if trouble is Trouble.BETWEEN else (start, math.inf)
        halted = round(start + rng.uniform(25, 74) * HOUR, 3)
        return replace(job, spans=(*before, last), outcome="Stopped", halted=halted, ended=halted + MINUTE)
    if trouble is Trouble.STOPPING:
        halted = round(rng.uniform(start, end), 3)
        return replace(job, outcome="Stopped", halted=halted, ended=halted + rng.uniform(2, 30) * HOUR)
    return job


def _write_faults(rng: random.Random, stretches: int, rate: float) -> Iterator[Fault]:
    """A rollout every few days, and outages: most of AWS, of minutes to six hours, some of the exporter itself."""
    wanted = [_rollout(rng, stretches) for _ in range(round(stretches * 0.8))]
    for number in range(round(stretches * rate)):
        start = START + rng.uniform(0, stretches * STRETCH)
        if number % 25 == 7:
            wanted.append(Fault(start, start + 8 * HOUR))
        elif number % 5 == 2:
            wanted.append(Fault(start, start + rng.uniform(2, 50) * MINUTE))
        else:
            length = math.exp(rng.uniform(math.log(2 * MINUTE), math.log(6 * HOUR)))
            wanted.append(Fault(start, start + length, rng.choice(_REASONS)))
    free_from = START + HOUR
    for fault in sorted(wanted, key=lambda fault: fault.start):
        stretch_ends = START + math.ceil((fault.start - START) / STRETCH) * STRETCH
        if fault.start >= free_from and fault.end < stretch_ends - WARM_UP - HOUR:
            free_from = fault.end + 2 * HOUR
            yield fault


def _rollout(rng: random.Random, stretches: int) -> Fault:
    start = START + rng.uniform(0, stretches * STRETCH)
    return Fault(start, start + rng.uniform(1, 3) * MINUTE, rollout=True)
