"""What flows through the exporter: targets, jobs, snapshots and the state of each target.

Everything here is immutable and knows only the standard library. All times are float Unix seconds, UTC; all
durations are float seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NamedTuple

from exporter import NAME

UNKNOWN = "unknown"
"""Label value for what can't be learnt (yet): an account id, a customization type, a base model."""

STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped")
"""Job states of botocore's service model. A state that is not listed passes through as it is."""

CUSTOMIZATION_TYPES = (
    "FINE_TUNING",
    "CONTINUED_PRE_TRAINING",
    "DISTILLATION",
    "REINFORCEMENT_FINE_TUNING",
    "IMPORTED",
)
"""Customization types of botocore's service model. AWS adds to them; one that is not listed passes through."""

SUBTASKS = ("validation", "data_processing", "training")
"""Sub-tasks in the order in which they run."""

SUBTASK_STATUSES = ("NotStarted", *STATUSES)

_RUNNING = frozenset({"InProgress", "Stopping"})
TERMINAL_STATUSES = frozenset({"Completed", "Failed", "Stopped"})
"""States that never change again."""


class SubTask(NamedTuple):
    """One step of a job.

    Attributes:
        name: one of `SUBTASKS`.
        status: one of `SUBTASK_STATUSES`, or a new one as AWS sent it.
        started: Unix seconds; None while it has not started.
        last_modified: Unix seconds; for one that has ended this is its end, as AWS gives no other.
    """

    name: str
    status: str
    started: float | None
    last_modified: float | None

    @property
    def runs(self) -> bool:
        """Whether it is under way: started and not ended."""
        return self.status in _RUNNING


class Job(NamedTuple):
    """One model customization job, as the list shows it.

    A named tuple, because a walk makes one per job and a frozen dataclass costs several times as much to make.

    Attributes:
        arn: the key; unique over all accounts and regions.
        name: unique per account and region in practice only.
        status: one of `STATUSES`, or a new one as AWS sent it.
        customization_type: one of `CUSTOMIZATION_TYPES`, a new one as AWS sent it, or `UNKNOWN`.
        base_model: the model's part of `baseModelArn`, such as ``amazon.nova-lite-v1:0:300k``, or `UNKNOWN`.
        custom_model_name: name of the model that the job makes; empty if AWS did not say.
        created: Unix seconds.
        last_modified: Unix seconds, or None if AWS did not say.
        end_time: AWS's own ``endTime``, or None. Read `ended` instead: this can be set on a job that still runs.
        subtasks: those that AWS reported, in the order of `SUBTASKS`.
    """

    arn: str
    name: str
    status: str
    customization_type: str
    base_model: str
    custom_model_name: str
    created: float
    last_modified: float | None
    end_time: float | None
    subtasks: tuple[SubTask, ...]

    @property
    def id(self) -> str:
        """The last part of the ARN: 12 characters from the real service."""
        return self.arn.rpartition("/")[2]

    @property
    def has_ended(self) -> bool:
        """Whether the job is in a terminal state, which never changes again.

        A state that is new to us counts as terminal when AWS gave the job an end.
        """
        return self.status in TERMINAL_STATUSES or (self.status not in _RUNNING and self.end_time is not None)

    @property
    def ended(self) -> float | None:
        """When it ended: ``endTime``, else the last modification of a job in a terminal state; None while it runs."""
        if not self.has_ended:
            return None
        return self.end_time if self.end_time is not None else self.last_modified

    @property
    def waiting_since(self) -> float | None:
        """Since when an InProgress job has been between two sub-tasks; None if it is not.

        That is: none of its sub-tasks runs while one is NotStarted. Counted from the moment the last one ended, or
        from the creation of the job. A job that AWS gives no sub-tasks for is not said to wait.
        """
        if self.status != "InProgress" or any(subtask.runs for subtask in self.subtasks):
            return None
        if not any(subtask.status == "NotStarted" for subtask in self.subtasks):
            return None
        ends = [s.last_modified for s in self.subtasks if s.status != "NotStarted" and s.last_modified is not None]
        return max(ends, default=self.created)


