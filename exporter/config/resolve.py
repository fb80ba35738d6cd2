"""A configuration file's text → `Config`: checks that need several keys, or more than the file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from exporter.bedrock.settings import AwsSettings
from exporter.config import schema
from exporter.config.config import Config
from exporter.config.document import compose
from exporter.config.messages import Faults, KeyPath, not_a_region, spell
from exporter.config.source import digest
from exporter.config.variables import substitute
from exporter.fleet.schedule import Schedule
from exporter.jobs.details import DetailSettings
from exporter.jobs.snapshot import Budget
from exporter.labels import Labels
from exporter.targets.accounts import AccountChoice, Discovery
from exporter.targets.claims import Claims
from exporter.targets.target import AssumeRole, JobFilter, Target

DefaultRegion = Callable[[str | None], str | None]
"""Profile name, or None for the default credentials → the region configured with it, if any. Raises ValueError if the
AWS configuration can't be read."""

MAX_LABELS = 100
"""The most label names in a file: each is on every series."""

_ORGANIZATIONS: KeyPath = ("discovery", "organizations")


def load(
    text: bytes | str,
    *,
    file: str,
    environ: Mapping[str, str],
    default_region: DefaultRegion,
    known_regions: Collection[str] = (),
) -> Config:
    """The configuration in a file.

    Args:
        text: the file's content.
        file: its name, for messages.
        environ: the variables for ``${NAME}`` in values.
        default_region: for targets without regions; asked once per profile.
        known_regions: AWS regions. Others are faults unless listed in ``aws.extra_regions``. If empty, only the form
            of a region's name is checked.

    Raises:
        ConfigError: with every fault of the file, up to `exporter.config.messages.MAX_FAULTS`.
    """
    content = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    written = compose(content, file)
    faults = Faults(file, {} if written is None else written)
    document = substitute(_without_anchors(faults.document), environ, faults)
    known = frozenset([*known_regions, *_extra_regions(document)]) if known_regions else frozenset()
    try:
        checked = schema.File.model_validate(document, context=known)
        entries, organizations = _sections(checked)
    except ValidationError as error:
        faults.add_invalid(error)
        checked = schema.File()
        entries, organizations = _valid_sections(document, known, faults)
    label_names = _label_names(entries.values(), organizations, faults)
    resolver = _Resolver(faults, cache(default_region), known, environ, label_names)
    targets = resolver.targets(entries)
    discovery = resolver.discovery(organizations) if organizations else None
    faults.raise_if_any()
    poll, series, aws = (
        checked.poll or schema.Poll(),
        checked.job_series or schema.JobSeries(),
        checked.aws or schema.Aws(),
    )
    return Config(
        targets=targets,
        discovery=discovery,
        schedule=Schedule(poll.interval, poll.timeout, poll.stale_after, poll.concurrency, poll.max_pages),
        budget=Budget(series.retain, series.max_jobs, checked.baseline_window),
        details=_details(checked.details or schema.Details(), series.tags),
        aws=AwsSettings(aws.endpoint_url, aws.use_fips, aws.connect_timeout, aws.read_timeout, aws.max_attempts),
        digest=digest(content),
    )


_Entries = dict[KeyPath, schema.Entry]


def _sections(checked: schema.File) -> tuple[_Entries, schema.Organizations | None]:
    """The targets of a file by path, and its discovery; if it has neither, one default target."""
    organizations = checked.discovery.organizations if checked.discovery else None
    if checked.targets is None:
        return {} if organizations else {("targets",): schema.Entry()}, organizations
    return {("targets", index): entry or schema.Entry() for index, entry in enumerate(checked.targets)}, organizations


