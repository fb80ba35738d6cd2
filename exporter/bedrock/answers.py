"""AWS's answers to the questions of `--doctor`. Immutable and pure; separate from `questions`, which needs boto3."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from exporter.errors import FailureReason

T_co = TypeVar("T_co", covariant=True)


class Problem(NamedTuple):
    """Why a question could not be answered.

    Attributes:
        reason: the reason that a walk would report.
        message: what happened, where, and what to do; in our own words, without secrets.
    """

    reason: FailureReason
    message: str


class Answer(NamedTuple, Generic[T_co]):
    """The result of one question.

    Attributes:
        given: the answer itself, or the problem.
        ahead: seconds by which the local clock is ahead of the answer's date; None if it has none.
        has_credentials: False if there were no credentials to ask with.
    """

    given: T_co | Problem
    ahead: float | None = None
    has_credentials: bool = True


class FirstPage(NamedTuple):
    """The first page of a target's list.

    Attributes:
        jobs: jobs on it, malformed ones included.
        has_more: whether another page follows.
        account_id: the account in a job's ARN; None if there are no jobs.
        job_arn: a job on the page, a failed one if there is one.
    """

    jobs: int
    has_more: bool
    account_id: str | None
    job_arn: str | None = None


class WebIdentity(NamedTuple):
    """What EKS gives a pod whose service account has a role (IRSA).

    Attributes:
        role_arn: the role.
        provider_arn: the cluster's OIDC provider, which the role must trust.
        subject: the service account, ``system:serviceaccount:NAMESPACE:NAME``.
        audience: the audience of the token.
    """

    role_arn: str
    provider_arn: str
    subject: str
    audience: str
