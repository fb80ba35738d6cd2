"""Which calls for job details are due, and what is known after each. Pure: state and time in, calls out.

The details of a job belong to its target's loop. A failed call counts as a try for its job and ends the round, because
the next call would most likely fail in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal, NamedTuple

from exporter.errors import FailureReason
from exporter.jobs.details import DetailSettings, JobDetails, Known, Tags
from exporter.jobs.job import Job
from exporter.jobs.snapshot import Snapshot

Kind = Literal["details", "tags"]

RUNNING_INTERVAL: Mapping[Kind, float] = {"details": 900.0, "tags": 6 * 3600.0}
"""Seconds between two calls about a running job."""

MAX_TRIES = 6
"""Tries per job; after that it is not asked about again."""

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
"""Seconds to wait after a failure: the pause doubles from the first to the longest."""

NOT_FOUND = "not_found"
"""Failure reason: the job does not exist any more. It is not asked about again."""

DETAIL_FAILURES = (
    FailureReason.THROTTLED,
    FailureReason.ACCESS_DENIED,
    FailureReason.ASSUME_ROLE_DENIED,
    FailureReason.CREDENTIALS,
    FailureReason.TIMEOUT,
    FailureReason.NETWORK,
    FailureReason.SERVER_ERROR,
    FailureReason.MALFORMED_RESPONSE,
    NOT_FOUND,
    FailureReason.INTERNAL,
)
"""Reasons why a call for details fails."""

_NOT_THE_JOBS_FAULT = frozenset({
    FailureReason.ACCESS_DENIED,
    FailureReason.ASSUME_ROLE_DENIED,
    FailureReason.CREDENTIALS,
})  # fmt: skip


class Call(NamedTuple):
    """A call that is due.

    Attributes:
        kind: ``GetModelCustomizationJob`` or ``ListTagsForResource``.
        job: what it is about.
    """

    kind: Kind
    job: Job

    @property
    def is_urgent(self) -> bool:
        """Whether somebody may be waiting for the answer: why a job failed, and who owns it."""
        return self.job.status == "Failed"

    def is_about_the_same(self, other: Call) -> bool:
        """Whether both are the same call about the same job, whatever the job's state."""
        return (self.kind, self.job.job_arn) == (other.kind, other.job.job_arn)


@dataclass(frozen=True, slots=True)
class Asked:
    """The calls of one kind about a job so far.

    Attributes:
        at: when the last one succeeded, Unix seconds; None if none has.
        ended: whether the job had ended by then.
        tries: failures since.
        not_before: earliest time of the next call, Unix seconds; infinity for never.
    """

    at: float | None = None
    ended: bool = False
    tries: int = 0
    not_before: float = 0.0


_NEVER = Asked()


@dataclass(frozen=True)
class Details:
    """What a target's loop knows of its jobs beyond the list.

    Attributes:
        known: the answers.
        asked: (kind, ARN) → the calls so far.
        paused: kind → no calls until then, because access was denied. Unix seconds.
        denials: kind → denied calls in a row.
        failures: failed calls since the start, by reason.
    """

    known: Known = field(default_factory=Known)
    asked: Mapping[tuple[Kind, str], Asked] = field(default_factory=dict)
    paused: Mapping[Kind, float] = field(default_factory=dict)
    denials: Mapping[Kind, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)

    def under(self, settings: DetailSettings) -> Details:
        """The same with new settings: forgets what is no longer wanted, and retries what was denied."""
        if settings == self.known.settings:
            return self
        known = Known(
            settings,
            self.known.details if settings.enabled else {},
            self.known.tags if settings.tags else {},
        )
        wanted = {kind for kind, on in (("details", settings.enabled), ("tags", bool(settings.tags))) if on}
        asked = {key: each for key, each in self.asked.items() if key[0] in wanted}
        return replace(self, known=known, asked=asked, paused={}, denials={})

    def only(self, snapshot: Snapshot) -> Details:
        """The same without jobs that no longer have series."""
        arns = {job.job_arn for job in snapshot.job_series}
        if all(arn in arns for _, arn in self.asked):
            return self
        known = replace(
            self.known,
            details={arn: each for arn, each in self.known.details.items() if arn in arns},
            tags={arn: each for arn, each in self.known.tags.items() if arn in arns},
        )
        return replace(self, known=known, asked={key: each for key, each in self.asked.items() if key[1] in arns})

    def due(self, snapshot: Snapshot, now: float) -> Iterator[Call]:
        """The calls that are due at `now` (Unix seconds).

        Failed jobs come first, newest end first; then the tags of running jobs, then everything else.
        """
        settings = self.known.settings
        ended = [job for job in snapshot.job_series if job.has_ended]
        running = [job for job in snapshot.job_series if not job.has_ended]
        failed = [job for job in ended if job.status == "Failed"]
        every = chain(
            (Call("details", job) for job in failed),
            (Call("tags", job) for job in chain(failed, running)),
            (Call("details", job) for job in ended),
            (Call("tags", job) for job in ended),
            (Call("details", job) for job in running if settings.running),
        )
        seen: set[tuple[Kind, str]] = set()
        for call in every:
            key = (call.kind, call.job.job_arn)
            if key not in seen and self._is_due(call, now):
                seen.add(key)
                yield call

    def _is_due(self, call: Call, now: float) -> bool:
        settings = self.known.settings
        wanted = settings.enabled if call.kind == "details" else settings.tags
        asked = self.asked.get((call.kind, call.job.job_arn), _NEVER)
        if not wanted or max(asked.not_before, self.paused.get(call.kind, 0.0)) > now:
            return False
        if asked.at is None or asked.tries:
            return True
        if call.job.has_ended:
            return call.kind == "details" and not asked.ended
        return asked.at + RUNNING_INTERVAL[call.kind] <= now

    def answered(self, call: Call, answer: JobDetails | Tags, now: float) -> Details:
        """What is known after an answer."""
        arn, known = call.job.job_arn, self.known
        if isinstance(answer, JobDetails):
            known = replace(known, details={**known.details, arn: answer})
        else:
            known = replace(known, tags={**known.tags, arn: answer})
        asked = {**self.asked, (call.kind, arn): Asked(now, call.job.has_ended)}
        return replace(self, known=known, asked=asked, denials={**self.denials, call.kind: 0})

    def failed(self, call: Call, reason: str, now: float) -> Details:
        """What is known after a failure.

        A denied call says nothing about the job: it pauses all calls of its kind and does not count as a try.
        """
        failures = {**self.failures, reason: self.failures.get(reason, 0) + 1}
        if reason in _NOT_THE_JOBS_FAULT:
            denials = self.denials.get(call.kind, 0) + 1
            return replace(
                self,
                failures=failures,
                denials={**self.denials, call.kind: denials},
                paused={**self.paused, call.kind: now + _pause(denials)},
            )
        key = (call.kind, call.job.job_arn)
        before = self.asked.get(key, _NEVER)
        tries = before.tries + 1
        over = reason == NOT_FOUND or tries >= MAX_TRIES
        asked = replace(before, tries=tries, not_before=float("inf") if over else now + _pause(tries))
        return replace(self, failures=failures, asked={**self.asked, key: asked})


def _pause(failures: int) -> float:
    """Seconds to wait after this many failures in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