def _valid_sections(
    document: Any,  # noqa: ANN401 - whatever the file holds
    known_regions: Collection[str],
    faults: Faults,
) -> tuple[_Entries, schema.Organizations | None]:
    """The same for a file with faults, without the faulty sections, so that all faults are reported at once."""
    organizations, entries = None, _Entries()
    match document:
        case {"discovery": {"organizations": dict(section)}} if not faults.is_spoilt(*_ORGANIZATIONS):
            organizations = schema.Organizations.model_validate(section, context=known_regions)
    match document:
        case {"targets": list(sections)}:
            for index, section in enumerate(sections):
                if not faults.is_spoilt("targets", index):
                    entries["targets", index] = schema.Entry.model_validate(section or {}, context=known_regions)
        case dict() if document.get("targets") is None and not document.get("discovery"):
            if document.keys() <= schema.File.model_fields.keys():  # an unknown key may be a misspelt targets
                entries["targets",] = schema.Entry()
    return entries, organizations


def _without_anchors(document: Any) -> Any:  # noqa: ANN401 - whatever the file holds
    """A document without the keys that only hold anchors."""
    if not isinstance(document, dict):
        return document
    return {key: value for key, value in document.items() if not key.startswith("x-")}


def _extra_regions(document: Any) -> list[str]:  # noqa: ANN401 - whatever the file holds
    match document:
        case {"aws": {"extra_regions": list(names)}}:
            return [name for name in names if isinstance(name, str)]
    return []


def _label_names(
    entries: Iterable[schema.Entry], organizations: schema.Organizations | None, faults: Faults
) -> list[str]:
    """All label names. Every target gets all of them, so that all series have the same labels."""
    watched: list[schema.Watched] = [*entries, *([organizations] if organizations else [])]
    names = sorted({name for one in watched for name in one.labels or ()})
    if len(names) > MAX_LABELS:
        text = f"the labels have {len(names):,} different names, more than {MAX_LABELS}; every series has all of them"
        faults.add(("targets",), text)
        return []
    return names


