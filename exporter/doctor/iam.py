"""The permissions that the exporter needs, as IAM statements: the one source for docs/iam.md and for `--doctor`. Pure.

`sts:GetCallerIdentity`, which the exporter also calls, needs no permission.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from exporter.bedrock.actions import (
    ASSUME_ROLE,
    ASSUME_ROLE_WITH_WEB_IDENTITY,
    GET_JOB,
    LIST_JOBS,
    LIST_TAGS,
    TAG_SESSION,
)

Statement = dict[str, Any]
"""One statement of an IAM policy."""


def watch(regions: Sequence[str] = ()) -> Statement:
    """Allow listing the account's own jobs; only in these regions, if any are given.

    The action supports no resource but ``*``.
    """
    statement: Statement = {"Effect": "Allow", "Action": LIST_JOBS, "Resource": "*"}
    if regions:
        statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": list(regions)}}
    return statement


def details(
    account_id: str = "*", *, partition: str = "aws", actions: Sequence[str] = (GET_JOB, LIST_TAGS)
) -> Statement:
    """Allow reading details and tags of jobs, for ``details`` and ``job_series.tags``.

    Args:
        account_id: owner of the jobs; ``*`` for any account that the identity can enter.
        partition: of the account.
        actions: those that are needed.
    """
    job = f"arn:{partition}:bedrock:*:{account_id}:model-customization-job/*"
    return {"Effect": "Allow", "Action": list(actions), "Resource": job}


def assume(role_arns: Sequence[str], *, in_organization: bool = False) -> Statement:
    """Allow assuming these roles in other accounts; an ARN may contain ``*``.

    Args:
        role_arns: the roles.
        in_organization: whether only those of accounts in the caller's own organization.
    """
    statement: Statement = {"Effect": "Allow", "Action": [ASSUME_ROLE, TAG_SESSION], "Resource": list(role_arns)}
    if in_organization:
        statement["Condition"] = {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}
    return statement


def discover(operations: Sequence[str]) -> Statement:
    """Allow listing an organization's accounts with these operations of AWS Organizations."""
    return {"Effect": "Allow", "Action": [f"organizations:{name}" for name in operations], "Resource": "*"}


def trust(principal: str, external_id: str | None = None) -> Statement:
    """Trust policy of a role in another account: who may assume it.

    Args:
        principal: ARN of a role or a user; that of an account's root means everybody there whose policies allow it.
        external_id: the id that the caller has to send, if any.
    """
    statement: Statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": [ASSUME_ROLE, TAG_SESSION]}
    if external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return statement


def trust_web_identity(provider_arn: str, subject: str, audience: str = "sts.amazonaws.com") -> Statement:
    """Trust policy of the exporter's own role on EKS with IAM roles for service accounts (IRSA).

    Args:
        provider_arn: the cluster's OIDC provider, ``arn:aws:iam::ACCOUNT:oidc-provider/ISSUER``.
        subject: ``system:serviceaccount:NAMESPACE:SERVICE-ACCOUNT`` of the exporter's pod.
        audience: the audience of the pod's token.
    """
    issuer = provider_arn.partition(":oidc-provider/")[2]
    return {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": ASSUME_ROLE_WITH_WEB_IDENTITY,
        "Condition": {"StringEquals": {f"{issuer}:aud": audience, f"{issuer}:sub": subject}},
    }


def trust_pod_identity(cluster_arn: str, namespace: str, service_account: str) -> Statement:
    """Trust policy of the exporter's own role on EKS with Pod Identity.

    Args:
        cluster_arn: ``arn:aws:eks:REGION:ACCOUNT:cluster/NAME``.
        namespace: the namespace that the exporter runs in.
        service_account: the service account that it runs as.
    """
    tags = {
        "eks-cluster-arn": cluster_arn,
        "kubernetes-namespace": namespace,
        "kubernetes-service-account": service_account,
    }
    return {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": [ASSUME_ROLE, TAG_SESSION],
        "Condition": {"StringEquals": {f"aws:RequestTag/{tag}": value for tag, value in tags.items()}},
    }


def policy(*statements: Statement) -> Statement:
    """A whole policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def as_json(document: Mapping[str, Any]) -> str:
    """A policy or a statement, indented for people."""
    return json.dumps(document, indent=2)


def principal(arn: str) -> str:
    """The name that a policy uses for an identity whose ARN STS gives.

    ``arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`` is the role ``arn:aws:iam::ACCOUNT:role/NAME``. STS omits the
    path of a role that has one.
    """
    prefix, separator, rest = arn.partition(":assumed-role/")
    if not separator:
        return arn
    return f"{prefix.replace(':sts:', ':iam:', 1)}:role/{rest.partition('/')[0]}"
