"""Removes secrets from text that leaves the process, as a safety net: no message should quote a secret at all.

Secrets are the values of environment variables with names such as ``*_TOKEN``, and the user and password of any URL.
They are found as they are, and in the forms that libraries produce: `repr`, JSON, HTML, percent-encoding.
"""

from __future__ import annotations

import functools
import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote

SHORTEST = 8
"""The fewest characters of a secret: masking a shorter one would mask ordinary words."""

MASK = "***"

_SECRET = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIALS?$|AUTHORIZATION|(?:ACCESS|API|PRIVATE)_?KEY|CREDENTIALS_RELATIVE_URI$",
    re.IGNORECASE,
)
_PLACE = re.compile(r"_(?:ARN|DIR|ENDPOINT|FILE|FULL_URI|NAME|PATH|TYPE|URL)$", re.IGNORECASE)
"""Names of variables that hold the place of a secret, which messages need to show."""

_USERINFO = re.compile(r"://[^\s\"'<>]{1,1000}@")
"""User and password of a URL, even if the password has a slash that should have been encoded."""


def scrub(text: str) -> str:
    """The text with `MASK` in place of every secret of the environment, and of every user and password of a URL."""
    for form in _forms(tuple(_secrets(os.environ))):
        text = text.replace(form, MASK)
    return _USERINFO.sub(f"://{MASK}@", text) if "@" in text else text


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        if _SECRET.search(name) and not _PLACE.search(name):
            yield value
        if "@" in value and ("://" in value or name.lower().endswith("_proxy")):
            user, _, password = value.rpartition("@")[0].rpartition("://")[2].partition(":")
            yield from (user if not password else "", password)


@functools.lru_cache(maxsize=4)
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Every form of every secret, longest first. A secret with line feeds or spaces is also searched for in parts."""
    forms: set[str] = set()
    for secret in secrets:
        for part in {secret, *re.split(r"[\s\x00-\x1f]+", secret)}:
            raw = {part, unquote(part)}
            quoted = {each for text in raw for each in (quote(_utf8(text), safe=""), quote(_utf8(text)))}
            quoted |= {quote_plus(_utf8(text)) for text in raw}
            shown = raw | {form(text) for text in raw for form in (_in_repr, _in_bytes, html.escape)}
            forms |= quoted | shown | {json.dumps(text)[1:-1] for text in shown}
    return tuple(sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True))


def _in_repr(text: str) -> str:
    return repr(text)[1:-1]


def _in_bytes(text: str) -> str:
    return repr(_utf8(text))[2:-1]


def _utf8(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
