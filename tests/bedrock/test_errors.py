"""Every exception that talking to AWS can raise has a reason and a message, and no message holds a secret."""

import http.client
import socket
import ssl
from typing import Any

import botocore.exceptions as boto
import pytest
from bedrock.scene import ASSUME, LIST, WHO_AM_I
from botocore.parsers import ResponseParserError
from urllib3.exceptions import NameResolutionError, NewConnectionError, ProtocolError

from exporter.bedrock.errors import ADVICE, walk_error
from exporter.errors import FailureReason, WalkError
from exporter.work import within

URL = "https://bedrock.us-east-1.amazonaws.com/model-customization-jobs"
WHERE = {"endpoint_url": f"https://user:hidden@{URL.removeprefix('https://')}?nextToken=hidden"}


def refusal(code: str, status: int, operation: str = LIST, message: str = "No.") -> boto.ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, operation)


REFUSALS: list[tuple[str, int, str, str, FailureReason]] = [
    ("ThrottlingException", 429, LIST, "", FailureReason.THROTTLED),
    ("AccessDeniedException", 429, LIST, "", FailureReason.THROTTLED),
    ("TooManyRequestsException", 400, LIST, "", FailureReason.THROTTLED),
    ("Throttling", 400, ASSUME, "", FailureReason.THROTTLED),
    ("AccessDeniedException", 403, LIST, "", FailureReason.ACCESS_DENIED),
    ("401", 401, LIST, "", FailureReason.ACCESS_DENIED),
    ("AccessDenied", 403, WHO_AM_I, "", FailureReason.ACCESS_DENIED),
    ("AccessDenied", 403, ASSUME, "", FailureReason.ASSUME_ROLE_DENIED),
    ("AccessDenied", 403, "AssumeRoleWithWebIdentity", "", FailureReason.ASSUME_ROLE_DENIED),
    ("RegionDisabledException", 403, ASSUME, "", FailureReason.ASSUME_ROLE_DENIED),
    ("ExpiredToken", 403, ASSUME, "", FailureReason.CREDENTIALS),
    ("InvalidClientTokenId", 403, ASSUME, "", FailureReason.CREDENTIALS),
    ("InvalidIdentityToken", 400, "AssumeRoleWithWebIdentity", "", FailureReason.CREDENTIALS),
    ("ResourceNotFoundException", 404, "GetRoleCredentials", "", FailureReason.CREDENTIALS),
    ("UnrecognizedClientException", 403, LIST, "", FailureReason.CREDENTIALS),
    ("SignatureDoesNotMatch", 403, LIST, "", FailureReason.CREDENTIALS),
    ("UnknownOperationException", 404, LIST, "", FailureReason.UNSUPPORTED_REGION),
    ("ValidationException", 400, LIST, "Unknown Operation", FailureReason.UNSUPPORTED_REGION),
    ("ValidationException", 400, LIST, "maxResults", FailureReason.INTERNAL),
    ("InternalServerException", 500, LIST, "", FailureReason.SERVER_ERROR),
    ("ServiceUnavailable", 503, ASSUME, "", FailureReason.SERVER_ERROR),
    ("AccessDeniedException", 403, LIST, "Please make sure your API Key is valid", FailureReason.CREDENTIALS),
    ("407", 407, LIST, "", FailureReason.NETWORK),
    ("404", 404, LIST, "", FailureReason.MALFORMED_RESPONSE),
    ("", 302, LIST, "", FailureReason.MALFORMED_RESPONSE),
    ("TemporaryRedirect", 307, LIST, "", FailureReason.MALFORMED_RESPONSE),
    ("MethodNotAllowed", 405, LIST, "", FailureReason.MALFORMED_RESPONSE),
    ("408", 408, LIST, "", FailureReason.TIMEOUT),
    ("RequestTimeout", 400, LIST, "", FailureReason.TIMEOUT),
    ("RequestTimeTooSkewed", 403, LIST, "", FailureReason.CREDENTIALS),
    ("InvalidAccessKeyId", 403, LIST, "", FailureReason.CREDENTIALS),
    ("AuthFailure", 401, LIST, "", FailureReason.CREDENTIALS),
    ("OptInRequired", 403, LIST, "", FailureReason.ACCESS_DENIED),
    ("ServiceUnavailableException", 400, LIST, "", FailureReason.SERVER_ERROR),
    ("ServiceQuotaExceededException", 402, LIST, "", FailureReason.THROTTLED),
    ("NoSuchBucket", 404, LIST, "", FailureReason.MALFORMED_RESPONSE),
    ("UnauthorizedException", 401, "GetRoleCredentials", "", FailureReason.CREDENTIALS),
    ("InvalidGrantException", 400, "CreateToken", "", FailureReason.CREDENTIALS),
    ("AWSOrganizationsNotInUseException", 400, "ListAccounts", "", FailureReason.ACCESS_DENIED),
]


