"""What an exception may say in public: on log lines and pages that anybody may read.

No text of a library is quoted unless it is known to hold no secret. That is so for what AWS itself answered, and for
the formats of botocore's exceptions where they are filled in with names and URLs. All else is told in our own words.
"""

from __future__ import annotations

import errno
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
"""Characters of AWS's text that are quoted."""


_URL_VARIABLES = (
    "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK",
)  # fmt: skip


def describe(error: BaseException) -> str:  # noqa: PLR0911 - a decision table
    """What an exception says, without anything that could be secret."""
    match error:
        case WalkError():
            return error.message
        case boto.ClientError():
            return _answer(error)
        case boto.SSLError() if number := _unreadable(error.kwargs.get("error")):
            return f"the CA bundle {_ca_bundle()} can't be read: {os.strerror(number)}"
        case boto.BotoCoreError():
            return f"{error.fmt.format_map(_Harmless(error.kwargs))}{_because(error)}"
        case OSError() if error.filename is not None and error.errno is not None:
            return f"{os.strerror(error.errno)}: {error.filename}"
        case JSONDecodeError():
            return "no valid JSON"
        case RuntimeError() if "still expired" in str(error):  # by botocore.credentials
            return "the credentials were renewed, but have expired already; check the clock"
        case _:
            return _network_words(error) or f"raised at {_place(error)}"


def _answer(error: boto.ClientError) -> str:
    """AWS's refusal: its code, the operation and its message, without what botocore says of its own retries."""
    told = error.response.get("Error", {})
    code, message = told.get("Code") or "An error", told.get("Message", "")
    text = f"{code} from {error.operation_name}: {message}"
    return (text if len(text) <= _LONGEST else f"{text:.{_LONGEST}}…").encode(errors="replace").decode()


class _Harmless(dict[str, object]):
    """What fills a format of botocore's: what is known to be a name or a URL, and of a URL only where it leads."""

    _NAMES = frozenset({
        "cred_var", "mode", "name", "path", "profile", "profile_name", "provider", "region_name", "service_name",
        "signature_version", "source_profile", "valid_modes", "visited_profiles",
    })  # fmt: skip
    _URLS = frozenset({"endpoint", "endpoint_url", "proxy_url"})

    def __getitem__(self, key: str) -> object:
        value = self.get(key)
        if key in self._NAMES:
            return value
        if key in self._URLS:
            return _bare(str(value))
        return (_network_words(value) if isinstance(value, Exception) else "") or "(details left out)"


def _bare(url: str) -> str:
    """A URL without user, password and query."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "(not a valid URL)"


def _because(error: boto.BotoCoreError) -> str:
    """The cause of a connection that failed, unless the format says it already."""
    cause = error.kwargs.get("error")
    words = _network_words(cause) if isinstance(cause, Exception) and "{error}" not in error.fmt else ""
    return f" ({words})" if words else ""


def _network_words(error: BaseException) -> str:  # noqa: PLR0911 - a decision table
    """What lies at the bottom of urllib3's exceptions, in words of the system; empty if that can't be said."""
    root = _root(error)
    match root:
        case WalkError():
            return root.message
        case ssl.SSLCertVerificationError():
            return f"certificate verify failed: {root.verify_message}; behind a proxy that opens TLS set AWS_CA_BUNDLE"
        case ssl.SSLError():
            return f"TLS: {getattr(root, 'reason', None) or 'failed'}"
        case LocationValueError():
            return f"a URL that can't be used; check {', '.join(filter(os.environ.get, _URL_VARIABLES)) or 'the URLs'}"
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


def _unreadable(error: object) -> int:
    """The number of the error if a file can't be read; 0 otherwise."""
    root = _root(error) if isinstance(error, BaseException) else None
    number = root.errno if isinstance(root, OSError) else None
    return number if number in {errno.ENOENT, errno.EISDIR, errno.EACCES} else 0


def _ca_bundle() -> str:
    """What botocore trusts in the place of its own certificates; the exception does not name it."""
    variable = next(filter(os.environ.get, ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")), None)
    return f"{os.environ[variable]} of {variable}" if variable else "of the AWS configuration (ca_bundle)"


def _root(error: BaseException) -> BaseException:
    for _ in range(10):
        inner = next((each for each in (error.__cause__, *error.args) if isinstance(each, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
