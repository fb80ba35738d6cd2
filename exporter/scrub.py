"""Takes secrets out of text that leaves the process: the net below the rule that no message quotes a secret.

A secret is what an environment variable holds whose name says so, and the user and password of any URL. It is found as
it is, and in the forms that libraries give it: in `repr`, JSON, HTML and percent-encoded.
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
"""Characters of a secret, at least: a shorter one would take ordinary words out."""

MASK = "***"

_SECRET = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIALS?$|AUTHORIZATION|(?:ACCESS|API|PRIVATE)_?KEY|CREDENTIALS_RELATIVE_URI$",
    re.IGNORECASE,
)
_PLACE = re.compile(r"_(?:ARN|DIR|ENDPOINT|FILE|FULL_URI|NAME|PATH|TYPE|URL)$", re.IGNORECASE)
"""Names of variables that hold where a secret is, which messages have to name."""

_USERINFO = re.compile(r"://[^\s\"'<>]{1,1000}@")
"""User and password of a URL, also a password with a slash, which belongs there in its encoded form only."""


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
    """Every form of every secret, the longest one first. Those with line feeds and the like are looked for in parts."""
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