@pytest.mark.parametrize(("code", "status", "operation", "message", "reason"), REFUSALS)
def test_refusals(code: str, status: int, operation: str, message: str, reason: FailureReason) -> None:
    """AWS's code counts, then the status; the message quotes AWS."""
    explained = walk_error(refusal(code, status, operation, message))
    assert explained.reason is reason
    assert explained.message.startswith(f"{code or 'An error'} from {operation}: {message}; ")


def test_a_refusal_that_botocore_repeated() -> None:
    """AWS's code, the operation and AWS's message once, and nothing of botocore's own retries."""
    error = refusal("ThrottlingException", 429, message="Rate exceeded")
    error.response["ResponseMetadata"]["RetryAttempts"] = 0
    error.response["ResponseMetadata"]["MaxAttemptsReached"] = True
    repeated = boto.ClientError(error.response, LIST)
    assert "(reached max retries: 0)" in str(repeated)
    assert walk_error(repeated).message == (
        f"ThrottlingException from {LIST}: Rate exceeded; {ADVICE[FailureReason.THROTTLED]}"
    )


def test_at_the_deadline() -> None:
    """What runs into the deadline says so beside what it was waiting for; what merely ends there does not."""
    with within(0):
        assert walk_error(boto.ReadTimeoutError(**WHERE)).message == (
            f'the deadline has passed: ReadTimeoutError: Read timeout on endpoint URL: "{URL}"; '
            "check the network, or raise aws.read_timeout and poll.timeout"
        )
        assert walk_error(boto.ConnectionClosedError(**WHERE)).message.startswith("ConnectionClosedError: ")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def unresolved(errno: int = socket.EAI_NONAME) -> Exception:
    cause = socket.gaierror(errno, "Name or service not known")
    return caused(NameResolutionError("bedrock.xx-new-1.amazonaws.com", None, cause), cause)  # type: ignore[arg-type]


def verification() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "hidden")
    error.verify_message = "self-signed certificate"
    return error


REFUSED = caused(NewConnectionError(None, "hidden"), ConnectionRefusedError(111, "hidden"))  # type: ignore[arg-type]
TUNNEL = OSError("Tunnel connection failed: 407 hidden")
OTHERS: list[tuple[Exception, FailureReason, str]] = [
    (
        boto.EndpointConnectionError(**WHERE, error=REFUSED),
        FailureReason.NETWORK,
        f'Could not connect to the endpoint URL: "{URL}" (Connection refused)',
    ),
    (
        boto.EndpointConnectionError(**WHERE, error=unresolved()),
        FailureReason.NETWORK,
        f'Could not connect to the endpoint URL: "{URL}" (Name or service not known)',
    ),
    (
        boto.ConnectionClosedError(**WHERE, error=ProtocolError("hidden", http.client.IncompleteRead(b"hidden"))),
        FailureReason.NETWORK,
        f'from endpoint URL: "{URL}". (closed before the end of the answer)',
    ),
    (
        boto.ConnectionClosedError(**WHERE, error=ProtocolError("hidden", http.client.RemoteDisconnected("hidden"))),
        FailureReason.NETWORK,
        "(closed without an answer)",
    ),
    (
        boto.ConnectionClosedError(**WHERE, error=ProtocolError("hidden", http.client.BadStatusLine("hidden"))),
        FailureReason.NETWORK,
        "(not HTTP)",
    ),
    (
        boto.ProxyConnectionError(proxy_url="http://user:hidden@proxy:3128", error=TUNNEL),
        FailureReason.NETWORK,
        'Failed to connect to proxy URL: "http://proxy:3128" (the proxy answered CONNECT with 407)',
    ),
    (
        boto.SSLError(**WHERE, error=caused(ProtocolError("hidden"), verification())),
        FailureReason.NETWORK,
        f"SSL validation failed for {URL} certificate verify failed: self-signed certificate; behind a proxy",
    ),
    (
        boto.SSLError(**WHERE, error=ssl.SSLError(1, "hidden")),
        FailureReason.NETWORK,
        f"SSL validation failed for {URL} TLS: failed",
    ),
    (
        boto.HTTPClientError(error=ValueError("Invalid header value b'hidden\\n'")),
        FailureReason.NETWORK,
        "An HTTP Client raised an unhandled exception: (details left out)",
    ),
    (boto.EndpointConnectionError(endpoint_url="http://[hidden"), FailureReason.NETWORK, '"(not a valid URL)"'),
    (boto.ConnectTimeoutError(**WHERE, error=TimeoutError("hidden")), FailureReason.TIMEOUT, "(timed out)"),
    (boto.ReadTimeoutError(**WHERE), FailureReason.TIMEOUT, f'Read timeout on endpoint URL: "{URL}"; '),
    (boto.NoCredentialsError(), FailureReason.CREDENTIALS, "Unable to locate credentials"),
    (
        boto.TokenRetrievalError(provider="sso", error_msg="hidden"),
        FailureReason.CREDENTIALS,
        "the profile signs in with SSO, but there is no valid session in ~/.aws/sso/cache; give the exporter a role",
    ),
    (boto.InvalidRegionError(region_name="???"), FailureReason.CREDENTIALS, "Provided region_name '???'"),
    (ResponseParserError("hidden"), FailureReason.MALFORMED_RESPONSE, "botocore can't parse the answer"),
    (ValueError("hidden"), FailureReason.INTERNAL, "ValueError: raised at an unknown place; please report"),
]


