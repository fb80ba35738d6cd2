"""The schema of a configuration file: one pydantic model per section.

Patterns use pydantic's regular expressions, which take linear time. A validator's `ValueError` says what is wrong
without the value: `exporter.config.messages` puts the value as written in front.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from exporter.config.duration import DURATION, seconds
from exporter.jobs.details import HYPERPARAMETERS
from exporter.jobs.failures import MAX_REASONS, REASONS
from exporter.jobs.families import LABEL_NAMES, RENAMED, TAG_PREFIX
from exporter.jobs.job import LATEST
from exporter.targets.target import DEFAULT_SESSION_NAME

ACCOUNT_ID = r"^[0-9]{12}$"
EXTERNAL_ID = r"^[a-zA-Z0-9_+=,.@:/-]*$"  # AssumeRole in botocore's service model
JOB_NAME_PART = r"^[a-zA-Z0-9][a-zA-Z0-9+.-]{0,62}$"  # nameContains in botocore's service model
LABEL_NAME = r"^([a-zA-Z][a-zA-Z0-9_]*|_([a-zA-Z0-9][a-zA-Z0-9_]*)?)$"
REGION = r"^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$"
ROLE_NAME = r"^([a-zA-Z0-9_+=,.@-]+/)*[a-zA-Z0-9_+=,.@-]{1,64}$"
ROLE_ARN = rf"^arn:aws[a-z-]*:iam::[0-9]{{12}}:role/{ROLE_NAME[1:]}"
SESSION_NAME = r"^[a-zA-Z0-9_+=,.@-]{2,64}$"
UNIT_ID = r"^(ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})$"  # in botocore's service model
REASON = r"^[a-z][a-z0-9_]{0,62}$"
TAG_KEY = r"^[a-zA-Z0-9\s._:/=+@-]{1,128}$"  # TagKey of Bedrock in botocore's service model
URL = r"^https?://"

PATTERNS = {
    ACCOUNT_ID: "an account id of 12 digits",
    EXTERNAL_ID: "an external id (letters, digits and any of _+=,.@:/-)",
    JOB_NAME_PART: "part of a job name (up to 63 letters, digits, '-', '+' and '.', the first a letter or digit)",
    LABEL_NAME: "a label name of letters, digits and single leading underscores",
    REGION: "an AWS region name such as us-east-1",
    ROLE_NAME: "the name of an IAM role",
    ROLE_ARN: "an IAM role ARN",
    SESSION_NAME: "a role session name (2 to 64 letters, digits and any of _+=,.@-)",
    UNIT_ID: "the id of an organizational unit (ou-…) or of an organization's root (r-…)",
    REASON: "a reason (up to 63 lower-case letters, digits and '_', the first a letter)",
    TAG_KEY: "a tag key of AWS (up to 128 letters, digits, spaces and any of ._:/=+@-)",
    URL: "an http or https URL",
}
"""Pattern → what it describes."""


UNKNOWN_REGION = "unknown_region"
"""Error type for a text that is not `is_region`; the context has the `known` regions."""


NO_VALUE = "no_value"
"""Error type for a key without a value."""


def is_region(name: str, known: Collection[str]) -> bool:
    """Whether a text is a known region or, if none are known, looks like a region."""
    return name in known if known else re.fullmatch(REGION, name) is not None


def _check_region(name: str, info: ValidationInfo[Collection[str]]) -> str:
    """Reject unknown regions; `info.context` holds the known ones."""
    known = info.context or ()
    if not is_region(name, known):
        raise PydanticCustomError(UNKNOWN_REGION, "is not a region", {"known": known})
    return name


def _duration(least: str = "0s") -> Callable[[object], float]:
    bound = seconds(least)

    def parse(value: object) -> float:
        if (duration := seconds(value)) < bound:
            raise ValueError(f"is less than {least}")
        return duration

    return parse


def _moment(value: object) -> float:
    """A date or a time as Unix seconds; one without a zone is UTC."""
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if not isinstance(moment, datetime):
        raise ValueError("is not a date such as 2026-01-01")
    timestamp = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= timestamp < LATEST + 1:
        raise ValueError("is not a date from 1970 to 9999")
    return timestamp


def _check_label(name: str) -> str:
    if name in LABEL_NAMES or name.startswith(RENAMED):
        raise ValueError("is a label that the exporter, Prometheus or an alert sets itself; choose another name")
    if name.startswith(TAG_PREFIX):
        raise ValueError(f"begins with {TAG_PREFIX}, as the labels of job_series.tags do; choose another name")
    return name


def _not_blank(value: object) -> object:
    """Reject an empty value of a key that limits what is watched, or as whom: a template may have left it blank."""
    if value is None:
        raise PydanticCustomError(NO_VALUE, "has no value")
    return value


def _not_bool(value: object) -> object:
    """YAML reads `yes` as true, and pydantic reads that as 1."""
    if isinstance(value, bool):
        raise ValueError("is not a whole number")
    return value


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.hostname and parts.port != 0 and not re.search(r"\s", text)
    except ValueError:  # an invalid port or IPv6 address
        good = False
    if not good:
        raise ValueError(f"is not {PATTERNS[URL]}")
    return text


def tag_label(key: str) -> str:
    """The name of the label that holds a tag's value."""
    return TAG_PREFIX + re.sub(r"[^a-zA-Z0-9_]", "_", key)