class _Resolver:
    """Turns valid entries into targets, and adds faults that only show across entries.

    Args:
        faults: collects the faults.
        default_region: as in `load`.
        known_regions: as in `load`, with those of ``aws.extra_regions``.
        environ: as in `load`.
        label_names: the names that every target gets.
    """

    def __init__(
        self,
        faults: Faults,
        default_region: DefaultRegion,
        known_regions: Collection[str],
        environ: Mapping[str, str],
        label_names: list[str],
    ) -> None:
        self._faults = faults
        self._default_region = default_region
        self._known_regions = known_regions
        self._environ = environ
        self._label_names = label_names

    def targets(self, entries: _Entries) -> tuple[Target, ...]:
        """Every region of every entry."""
        found = [
            (path, target) for entry_path, entry in entries.items() for path, target in self._of(entry_path, entry)
        ]
        targets = tuple([target for _, target in found])
        claims = Claims(targets)
        for path, target in found:
            owner = claims.claim(target, None)
            if owner is not target:
                region = self._faults.quote(path, target.region)
                self._faults.add(path, f"{region} of this account is already in {owner.name}")
        return targets

    def _of(self, path: KeyPath, entry: schema.Entry) -> Iterator[tuple[KeyPath, Target]]:
        """The targets of an entry, with the paths of their regions."""
        role, quote = _role(entry.assume_role), self._faults.quote
        role_path = (*path, "assume_role", "role_arn")
        if role and entry.account_id not in {None, role.account_id}:
            account_path = (*path, "account_id")
            self._faults.add(account_path, f"{quote(account_path)} is not the account of the role {quote(role_path)}")
        labels, job_filter = self._labels(entry), _job_filter(entry.filter)
        for number, region in enumerate(self._regions(path, entry)):
            region_path = (*path, "regions", number)
            if role and _partition(region) not in {None, role.role_arn.split(":")[1]}:
                text = f"{quote(region_path, region)} is not in the partition of the role {quote(role_path)}"
                self._faults.add(region_path, text)
            yield (
                region_path,
                Target(
                    name=spell(path),
                    region=region,
                    account_id=entry.account_id or (role.account_id if role else None),
                    assume_role=role,
                    profile=entry.profile,
                    labels=labels,
                    job_filter=job_filter,
                ),
            )

    def discovery(self, entry: schema.Organizations) -> Discovery:
        """How to find targets."""
        regions, path = self._regions(_ORGANIZATIONS, entry), (*_ORGANIZATIONS, "regions")
        seen: set[str] = set()
        for number, region in enumerate(regions):
            quoted = self._faults.quote((*path, number))
            if region in seen:
                self._faults.add((*path, number), f"{quoted} is already in this list")
            elif _partition(region) != _partition(regions[0]):
                first = self._faults.quote((*path, 0))
                self._faults.add((*path, number), f"{quoted} is not in the partition of {first}")
            seen.add(region)
        return Discovery(
            role_name=entry.role_name,
            regions=regions,
            external_id=entry.external_id,
            session_name=entry.session_name,
            labels=self._labels(entry),
            job_filter=_job_filter(entry.filter),
            profile=entry.profile,
            assume_role=_role(entry.assume_role),
            organizational_units=entry.organizational_units or (),
            include=_choice(entry.include),
            exclude=_choice(entry.exclude),
            refresh=entry.refresh,
        )

    def _labels(self, entry: schema.Watched) -> Labels:
        labels = entry.labels or {}
        return tuple([(name, labels.get(name, "")) for name in self._label_names])

    def _regions(self, path: KeyPath, entry: schema.Watched) -> tuple[str, ...]:
        """The regions of an entry, or its default region; empty, with a fault, if there is none."""
        if entry.regions is not None:
            return entry.regions
        try:
            region = self._default_region(entry.profile)
        except ValueError as error:
            why = f"the AWS configuration can't be read: {self._as_written(path, entry, str(error))}"
        else:
            if region is None:
                why = "neither AWS_REGION nor the AWS configuration has one"
            elif schema.is_region(region, self._known_regions):
                return (region,)
            else:
                advice = not_a_region(region, self._known_regions)
                why = f"{self._source(path, entry, region)} has {region!r}, which {advice}"
        self._faults.add((*path, "regions"), f"no region is given, and {why}")
        return ()

    def _source(self, path: KeyPath, entry: schema.Watched, region: str) -> str:
        """The source of a default region."""
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            if self._environ.get(name) == region:
                return f"the environment variable {name}"
        return f"the profile {self._faults.quote((*path, 'profile'))}" if entry.profile else "the AWS configuration"

    def _as_written(self, path: KeyPath, entry: schema.Watched, text: str) -> str:
        """A text on one line, with the profile named as in the file."""
        if entry.profile:
            text = text.replace(entry.profile, str(self._faults.written((*path, "profile"))))
        return " ".join(text.split())


_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}


def _partition(region: str) -> str | None:
    """The partition of a region; None if the name does not say."""
    if "-iso" in region or region.startswith("eusc-"):
        return None
    return next((partition for start, partition in _PARTITIONS.items() if region.startswith(start)), "aws")


def _role(section: schema.Role | None) -> AssumeRole | None:
    return AssumeRole(section.role_arn, section.external_id, section.session_name) if section else None


def _job_filter(section: schema.Filter | None) -> JobFilter:
    return JobFilter(section.name_contains, section.created_after, section.created_within) if section else JobFilter()


def _details(section: schema.Details, tags: tuple[str, ...]) -> DetailSettings:
    return DetailSettings(
        enabled=section.enabled,
        running=section.running,
        calls_per_walk=section.calls_per_walk,
        calls_per_second=section.calls_per_second,
        hyperparameters=tuple(section.hyperparameters),
        failure_reasons=tuple((each.contains, each.reason) for each in section.failure_reasons),
        tags=tuple((key, schema.tag_label(key)) for key in tags),
    )


def _choice(section: schema.Choice | None) -> AccountChoice:
    section = section or schema.Choice()
    return AccountChoice(section.accounts or (), section.names or (), tuple((section.tags or {}).items()))