@dataclass(frozen=True, slots=True)
class DurationSummary:
    """Durations of completed jobs that are peers: same target, base model and customization type. Seconds."""

    count: int
    sum: float
    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one complete walk of a target's list showed.

    Attributes:
        jobs: (status, customization type) → number of jobs. Exact; zero-filled for every known pair.
        subtasks: (sub-task, status) → number of sub-tasks of jobs that have not ended. Zero-filled.
        completed: (base model, customization type) → durations of jobs completed within the baseline window.
        job_series: the jobs that get series of their own: those that run, then ended ones, newest end first.
        job_series_omitted: ended jobs within `retain` that the budget left out of `job_series`.
    """

    jobs: Mapping[tuple[str, str], int]
    subtasks: Mapping[tuple[str, str], int]
    completed: Mapping[tuple[str, str], DurationSummary]
    job_series: tuple[Job, ...]
    job_series_omitted: int

    def expected_duration(self, job: Job) -> float | None:
        """0.95 quantile of the durations of a running job's peers, seconds; None below `MIN_PEERS` peers."""
        peers = self.completed.get((job.base_model, job.customization_type))
        if job.has_ended or peers is None or peers.count < MIN_PEERS:
            return None
        return peers.p95


MIN_PEERS = 5
"""Completed peers that it takes before a duration is called expected."""


class FailureReason(StrEnum):
    """Why a walk failed. Bounded: the values are label values."""

    THROTTLED = "throttled"
    ACCESS_DENIED = "access_denied"
    ASSUME_ROLE_DENIED = "assume_role_denied"
    CREDENTIALS = "credentials"
    UNSUPPORTED_REGION = "unsupported_region"
    TIMEOUT = "timeout"
    NETWORK = "network"
    SERVER_ERROR = "server_error"
    MALFORMED_RESPONSE = "malformed_response"
    RUNAWAY_PAGINATION = "runaway_pagination"
    DUPLICATE_TARGET = "duplicate_target"
    INTERNAL = "internal"


