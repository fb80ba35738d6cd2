"""What the exporter has to be allowed in AWS, as IAM writes it: one source for docs/iam.md and for `--doctor`.

Pure. `sts:GetCallerIdentity`, which the exporter also calls, needs no permission.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = dict[str, Any]
"""One statement of an IAM policy."""

LIST_JOBS = "bedrock:ListModelCustomizationJobs"
ASSUME_ROLE = "sts:AssumeRole"
TAG_SESSION = "sts:TagSession"
"""Needed beside AssumeRole where the caller's session has transitive tags, as those of EKS Pod Identity have."""


def watch(regions: Sequence[str] = ()) -> Statement:
    """Reading the jobs of one's own account; in these regions only, if any are given.

    The action knows no narrower resource than all.
    """
    statement: Statement = {"Effect": "Allow", "Action": LIST_JOBS, "Resource": "*"}
    if regions:
        statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": list(regions)}}
    return statement


def assume(role_arns: Sequence[str]) -> Statement:
    """Taking on these roles of other accounts; an ARN may hold ``*``."""
    return {"Effect": "Allow", "Action": [ASSUME_ROLE, TAG_SESSION], "Resource": list(role_arns)}


def discover(operations: Sequence[str]) -> Statement:
    """Reading which accounts an organization has, with these operations of AWS Organizations."""
    return {"Effect": "Allow", "Action": [f"organizations:{name}" for name in operations], "Resource": "*"}


def trust(principal: str, external_id: str | None = None) -> Statement:
    """For the trust policy of a role in another account: who may take it on.

    Args:
        principal: ARN of a role or a user, or of an account's root for all of the account that is allowed to.
        external_id: what they have to say.
    """
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": [ASSUME_ROLE, TAG_SESSION],
    }
    if external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return statement


def trust_web_identity(provider_arn: str, subject: str, audience: str = "sts.amazonaws.com") -> Statement:
    """For the trust policy of the exporter's own role on EKS with IAM roles for service accounts (IRSA).

    Args:
        provider_arn: of the cluster's OIDC provider, ``arn:aws:iam::ACCOUNT:oidc-provider/ISSUER``.
        subject: ``system:serviceaccount:NAMESPACE:SERVICE-ACCOUNT`` of the exporter's pod.
        audience: whom its token is for.
    """
    issuer = provider_arn.partition(":oidc-provider/")[2]
    return {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer}:aud": audience, f"{issuer}:sub": subject}},
    }


def trust_pod_identity(cluster_arn: str, namespace: str, service_account: str) -> Statement:
    """For the trust policy of the exporter's own role on EKS with Pod Identity.

    Args:
        cluster_arn: ``arn:aws:eks:REGION:ACCOUNT:cluster/NAME``.
        namespace: that the exporter runs in.
        service_account: that it runs as.
    """
    return {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": [ASSUME_ROLE, TAG_SESSION],
        "Condition": {
            "StringEquals": {
                "aws:RequestTag/eks-cluster-arn": cluster_arn,
                "aws:RequestTag/kubernetes-namespace": namespace,
                "aws:RequestTag/kubernetes-service-account": service_account,
            }
        },
    }


def policy(*statements: Statement) -> Statement:
    """A whole policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def as_json(document: Mapping[str, Any]) -> str:
    """A policy or a statement as people write it."""
    return json.dumps(document, indent=2)


def principal(arn: str) -> str:
    """What a policy calls the identity that STS gives as `arn`.

    ``arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`` is the role ``arn:aws:iam::ACCOUNT:role/NAME``. STS leaves out
    the path of a role that has one.
    """
    prefix, separator, rest = arn.partition(":assumed-role/")
    if not separator:
        return arn
    return f"{prefix.replace(':sts:', ':iam:', 1)}:role/{rest.partition('/')[0]}"
