"""`config.yaml` → `Config`. Strict; every fault is reported at once, each with its path in the file."""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from exporter.metrics import LABEL_NAMES
from exporter.model import (
    DEFAULT_SESSION_NAME,
    AccountChoice,
    AssumeRole,
    AwsSettings,
    Budget,
    Discovery,
    JobFilter,
    Schedule,
    Target,
)

DefaultRegion = Callable[[str | None], str | None]
"""Profile name or None → the region that goes with these credentials, if there is one; ValueError if none can tell."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, checked.

    Attributes:
        targets: every account in every region that the file names, in its order.
        discovery: how to find more of them; None if the file does not ask for it.
        schedule: when they are walked.
        max_pages: pages of one walk, at most.
        budget: which jobs get series, and which are peers.
        aws: how to talk to AWS.
        digest: SHA-256 of the file's text, the first 16 hexadecimal digits.
    """

    targets: tuple[Target, ...]
    discovery: Discovery | None
    schedule: Schedule
    max_pages: int
    budget: Budget
    aws: AwsSettings
    digest: str


class ConfigError(ValueError):
    """A configuration can't be used.

    Attributes:
        faults: one line each: file, path in it, the value and what is wanted.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


_MAX_BYTES = 4 * 2**20
_MAX_NODES = 250_000
_MAX_CHARACTERS = 4 * _MAX_BYTES
"""Limits of a file: its bytes, then its YAML nodes and the characters in them, with every alias unfolded."""

_OTHER_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a character device", stat.S_IFBLK: "a block device"}


def read(file: str | os.PathLike[str]) -> bytes:
    """The content of a configuration file; never waits for a writer, and never reads more than 4 MiB.

    Raises:
        OSError: it can't be opened or read, or is a directory.
        ConfigError: it is not a regular file, or it is too large.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)  # a FIFO without a writer would block
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), file)
        if not stat.S_ISREG(mode):
            kind = _OTHER_KINDS.get(stat.S_IFMT(mode), "not a file")
            raise ConfigError([f"{file}: can't be read: it is {kind}; a regular file is wanted"])
        content = bytearray()
        while chunk := os.read(descriptor, _MAX_BYTES + 1 - len(content)):  # at the limit it reads 0 bytes
            content += chunk
    finally:
        os.close(descriptor)
    if len(content) > _MAX_BYTES:
        raise ConfigError([f"{file}: can't be read: it is larger than {_MAX_BYTES // 2**20} MiB, the most allowed"])
    return bytes(content)


def load(
    text: str,
    *,
    file: str,
    environ: Mapping[str, str],
    default_region: DefaultRegion,
    known_regions: Collection[str] = (),
) -> Config:
    """Read a configuration.

    Args:
        text: the file's text.
        file: its name, for messages.
        environ: what ``${NAME}`` in a value stands for.
        default_region: for targets without regions.
        known_regions: AWS regions; others are faults, but for those in ``aws.extra_regions``. Not checked if empty.

    Raises:
        ConfigError: with every fault of the file.
    """
    faults: dict[_Path, str] = {}
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, only stricter
        document = _substitute({} if document is None else document, environ, (), faults)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError([f"{file}{place}: {error.problem}"]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        column = error.position - text.rfind("\n", 0, error.position)
        character = text[error.position]
        raise ConfigError(
            [f"{file}:{line + 1}:{column}: the character {character!r} is not allowed in YAML"]
        ) from error
    except RecursionError as error:
        raise ConfigError([f"{file}: is nested too deeply, or holds an alias of itself"]) from error
    schema = None
    regions = {*known_regions, *_extra_regions(document)} if known_regions else set()
    try:
        schema = _File.model_validate(document, context=regions)
    except ValidationError as error:
        for path, fault in map(_fault, error.errors(include_url=False)):
            faults.setdefault(path, fault)
        around = {path[:length] for path in faults for length in range(len(path))}
        faults = {path: fault for path, fault in faults.items() if fault != _WISHES["too_short"] or path not in around}
    entries, organizations = _good_entries(document, regions), _good_organizations(document, regions)
    watched: list[_Watched] = [*entries.values(), *([organizations] if organizations else [])]
    label_names = sorted({name for entry in watched for name in entry.labels})
    targets = _targets(entries, label_names, default_region, faults)
    discovery = _discovery(organizations, label_names, default_region, faults) if organizations else None
    if schema is None or faults:
        ordered = _in_file_order(faults, document)
        raise ConfigError([f"{file}: {_spell(path)}{': ' if path else ''}{fault}" for path, fault in ordered])
    poll, series, aws = schema.poll, schema.job_series, schema.aws
    return Config(
        targets=targets,
        discovery=discovery,
        schedule=Schedule(poll.interval, poll.timeout, poll.stale_after, poll.concurrency),
        max_pages=poll.max_pages,
        budget=Budget(series.retain, series.max_jobs, schema.baseline_window),
        aws=AwsSettings(aws.endpoint_url, aws.use_fips, aws.connect_timeout, aws.read_timeout, aws.max_attempts),
        digest=digest(text.encode()),
    )


def digest(text: bytes) -> str:
    """SHA-256 of a file's text, the first 16 hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()[:16]


# Values ---------------------------------------------------------------------------------------------------------------

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_LONGEST = 36500 * 86400.0  # a century; what reaches back further than the calendar would only fail at the walk
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/([\w+=,.@-]+/)*[\w+=,.@-]{1,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]*", re.ASCII)  # AssumeRole in botocore's service model
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}", re.ASCII)
_ROLE_NAME = re.compile(r"([\w+=,.@-]+/)*[\w+=,.@-]{1,64}", re.ASCII)
_UNIT = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32}")  # ids in botocore's service model
_LONGEST_GUESS = 64
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_JOB_NAME_PART = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9+.-]{0,62}")  # as nameContains in botocore's model, but linear


def parse_duration(value: object) -> float:
    """``45s``, ``15m``, ``1h30m`` or ``14d`` in seconds; ValueError for anything else."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError(f"{value!r} is not a duration such as 45s, 15m, 1h30m or 14d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(value))
    if seconds > _LONGEST:
        raise ValueError(f"{value!r} is more than 36500d")
    return seconds


