"""A web configuration file, and the files that it names → `WebConfig`: checks that need more than one key."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from exporter.config.document import compose
from exporter.config.messages import Faults, KeyPath
from exporter.config.source import Unusable
from exporter.web.config import schema
from exporter.web.config.settings import RateLimit, Tls, WebConfig
from exporter.web.config.tls import TlsError, TlsSettings, expiry, fault_of_certificates, fault_of_key, make_context

_TLS = "tls_server_config"
_ENABLING = ("cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type")
_INLINE = {"cert", "key", "client_ca"}


def load(content: bytes, *, file: str, read: Callable[[str], bytes], probes_exempt: bool = False) -> WebConfig:
    """The web configuration in a file.

    Args:
        content: the file's.
        file: its name. Those that it names are relative to its folder.
        read: gives the content of a file, or raises `exporter.config.source.Unusable`.
        probes_exempt: whether probes need no client certificate, so that the handshake must not require one.

    Raises:
        ConfigError: with every fault of the file and of those that it names. Quotes no password, key or certificate.
    """
    document = compose(content, file, typed=False)
    faults = Faults(file, {} if document is None else document, schema.File, _is_secret)
    checked = _validate(faults)
    tls = _Tls(faults, checked.tls_server_config, os.path.dirname(file), read, probes_exempt=probes_exempt).resolve()  # noqa: PTH120 - "" stays ""
    limit = _rate_limit(faults, checked.rate_limit)
    faults.raise_if_any()
    http = checked.http_server_config
    headers = http.headers.model_dump(by_alias=True) if http is not None and http.headers is not None else {}
    return WebConfig(
        tls=tls,
        users=checked.basic_auth_users or {},
        headers={name: text for name, text in headers.items() if text},
        rate_limit=limit,
    )


def _is_secret(path: KeyPath) -> bool:
    return len(path) < 2 or path[0] == "basic_auth_users" or path[1] in _INLINE


def _validate(faults: Faults) -> schema.File:
    """The valid parts of the file, in the schema's types."""
    try:
        return schema.File.model_validate(faults.document)
    except ValidationError as error:
        faults.add_invalid(error)
        invalid = {details["loc"][:2] for details in error.errors(include_url=False)}
    return schema.File.model_validate(_without(faults.document, invalid))


def _without(document: Any, paths: set[KeyPath]) -> Any:  # noqa: ANN401 - whatever the file holds
    if () in paths:
        return {}
    kept = {name: section for name, section in document.items() if (name,) not in paths}
    return {
        name: {key: value for key, value in section.items() if (name, key) not in paths}
        if isinstance(section, dict)
        else section
        for name, section in kept.items()
    }


def _rate_limit(faults: Faults, section: schema.RateLimit | None) -> RateLimit | None:
    path = ("rate_limit", "burst")
    if section is None or not section.interval or (section.burst is None and faults.written(path) is not None):
        return None
    if not section.burst:
        faults.add(path, "is 0 or missing, so that every request would be refused; set it to 1 or more")
        return None
    return RateLimit(section.interval, section.burst)


