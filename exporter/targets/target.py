"""What a target is: one account in one region, and how to get there. Immutable values, standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from exporter import NAME
from exporter.labels import Labels, account_of

DEFAULT_SESSION_NAME = NAME
"""How the exporter shows up in CloudTrail where it has assumed a role."""


@dataclass(frozen=True, slots=True)
class AssumeRole:
    """The role through which a target's account is reached.

    Attributes:
        role_arn: ``arn:PARTITION:iam::ACCOUNT:role/NAME``.
        external_id: what the role's trust policy asks for, if anything.
        session_name: how the exporter shows up in the other account's CloudTrail.
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
        name: where it comes from in the configuration, such as ``targets[1]``; for people.
        region: AWS region name.
        account_id: from the configuration or the role's ARN; None if only AWS can tell.
        assume_role: a role to assume with the default credentials or those of `profile`.
        profile: a profile of the AWS shared configuration to start from; None for the default credentials.
        labels: the target's own labels, sorted by name; every target has the same names.
        job_filter: which jobs the list holds.
        discovered: whether an organization's account list led to it, rather than an entry of the file.
    """

    name: str
    region: str
    account_id: str | None = None
    assume_role: AssumeRole | None = None
    profile: str | None = None
    labels: Labels = ()
    job_filter: JobFilter = JobFilter()
    discovered: bool = False

    def series_labels(self, account_id: str) -> Labels:
        """The labels of every series about the target, in their order; `account_id` may be `UNKNOWN`."""
        return (("aws_account_id", account_id), ("aws_region", self.region), *self.labels)

    @property
    def route(self) -> Target:
        """The target without name and labels: two configurations with equal routes read the same list the same way."""
        return replace(self, name="", labels=(), discovered=False)
