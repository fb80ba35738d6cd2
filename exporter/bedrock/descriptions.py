"""Describes exceptions for log lines and pages that anybody may read.

A library's text is quoted only if it is known to hold no secret: AWS's own answers, and the formats of botocore's
exceptions when filled in with names and URLs. Everything else is described in our own words.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import traceback
from json import JSONDecodeError
from pathlib import Path
from urllib.parse import urlsplit

from botocore import exceptions as boto
from urllib3.exceptions import LocationValueError

from exporter.errors import WalkError

_LONGEST = 1000
"""The most characters of AWS's text that are quoted."""


_URL_VARIABLES = (
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK",
    "AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
)  # fmt: skip

_NUMBER_VARIABLES = ("AWS_MAX_ATTEMPTS", "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_METADATA_SERVICE_TIMEOUT")

_ROLE_PARAMETERS = {
    "RoleArn": ("AWS_ROLE_ARN", "role_arn", "the ARN of a role, such as arn:aws:iam::111122223333:role/exporter"),
    "RoleSessionName": ("AWS_ROLE_SESSION_NAME", "role_session_name", "2 to 64 letters, digits and any of +=,.@-_"),
    "ExternalId": ("", "external_id", "2 to 1224 letters, digits and any of +=,.@:/-_"),
    "DurationSeconds": ("", "duration_seconds", "a number of at least 900"),
}
"""An STS parameter → the variable and the profile key that set it, and what it must be."""

_LEFT_OUT = "(details left out)"

_SETTINGS = {
    "ContainerProvider": (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ),
    "EnvProvider": ("AWS_CREDENTIAL_EXPIRATION",),
    "ProcessProvider": ("credential_process of the AWS configuration",),
    "ConfiguredEndpointProvider": ("services of the AWS configuration",),
}  # fmt: skip
"""A botocore class → the settings that it reads."""

_KEYS = frozenset({
    "AWS_ROLE_ARN", "account_id_endpoint_mode", "auth_scheme_preference", "credential_source",
    "request_min_compression_size_bytes", "role_arn", "services", "source_profile", "sso_account_id", "sso_region",
    "sso_role_name", "sso_session", "sso_start_url",
})  # fmt: skip
"""Keys of the AWS configuration that botocore checks."""


def describe(error: BaseException) -> str:
    """Describe an exception without anything that could be secret."""
    words = _words(error)
    is_vague = _LEFT_OUT in words or words.startswith("raised at")
    settings = _settings_at_work(error) if is_vague else ""
    return f"{words}; check {settings}" if settings else words


def _settings_at_work(error: BaseException) -> str:
    """The settings that were being read when the exception was raised, if known."""
    names = [frame.f_code.co_qualname.partition(".")[0] for frame, _ in traceback.walk_tb(error.__traceback__)]
    settings = next((settings for name, settings in _SETTINGS.items() if name in names), ())
    return ", ".join(name for name in settings if not name.startswith("AWS_") or os.environ.get(name))


def _words(error: BaseException) -> str:  # noqa: PLR0911 - a decision table
    match error:
        case WalkError():
            return error.message
        case boto.ClientError():
            return _answer(error)
        case boto.BotoCoreError() if words := _setting_words(error):
            return words
        case boto.BotoCoreError():
            return f"{error.fmt.format_map(_Harmless(error.kwargs))}{_because(error)}"
        case OSError() if error.filename is not None and error.errno is not None:
            return f"{os.strerror(error.errno)}: {error.filename}"
        case JSONDecodeError():
            return "no valid JSON"
        case RuntimeError() if "still expired" in str(error):  # by botocore.credentials
            return "the credentials were renewed, but have expired already; check the clock"
        case ValueError() if _place_of(error).startswith("botocore.configprovider"):
            return f"not a number; check {_set_of(_NUMBER_VARIABLES) or 'the numbers in the AWS configuration'}"
        case _:
            return _network_words(error) or f"raised at {_place(error)}"


