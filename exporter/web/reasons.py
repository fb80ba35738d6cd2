"""Why a target is down and what to do about it, in words for people. Pure.

A page shows these rather than a failure's message, which may quote AWS or a library.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from exporter.errors import FailureReason


class Explanation(NamedTuple):
    """What a reason means.

    Attributes:
        meaning: what happened.
        remedy: what to do.
    """

    meaning: str
    remedy: str


_DOCTOR = "run the exporter with --doctor, which prints the statement to add"

EXPLANATIONS: Mapping[FailureReason, Explanation] = {
    FailureReason.THROTTLED: Explanation(
        "AWS refuses requests because there are too many of them.",
        "Raise poll.interval, lower poll.concurrency, or find out who else calls Amazon Bedrock in this account.",
    ),
    FailureReason.ACCESS_DENIED: Explanation(
        "The exporter's identity may not list model customization jobs.",
        f"Allow bedrock:ListModelCustomizationJobs: {_DOCTOR}.",
    ),
    FailureReason.ASSUME_ROLE_DENIED: Explanation(
        "The role of this account can't be assumed.",
        f"Check the role's trust policy, its external id and the exporter's own policy: {_DOCTOR}.",
    ),
    FailureReason.CREDENTIALS: Explanation(
        "The AWS credentials are missing, expired or invalid, or the AWS configuration they come from is broken.",
        "Renew or correct them; the log names the file or variable. No restart is needed.",
    ),
    FailureReason.UNSUPPORTED_REGION: Explanation(
        "This region doesn't offer model customization.",
        "Remove the region from the configuration, or leave it: the exporter then checks once an hour.",
    ),
    FailureReason.TIMEOUT: Explanation(
        "The list was not read before the deadline.",
        "Check the network to AWS, or raise poll.timeout if the list is long.",
    ),
    FailureReason.NETWORK: Explanation(
        "AWS can't be reached.",
        "Check DNS, the proxy, the firewall and VPC endpoints from the exporter's host.",
    ),
    FailureReason.SERVER_ERROR: Explanation(
        "AWS answered with an error of its own.",
        "Wait: the exporter tries again at every interval. If it lasts, look at the AWS Health Dashboard.",
    ),
    FailureReason.MALFORMED_RESPONSE: Explanation(
        "The answer was not a list of jobs.",
        "Look for a proxy, or an endpoint in the AWS configuration, that answers in AWS's place.",
    ),
    FailureReason.RUNAWAY_PAGINATION: Explanation(
        "The list did not end: a page came twice, or there are more pages than allowed.",
        "Raise poll.max_pages if the account really has that many jobs, or set a filter on the target.",
    ),
    FailureReason.DUPLICATE_TARGET: Explanation(
        "Another target watches the same account and region.",
        "Remove one of the two from the configuration.",
    ),
    FailureReason.INTERNAL: Explanation(
        "The exporter has a bug.",
        "Report it with the traceback from the log. Other targets are not affected.",
    ),
}
"""Every reason."""
