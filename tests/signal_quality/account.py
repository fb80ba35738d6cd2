"""Some months of six targets, written from a seed: jobs, what is wrong with some, and what goes wrong around them."""

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
ACCOUNT = "111122223333"
REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-central-1", "eu-west-1", "ap-northeast-1")
START = 1_800_000_000.0
HISTORY = 60 * DAY
"""The exporter is installed this long after the first job."""

STRETCH = 4 * DAY
"""Time is evaluated in stretches, each by itself."""

WARM_UP = 6 * HOUR
"""So long before a stretch its evaluation begins. No outage falls into that time."""


class Trouble(StrEnum):
    """What is wrong with a job."""

    NONE = "healthy"
    QUEUE = "healthy, waits its turn: twelve at once, one begins every 30 minutes"
    FAILED = "failed"
    VALIDATION = "stuck in validation"
    PROCESSING = "stuck in data processing"
    STILL = "stuck in training"
    BETWEEN = "stuck before its training"
    NEVER = "no sub-task ever began"
    AFTER = "all sub-tasks Completed, and still InProgress"
    STOPPING = "stuck while stopping"


HEALTHY = (Trouble.NONE, Trouble.QUEUE)


@dataclass(frozen=True, slots=True)
class Rates:
    """How often what happens.

    Attributes:
        jobs: created in a day.
        failed: share of the jobs.
        stuck: share of the jobs, for each way of being stuck.
        faults: outages in a stretch of time, of AWS or of the exporter.
        queues: in a day, of twelve jobs each.
        sigma: of the lengths of sub-tasks, which are log-normal within a base model and type.
    """

    jobs: float = 45.0
    failed: float = 0.02
    stuck: float = 0.005
    faults: float = 0.6
    queues: float = 0.25
    sigma: float = 0.2


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
        days = (HISTORY + stretches * STRETCH) / DAY
        number = round(rates.jobs * days)
        # Twice as many a day at the end as at the beginning.
        created = sorted(START - HISTORY + days * DAY * _grown(rng.random()) for _ in range(number))
        troubled = [trouble for trouble in Trouble if trouble not in {*HEALTHY, Trouble.FAILED}]
        weights = [rates.failed, *[rates.stuck] * len(troubled)]
        drawn = rng.choices([Trouble.FAILED, *troubled, Trouble.NONE], [*weights, 1 - sum(weights)], k=number)
        written = [
            (_write_job(rng, at, trouble, rates.sigma), trouble) for at, trouble in zip(created, drawn, strict=True)
        ]
        for _ in range(round(rates.queues * days)):
            at = rng.uniform(START - HISTORY, self.end)
            written += [(job, Trouble.QUEUE) for job in _write_queue(rng, at, rates.sigma)]
        written.sort(key=lambda each: each[0].created)
        self.jobs = [job for job, _ in written]
        self.troubles = dict(written)
        self.faults = list(_write_faults(random.Random(f"{seed}/faults"), stretches, rates.faults))
        self._of_region = {region: [job for job in self.jobs if job.region == region] for region in REGIONS}
        self._created = {region: [job.created for job in jobs] for region, jobs in self._of_region.items()}
        self._fault_starts = [fault.start for fault in self.faults]
        times = ((job.created, job.halted, job.ended, *sum(job.spans, ())) for job in self.jobs)
        self._changes = sorted({time for each in times for time in each if math.isfinite(time)})

    def listed(self, region: str, now: float) -> list[Job]:
        """The jobs of a region that have been created, oldest first."""
        return self._of_region[region][: bisect_right(self._created[region], now)]

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


def leaves_out(job: Job) -> bool:
    """Whether AWS leaves out the job's sub-tasks that have not started."""
    return job.arn[-1] in "abcdefg"


def has_heartbeat(job: Job) -> bool:
    """Whether AWS modifies the job every few minutes, whatever it does."""
    return job.arn[-1] in "stuvwxyz"


