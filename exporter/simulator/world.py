"""The simulated Bedrock's jobs: what happened, what happens now, and what will happen.

Every job is a script, written in full from the world's seed: when each sub-task starts and ends, when the job is
halted, how it ends. Its state at any time `now` is read off that script, so a `World` never changes, needs no thread,
and can be asked about any time in any order. All times are float Unix seconds (UTC).

Lengths, states and failure messages follow what was recorded of the service [rec]. Every base model is offered in every
region, although the service has most of them in one or two [docs].
"""

import functools
import itertools
import math
import random
import string
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

HISTORY = 120 * DAY
"""How far back the list of jobs goes."""

ERA = 100 * DAY
"""Jobs older than this have no sub-tasks, like the recorded ones of 2024 [rec]."""

SLOT = 90.0
"""One live job starts in the first 30 seconds of each slot; every third one fails, every twelfth one is stopped."""

_FIRST_SLOT = (
    -10
)  # Live jobs begin before the epoch by about one lifetime, so that the first look finds them under way.


class SubTask(NamedTuple):
    """The state of a sub-task at one time; `started` and `modified` are None while it is NotStarted."""

    status: str
    started: float | None = None
    modified: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """The whole script of one customization job.

    `spans` are the (start, end) of validation, data processing and training as planned; what lies after `halted` does
    not happen. `halted` is when the job completes, fails or is asked to stop, `ended` when it reaches `outcome`; they
    differ for a stopped job only, which is Stopping in between. For a job that is stuck both are infinite. `omits` has
    the wire fields that this job lacks, `digits` is how many fraction digits its times have.
    """

    account: str
    region: str
    arn: str
    name: str
    model_id: str
    base_model_arn: str
    custom_model_arn: str
    custom_model_name: str
    customization_type: str
    created: float
    spans: tuple[tuple[float, float], ...]
    outcome: str
    halted: float
    ended: float
    failure_message: str | None
    tags: Mapping[str, str]
    omits: frozenset[str]
    digits: int

    def status(self, now: float) -> str:
        """Return the job's status: InProgress → Completed or Failed, or InProgress → Stopping → Stopped [docs]."""
        if now >= self.ended:
            return self.outcome
        return "Stopping" if now >= self.halted else "InProgress"

    def subtasks(self, now: float) -> tuple[SubTask, ...]:
        """Return the states of validation, data processing and training, which run in this order [docs]."""
        return tuple(self._subtask(start, end, now) for start, end in self.spans)

    def _subtask(self, start: float, end: float, now: float) -> SubTask:
        if start > now or start >= self.halted:
            return SubTask("NotStarted")
        if end <= min(now, self.halted):
            return SubTask("Completed", start, end)
        if now < self.halted:
            return SubTask("InProgress", start, start)
        return SubTask(self.status(now), start, self.ended if now >= self.ended else self.halted)

    def modified(self, now: float) -> float:
        """Return when the job or one of its sub-tasks last changed state."""
        changes = (self.created, self.halted, self.ended, *(subtask.modified for subtask in self.subtasks(now)))
        return max(time for time in changes if time is not None and time <= now)


class Recipe(NamedTuple):
    """A kind of job: a base model, a type, what teams use it for, and (shortest, longest) minutes of the sub-tasks."""

    model_id: str
    customization_type: str
    purposes: tuple[str, ...]
    training: tuple[float, float]
    validation: tuple[float, float] = (2, 4)
    processing: tuple[float, float] = (5, 15)


_TEXT = ("ticket-triage", "invoice-extraction", "contract-summary", "claims-coding", "chat-tone")
_MICRO = Recipe("amazon.nova-micro-v1:0:128k", "FINE_TUNING", _TEXT, (50, 65))
_LITE = Recipe("amazon.nova-lite-v1:0:300k", "FINE_TUNING", _TEXT, (210, 260))
_LLAMA = Recipe("meta.llama3-3-70b-instruct-v1:0:128k", "FINE_TUNING", _TEXT, (70, 82))
_IMAGE = Recipe("amazon.titan-image-generator-v2:0", "FINE_TUNING", ("product-shots", "brand-style"), (240, 300))
_DISTILLED = Recipe("amazon.nova-lite-v1:0:300k", "DISTILLATION", ("faq-answers", "result-rerank"), (180, 330))
_REINFORCED = Recipe("amazon.nova-2-lite-v1:0:256k", "REINFORCEMENT_FINE_TUNING", ("sql-agent", "tool-use"), (240, 420))
LONG = (_MICRO, _LITE, _LLAMA, _IMAGE, _DISTILLED, _REINFORCED)
"""Kinds of jobs that take an hour or longer."""

