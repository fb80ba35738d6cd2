"""The schema of a web configuration file: the keys of exporter-toolkit, one pydantic model per section.

Sources: `web/tls_config.go`, `web/handler.go` and `docs/web-configuration.md` of prometheus/exporter-toolkit on GitHub.
Every scalar is read as text, as Go's YAML package does for a field that is a string.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from exporter.config.schema import Section

CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",  # these four: of Go before 1.22
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
"""Cipher suites up to TLS 1.2: Go's name → OpenSSL's."""

CIPHERS_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Cipher suites of TLS 1.3, which are always on: Go can't choose among them either."""

CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""Curves: Go's name → OpenSSL's."""

VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")
"""Versions of TLS, oldest first."""

VERIFYING = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
"""Types of client authentication that verify certificates."""

AUTH_TYPES = ("NoClientCert", "RequestClientCert", *VERIFYING)
"""Types of client authentication that this exporter supports."""

MAX_COST = 18
"""The highest cost of a bcrypt hash: it takes about 10 s, and each step doubles that."""

BCRYPT = r"\$2[abxy]?\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}"

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"


def _one_of(names: Iterable[str], what: str) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name not in names:
            nearest = difflib.get_close_matches(name[:64], names, n=1)
            raise ValueError(
                f"is not {what}; did you mean {nearest[0]!r}?"
                if nearest
                else f"is not {what}; they are {', '.join(names)}"
            )
        return name

    return check


def _auth_type(name: str) -> str:
    if name in {"RequireAnyClientCert", "RequireClientCert"}:
        raise ValueError(
            "is not supported: it accepts any certificate without verifying it, which Python's ssl module can't; use "
            "RequireAndVerifyClientCert with client_ca_file"
        )
    return _one_of(AUTH_TYPES, "a type of client authentication")(name) if name else name


def _bcrypt(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(BCRYPT, value):
        raise ValueError("is not a bcrypt hash; make one with htpasswd -nBC 10 USER")
    if int(value.split("$")[2]) > MAX_COST:
        raise ValueError(f"has a bcrypt cost over {MAX_COST}, so that no request would be answered in time")
    return value


def _user(name: str) -> str:
    if ":" in name:
        raise ValueError("has a colon, which no user name of HTTP basic authentication can have")
    return name


def _interval(value: object) -> float:
    """A duration of Go, or a number of nanoseconds, in seconds."""
    text = "" if value is None else str(value)
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text) * 1e-9
    if len(text) > 64 or not re.fullmatch(f"[+]?({_PART}){{1,8}}", text):  # matching takes the square of its length
        raise ValueError("is not a duration such as 500ms, 1s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))


def _header(*allowed: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if allowed and text not in allowed:
            raise ValueError(f"is not {' or '.join(allowed)}")
        if not text.isprintable():
            raise ValueError("has a character that no header can have")
        return text

    return check


HeaderText = Annotated[str, AfterValidator(_header())]
Curve = Annotated[str, AfterValidator(_one_of(CURVES, "a curve"))]
Cipher = Annotated[str, AfterValidator(_one_of([*CIPHERS, *CIPHERS_13], "a cipher suite"))]
Version = Annotated[str, AfterValidator(_one_of(VERSIONS, "a version of TLS"))]


class TlsServerConfig(Section):
    """``tls_server_config``."""

    cert: str | None = None
    key: str | None = None
    client_ca: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    client_auth_type: Annotated[str, AfterValidator(_auth_type)] | None = None
    client_ca_file: str | None = None
    cipher_suites: list[Cipher] | None = None
    curve_preferences: list[Curve] | None = None
    min_version: Version | None = None
    max_version: Version | None = None
    prefer_server_cipher_suites: bool | None = None
    client_allowed_sans: Annotated[list[str], Field(min_length=1)] | None = None


class Headers(Section):
    """``http_server_config.headers``."""

    content_security_policy: Annotated[HeaderText | None, Field(alias="Content-Security-Policy")] = None
    strict_transport_security: Annotated[HeaderText | None, Field(alias="Strict-Transport-Security")] = None
    x_content_type_options: Annotated[
        Annotated[str, AfterValidator(_header("nosniff"))] | None, Field(alias="X-Content-Type-Options")
    ] = None
    x_frame_options: Annotated[
        Annotated[str, AfterValidator(_header("deny", "sameorigin"))] | None, Field(alias="X-Frame-Options")
    ] = None
    x_xss_protection: Annotated[HeaderText | None, Field(alias="X-XSS-Protection")] = None


class HttpServerConfig(Section):
    """``http_server_config``."""

    http2: bool | None = None
    headers: Headers | None = None


class RateLimit(Section):
    """``rate_limit``."""

    interval: Annotated[float, BeforeValidator(_interval)] = 0.0
    burst: Annotated[int, Field(ge=0)] | None = None


class File(Section):
    """The whole file."""

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig | None = None
    rate_limit: RateLimit | None = None
    basic_auth_users: dict[Annotated[str, AfterValidator(_user)], Annotated[str, BeforeValidator(_bcrypt)]] | None = (
        None
    )
