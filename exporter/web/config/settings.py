"""A web configuration after validation."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Tls:
    """How connections are encrypted.

    Attributes:
        context: of every new connection.
        expiry: when the certificate that it serves expires, Unix seconds.
        requires_client_cert: whether a request without a client certificate is to be refused, although the handshake
            accepts it.
        allowed_sans: a client certificate must have one of these names; None for any name.
    """

    context: ssl.SSLContext
    expiry: float
    requires_client_cert: bool = False
    allowed_sans: frozenset[str] | None = None

    def allows(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client with this certificate, as `SSLSocket.getpeercert` gives it, may connect."""
        if not certificate or self.allowed_sans is None:
            return True
        names = certificate.get("subjectAltName", ())
        return any(_spelled(kind, name) in self.allowed_sans for kind, name in names)


def _spelled(kind: str, name: str) -> str | None:
    """A name as Go spells it; None for a kind that exporter-toolkit does not compare."""
    if kind == "IP Address":
        return str(ipaddress.ip_address(name.strip()))
    return name if kind in {"DNS", "email", "URI"} else None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket.

    Attributes:
        interval: seconds in which one request more is allowed.
        burst: requests allowed at once.
    """

    interval: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A complete, validated web configuration.

    Attributes:
        tls: None for plain HTTP.
        users: name → bcrypt hash of the password; empty if no password is needed.
        headers: of every response; they replace the exporter's own headers of these names.
        rate_limit: of all requests together; None without a limit.
    """

    tls: Tls | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate_limit: RateLimit | None = None

    def summary(self) -> str:
        """What it protects, for people: ``TLS with client certificates, 2 users``."""
        certificates = " with client certificates" if self.tls and self.tls.context.verify_mode else ""
        count = len(self.users)
        return f"{f'TLS{certificates}' if self.tls else 'no TLS'}, {count or 'no'} user{'' if count == 1 else 's'}"
