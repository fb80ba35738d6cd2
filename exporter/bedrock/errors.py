"""Any exception that talking to AWS can raise → its reason, and a message that says what to do."""

from __future__ import annotations

import re
import socket
import traceback
from collections.abc import Callable, Mapping

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import NameResolutionError

from exporter import work
from exporter.bedrock import actions
from exporter.bedrock.descriptions import describe, in_force, is_of_settings
from exporter.errors import FailureReason, WalkError

Advice = Mapping[FailureReason, str]
"""What to do about a failure, by its reason."""

ADVICE: Advice = {
    FailureReason.THROTTLED: "raise poll.interval, or ask AWS for a higher rate",
    FailureReason.ACCESS_DENIED: f"allow {actions.LIST_JOBS} on Resource '*' for this identity",
    FailureReason.ASSUME_ROLE_DENIED: (
        f"allow {actions.ASSUME_ROLE} on the role, and this identity in the role's trust policy"
    ),
    FailureReason.CREDENTIALS: "give the exporter valid, current AWS credentials, and check the AWS configuration",
    FailureReason.UNSUPPORTED_REGION: "check the region's name, or remove it: it has no model customization",
    FailureReason.TIMEOUT: "check the network, or raise aws.read_timeout and poll.timeout",
    FailureReason.NETWORK: "check the network, DNS, the proxy and aws.endpoint_url",
    FailureReason.SERVER_ERROR: "wait; the service is at fault, and the next walk tries again",
    FailureReason.MALFORMED_RESPONSE: "check that aws.endpoint_url and the proxy lead to Amazon Bedrock",
    FailureReason.INTERNAL: "please report this as a bug",
}
"""For a call of Amazon Bedrock."""

STS_ADVICE: Advice = {
    **ADVICE,
    FailureReason.NETWORK: "check the network, DNS, the proxy and AWS_ENDPOINT_URL_STS",
    FailureReason.MALFORMED_RESPONSE: "check that AWS_ENDPOINT_URL_STS and the proxy lead to AWS STS",
}
"""For a call of AWS STS."""

_EXACT_ADVICE = {
    "RegionDisabledException": "enable the region for that account, or remove it from the configuration",
    "Roles may not be assumed by root accounts": "give the exporter credentials that are not those of a root user",
    "AWSOrganizationsNotInUseException": (
        "list with credentials of the organization's management account or of a delegated administrator"
    ),
    "ake sure your API Key is valid": "give the exporter a valid API key in AWS_BEARER_TOKEN_BEDROCK",
    "our account is not authorized": "ask AWS Support: this is about the account or its region, and no policy lifts it",
    "407 from": "the proxy asks for a user and a password; put them into the URL of HTTP_PROXY or HTTPS_PROXY",
    "CONNECT with 407": "it asks for a user and a password; put them into the URL of HTTPS_PROXY",
    "the CA bundle ": "give the exporter a CA bundle that it can read",
    "connect to proxy": "check the proxy in HTTPS_PROXY or HTTP_PROXY",
    "a URL that can't be used": "write it as http://host:port, and what is special in a password percent-encoded",
    "over TLS only": "have aws.endpoint_url begin with https://",
    "signs in with": "give the exporter a role, or keys that need no sign-in",
    "ParentNotFoundException": "check organizational_units: the organization does not have all of them",
}
"""Text in a refusal that no policy can fix → what to do."""

_BY_CODE = {
    code: reason
    for reason, codes in {
        FailureReason.THROTTLED: (
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "LimitExceededException",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "ServiceQuotaExceededException",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
        ),
        FailureReason.CREDENTIALS: (
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "InvalidToken",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            "UnauthorizedException",
            "UnrecognizedClientException",
        ),
        FailureReason.ACCESS_DENIED: (
            "AccessDenied",
            "AccessDeniedException",
            "ForbiddenException",
            "NotAuthorized",
            "NotAuthorizedException",
            "OptInRequired",
            "SubscriptionRequiredException",
            "UnauthorizedOperation",
            # AWS Organizations: the account is in no organization, or the organizational unit is not in it.
            "AWSOrganizationsNotInUseException",
            "ParentNotFoundException",
        ),
        FailureReason.SERVER_ERROR: (
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ),
        FailureReason.TIMEOUT: ("RequestTimeout", "RequestTimeoutException"),
    }.items()
    for code in codes
}

_BY_STATUS = {
    401: FailureReason.ACCESS_DENIED,
    403: FailureReason.ACCESS_DENIED,
    407: FailureReason.NETWORK,  # of a proxy
    408: FailureReason.TIMEOUT,
    **dict.fromkeys(range(500, 1000), FailureReason.SERVER_ERROR),
}

_BY_TYPE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], FailureReason], ...] = (
    ((boto.ConnectTimeoutError, boto.ReadTimeoutError), FailureReason.TIMEOUT),
    ((boto.HTTPClientError, boto.ConnectionError), FailureReason.NETWORK),
    (ResponseParserError, FailureReason.MALFORMED_RESPONSE),
    (
        (
            boto.InvalidRegionError,
            boto.NoCredentialsError,
            boto.NoAuthTokenError,
            boto.TokenRetrievalError,
            boto.EndpointProviderError,  # such as FIPS with a custom endpoint
            boto.InvalidEndpointConfigurationError,  # an API key is sent over TLS only
        ),
        FailureReason.CREDENTIALS,
    ),
)
"""The first match decides."""