def is_of_settings(error: BaseException) -> bool:
    """Whether a request could not be sent because of a file or URL in the user's settings."""
    root = _root(_cause(error))
    return _is_bad_url(root) or _is_of_bundle(root)


def in_force(text: str) -> str:
    """The text, with the variable that actually sets the endpoint named beside ``aws.endpoint_url``."""
    variables = os.environ
    everywhere = "AWS_ENDPOINT_URL" if variables.get("AWS_ENDPOINT_URL") else ""
    if everywhere and not variables.get("AWS_ENDPOINT_URL_STS"):
        text = text.replace("AWS_ENDPOINT_URL_STS", everywhere)
    own = "AWS_ENDPOINT_URL_BEDROCK" if variables.get("AWS_ENDPOINT_URL_BEDROCK") else everywhere
    return text.replace("aws.endpoint_url", f"{own} or aws.endpoint_url") if own and own not in text else text


def _setting_words(error: boto.BotoCoreError) -> str:  # noqa: PLR0911 - a decision table
    """Describe what is wrong with the user's settings; empty if the error is about something else."""
    match error:
        case boto.ParamValidationError():
            return _parameter_words(str(error.kwargs.get("report")))
        case boto.InvalidConfigError():
            told = str(error.kwargs.get("error_msg")).replace("-", "_").replace(" ", "_")
            keys = sorted(key for key in _KEYS if key in told)
            return (
                f"the AWS configuration lacks something or contradicts itself; check {', '.join(keys)}" if keys else ""
            )
        case boto.InvalidEndpointConfigurationError():
            return "an API key is sent over TLS only"
        case boto.SSOError() | boto.TokenRetrievalError():
            return "the profile signs in with SSO, but there is no valid session in ~/.aws/sso/cache"
        case boto.MissingDependencyException() if "login" not in str(error.kwargs.get("msg")):
            return "a dependency that the exporter does not have; check auth_scheme_preference"
        case boto.LoginError() | boto.MissingDependencyException():
            return "the profile signs in with `aws login`, which a service can't do"
        case boto.InvalidIMDSEndpointError():
            where = _where("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint")
            return f"{where} is no URL, such as http://169.254.169.254"
        case boto.InvalidIMDSEndpointModeError():
            where = _where("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode")
            return f"{where} is neither IPv4 nor IPv6"
        case boto.ProxyConnectionError() if "://" in str(error.kwargs.get("proxy_url")).partition("://")[2]:
            return f"a proxy that is neither http:// nor https:// can't be used; check {_set_of(_URL_VARIABLES)}"
        case _ if _is_of_bundle(root := _root(_cause(error))):
            number = root.errno if isinstance(root, OSError) and not isinstance(root, ssl.SSLError) else None
            fault = f"can't be read: {os.strerror(number)}" if number else "holds no certificates"
            return f"the CA bundle {_ca_bundle()} {fault}"
        case _:
            return ""


def _parameter_words(report: str) -> str:
    """Name the invalid STS parameter and its source."""
    name = next((each for each in _ROLE_PARAMETERS if each in report), None)
    if name is None:
        return ""
    variable, key, wanted = _ROLE_PARAMETERS[name]
    return f"{_where(variable, key)} must be {wanted}"


def _where(variable: str, key: str) -> str:
    return variable if os.environ.get(variable) else f"{key} of the AWS configuration"


def _set_of(variables: tuple[str, ...]) -> str:
    return ", ".join(filter(os.environ.get, variables))


def _answer(error: boto.ClientError) -> str:
    """AWS's error: code, operation and message, without botocore's note on its retries."""
    told = error.response.get("Error", {})
    code, message = told.get("Code") or "An error", told.get("Message", "")
    text = f"{code} from {error.operation_name}: {message}"
    return (text if len(text) <= _LONGEST else f"{text:.{_LONGEST}}…").encode(errors="replace").decode()