@pytest.mark.parametrize(("error", "reason", "says"), OTHERS, ids=[type(error).__name__ for error, *_ in OTHERS])
def test_other_exceptions(error: Exception, reason: FailureReason, says: str) -> None:
    """Each has one of the bounded reasons, and says what a person needs, without text that could hold a secret."""
    explained = walk_error(error)
    assert explained.reason is reason
    assert explained.message.startswith(f"{type(error).__name__}: ")
    assert says in explained.message
    assert "hidden" not in explained.message


def test_a_verdict_stays() -> None:
    """A `WalkError` is handed on as it is, also one that botocore has wrapped."""
    verdict = WalkError(FailureReason.RUNAWAY_PAGINATION, "as it is")
    assert walk_error(verdict) is verdict
    assert walk_error(boto.HTTPClientError(error=verdict)) is verdict


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (boto.EndpointConnectionError(**WHERE, error=unresolved()), FailureReason.UNSUPPORTED_REGION),
        (boto.EndpointConnectionError(**WHERE, error=unresolved(socket.EAI_AGAIN)), FailureReason.NETWORK),
        (boto.EndpointConnectionError(**WHERE, error=REFUSED), FailureReason.NETWORK),
        (boto.ConnectionClosedError(**WHERE), FailureReason.NETWORK),
        (boto.ConnectTimeoutError(**WHERE), FailureReason.TIMEOUT),
    ],
)
def test_where_the_region_has_no_service(error: Exception, reason: FailureReason) -> None:
    """A name that does not exist means an unsupported region there; whatever else goes wrong is what it is."""
    assert walk_error(error, lacks_service=lambda: True).reason is reason


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("RegionDisabledException", "enable the region for that account"),
        ("Roles may not be assumed by root accounts", "not those of a root user"),
        ("AWSOrganizationsNotInUseException", "the organization's management account"),
        ("Your account is not authorized to invoke this API operation", "no policy lifts it"),
        ("ParentNotFoundException", "check organizational_units"),
        ("x" * 2000, f"…; {ADVICE[FailureReason.ASSUME_ROLE_DENIED]}"),
    ],
)
def test_advice_follows_the_words_of_aws(words: str, advice: str) -> None:
    """Some refusals have nothing to do with a policy; a long one is cut."""
    message = walk_error(refusal("AccessDenied", 403, ASSUME, words)).message
    assert advice in message
    assert len(message) < 1200


def test_advice_of_the_caller() -> None:
    """Whoever calls another service gives advice of its own."""
    advice = {**ADVICE, FailureReason.NETWORK: "check the cable"}
    assert walk_error(boto.EndpointConnectionError(**WHERE), advice=advice).message.endswith("; check the cable")


def test_every_reason_of_ours_has_advice() -> None:
    """All but those whose messages are complete as they are raised."""
    assert set(FailureReason) - set(ADVICE) == {FailureReason.RUNAWAY_PAGINATION, FailureReason.DUPLICATE_TARGET}