_ANSWER_READERS = ("botocore.parsers", "botocore.model", "botocore.errorfactory", "botocore.retries")
"""Modules of botocore that fail at answers that AWS never sends, such as a code that is not text."""

_SENDERS = ("botocore.", "urllib3.", "urllib.parse")
"""Modules that raise unexpected exceptions for the user's files, variables and URLs before a request is sent."""


def walk_error(
    error: Exception,
    lacks_service: Callable[[], bool] = lambda: False,
    advice: Advice = ADVICE,
    otherwise: FailureReason = FailureReason.INTERNAL,
) -> WalkError:
    """Explain an exception.

    Args:
        error: whatever was raised. A `WalkError` is returned unchanged, even if botocore has wrapped it.
        lacks_service: called if a name can't be resolved; returns whether it belongs to a region without the service,
            so that the network is not at fault.
        advice: what to do, by reason.
        otherwise: the reason of an unexpected exception: a bug of ours, unless only code that reads the user's
            configuration has run.
    """
    if (verdict := _verdict(error)) is not None:
        return verdict
    reason = reason_of(error, otherwise)
    if reason is FailureReason.NETWORK and _is_unresolved(error) and lacks_service():
        reason = FailureReason.UNSUPPORTED_REGION
    is_misread = reason is FailureReason.MALFORMED_RESPONSE and not isinstance(error, boto.ClientError)
    text = "botocore can't parse the answer" if is_misread else describe(error)
    exact = next((exact for words, exact in _EXACT_ADVICE.items() if words in text), advice[reason])
    if not isinstance(error, boto.ClientError):  # its text must begin with AWS's code
        text = f"{type(error).__name__}: {text}"
    if reason is FailureReason.TIMEOUT and work.remaining() <= 0:
        text = f"the deadline has passed: {text}"
    return WalkError(reason, f"{text}; {in_force(exact)}")


def reason_of(error: Exception, otherwise: FailureReason = FailureReason.INTERNAL) -> FailureReason:
    """The reason of an exception; `otherwise` for an unexpected one."""
    if (verdict := _verdict(error)) is not None:
        return verdict.reason
    if isinstance(error, boto.ClientError):
        return _service_reason(error)
    if is_of_settings(error):
        return FailureReason.CREDENTIALS
    for kind, reason in _BY_TYPE:
        if isinstance(error, kind):
            return reason
    if _is_met_in(error, *_ANSWER_READERS):
        return FailureReason.MALFORMED_RESPONSE
    return FailureReason.CREDENTIALS if _is_raised_in(error, *_SENDERS) else otherwise


def _verdict(error: Exception) -> WalkError | None:
    """The exception itself if it is a `WalkError`, or the one that `transport` raised inside botocore."""
    inner = error.kwargs.get("error") if isinstance(error, boto.HTTPClientError) else error
    return inner if isinstance(inner, WalkError) else None


def _is_unresolved(error: Exception) -> bool:
    """Whether DNS says that a name does not exist; not if DNS does not answer."""
    cause = error.kwargs.get("error") if isinstance(error, boto.EndpointConnectionError) else None
    origin = cause.__cause__ if isinstance(cause, NameResolutionError) else None
    return isinstance(origin, socket.gaierror) and origin.errno in {socket.EAI_NONAME, socket.EAI_NODATA}


def _is_met_in(error: Exception, *modules: str) -> bool:
    """Whether one of these modules is in the exception's traceback."""
    return any(
        frame.f_globals.get("__name__", "").startswith(modules) for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _is_raised_in(error: Exception, *modules: str) -> bool:
    """Whether one of these modules raised the exception, directly or in the standard library."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = max((place for place, name in enumerate(names) if name.startswith("exporter.")), default=-1)
    return any(name.startswith(modules) for name in names[ours + 1 :])


def _service_reason(error: boto.ClientError) -> FailureReason:  # noqa: PLR0911 - a decision table
    """The reason for an error answer."""
    code = str(error.response.get("Error", {}).get("Code", "")).partition(",")[0]  # a repeated header has commas
    text = str(error.response.get("Error", {}).get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if "ake sure your API Key is valid" in text:
        return FailureReason.CREDENTIALS
    if error.operation_name in {"CreateToken", "GetRoleCredentials"} and 400 <= status < 500 and status != 429:
        return FailureReason.CREDENTIALS  # of SSO
    by_code = FailureReason.THROTTLED if status == 429 else _BY_CODE.get(code)
    is_denied = by_code is FailureReason.ACCESS_DENIED or (by_code is None and status == 403)
    if is_denied and error.operation_name.startswith("AssumeRole"):
        return FailureReason.ASSUME_ROLE_DENIED
    if by_code is not None:
        return by_code
    if code.startswith("UnknownOperation"):
        return FailureReason.UNSUPPORTED_REGION
    if code == "ValidationException" and {"unknown", "operation"} <= set(re.findall(r"\w+", text.casefold())):
        return FailureReason.UNSUPPORTED_REGION
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if error.operation_name.startswith(("AssumeRole", "GetCaller", "GetRole")):  # of STS and SSO
        return FailureReason.CREDENTIALS
    # botocore uses the status as the code if the body is not an error of the service.
    # Amazon Bedrock answers 400 to an invalid request; other codes come from another server, such as a proxy.
    is_ours = status == 400 and code and not code.isdigit()
    return FailureReason.INTERNAL if is_ours else FailureReason.MALFORMED_RESPONSE
