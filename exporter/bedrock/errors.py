"""Any exception that a walk can meet → its reason and a message that says what to do."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Callable, Mapping
from json import JSONDecodeError

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import NameResolutionError

from exporter import permissions
from exporter.model import FailureReason, WalkError

_ACCESS_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "NotAuthorized",
        "UnauthorizedOperation",
        # Of AWS Organizations: the account is in none, or the organizational unit is not in it.
        "AWSOrganizationsNotInUseException",
        "ParentNotFoundException",
    }
)
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)

_LONGEST = 1000
"""Characters of an exception's text that are shown."""

WISHES = {
    FailureReason.THROTTLED: "raise poll.interval, or ask AWS for a higher rate",
    FailureReason.ACCESS_DENIED: f"allow {permissions.LIST_JOBS} on Resource '*' for this identity",
    FailureReason.ASSUME_ROLE_DENIED: (
        f"allow {permissions.ASSUME_ROLE} on the role, and this identity in the role's trust policy"
    ),
    FailureReason.CREDENTIALS: "give the exporter valid, current AWS credentials, and check the AWS configuration",
    FailureReason.UNSUPPORTED_REGION: "check the region's name, or take it out: it has no model customization",
    FailureReason.TIMEOUT: "check the network, or raise aws.read_timeout and poll.timeout",
    FailureReason.NETWORK: "check the network, DNS, the proxy and aws.endpoint_url",
    FailureReason.SERVER_ERROR: "wait; the service is at fault, and the next walk tries again",
    FailureReason.MALFORMED_RESPONSE: "check that aws.endpoint_url and the proxy lead to Amazon Bedrock",
    FailureReason.INTERNAL: "please report this as a bug",
}

_MORE_EXACT_WISHES = {
    "RegionDisabledException": "switch the region on for that account, or take it out of the configuration",
    "Roles may not be assumed by root accounts": "give the exporter credentials that are not those of a root user",
    "AWSOrganizationsNotInUseException": (
        "list with credentials of the organization's management account or of a delegated administrator"
    ),
    "ParentNotFoundException": "check organizational_units: the organization does not have all of them",
}
"""What AWS says of a refusal that no policy can mend → what to do."""


def walk_error(
    error: Exception,
    lacks_service: Callable[[], bool] = lambda: False,
    wishes: Mapping[FailureReason, str] = WISHES,
) -> WalkError:
    """Explain an exception that ended a walk.

    Args:
        error: whatever the walk raised. A `WalkError` is handed back as it is.
        lacks_service: asked when a name can't be resolved: whether it is the name of a region without the service, so
            that it is not the network that is down.
        wishes: what to do, by reason; those of a walk of Amazon Bedrock unless given.
    """
    if isinstance(error, WalkError):
        return error
    reason = _reason(error, lacks_service)
    text = _brief(str(error))
    wish = next((exact for said, exact in _MORE_EXACT_WISHES.items() if said in text), wishes[reason])
    return WalkError(reason, f"{type(error).__name__}: {text}; {wish}")


def _brief(text: str) -> str:
    """Text that a log line and a page can carry, whatever page of a proxy it quotes."""
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return text.encode(errors="replace").decode()


_READ_THE_ANSWER = ("botocore.parsers", "botocore.model", "botocore.errorfactory", "botocore.retries")
"""Parts of botocore that stumble over what the service would never send, such as a code that is no text."""


def _is_met_in(error: Exception, *modules: str) -> bool:
    """Whether one of botocore's modules raised it, or let it through."""
    return any(
        frame.f_globals.get("__name__", "").startswith(modules) for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _reason(error: Exception, lacks_service: Callable[[], bool]) -> FailureReason:  # noqa: PLR0911 - a decision table
    match error:
        case boto.ClientError():
            return _service_reason(error)
        case boto.EndpointConnectionError() if _is_unresolved(error) and lacks_service():
            return FailureReason.UNSUPPORTED_REGION
        case boto.ConnectTimeoutError() | boto.ReadTimeoutError():
            return FailureReason.TIMEOUT
        case boto.HTTPClientError() | boto.ConnectionError():
            return FailureReason.NETWORK
        case (
            boto.NoCredentialsError()
            | boto.PartialCredentialsError()
            | boto.CredentialRetrievalError()
            | boto.MetadataRetrievalError()
            | boto.ProfileNotFound()
            | boto.ConfigNotFound()
            | boto.ConfigParseError()
            | boto.TokenRetrievalError()
            | boto.NoAuthTokenError()
            | boto.SSOError()
            | boto.LoginError()
            | boto.RefreshWithMFAUnsupportedError()
            | boto.InvalidConfigError()
            | boto.NoRegionError()  # of a client that a provider makes: ours always have one
            | boto.InvalidEndpointConfigurationError()  # of an API key, which is sent over TLS only
            | boto.InvalidDefaultsMode()
            | boto.UnknownCredentialError()
        ):
            return FailureReason.CREDENTIALS
        case boto.InvalidRegionError():
            return FailureReason.UNSUPPORTED_REGION
        case _ if isinstance(error, ResponseParserError) or _is_met_in(error, *_READ_THE_ANSWER):
            return FailureReason.MALFORMED_RESPONSE
        case RuntimeError() if _is_met_in(error, "botocore.credentials"):
            # New credentials that have ended already: the clock of one of both is wrong.
            return FailureReason.CREDENTIALS
        case OSError() | JSONDecodeError():
            # botocore wraps those of the network; what is left is a token file that is not there, a command that does
            # not start or prints no JSON: what credentials come from.
            return FailureReason.CREDENTIALS
        case _:
            return FailureReason.INTERNAL


def _is_unresolved(error: boto.EndpointConnectionError) -> bool:
    """Whether there is no such name, which another answer of the name service than that does not say."""
    cause = error.kwargs.get("error")
    why = cause.__cause__ if isinstance(cause, NameResolutionError) else None
    return isinstance(why, socket.gaierror) and why.errno in {socket.EAI_NONAME, socket.EAI_NODATA}


def _service_reason(error: boto.ClientError) -> FailureReason:  # noqa: PLR0911 - a decision table
    """The reason for an answer of the service that is not 200."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLED or status == 429:
        return FailureReason.THROTTLED
    if code in _CREDENTIALS:
        return FailureReason.CREDENTIALS
    if error.operation_name.startswith("AssumeRole") and (code in _ACCESS_DENIED or status == 403):
        return FailureReason.ASSUME_ROLE_DENIED
    if code.startswith("UnknownOperation") or (
        code == "ValidationException" and "unknown operation" in message.casefold()
    ):
        return FailureReason.UNSUPPORTED_REGION
    if code in _ACCESS_DENIED or status in {401, 403}:
        return FailureReason.ACCESS_DENIED
    if status >= 500:
        return FailureReason.SERVER_ERROR
    if error.operation_name.startswith(("AssumeRole", "Get")):  # of STS and of SSO
        return FailureReason.CREDENTIALS
    if not code or code.isdigit():  # botocore puts the status where the body held no error of the service
        return FailureReason.MALFORMED_RESPONSE
    return FailureReason.INTERNAL