def _grown(share: float) -> float:
    return (math.sqrt(1 + 3 * share) - 1) if share < 1 else 1.0


def _write_job(rng: random.Random, created: float, trouble: Trouble, sigma: float, recipe: Recipe | None = None) -> Job:
    """A job with this trouble.

    Nothing is wrong with one that waits up to 100 minutes before its training, takes up to 50 minutes to stop, is the
    only one of its base model, or is of a team whose trainings take three times as long.
    """
    recipe = recipe or (_VERY_LONG if rng.random() < 0.03 else rng.choice(LONG))
    alone = trouble is not Trouble.STILL and recipe is not _VERY_LONG and rng.random() < 0.02
    target = (ACCOUNT, rng.choice(REGIONS))
    slow_team = rng.random() < 0.1
    if trouble is Trouble.FAILED:
        return write(rng, target, recipe, created, "Failed", on_custom_model=alone)
    job = write(rng, target, recipe, created, on_custom_model=alone)
    spans, end = [], job.created
    for index, (start, planned) in enumerate(job.spans):
        start = end + rng.uniform(2, 20)  # noqa: PLW2901
        length = (planned - job.spans[index][0]) * rng.lognormvariate(0, sigma) * (3 if slow_team and index == 2 else 1)
        end = start + length
        spans.append((round(start, 3), round(end, 3)))
    job = replace(job, spans=tuple(spans), halted=round(end + 5, 3), ended=round(end + 5, 3))
    start, end = job.spans[2]
    if trouble is Trouble.NONE:
        if rng.random() < 0.01:
            return _shifted(job, 2, rng.uniform(10, 100) * MINUTE)
        if rng.random() < 0.03:
            halted = round(rng.uniform(created + MINUTE, end), 3)
            return replace(job, outcome="Stopped", halted=halted, ended=halted + rng.uniform(1, 50) * MINUTE)
    elif trouble is Trouble.STOPPING:
        halted = round(rng.uniform(start, end), 3)
        return replace(job, outcome="Stopped", halted=halted, ended=halted + rng.uniform(2, 30) * HOUR)
    return job if trouble in HEALTHY else _stuck(rng, job, trouble)


def _stuck(rng: random.Random, job: Job, trouble: Trouble) -> Job:
    """The same job, which gets no further."""
    never = (math.inf, math.inf)
    begun = {Trouble.NEVER: 0, Trouble.VALIDATION: 0, Trouble.PROCESSING: 1, Trouble.BETWEEN: 2, Trouble.STILL: 2}
    stays = [*job.spans] if trouble is Trouble.AFTER else [*job.spans[: begun[trouble]]]
    if trouble in {Trouble.VALIDATION, Trouble.PROCESSING, Trouble.STILL}:
        stays.append((job.spans[len(stays)][0], math.inf))
    stays += [never] * (3 - len(stays))
    halted = round(job.spans[0][0] + rng.uniform(60, 90) * HOUR, 3)  # until somebody stops it
    return replace(job, spans=tuple(stays), outcome="Stopped", halted=halted, ended=halted + MINUTE)


def _shifted(job: Job, first: int, wait: float) -> Job:
    """The same job, which waits before one of its sub-tasks."""
    spans = [(start + wait, end + wait) if at >= first else (start, end) for at, (start, end) in enumerate(job.spans)]
    return replace(job, spans=tuple(spans), halted=job.halted + wait, ended=job.ended + wait)


def _write_queue(rng: random.Random, created: float, sigma: float) -> Iterator[Job]:
    """Twelve jobs of a kind, submitted at once to one target, of which one begins every 30 minutes."""
    recipe, region = rng.choice(LONG), rng.choice(REGIONS)
    for turn in range(12):
        job = _write_job(rng, created + turn, Trouble.QUEUE, sigma, recipe)
        yield _shifted(replace(job, region=region, arn=job.arn.replace(job.region, region)), 0, turn * 30 * MINUTE)


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
