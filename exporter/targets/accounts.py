"""The accounts of an organization, and which of them to watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import ClassVar

from exporter.labels import Labels, account_of
from exporter.targets.target import DEFAULT_SESSION_NAME, AssumeRole, JobFilter, Target


@dataclass(frozen=True, slots=True)
class Account:
    """A member of an organization, as AWS Organizations lists it.

    Attributes:
        id: 12 digits.
        name: any text.
        arn: ``arn:PARTITION:organizations::MANAGEMENT-ACCOUNT:account/ORGANIZATION/ACCOUNT``.
        tags: the account's tags; empty unless a `Discovery` needs them.
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
    """Some accounts of an organization: those that match any of the attributes.

    Attributes:
        accounts: ids.
        names: patterns of names with ``*``, ``?`` and ``[…]``; case-sensitive.
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
        role_name: the role in each account, with its path if it has one.
        regions: where to watch each account; AWS Organizations is called through the first.
        external_id: as required by the role's trust policy; None if it requires none.
        session_name: the exporter's name in the accounts' CloudTrail.
        labels: as in `Target`.
        job_filter: as in `Target`.
        profile: a profile of the AWS shared configuration to list the accounts and assume their roles with.
        assume_role: a role to list the accounts with, assumed with the default credentials or those of `profile`.
        organizational_units: ids of organizational units, or of the root, whose accounts to watch, at any depth;
            empty for the whole organization.
        include: watch only these accounts; all if empty.
        exclude: never watch these accounts.
        refresh: seconds between two listings.
    """

    role_name: str
    regions: tuple[str, ...]
    external_id: str | None = None
    session_name: str = DEFAULT_SESSION_NAME
    labels: Labels = ()
    job_filter: JobFilter = field(default_factory=JobFilter)
    profile: str | None = None
    assume_role: AssumeRole | None = None
    organizational_units: tuple[str, ...] = ()
    include: AccountChoice = AccountChoice()
    exclude: AccountChoice = AccountChoice()
    refresh: float = 3600.0

    name: ClassVar[str] = "discovery.organizations"
    """Its path in the configuration, for messages."""

    @property
    def lister(self) -> Target:
        """A stand-in target with the credentials that list the accounts, in the first region."""
        return Target(self.name, self.regions[0], assume_role=self.assume_role, profile=self.profile)

    @property
    def asks_for_tags(self) -> bool:
        """Whether an account's tags decide if it is watched."""
        return bool(self.include.tags or self.exclude.tags)

    def chooses(self, account: Account) -> bool:
        """Whether to watch an account.

        Never the management account: a StackSet, the usual way to create a role in every account, skips it, and AWS
        advises against running workloads in it. To watch it, list it under ``targets``.
        """
        if account.is_management or self.exclude.fits(account):
            return False
        return not self.include or self.include.fits(account)