def _at_least(least: str) -> Callable[[object], float]:
    def parse(value: object) -> float:
        seconds = parse_duration(value)
        if seconds < parse_duration(least):
            raise ValueError(f"{value!r} is less than {least}")
        return seconds

    return parse


def _matching(pattern: re.Pattern[str], wish: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is not {wish}")
        return text

    return check


_is_region = _matching(_REGION, "an AWS region name such as us-east-1")


def _check_region(name: str, info: ValidationInfo) -> str:
    """Refuse what is no region; the validation's context is those that there are, if anybody knows."""
    if not info.context:
        return _is_region(name)
    if name in info.context:
        return name
    guess = name.lower().replace("_", "-")[:_LONGEST_GUESS]  # comparing long texts takes the square of their length
    near = difflib.get_close_matches(guess, [region for region in info.context if len(region) <= _LONGEST_GUESS])
    nearest = max(near, key=lambda other: sorted(other) == sorted(name), default=None)  # letters swapped at best
    if nearest is None:
        _is_region(name)
    one = f"did you mean {nearest!r}? One" if nearest else "one"
    raise ValueError(f"{name!r} is not an AWS region; {one} newer than this exporter goes into aws.extra_regions, too")


def _parse_moment(value: object) -> float:
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
        raise ValueError(f"{value!r} is not a date such as 2026-01-01")
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < 253402300800:  # the year 10000
        raise ValueError(f"{str(value)!r} is not a date from 1970 to 9999")
    return seconds


def _check_label(name: str) -> str:
    if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError(f"{name!r} is not a label name of letters, digits and single leading underscores")
    if name in LABEL_NAMES:
        raise ValueError(f"{name!r} is a label that the exporter or Prometheus sets itself; take another name")
    return name


def _not_bool(value: object) -> object:
    """YAML reads `yes` as true, and pydantic reads that as 1."""
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not re.search(r"\s", text)
    except ValueError:  # a port or an IPv6 address that is none
        good = False
    if not good:
        raise ValueError(f"{text!r} is not a URL with http or https")
    return text


def _not_yet(value: object) -> object:
    if value:
        raise ValueError("is not supported by this version; leave it out")
    return value


Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, BeforeValidator(_not_bool)]
Duration = Annotated[float, BeforeValidator(parse_duration)]
Moment = Annotated[float, BeforeValidator(_parse_moment)]
Region = Annotated[str, AfterValidator(_check_region)]
NewRegion = Annotated[str, AfterValidator(_is_region)]
RoleArn = Annotated[str, AfterValidator(_matching(_ROLE_ARN, "an IAM role ARN"))]
RoleName = Annotated[str, AfterValidator(_matching(_ROLE_NAME, "the name of an IAM role"))]
UnitId = Annotated[
    str, AfterValidator(_matching(_UNIT, "the id of an organizational unit (ou-…) or of an organization's root (r-…)"))
]
ExternalId = Annotated[
    str,
    Field(min_length=2, max_length=1224),
    AfterValidator(_matching(_EXTERNAL_ID, "an external id (letters, digits and any of _+=,.@:/-)")),
]
AccountId = Annotated[str, AfterValidator(_matching(re.compile(r"\d{12}", re.ASCII), "an account id of 12 digits"))]
LabelName = Annotated[str, AfterValidator(_check_label)]
Url = Annotated[str, AfterValidator(_check_url)]
JobNamePart = Annotated[
    str,
    Field(max_length=63),
    AfterValidator(_matching(_JOB_NAME_PART, "part of a job name (letters, digits, '-', '+' and '.')")),
]
SessionName = Annotated[
    str, AfterValidator(_matching(re.compile(r"[\w+=,.@-]{2,64}", re.ASCII), "a role session name"))
]