def _check_tags(keys: tuple[str, ...]) -> tuple[str, ...]:
    owners: dict[str, str] = {}
    for key in keys:
        owner = owners.setdefault(tag_label(key), key)
        if owners[tag_label(key)] is not key:
            raise ValueError(f"has {owner!r} and {key!r}, which would both be the label {tag_label(key)}; keep one")
    return keys


def _check_hyperparameter(name: str) -> str:
    if name not in HYPERPARAMETERS:
        raise ValueError(f"is not a numeric hyper-parameter; known are {', '.join(HYPERPARAMETERS)}")
    return name


DurationText = Annotated[str, Field(pattern=f"^{DURATION}$")]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, BeforeValidator(_not_bool)]
Duration = Annotated[float, BeforeValidator(_duration(), json_schema_input_type=DurationText)]
Timeout = Annotated[float, BeforeValidator(_duration("100ms"), json_schema_input_type=DurationText)]
Moment = Annotated[float, BeforeValidator(_moment, json_schema_input_type=str)]
AccountId = Annotated[str, Field(pattern=ACCOUNT_ID)]
Region = Annotated[str, AfterValidator(_check_region), Field(json_schema_extra={"pattern": REGION})]
_TAKEN = rf"^({'|'.join(sorted(LABEL_NAMES))})$|^({RENAMED}|{TAG_PREFIX})"
LabelName = Annotated[str, Field(pattern=LABEL_NAME), AfterValidator(_check_label)]
Labels = Annotated[dict[LabelName, str], Field(json_schema_extra={"propertyNames": {"not": {"pattern": _TAKEN}}})]
ExternalId = Annotated[str, Field(min_length=2, max_length=1224, pattern=EXTERNAL_ID)]
SessionName = Annotated[str, Field(pattern=SESSION_NAME)]


