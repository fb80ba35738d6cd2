"""AWS's answers about one target. Immutable, pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from exporter.bedrock.answers import Problem, WebIdentity
from exporter.doctor.iam import Statement
from exporter.labels import account_of
from exporter.targets.target import Target

DetailKind = Literal["details", "tags"]
"""``GetModelCustomizationJob`` or ``ListTagsForResource``."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The answers for one target. None: not asked, or not answered before the deadline.

    Attributes:
        target: the target; for the listing of an organization's accounts, the identity that lists.
        permission: the IAM statement that its list needs.
        ahead: seconds by which the local clock is ahead of AWS's.
        identity: ARN of the target's starting credentials.
        role: ARN of the session in its role; of the role itself if STS allows AssumeRole and nothing else.
        listed: what the list contains, in words.
        listed_account: the account in the jobs' ARNs.
        details: (kind, whether it may be read) for the details and tags that the configuration needs.
        web_identity: the source of the credentials on EKS with IRSA.
        has_credentials: whether there are credentials for STS; without them an API key may still list.
        duplicate_of: name of an earlier target that watches the same account and region.
    """

    target: Target
    permission: Statement
    ahead: float | None = None
    identity: str | Problem | None = None
    role: str | Problem | None = None
    listed: str | Problem | None = None
    listed_account: str | None = None
    details: tuple[tuple[DetailKind, str | Problem | None], ...] = ()
    web_identity: WebIdentity | None = None
    has_credentials: bool = True
    duplicate_of: str | None = None

    @property
    def who(self) -> str:
        """ARN of the principal that lists, or of the one that failed to assume the role; empty if unknown."""
        return next((arn for arn in (self.role, self.identity) if isinstance(arn, str)), "")

    @property
    def account_id(self) -> str | None:
        """The target's account; None if unknown."""
        return self.target.account_id or account_of(self.who) or self.listed_account