def account_of(arn: str) -> str | None:
    """The account in an ARN, or None if it has none."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and len(parts[4]) == 12 and parts[4].isdecimal() else None


DEFAULT_SESSION_NAME = NAME
"""How the exporter shows in CloudTrail where it has assumed a role."""


@dataclass(frozen=True, slots=True)
class AssumeRole:
    """The role through which a target's account is reached.

    Attributes:
        role_arn: ``arn:PARTITION:iam::ACCOUNT:role/NAME``.
        external_id: what the role's trust policy asks for, if anything.
        session_name: how the exporter shows in the other account's CloudTrail.
    """

    role_arn: str
    external_id: str | None = None
    session_name: str = DEFAULT_SESSION_NAME

    @property
    def account_id(self) -> str | None:
        """The account that the role belongs to."""
        return account_of(self.role_arn)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a target's list holds, in the API's own parameters; every count is then of these jobs only.

    Attributes:
        name_contains: part of the job's name.
        created_after: Unix seconds.
        created_within: seconds before each walk.
    """

    name_contains: str | None = None
    created_after: float | None = None
    created_within: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One account in one region, and how to get there.

    Attributes:
        name: the place in the configuration that it comes from, such as ``targets[1]``; for people.
        region: AWS region name.
        account_id: as configured or as the role's ARN says; None when only AWS can say.
        assume_role: a role to take on, on top of the default credentials or of `profile`.
        profile: a profile of the AWS shared configuration to start from.
        labels: (name, value) of every target label, sorted by name, the same names for every target.
        job_filter: which jobs the list holds.
    """

    name: str
    region: str
    account_id: str | None = None
    assume_role: AssumeRole | None = None
    profile: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    job_filter: JobFilter = JobFilter()

    @property
    def key(self) -> Target:
        """The target without its name and labels: where it leads to, which makes two of two configurations the same."""
        return replace(self, name="", labels=())


@dataclass(frozen=True, slots=True)
class Account:
    """A member of an organization, as AWS Organizations lists it.

    Attributes:
        id: 12 digits.
        name: what people call it; any text.
        arn: ``arn:PARTITION:organizations::MANAGEMENT-ACCOUNT:account/ORGANIZATION/ACCOUNT``.
        tags: those of the account; empty unless a `Discovery` asks for them.
    """

    id: str
    name: str
    arn: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """Such as ``aws``, ``aws-cn`` or ``aws-us-gov``."""
        return self.arn.split(":")[1]

    @property
    def is_management(self) -> bool:
        """Whether it is the management account of its organization."""
        return account_of(self.arn) == self.id


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """Some accounts of an organization: those that any of these fits.

    Attributes:
        accounts: their ids.
        names: patterns of their names, with ``*``, ``?`` and ``[…]``; upper and lower case differ.
        tags: (key, pattern of the value).
    """

    accounts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.accounts or self.names or self.tags)

    def fits(self, account: Account) -> bool:
        """Whether the account is one of them."""
        return (
            account.id in self.accounts
            or any(fnmatchcase(account.name, pattern) for pattern in self.names)
            or any(key in account.tags and fnmatchcase(account.tags[key], pattern) for key, pattern in self.tags)
        )


@dataclass(frozen=True, slots=True)
class Discovery:
    """Which accounts of an organization to watch, and how to get there.

    Attributes:
        role_name: the role that each of the accounts has, with its path if it has one.
        regions: where to watch each of them; AWS Organizations is reached from the first.
        external_id: what the role's trust policy asks for, if anything.
        session_name: how the exporter shows in the accounts' CloudTrail.
        labels: as `Target` has.
        job_filter: as `Target` has.
        profile: a profile of the AWS shared configuration to list accounts with, and to assume their roles from.
        assume_role: a role to list accounts with, on top of the default credentials or of `profile`.
        organizational_units: ids of the organizational units, or of the root, that the accounts are in, at any depth;
            empty for the whole organization.
        include: only these; all of them if it is empty.
        exclude: but not these.
        refresh: seconds between two listings.
    """

    role_name: str
    regions: tuple[str, ...]
    external_id: str | None = None
    session_name: str = DEFAULT_SESSION_NAME
    labels: tuple[tuple[str, str], ...] = ()
    job_filter: JobFilter = JobFilter()
    profile: str | None = None
    assume_role: AssumeRole | None = None
    organizational_units: tuple[str, ...] = ()
    include: AccountChoice = AccountChoice()
    exclude: AccountChoice = AccountChoice()
    refresh: float = 3600.0

    name: ClassVar[str] = "discovery.organizations"
    """Its place in the configuration; for people."""

    @property
    def identity(self) -> Target:
        """Who lists the accounts, and the region in whose partition: in the form in which clients are made."""
        return Target(self.name, self.regions[0], assume_role=self.assume_role, profile=self.profile)

    @property
    def asks_for_tags(self) -> bool:
        """Whether an account's tags decide if it is watched."""
        return bool(self.include.tags or self.exclude.tags)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to walk. Seconds.

    Attributes:
        interval: between the starts of two walks of a target.
        timeout: deadline of one walk.
        stale_after: time without a good walk after which a target's snapshot goes.
        concurrency: walks at a time.
    """

    interval: float
    timeout: float
    stale_after: float
    concurrency: int


@dataclass(frozen=True, slots=True)
class Budget:
    """Which jobs count for what.

    Attributes:
        retain: seconds after its end for which an ended job keeps series of its own.
        max_jobs: ended jobs with series of their own, at most.
        baseline_window: seconds back within which completed jobs count as peers.
    """

    retain: float
    max_jobs: int
    baseline_window: float


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """How to talk to AWS. Times in seconds.

    Attributes:
        endpoint_url: instead of the service's own; also from ``AWS_ENDPOINT_URL_BEDROCK``.
        use_fips: whether to use FIPS endpoints; None leaves it to ``AWS_USE_FIPS_ENDPOINT``.
        connect_timeout: for a connection to stand.
        read_timeout: between two bytes of an answer.
        max_attempts: tries of one request, the first one included.
    """

    endpoint_url: str | None
    use_fips: bool | None
    connect_timeout: float
    read_timeout: float
    max_attempts: int


class FamilyText(NamedTuple):
    """Samples of one family, rendered.

    Attributes:
        fixed: complete lines, each with its line feed.
        growing: (a line up to its value, Unix seconds since which the value grows).
    """

    fixed: bytes
    growing: tuple[tuple[bytes, float], ...]


Rendered = Mapping[str, FamilyText]
"""Name of a family → its samples."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A complete walk.

    Attributes:
        account_id: the account that was walked; None if nobody could say.
        snapshot: what it showed.
        rendered: the snapshot as text.
        pages: pages read.
        jobs: distinct jobs in the list, malformed ones not counted.
        malformed: jobs left out.
        complaints: what was wrong with the first few of these, and whose it was.
    """

    account_id: str | None
    snapshot: Snapshot
    rendered: Rendered
    pages: int
    jobs: int
    malformed: int = 0
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A walk that failed; nothing of it is published.

    Attributes:
        account_id: the account, if it was learnt before the failure.
        reason: what is counted.
        message: what happened, where, and what to do; for the log.
        cause: the exception behind it, if there was one.
    """

    account_id: str | None
    reason: FailureReason
    message: str
    cause: BaseException | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Seen:
    """What AWS answered `--doctor` for one target. None is for what was not asked, or not answered before the deadline.

    Attributes:
        target: whom it is about.
        permission: what its list needs, as a statement of an IAM policy.
        ahead: seconds by which the local clock is ahead of AWS's.
        identity: ARN of the credentials that the target starts from.
        role: ARN of the session in its role; of the role itself where STS let it be assumed and no more.
        listed: what the list brought, in words.
        needs_identity: whether nothing else tells the target's account.
        web_identity: the role that the credentials come from by web identity (IRSA), and what its trust policy needs.
        has_credentials: whether there are any to ask STS with; without them the list may still go by an API key.
    """

    target: Target
    permission: Mapping[str, Any]
    ahead: float | None = None
    identity: str | Failed | None = None
    role: str | Failed | None = None
    listed: str | Failed | None = None
    needs_identity: bool = True
    web_identity: tuple[str, Mapping[str, Any]] | None = None
    has_credentials: bool = True

    @property
    def who(self) -> str:
        """ARN of the identity that lists, or of the one that could not get its role; empty if it is not known."""
        return next((arn for arn in (self.role, self.identity) if isinstance(arn, str)), "")