# Small jobs of 8 to 15 minutes. Live jobs are only of these kinds: short jobs of the kinds above would soon make every
# other job look slow beside its peers.
_QUICK = tuple(
    Recipe(model_id, kind, purposes, (5.5, 8.5), validation=(1, 3.5), processing=(1, 2))
    for model_id, kind, purposes in (
        ("meta.llama3-2-1b-instruct-v1:0:128k", "FINE_TUNING", ("intent-router", "spam-filter", "autocomplete")),
        ("amazon.titan-text-express-v1:0:8k", "CONTINUED_PRE_TRAINING", ("legal-corpus", "handbook", "release-notes")),
        ("amazon.nova-micro-v1:0:128k", "IMPORTED", ("sagemaker-nightly", "sagemaker-candidate")),
    )
)

# Messages seen in the field [rec], by the sub-task that fails.
_FAILURES = (
    (
        "Could not validate GetObject permissions to access S3 bucket {bucket}.",
        (
            "Amazon S3 perms missing (PutObject): Could not validate PutObject permissions to access S3 bucket: "
            "{bucket} at key output/.write_access_check_file.tmp"
        ),
        "Unable to parse Amazon S3 file s3://{bucket}/train.jsonl. Training data must conform to JSONL.",
    ),
    (
        'Input data at s3://{bucket}/train.jsonl line 17 must follow \'{{"prompt": …, "completion": …}}\' format.',
        "Maximum input token count 4919 exceeds limit of 4096 for train data",
    ),
    (
        "Encountered an internal error when processing the request.",
        "Encountered an unexpected error when processing the request, please try again",
    ),
)

_TEAMS = (("research", "cc-4100"), ("support", "cc-4210"), ("search", "cc-4305"), ("risk", "cc-5120"))


_SCENES: tuple[tuple[Recipe, float, dict[str, Any]], ...] = (
    (_LITE, 30 * HOUR + 15 * MINUTE, {"stuck": True}),
    (_MICRO, 3.5 * HOUR, {"slowness": 8.0}),
    (_LITE, 1.5 * MINUTE, {}),
    (_IMAGE, 2 * HOUR, {"outcome": "Stopped", "halts_after": 2 * HOUR - 5}),
    (_LLAMA, 40 * MINUTE, {}),
    (_DISTILLED, 6 * MINUTE, {}),
    (_REINFORCED, 1.8 * MINUTE, {}),
    (_IMAGE, 200 * MINUTE, {}),
    (_REINFORCED, 150 * MINUTE, {}),
    (_MICRO, 25 * MINUTE, {}),
)
"""Long jobs in progress at the epoch: kind, age and course. When one ends, another of its kind follows."""


def training_bucket(account: str, region: str) -> str:
    """Return the S3 bucket that an account keeps its training data in."""
    return f"bedrock-training-{account}-{region}"