class Section(BaseModel):
    """A mapping of the file."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Poll(Section):
    """``poll``."""

    interval: Annotated[float, BeforeValidator(_duration("10s"), json_schema_input_type=DurationText)] = 60.0
    timeout: Annotated[float, BeforeValidator(_duration("1s"), json_schema_input_type=DurationText)] = 45.0
    stale_after: Annotated[Duration, Field(validate_default=True)] = "15m"  # type: ignore[assignment] # as in the file
    concurrency: Annotated[Count, Field(ge=1, le=256)] = 8
    max_pages: Annotated[Count, Field(ge=1)] = 2000

    @field_validator("stale_after")
    @classmethod
    def _longer_than_a_round(cls, stale_after: float, info: ValidationInfo) -> float:
        if stale_after < info.data.get("interval", 0.0) + info.data.get("timeout", 0.0):
            raise ValueError("is less than interval + timeout; job series would disappear between two walks")
        return stale_after


class Role(Section):
    """``assume_role``."""

    role_arn: Annotated[str, Field(pattern=ROLE_ARN)]
    external_id: ExternalId | None = None
    session_name: SessionName = DEFAULT_SESSION_NAME

    _given = field_validator("*", mode="before")(_not_blank)


class Filter(Section):
    """``filter``."""

    name_contains: Annotated[str, Field(pattern=JOB_NAME_PART)] | None = None
    created_after: Moment | None = None
    created_within: Duration | None = None

    _given = field_validator("*", mode="before")(_not_blank)

    @field_validator("created_within")
    @classmethod
    def _only_one_start(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("created_after") is not None:
            raise ValueError("can't be combined with created_after; keep one of the two")
        return value


class Watched(Section):
    """What ``targets[]`` and ``discovery.organizations`` have in common."""

    regions: Annotated[tuple[Region, ...], Field(min_length=1)] | None = None
    profile: Text | None = None
    assume_role: Role | None = None
    labels: Labels | None = None
    filter: Filter | None = None

    _given = field_validator("profile", mode="before")(_not_blank)


class Entry(Watched):
    """``targets[]``."""

    account_id: AccountId | None = None

    _given_account = field_validator("account_id", mode="before")(_not_blank)


class Choice(Section):
    """``include`` and ``exclude`` of accounts."""

    accounts: Annotated[tuple[AccountId, ...], Field(min_length=1)] | None = None
    names: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    tags: dict[Text, str] | None = None


class Organizations(Watched):
    """``discovery.organizations``."""

    role_name: Annotated[str, Field(pattern=ROLE_NAME)]
    external_id: ExternalId | None = None
    session_name: SessionName = DEFAULT_SESSION_NAME
    organizational_units: Annotated[tuple[Annotated[str, Field(pattern=UNIT_ID)], ...], Field(min_length=1)] | None = (
        None
    )
    include: Choice | None = None
    exclude: Choice | None = None
    refresh: Annotated[float, BeforeValidator(_duration("5m"), json_schema_input_type=DurationText)] = 3600.0

    _given_names = field_validator("external_id", "session_name", mode="before")(_not_blank)


class DiscoverySection(Section):
    """``discovery``."""

    organizations: Organizations | None = None


class JobSeries(Section):
    """``job_series``."""

    retain: Duration = 14 * 86400.0
    max_jobs: Annotated[Count, Field(ge=0)] = 1000
    tags: Annotated[
        tuple[Annotated[str, Field(pattern=TAG_KEY)], ...], Field(max_length=20), AfterValidator(_check_tags)
    ] = ()


class FailureRule(Section):
    """``details.failure_reasons[]``."""

    contains: Text
    reason: Annotated[str, Field(pattern=REASON)]


class Details(Section):
    """``details``."""

    enabled: bool = False
    running: bool = False
    calls_per_walk: Annotated[Count, Field(ge=1, le=1000)] = 20
    calls_per_second: Annotated[float, BeforeValidator(_not_bool), Field(ge=0.1, le=100)] = 5.0
    hyperparameters: list[
        Annotated[str, AfterValidator(_check_hyperparameter), Field(json_schema_extra={"enum": list(HYPERPARAMETERS)})]
    ] = []
    failure_reasons: Annotated[list[FailureRule], Field(max_length=1000)] = []

    @field_validator("failure_reasons")
    @classmethod
    def _bounded(cls, rules: list[FailureRule]) -> list[FailureRule]:
        number = len({*REASONS, *(rule.reason for rule in rules)})
        if number > MAX_REASONS:
            raise ValueError(f"makes {number} reasons with the built-in ones, more than {MAX_REASONS}")
        return rules


class Aws(Section):
    """``aws``."""

    endpoint_url: Annotated[str, Field(pattern=URL), AfterValidator(_check_url)] | None = None
    use_fips: bool | None = None
    connect_timeout: Timeout = 5.0
    read_timeout: Timeout = 20.0
    max_attempts: Annotated[Count, Field(ge=1, le=20)] = 5
    extra_regions: Annotated[tuple[Annotated[str, Field(pattern=REGION)], ...], Field(min_length=1)] | None = None


class File(Section):
    """The whole file, except keys that begin with ``x-``, which are for anchors and may hold anything."""

    model_config = ConfigDict(json_schema_extra={"patternProperties": {"^x-": {}}})

    poll: Poll | None = None
    targets: Annotated[list[Entry | None], Field(min_length=1)] | None = None
    discovery: DiscoverySection | None = None
    job_series: JobSeries | None = None
    baseline_window: Duration = 90 * 86400.0
    details: Details | None = None
    aws: Aws | None = None
