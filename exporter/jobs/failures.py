"""Why a job failed: the failure message of `GetModelCustomizationJob` → one of a bounded set of reasons. Pure.

AWS does not document all messages. The table is made from the user guide ("Troubleshooting model customization
issues"), re:Post and public issues; `tests/data/failure-messages.yaml` lists the messages with their sources.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

OTHER = "other"
"""The reason if no rule matches, or if a failed job has no message."""

MAX_REASONS = 50
"""The most reasons, built-in and configured: each is a label value."""


class Rule(NamedTuple):
    """One line of the table.

    Attributes:
        contains: texts that must all occur in the message, ignoring case.
        reason: the reason in that case.
    """

    contains: tuple[str, ...]
    reason: str


RULES: tuple[Rule, ...] = tuple(
    Rule(contains, reason)
    for reason, rules in (
        ("content_policy", (("license terms",), ("usage polic",), ("content policy",), ("content moderation",))),
        ("kms_access", (("kms",), ("encryption key",))),
        (
            "s3_access",
            (
                ("getobject",),
                ("putobject",),
                ("listbucket",),
                ("s3 perms missing",),
                ("permission", "s3"),
                ("access denied", "s3"),
                ("nosuchbucket",),
                ("bucket", "does not exist"),
                ("bucket", "region"),
            ),
        ),
        (
            "role_access",
            (("assume", "role"), ("trust policy",), ("trust relationship",), ("accessdenied",), ("not authorized",)),
        ),
        (
            "quota",
            (
                ("quota",),
                ("limit exceeded",),
                ("too many", "jobs"),
                ("too many requests",),
                ("rate exceeded",),
                ("throttl",),
                ("concurrent",),
            ),
        ),
        (
            "hyperparameters",
            (
                ("hyperparameter",),
                ("hyper-parameter",),
                ("hyper parameter",),
                ("epochcount",),
                ("batchsize",),
                ("learningrate",),
                ("batch size",),
                ("learning rate",),
                ("stepcount",),
            ),
        ),
        (
            "data_limits",
            (
                ("token count",),
                ("input and output token",),
                ("size exceeded",),
                ("exceeds",),
                ("exceeded",),
                ("minimum number",),
                ("maximum number",),
                ("number of records",),
                ("number of samples",),
                ("at least", "records"),
                ("at least", "samples"),
                ("less than", "records"),
                ("less than", "prompts"),
                ("out of bounds",),
                ("exceed maximum",),
                ("too large",),
            ),
        ),
        (
            "data_format",
            (
                ("unable to parse",),
                ("jsonl",),
                ("json",),
                ("must follow",),
                ("s3 uri is invalid",),
                ("s3uri",),
                ("input data config",),
                ("invalid", "dataset"),
                ("invalid", "format"),
                ("missing", "field"),
                ("must alternate",),
                ("invalid messages",),
                ("invalid", "content"),
                ("missing required key",),
                ("validation failed for samples",),
                ("prompts are not supported",),
                ("schemaversion",),
            ),
        ),
        (
            "internal_error",
            (
                ("internal error",),
                ("internal server error",),
                ("internalserver",),
                ("unexpected error",),
                ("service error",),
                ("service unavailable",),
            ),
        ),
    )
    for contains in rules
)
"""The first match decides. So permissions come first, then limits, then formats, and general errors last: "unexpected
error … AccessDenied" is about a role."""

REASONS: tuple[str, ...] = (*dict.fromkeys(rule.reason for rule in RULES), OTHER)
"""Every built-in reason."""


_NAMES = re.compile(
    r"(?<=s3://)\S+|(?<=arn:aws:s3:::)\S+|(?<=bucket: )\S+|(?<=at key )\S+|(?<=for record starting with).+", re.DOTALL
)
"""What users have named or written: a bucket called ``kms-logs`` says nothing about KMS."""

_DATA_FILE = re.compile(r"\.jsonl?\b")


def _in_aws_words(folded: str) -> str:
    """The message without what users have named or written."""
    words = _NAMES.sub("", folded).split(" ")
    return " ".join([word for word in words if not _DATA_FILE.search(word)])


def classify(message: str, own: Sequence[tuple[str, str]] = ()) -> str:
    """The reason of a failure message.

    Args:
        message: as AWS sent it; empty if it sent none.
        own: (text, reason) from the configuration, tried before the table. Plain text, ignoring case.
    """
    folded = message.casefold()
    for text, reason in own:
        if text.casefold() in folded:
            return reason
    folded = _in_aws_words(folded)
    return next((rule.reason for rule in RULES if all(text in folded for text in rule.contains)), OTHER)