# The file -------------------------------------------------------------------------------------------------------------


def _empty_if_none(value: object) -> object:
    return {} if value is None else value


class _Section(BaseModel):
    """A mapping of the file. A section that is there but empty is as good as left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        return _empty_if_none(value)


class _Poll(_Section):
    interval: Annotated[float, BeforeValidator(_at_least("10s"))] = "60s"  # type: ignore[assignment] # as in the file
    timeout: Annotated[float, BeforeValidator(_at_least("1s"))] = "45s"  # type: ignore[assignment]
    stale_after: Duration = "15m"  # type: ignore[assignment]
    concurrency: Annotated[Count, Field(ge=1, le=256)] = 8
    max_pages: Annotated[Count, Field(ge=1)] = 10000

    @field_validator("stale_after")
    @classmethod
    def _longer_than_a_round(cls, stale_after: float, info: ValidationInfo) -> float:
        interval, timeout = info.data.get("interval", 0.0), info.data.get("timeout", 0.0)
        if stale_after < interval + timeout:
            raise ValueError(
                f"{stale_after:g}s is less than interval + timeout ({interval + timeout:g}s); "
                "data would go between two walks"
            )
        return stale_after


class _AssumeRole(_Section):
    role_arn: RoleArn
    external_id: ExternalId | None = None
    session_name: SessionName = DEFAULT_SESSION_NAME


class _Filter(_Section):
    name_contains: JobNamePart | None = None
    created_after: Moment | None = None
    created_within: Duration | None = None

    @field_validator("created_within")
    @classmethod
    def _only_one_start(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("created_after") is not None:
            raise ValueError("can't stand beside created_after; take one of the two")
        return value


class _Watched(_Section):
    """What is watched, and where: what targets and those that are found have in common."""

    regions: Annotated[tuple[Region, ...], Field(min_length=1)] | None = None
    profile: Text | None = None
    assume_role: _AssumeRole | None = None
    labels: Annotated[dict[LabelName, str], BeforeValidator(_empty_if_none)] = {}
    filter: _Filter = _Filter()


class _Target(_Watched):
    account_id: AccountId | None = None


class _AccountChoice(_Section):
    accounts: Annotated[tuple[AccountId, ...], Field(min_length=1)] | None = None
    names: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    tags: Annotated[dict[Text, str], BeforeValidator(_empty_if_none)] = {}


class _Organizations(_Watched):
    role_name: RoleName
    external_id: ExternalId | None = None
    session_name: SessionName = DEFAULT_SESSION_NAME
    organizational_units: Annotated[tuple[UnitId, ...], Field(min_length=1)] | None = None
    include: _AccountChoice = _AccountChoice()
    exclude: _AccountChoice = _AccountChoice()
    refresh: Annotated[float, BeforeValidator(_at_least("5m"))] = "1h"  # type: ignore[assignment]


class _Discovery(_Section):
    organizations: _Organizations | None = None


class _JobSeries(_Section):
    retain: Duration = "14d"  # type: ignore[assignment]
    max_jobs: Annotated[Count, Field(ge=0)] = 1000
    tags: Annotated[list[str], AfterValidator(_not_yet)] = []


class _Aws(_Section):
    endpoint_url: Url | None = None
    use_fips: bool | None = None
    connect_timeout: Annotated[float, BeforeValidator(_at_least("100ms"))] = "5s"  # type: ignore[assignment]
    read_timeout: Annotated[float, BeforeValidator(_at_least("100ms"))] = "20s"  # type: ignore[assignment]
    max_attempts: Annotated[Count, Field(ge=1, le=20)] = 5
    extra_regions: Annotated[tuple[NewRegion, ...], Field(min_length=1)] | None = None


class _File(_Section):
    poll: _Poll = _Poll()
    targets: Annotated[list[_Target], Field(min_length=1)] | None = None
    discovery: _Discovery = _Discovery()
    job_series: _JobSeries = _JobSeries()
    baseline_window: Duration = "90d"  # type: ignore[assignment]
    details: Annotated[bool, AfterValidator(_not_yet)] = False
    aws: _Aws = _Aws()


def _extra_regions(document: Any) -> list[str]:  # noqa: ANN401 - what the file holds
    """Regions that the file adds to those that are known."""
    match document:
        case {"aws": {"extra_regions": list(names)}}:
            return [name for name in names if isinstance(name, str)]
    return []


def _good_entries(document: Any, regions: Collection[str]) -> dict[_Path, _Target]:  # noqa: ANN401 - as above
    """The targets of a file that are good in themselves, whatever else is wrong with it, by path."""
    listed = document.get("targets") if isinstance(document, dict) else ()
    if listed is None:
        return {} if _organizations(document) is not None else {("targets",): _Target()}
    entries: dict[_Path, _Target] = {}
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        with contextlib.suppress(ValidationError):  # reported with the rest of the file
            entries["targets", index] = _Target.model_validate(entry, context=regions)
    return entries


_ORGANIZATIONS: _Path = ("discovery", "organizations")


def _good_organizations(document: Any, regions: Collection[str]) -> _Organizations | None:  # noqa: ANN401 - as above
    """How the file wants accounts to be found, if it does and that is good in itself."""
    with contextlib.suppress(ValidationError):  # reported with the rest of the file
        if (section := _organizations(document)) is not None:
            return _Organizations.model_validate(section, context=regions)
    return None


def _organizations(document: Any) -> Any:  # noqa: ANN401 - as above
    match document:
        case {"discovery": {"organizations": section}}:
            return section
    return None


def _targets(
    entries: Mapping[_Path, _Target],
    label_names: list[str],
    default_region: DefaultRegion,
    faults: dict[_Path, str],
) -> tuple[Target, ...]:
    """Every region of every entry; adds the faults that take more than one key to see."""
    targets: dict[tuple[object, ...], Target] = {}
    for path, entry in entries.items():
        role = _role(entry)
        if role and entry.account_id not in {None, role.account_id}:
            faults[*path, "account_id"] = f"{entry.account_id!r} is not the account of the role {role.role_arn!r}"
        for number, region in enumerate(_regions(path, entry, default_region, faults)):
            if role and _partition(region) not in {None, role.role_arn.split(":")[1]}:
                faults[*path, "regions", number] = f"{region!r} is not in the partition of the role {role.role_arn!r}"
            target = Target(
                name=_spell(path),
                region=region,
                account_id=entry.account_id or (role.account_id if role else None),
                assume_role=role,
                profile=entry.profile,
                labels=_labels(entry, label_names),
                job_filter=JobFilter(**entry.filter.model_dump()),
            )
            same = targets.setdefault((region, target.account_id or entry.profile), target)
            if same is not target:
                faults[*path, "regions", number] = f"{region!r} of this account is in {same.name} already"
    return tuple(targets.values())


def _discovery(
    entry: _Organizations, label_names: list[str], default_region: DefaultRegion, faults: dict[_Path, str]
) -> Discovery:
    """The same for what is to be found."""
    regions = _regions(_ORGANIZATIONS, entry, default_region, faults)
    seen: set[str] = set()
    for number, region in enumerate(regions):
        if region in seen:
            faults[*_ORGANIZATIONS, "regions", number] = f"{region!r} is in this list already"
        elif _partition(region) != _partition(regions[0]):
            faults[*_ORGANIZATIONS, "regions", number] = f"{region!r} is not in the partition of {regions[0]!r}"
        seen.add(region)
    return Discovery(
        role_name=entry.role_name,
        regions=regions,
        external_id=entry.external_id,
        session_name=entry.session_name,
        labels=_labels(entry, label_names),
        job_filter=JobFilter(**entry.filter.model_dump()),
        profile=entry.profile,
        assume_role=_role(entry),
        organizational_units=entry.organizational_units or (),
        include=_choice(entry.include),
        exclude=_choice(entry.exclude),
        refresh=entry.refresh,
    )


def _partition(region: str) -> str | None:
    """The partition of a region; None where its name does not tell."""
    if "-iso" in region or region.startswith("eusc-"):
        return None
    return next((partition for start, partition in _PARTITIONS.items() if region.startswith(start)), "aws")


_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


def _regions(path: _Path, entry: _Watched, default_region: DefaultRegion, faults: dict[_Path, str]) -> tuple[str, ...]:
    """The regions of an entry, or the one that goes with its credentials; none, and a fault, if there is none."""
    if entry.regions is not None:
        return entry.regions
    region, why = _default_region(entry.profile, default_region)
    if region is None:
        faults[*path, "regions"] = f"no region is given, and {why}"
        return ()
    return (region,)


def _role(entry: _Watched) -> AssumeRole | None:
    return AssumeRole(**entry.assume_role.model_dump()) if entry.assume_role else None


def _labels(entry: _Watched, names: list[str]) -> tuple[tuple[str, str], ...]:
    """The labels of an entry, and those that only others have, empty."""
    return tuple((name, entry.labels.get(name, "")) for name in names)


def _choice(section: _AccountChoice) -> AccountChoice:
    return AccountChoice(section.accounts or (), section.names or (), tuple(section.tags.items()))


def _default_region(profile: str | None, ask: DefaultRegion) -> tuple[str | None, str]:
    """The region that goes with a profile, or why there is none."""
    try:
        return ask(profile), "neither AWS_REGION nor the AWS configuration has one"
    except ValueError as error:
        return None, f"the AWS configuration can't be read: {error}"


# Text → document ------------------------------------------------------------------------------------------------------

_Path = tuple[str | int, ...]


_KEY_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "merge", "value"))

_NUMBER_TAGS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_LONGEST_NUMBER = 1000  # characters


class _Loader(yaml.SafeLoader):
    """YAML, but every key is text and stands once in its mapping, where PyYAML takes any and lets the last one win.

    Nodes are counted while they are composed, and an alias counts as all that it stands for, so that a few lines of
    aliases of aliases are refused before anything unfolds them.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = self._characters = 0  # so far, with aliases unfolded
        self._sizes: dict[int, tuple[int, int]] = {}  # nodes and characters under each whole node, by its id

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's
        event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._nodes, self._characters
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise RecursionError("an alias of a node inside that node")
            nodes, characters = self._sizes[id(node)]
            self._nodes += nodes
            self._characters += characters
        else:
            self._nodes += 1
            node = super().compose_node(parent, index)
            self._characters += len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        self._sizes[id(node)] = self._nodes - before[0], self._characters - before[1]
        if self._nodes > _MAX_NODES:
            fault = f"more than {_MAX_NODES} values up to here, aliases counted as often as they are used"
            raise yaml.MarkedYAMLError(None, None, fault, event.start_mark)
        if self._characters > _MAX_CHARACTERS:
            fault = f"more than {_MAX_CHARACTERS} characters up to here, aliases counted as often as they are used"
            raise yaml.MarkedYAMLError(None, None, fault, event.start_mark)
        return node

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _fault_at(key, "a key that is not text")
            if key.tag not in _KEY_TAGS:
                raise _fault_at(key, f"the key {key.value!r} is not text; put it in quotes")
            if key.value in seen:
                raise _fault_at(key, f"the key {key.value!r} stands in this mapping for the second time")
            seen.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 - whatever the file holds
        try:
            if node.tag in _NUMBER_TAGS and len(node.value) > _LONGEST_NUMBER:
                raise ValueError("takes too long, or can't be printed")  # 1:1:1:… takes the square of its length
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:  # 2026-99-01, !!bool x, !!int ""
            kind = node.tag.rpartition(":")[2]
            raise _fault_at(node, f"{node.value!r:.80} is no {kind}") from error