class _Harmless(dict[str, object]):
    """Fills in a botocore format: only known names and URLs, and of a URL only scheme, host and path."""

    _NAMES = frozenset({
        "config_key", "cred_var", "mode", "name", "path", "profile", "profile_name", "provider", "region_name",
        "service_name", "signature_version", "source_profile", "valid_modes", "valid_options", "visited_profiles",
    })  # fmt: skip
    _URLS = frozenset({"endpoint", "endpoint_url", "proxy_url"})

    def __getitem__(self, key: str) -> object:
        value = self.get(key)
        if key in self._NAMES:
            return value
        if key in self._URLS:
            return _bare(str(value))
        return (_network_words(value) if isinstance(value, Exception) else "") or _LEFT_OUT


def _bare(url: str) -> str:
    """A URL without user, password and query."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "(not a valid URL)"


def _because(error: boto.BotoCoreError) -> str:
    """The cause of a failed connection, unless the format already includes it."""
    cause = error.kwargs.get("error")
    words = _network_words(cause) if isinstance(cause, Exception) and "{error}" not in error.fmt else ""
    return f" ({words})" if words else ""


def _network_words(error: BaseException) -> str:  # noqa: PLR0911 - a decision table
    """Describe the root cause below urllib3's exceptions; empty if unknown."""
    root = _root(error)
    match root:
        case WalkError():
            return root.message
        case ssl.SSLCertVerificationError():
            return f"certificate verify failed: {root.verify_message}; behind a proxy that opens TLS set AWS_CA_BUNDLE"
        case ssl.SSLError():
            return f"TLS: {getattr(root, 'reason', None) or 'failed'}"
        case _ if _is_bad_url(root):
            return (
                f"a URL that can't be used; check {_set_of(_URL_VARIABLES) or 'endpoint_url of the AWS configuration'}"
            )
        case OSError() if tunnel := re.search(r"Tunnel connection failed: (\d{3})\b", str(root)):
            return f"the proxy answered CONNECT with {tunnel[1]}"
        case socket.gaierror():
            return str(root.strerror)
        case OSError() if root.errno is not None:
            return os.strerror(root.errno)
        case TimeoutError():
            return "timed out"
        case http.client.RemoteDisconnected():
            return "closed without an answer"
        case http.client.IncompleteRead():
            return "closed before the end of the answer"
        case http.client.HTTPException():
            return "not HTTP"
        case _:
            return ""


def _is_bad_url(error: BaseException) -> bool:
    """Whether URL-parsing code raised the exception."""
    parsers = (
        "urllib.parse", "ipaddress", "encodings.idna", "urllib3.util", "botocore.endpoint", "botocore.httpsession",
    )  # fmt: skip
    return isinstance(error, LocationValueError) or (
        isinstance(error, ValueError) and not isinstance(error, OSError) and _place_of(error).startswith(parsers)
    )


def _is_of_bundle(error: BaseException) -> bool:
    """Whether certificates could not be loaded: an error of OpenSSL or the system, raised in urllib3's loading."""
    return isinstance(error, OSError) and _place_of(error) == "urllib3.util.ssl_"


def _ca_bundle() -> str:
    """The CA bundle that replaces botocore's own; the exception does not name it."""
    variable = next(filter(os.environ.get, ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")), None)
    return f"{os.environ[variable]} of {variable}" if variable else "of the AWS configuration (ca_bundle)"


def _root(error: BaseException) -> BaseException:
    for _ in range(10):
        inner = next((each for each in (error.__cause__, *error.args) if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _cause(error: BaseException) -> BaseException:
    cause = error.kwargs.get("error") if isinstance(error, boto.BotoCoreError) else None
    return cause if isinstance(cause, BaseException) else error


def _place_of(error: BaseException) -> str:
    """The module that raised the exception."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return str(frames[-1][0].f_globals.get("__name__", "")) if frames else ""


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
