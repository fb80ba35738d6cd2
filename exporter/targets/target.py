"""What a target is: one account in one region, and how to get there. Immutable values, standard library only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from exporter import NAME
from exporter.labels import Labels, account_of

DEFAULT_SESSION_NAME = NAME
"""The exporter's name in CloudTrail after it has assumed a role."""


@dataclass(frozen=True, slots=True)
class AssumeRole:
    """A role to assume in a target's account.

    Attributes:
        role_arn: ``arn:PARTITION:iam::ACCOUNT:role/NAME``.
        external_id: as required by the role's trust policy; None if it requires none.
        session_name: the exporter's name in the other account's CloudTrail.
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
    """Limits a target's list by the API's own parameters; all counts are of the remaining jobs only.

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
        name: its place in the configuration, such as ``targets[1]``; for messages.
        region: AWS region name.
        account_id: from the configuration or the role's ARN; None if only AWS can tell.
        assume_role: a role to assume with the default credentials or those of `profile`.
        profile: a profile of the AWS shared configuration to start from; None for the default credentials.
        labels: the target's own labels, sorted by name; every target has the same names.
        job_filter: limits the list of jobs.
        discovered: whether it comes from an organization's account list rather than from the file.
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
        """The target without name and labels: equal routes read the same list in the same way."""
        return replace(self, name="", labels=(), discovered=False)