def _fault_at(node: yaml.Node, fault: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, fault, node.start_mark)


_VARIABLE = re.compile(r"\$(\$)?\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _substitute(value: Any, environ: Mapping[str, str], path: _Path, faults: dict[_Path, str]) -> Any:  # noqa: ANN401
    """Put environment variables in the place of ``${NAME}`` in every text; ``$${NAME}`` stands for itself."""
    if isinstance(value, dict):
        return {key: _substitute(item, environ, (*path, key), faults) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, environ, (*path, index), faults) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    missing = {name: None for escaped, name in _VARIABLE.findall(value) if not escaped and name not in environ}
    if missing:
        faults[path] = "; ".join(f"the environment variable {name} is not set" for name in missing)
        return value
    text = _VARIABLE.sub(lambda match: match[0][1:] if match[1] else environ[match[2]], value)
    if any("\ud800" <= character <= "\udfff" for character in text):  # "\ud800" in YAML, other bytes in a variable
        faults[path] = _WISHES["string_unicode"].format(input=text)
    return text


# Faults → messages ----------------------------------------------------------------------------------------------------


def _spell(path: _Path) -> str:
    """``("targets", 1, "assume_role")`` as people write it: ``targets[1].assume_role``."""
    parts = (part if isinstance(part, int) or (part and part.isprintable()) else repr(part) for part in path)
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _in_file_order(faults: Mapping[_Path, str], document: Any) -> list[tuple[_Path, str]]:  # noqa: ANN401 - as above
    """Faults by where their paths stand in the document; what is missing stands at the end of where it should be."""
    indexes: dict[int, dict[Any, int]] = {}  # of each mapping by its id, as a path may be one of a hundred thousand

    def position(path: _Path) -> list[int]:
        position, value = [], document
        for part in path:
            index, inner = None, None
            if isinstance(value, dict):
                if id(value) not in indexes:
                    indexes[id(value)] = {key: number for number, key in enumerate(value)}
                index, inner = indexes[id(value)].get(part), value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                index, inner = part, value[part]
            position.append(index if index is not None else len(value) if isinstance(value, dict | list) else 0)
            value = inner
        return position

    return sorted(faults.items(), key=lambda item: position(item[0]))


_SECTIONS: dict[tuple[str, ...], type[_Section]] = {
    (): _File,
    ("poll",): _Poll,
    ("targets",): _Target,
    ("targets", "assume_role"): _AssumeRole,
    ("targets", "filter"): _Filter,
    ("discovery",): _Discovery,
    ("discovery", "organizations"): _Organizations,
    ("discovery", "organizations", "assume_role"): _AssumeRole,
    ("discovery", "organizations", "filter"): _Filter,
    ("discovery", "organizations", "include"): _AccountChoice,
    ("discovery", "organizations", "exclude"): _AccountChoice,
    ("job_series",): _JobSeries,
    ("aws",): _Aws,
}

_WISHES = {
    "missing": "is missing",
    "string_type": "{input!r} is not text; put it in quotes",
    "string_unicode": "{input!r} is not Unicode text",
    "string_too_short": "{input!r} is shorter than {min_length} characters",
    "string_too_long": "{input!r} is longer than {max_length} characters",
    "int_type": "{input!r} is not a whole number",
    "int_parsing": "{input!r} is not a whole number",
    "int_from_float": "{input!r} is not a whole number",
    "finite_number": "{input!r} is not a whole number",
    "bool_type": "{input!r} is not true or false",
    "bool_parsing": "{input!r} is not true or false",
    "list_type": "{input!r} is not a list",
    "tuple_type": "{input!r} is not a list",
    "dict_type": "{input!r} is not a mapping",
    "model_type": "{input!r} is not a mapping",
    "too_short": "is empty; name at least one, or leave the key out",
    "greater_than_equal": "{input!r} is less than {ge}",
    "less_than_equal": "{input!r} is more than {le}",
    "value_error": "{error}",
}


def _fault(details: Mapping[str, Any]) -> tuple[_Path, str]:
    """A fault as pydantic reports it → its path in the file and our words for it."""
    kind = details["type"]
    path: _Path = tuple(part for part in details["loc"] if part != "[key]")
    if kind == "extra_forbidden":
        return path, _unknown_key(path)
    if kind not in _WISHES:
        return path, f"{details['input']!r}: {details['msg']}"
    return path, _WISHES[kind].format(input=details["input"], **details.get("ctx", {}))


def _unknown_key(path: _Path) -> str:
    section = _SECTIONS[tuple(part for part in path[:-1] if isinstance(part, str))]
    known = list(section.model_fields)
    nearest = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"unknown key; did you mean {nearest[0]!r}?" if nearest else f"unknown key; known are {', '.join(known)}"
