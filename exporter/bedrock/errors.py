"""Any exception that a walk can meet → its reason and a message that says what to do. Pure."""

from __future__ import annotations

from collections.abc import Callable

from botocore import exceptions as boto

from exporter.model import FailureReason, WalkError

_ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"})
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

_WISHES = {
    FailureReason.THROTTLED: "raise poll.interval, or ask AWS for a higher rate",
    FailureReason.ACCESS_DENIED: "allow bedrock:ListModelCustomizationJobs on Resource '*' for this identity",
    FailureReason.ASSUME_ROLE_DENIED: "allow sts:AssumeRole on the role, and this identity in the role's trust policy",
    FailureReason.CREDENTIALS: "give the exporter valid, current AWS credentials",
    FailureReason.UNSUPPORTED_REGION: "take the region out of the configuration; it has no model customization",
    FailureReason.TIMEOUT: "check the network, or raise aws.read_timeout and poll.timeout",
    FailureReason.NETWORK: "check the network, DNS, the proxy and aws.endpoint_url",
    FailureReason.SERVER_ERROR: "wait; the service is at fault, and the next walk tries again",
    FailureReason.MALFORMED_RESPONSE: "check that aws.endpoint_url and the proxy lead to Amazon Bedrock",
    FailureReason.INTERNAL: "please report this as a bug",
}


def walk_error(error: Exception, region_has_service: Callable[[], bool] = lambda: True) -> WalkError:
    """Explain an exception that ended a walk.

    Args:
        error: whatever the walk raised. A `WalkError` is handed back as it is.
        region_has_service: tells whether botocore's own list of endpoints has Bedrock in the target's region. Where it
            has not, a name that can't be resolved means that the region lacks the service, not that the network is
            down.
    """
    if isinstance(error, WalkError):
        return error
    reason = _reason(error, region_has_service)
    return WalkError(reason, f"{type(error).__name__}: {error}; {_WISHES[reason]}")


def _reason(error: Exception, region_has_service: Callable[[], bool]) -> FailureReason:  # noqa: PLR0911 - a decision table
    match error:
        case boto.ClientError():
            return _service_reason(error)
        case boto.EndpointConnectionError() | boto.InvalidRegionError() if not region_has_service():
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
            | boto.TokenRetrievalError()
            | boto.SSOError()
            | boto.LoginError()
            | boto.NoAuthTokenError()
            | boto.RefreshWithMFAUnsupportedError()
            | boto.ConfigParseError()
            | boto.InvalidConfigError()
            | boto.UnknownCredentialError()
        ):
            return FailureReason.CREDENTIALS
        case boto.NoRegionError() | boto.InvalidRegionError():
            return FailureReason.UNSUPPORTED_REGION
        case _ if type(error).__name__ == "ResponseParserError":
            return FailureReason.MALFORMED_RESPONSE
        case _:
            return FailureReason.INTERNAL


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
    if not code or code.isdigit():  # botocore puts the status where the body held no error of the service
        return FailureReason.MALFORMED_RESPONSE
    return FailureReason.INTERNAL