class World:
    """The jobs of some accounts and regions, over four months before `epoch` and for ever after it.

    Equal arguments give equal worlds. `accounts` maps account ids to their regions; the first account is the one whose
    credentials a client starts with. `history` is the number of past jobs of each of the nine kinds (base model and
    type) per account and region. Sixteen are enough for most kinds to have the ten peers completed in the last 90 days
    that the expected duration of a sub-task needs.
    """

    def __init__(self, seed: int, epoch: float, accounts: Mapping[str, Sequence[str]], history: int = 16) -> None:
        self.seed = seed
        self.epoch = epoch
        self.accounts = {account: tuple(regions) for account, regions in accounts.items()}
        self.targets = tuple((account, region) for account, regions in self.accounts.items() for region in regions)
        self._live_job = functools.cache(self._write_live_job)
        self._long_job = functools.cache(self._write_long_job)
        self._staged_jobs = tuple(self._staged())
        self._past: dict[tuple[str, str], list[Job]] = {target: [] for target in self.targets}
        jobs = [*self._history(history), *self._staged_jobs, *map(self._live_job, range(_FIRST_SLOT, 0))]
        for job in sorted(jobs, key=lambda job: job.created):
            self._past[job.account, job.region].append(job)

    @classmethod
    def demo(cls, epoch: float, seed: int = 1) -> Self:
        """Return the world of `--demo`: two accounts with two regions each, and a third region in the first one."""
        return cls(
            seed,
            epoch,
            {"111122223333": ("us-east-1", "us-west-2", "eu-central-1"), "444455556666": ("us-east-1", "us-west-2")},
        )

    def jobs(self, account: str, region: str, now: float) -> list[Job]:
        """Return the jobs created until `now`, oldest first: what is in this list keeps its index for ever.

        There is no Delete for these jobs, so the list only ever grows [model]. A KeyError means an unknown target.
        """
        past = self._past[account, region]
        live = map(self._live_job, range(math.floor((now - self.epoch) / SLOT) + 1))
        new = itertools.chain(live, *(self._relay(number, now) for number in range(len(self._staged_jobs))))
        here = (job for job in new if (job.account, job.region) == (account, region) and job.created <= now)
        return [
            *past[: bisect_right(past, now, key=lambda job: job.created)],
            *sorted(here, key=lambda job: job.created),
        ]

    def find(self, account: str, region: str, identifier: str, now: float) -> Job | None:
        """Return the job with this ARN or name, or None when there is none (yet)."""
        return next((job for job in self.jobs(account, region, now) if identifier in (job.arn, job.name)), None)

    def _history(self, jobs_per_kind: int) -> Iterator[Job]:
        """Write the past: the jobs of each kind spread over time, denser towards now, as usage grows.

        Outcomes are dealt in turn, not drawn, so that every kind has failed and stopped jobs, and enough peers.
        """
        rng = random.Random(f"{self.seed}/history")
        places = itertools.product(self.targets, (*LONG, *_QUICK), range(jobs_per_kind))
        for serial, (target, recipe, number) in enumerate(places):
            reach = ((number + rng.random()) / jobs_per_kind) ** 3
            age = 12 * HOUR + reach * (HISTORY - 12 * HOUR)  # The longest job takes 8 hours: all have ended.
            outcome = "Failed" if serial % 17 == 5 else "Stopped" if serial % 19 == 9 else "Completed"
            further = recipe.customization_type == "FINE_TUNING" and rng.random() < 0.04
            created = self.epoch - age
            yield write(rng, target, recipe, created, outcome, ancient=age > ERA, on_custom_model=further)

    def _staged(self) -> Iterator[Job]:
        """Write the long jobs that are in progress at the epoch, spread over the accounts and regions."""
        rng = random.Random(f"{self.seed}/staged")
        for number, (recipe, age, direction) in enumerate(_SCENES):
            yield write(rng, self._stage(number), recipe, self.epoch - age, **direction)

    def _stage(self, number: int) -> tuple[str, str]:
        return self.targets[number % len(self.targets)]

    def _relay(self, number: int, now: float) -> Iterator[Job]:
        """The long jobs that have followed a staged one until `now`: each begins when the previous one ends."""
        before = self._staged_jobs[number]
        for turn in itertools.count():
            if before.ended > now:
                return
            before = self._long_job(number, turn, before)
            yield before

    def _write_long_job(self, number: int, turn: int, before: Job) -> Job:
        rng = random.Random(f"{self.seed}/staged/{number}/{turn}")
        recipe, _, direction = _SCENES[number]
        return write(rng, self._stage(number), recipe, before.ended + rng.uniform(5, 30), **direction)

    def _write_live_job(self, slot: int) -> Job:
        """Write the job of one slot, from the slot's own random numbers, so that slots need not be asked in order."""
        rng = random.Random(f"{self.seed}/live/{slot}")
        target, recipe = rng.choice(self.targets), rng.choice(_QUICK)
        created = self.epoch + slot * SLOT + rng.uniform(0, 30)
        if slot % 3 == 1:  # So failures are less than 6 minutes apart: three slots, 30 + 30 seconds of chance, a gap.
            return write(rng, target, recipe, created, "Failed", halts_after=rng.uniform(165, 195))
        if slot % 12 == 5:
            return write(rng, target, recipe, created, "Stopped", halts_after=rng.uniform(160, 300))
        return write(rng, target, recipe, created)