class WalkError(Exception):
    """Ends a walk; carries what `Failed` needs.

    Attributes:
        reason: what is counted.
        message: what happened, where, and what to do.
    """

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class TargetState:
    """All that is known of a target. Replaced whole, never changed.

    Attributes:
        target: whom it is about.
        account_id: as soon as it is known, else `UNKNOWN`.
        failure: why the last walk failed; None when it succeeded, and before the first.
        last_walk: when the last walk ended, well or badly. Unix seconds; None before the first.
        last_success: when the last good walk ended. Unix seconds; None before the first.
        pages: pages of the last good walk.
        jobs: distinct jobs of the last good walk.
        omitted: ended jobs that the budget left out of the job series in the last good walk.
        snapshot: of the last good walk; None before the first and once it is stale.
        rendered: the snapshot as text; empty without one.
        failures: failed walks by reason since the start.
        malformed: malformed jobs met since the start, each once per good walk.
        complaints: what was wrong with those of the last good walk.
    """

    target: Target
    account_id: str = UNKNOWN
    failure: Failed | None = None
    last_walk: float | None = None
    last_success: float | None = None
    pages: int | None = None
    jobs: int | None = None
    omitted: int | None = None
    snapshot: Snapshot | None = None
    rendered: Rendered = field(default_factory=dict)
    failures: Mapping[FailureReason, int] = field(default_factory=dict)
    malformed: int = 0
    complaints: tuple[str, ...] = ()

    @property
    def up(self) -> bool:
        """Whether the last walk succeeded. Not so before the first."""
        return self.last_walk is not None and self.failure is None


class Since(NamedTuple):
    """A sample whose value grows: the seconds since `timestamp` (Unix seconds) at the scrape, never below 0."""

    timestamp: float


class Sample(NamedTuple):
    """One sample of a family.

    Attributes:
        value: a number, or `Since`, which is filled in at the scrape.
        labels: those that this sample has beyond the common ones of its target and job.
        suffix: appended to the family's name: ``_sum`` or ``_count`` of a summary.
    """

    value: float | Since
    labels: Mapping[str, str] = {}
    suffix: str = ""