class _Tls:
    """Makes the context of ``tls_server_config``."""

    def __init__(
        self,
        faults: Faults,
        section: schema.TlsServerConfig | None,
        folder: str,
        read: Callable[[str], bytes],
        *,
        probes_exempt: bool,
    ) -> None:
        self._faults = faults
        self._section = section or schema.TlsServerConfig()
        self._folder = folder
        self._read = read
        self._probes_exempt = probes_exempt

    def resolve(self) -> Tls | None:
        """The context; None for plain HTTP, or after a fault."""
        section = self._section
        if not any(self._given(_ENABLING)):
            if any(self._given(schema.TlsServerConfig.model_fields)):
                self._faults.add((_TLS,), "is without effect: it has neither cert_file nor key_file; add them")
            return None
        self._check_client_auth()
        minimum, maximum = section.min_version or "TLS12", section.max_version or "TLS13"
        suites = section.cipher_suites or []
        if suites and maximum != "TLS13" and not schema.CIPHERS.keys() & set(suites):
            self._add("cipher_suites", f"has no suite for {maximum}, which is max_version")
        if minimum > maximum:
            at = "max_version" if self._written("max_version") else "min_version"
            self._add(at, f"leaves no version: min_version is {minimum}, max_version is {maximum}")
        cert = self._pem("cert", fault_of_certificates)
        key = self._pem("key", fault_of_key)
        client_ca = self._pem("client_ca", fault_of_certificates, required=False)
        if cert is None or key is None or minimum > maximum:
            return None
        required = section.client_auth_type == "RequireAndVerifyClientCert"
        verify = ssl.CERT_NONE
        if section.client_auth_type in schema.VERIFYING:
            verify = ssl.CERT_REQUIRED if required and not self._probes_exempt else ssl.CERT_OPTIONAL
        settings = TlsSettings(
            cert=cert,
            key=key,
            client_ca=client_ca,
            verify=verify,
            min_version=minimum,
            max_version=maximum,
            cipher_suites=tuple(suites),
            prefer_server=section.prefer_server_cipher_suites is not False,
            curves=tuple(section.curve_preferences or ()),
        )
        try:
            context = make_context(settings)
        except TlsError as error:
            self._add(self._key(error.key), f"{self._quoted(error.key)}{error}")
            return None
        allowed = section.client_allowed_sans
        return Tls(context, expiry(cert), required, None if allowed is None else frozenset(allowed))

    def _check_client_auth(self) -> None:
        """Check that settings which need a type of client authentication have it."""
        kind = self._section.client_auth_type
        if self._written("client_auth_type") and not kind:  # it is a fault itself
            return
        if (kind or "NoClientCert") == "NoClientCert" and self._written(self._key("client_ca")):
            self._add(
                self._key("client_ca"),
                "has no effect without client_auth_type; set that to RequireAndVerifyClientCert, or leave this out",
            )
        if kind not in schema.VERIFYING and self._written("client_allowed_sans"):
            self._add(
                "client_allowed_sans",
                f"has no effect unless client_auth_type is {' or '.join(schema.VERIFYING)}",
            )

    def _pem(self, name: str, fault_of: Callable[[bytes], str | None], *, required: bool = True) -> bytes | None:
        """What `cert` or `cert_file`, or another such pair of keys, gives; None if nothing, or after a fault."""
        pem = self._read_pem(name, required=required)
        fault = None if pem is None else fault_of(pem)
        if fault is None:
            return pem
        self._add(self._key(name), f"{self._quoted(name)}{fault}")
        return None

    def _read_pem(self, name: str, *, required: bool) -> bytes | None:
        in_file = f"{name}_file"
        if self._written(name) and self._written(in_file):
            self._add(name, f"can't be combined with {in_file}; keep one of the two")
            return None
        inline: str | None = getattr(self._section, name)
        path: str | None = getattr(self._section, in_file)
        if inline:
            return inline.encode(errors="surrogatepass")
        if path:
            try:
                return self._read(os.path.join(self._folder, path))  # noqa: PTH118 - an absolute one stays what it is
            except Unusable as error:
                self._add(in_file, f"{self._quoted(name)}{error}")
        elif required and not self._written(name) and not self._written(in_file):
            self._add(in_file, f"is missing; give it, or {name}")
        return None

    def _key(self, name: str) -> str:
        """The key of the file that gives a `TlsError`'s."""
        return f"{name}_file" if self._written(f"{name}_file") else name

    def _quoted(self, name: str) -> str:
        """The name of the file that has it, for the start of a message."""
        key = self._key(name)
        return f"{self._faults.quote((_TLS, key))} " if key.endswith("_file") else ""

    def _given(self, names: Iterable[str]) -> Iterable[bool]:
        return (bool(self._written(name)) for name in names)

    def _written(self, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
        return self._faults.written((_TLS, name))

    def _add(self, name: str, text: str) -> None:
        self._faults.add((_TLS, name), text)