def write(
    rng: random.Random,
    target: tuple[str, str],
    recipe: Recipe,
    created: float,
    outcome: str = "Completed",
    *,
    halts_after: float | None = None,
    slowness: float = 1.0,
    stuck: bool = False,
    ancient: bool = False,
    on_custom_model: bool = False,
) -> Job:
    """Write one job's script.

    A job that fails or is stopped is halted `halts_after` seconds from its creation (or early in the next sub-task,
    when none runs then), or else at a random moment of a random sub-task. `slowness` stretches the training; a `stuck`
    job never gets there, as was seen twice [rec]; an `ancient` one has fewer fields and other precisions of time; one
    `on_custom_model` goes on from an earlier result.
    """
    account, region = target
    digits = rng.choice((0, 3, 6)) if ancient else 3
    shortest, longest = recipe.training
    spans, time = [], created
    for low, high in (recipe.validation, recipe.processing, (shortest * slowness, longest * slowness)):
        start = time + rng.uniform(2, 20)
        time = start + rng.uniform(low, high) * MINUTE
        spans.append((round(start, digits), round(time, digits)))
    halted = ended = time + rng.uniform(2, 10)
    failure = None
    if stuck:
        spans[2], halted, ended = (math.inf, math.inf), math.inf, math.inf
    elif outcome != "Completed":
        start, end = rng.choice(spans)
        halted = created + halts_after if halts_after else rng.uniform(start + 10, end - 10)
        reached = next(index for index, (_, end) in enumerate(spans) if halted < end - 1)
        halted = max(halted, spans[reached][0] + 1)
        ended = halted + rng.uniform(45, 75) if outcome == "Stopped" else halted
        if outcome == "Failed":
            failure = rng.choice(_FAILURES[reached]).format(bucket=training_bucket(account, region))

    omits = set()
    if ancient:
        omits = {"statusDetails"} | {name for name in ("customizationType", "lastModifiedTime") if rng.random() < 0.3}

    job_id, custom_model_id = _id(rng), _id(rng)
    team, cost_center = rng.choice(_TEAMS)
    stage = rng.choice(("prod", "dev", team))
    day, release = datetime.fromtimestamp(created, UTC), f"v{rng.randint(1, 4)}.{rng.randint(0, 9)}"
    version = rng.choice((f"{day:%Y%m%d}", release))
    short_model = recipe.model_id.partition(".")[2].partition("-v")[0]
    name = f"{stage}-{rng.choice(recipe.purposes)}-{short_model}-{version}-{job_id[:4]}"
    arn = f"arn:aws:bedrock:{region}:{account}"
    base = f"arn:aws:bedrock:{region}::foundation-model/{recipe.model_id}"
    if on_custom_model:
        base = f"{arn}:custom-model/{recipe.model_id}/{_id(rng)}"
    family = "imported" if recipe.customization_type == "IMPORTED" else recipe.model_id
    return Job(
        account=account,
        region=region,
        arn=f"{arn}:model-customization-job/{recipe.model_id}/{job_id}",
        name=name,
        model_id=recipe.model_id,
        base_model_arn=base,
        custom_model_arn=f"{arn}:custom-model/{family}/{custom_model_id}",
        custom_model_name=name.replace(".", "-"),
        customization_type=recipe.customization_type,
        created=round(created, digits),
        spans=tuple(spans),
        outcome=outcome,
        halted=round(halted, digits),
        ended=round(ended, digits),
        failure_message=failure,
        tags={"team": team, "cost-center": cost_center, "environment": stage} if rng.random() < 0.85 else {},
        omits=frozenset(omits),
        digits=digits,
    )


def _id(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_lowercase + string.digits, k=12))
