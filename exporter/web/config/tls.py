"""Certificates, keys and names of a web configuration → an `ssl.SSLContext`."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from exporter.web.config.schema import CIPHERS, CURVES

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----")
_ENCRYPTED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED", re.MULTILINE)
_DEFAULT = tuple(name for name in CIPHERS if name.startswith("TLS_ECDHE_"))  # of Go 1.22 and newer
_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class TlsError(ValueError):
    """A value can't be used; the text says why, without the value.

    Attributes:
        key: the setting at fault, `cert` or `key`.
    """

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(fault)
        self.key = key


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What a context is made from: PEM, and Go's names of versions, cipher suites and curves.

    Attributes:
        cert: the certificate and its chain.
        key: the certificate's.
        client_ca: who may issue client certificates; None for the CAs that the system trusts.
        verify: whether client certificates are requested and verified, or also required.
        min_version, max_version: inclusive.
        cipher_suites: up to TLS 1.2, and any of TLS 1.3; empty for Go's default. Without one up to TLS 1.2, only TLS
            1.3 is spoken.
        prefer_server: whether the order of the suites is the server's.
        curves: empty, or all, for OpenSSL's default. Python's ssl can't set more than one, so the first is used.
    """

    cert: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None
    verify: ssl.VerifyMode = ssl.CERT_NONE
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server: bool = True
    curves: tuple[str, ...] = ()


def fault_of_certificates(pem: bytes) -> str | None:
    """What is wrong with PEM that should hold certificates; None if nothing."""
    if not _CERTIFICATE.search(pem):
        return "has no certificate in PEM"
    try:
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pem)
    except (ssl.SSLError, ValueError):
        return "has a certificate that OpenSSL can't read"
    return None


def fault_of_key(pem: bytes) -> str | None:
    """What is obviously wrong with PEM that should hold a private key; None if nothing."""
    if _ENCRYPTED.search(pem):
        return "is encrypted; give it without a passphrase"
    return None if _KEY.search(pem) else "has no private key in PEM"


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context of a server.

    Args:
        settings: with a certificate, a key and CAs that have no fault of their own.

    Raises:
        TlsError: the certificate and the key can't be used together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    _restrict(context, settings)
    _load_pair(context, settings.cert, settings.key)
    if settings.verify is not ssl.CERT_NONE:
        context.verify_mode = settings.verify
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # Go trusts what is listed, also if it is not a root
        if settings.client_ca is None:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        else:
            _trust(context, settings.client_ca)
    return context


def expiry(cert: bytes) -> float:
    """When the first certificate of a PEM file expires, Unix seconds."""
    der = ssl.PEM_cert_to_DER_cert(_certificates(cert)[0].decode())
    (_, certificate), *_ = _items(der)
    (_, to_be_signed), *_ = _items(certificate)
    fields = [
        content for tag, content in _items(to_be_signed) if tag != 0xA0
    ]  # without the version, which may be left out
    _, (tag, not_after) = _items(fields[3])  # after serial number, algorithm and issuer, RFC 5280, 4.1
    form = "%y%m%d%H%M%SZ" if tag == 0x17 else "%Y%m%d%H%M%SZ"
    return datetime.strptime(not_after.decode(), form).replace(tzinfo=UTC).timestamp()


def _items(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each item of a DER sequence's content."""
    while der:
        tag, length, start = der[0], der[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[2:start], "big")
        yield tag, der[start : start + length]
        der = der[start + length :]


def _restrict(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Set versions, cipher suites and curves."""
    minimum, maximum = _VERSIONS[settings.min_version], _VERSIONS[settings.max_version]
    ciphers = [CIPHERS[name] for name in settings.cipher_suites or _DEFAULT if name in CIPHERS]
    if not ciphers:  # nothing is left for older ones
        minimum = ssl.TLSVersion.TLSv1_3
    else:  # OpenSSL does not speak old versions above that level, whatever is set
        context.set_ciphers(":".join([*ciphers, *(["@SECLEVEL=0"] if minimum < ssl.TLSVersion.TLSv1_2 else [])]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of old versions; the file asks for them
        context.minimum_version, context.maximum_version = minimum, maximum
    if not settings.prefer_server:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if settings.curves and set(settings.curves) != CURVES.keys():
        context.set_ecdh_curve(CURVES[settings.curves[0]])


def _load_pair(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    try:
        with _as_file(cert) as cert_file, _as_file(key) as key_file:
            context.load_cert_chain(cert_file, key_file, password=b"")  # or OpenSSL would ask the terminal for it
    except ssl.SSLError as error:
        if error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}:
            raise TlsError("key", "is not the private key of the certificate") from None
        if error.reason in {"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"}:
            raise TlsError("cert", f"is too weak for OpenSSL: {error.reason.lower().replace('_', ' ')}") from None
        raise TlsError("key", "has a private key that OpenSSL can't read") from None


def _certificates(pem: bytes) -> list[bytes]:
    return _CERTIFICATE.findall(pem)


def _trust(context: ssl.SSLContext, pem: bytes) -> None:
    context.load_verify_locations(cadata=b"\n".join(_certificates(pem)).decode())


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """The path of a temporary file in memory with this content: Python's ssl only reads files."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("pem")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield f"/dev/fd/{descriptor}"
    finally:
        os.close(descriptor)
