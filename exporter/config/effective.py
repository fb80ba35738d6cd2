"""The configuration in use → YAML for people, without secrets. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml
from msgspec import to_builtins

from exporter.config.config import Config
from exporter.scrub import scrub

REMOVED = "(removed)"
"""Replaces a secret."""

MAX_TARGETS = 1000
"""The most targets that are listed; writing three as YAML takes a millisecond."""

_SECRET = frozenset({"external_id"})

_KEYS = {"schedule": "poll", "budget": "job_series", "digest": "sha256"}
"""The names in the file of fields that `Config` names differently."""


def effective(config: Config) -> str:
    """The configuration in use, defaults included, as YAML; times are in seconds.

    External ids are replaced, and the user, password and query of URLs.
    """
    sections = to_builtins(dataclasses.replace(config, targets=config.targets[:MAX_TARGETS]))
    document = {_KEYS.get(name, name): section for name, section in sections.items()}
    more = len(config.targets) - len(document["targets"])
    note = f"# {more} more targets are left out\n" if more > 0 else ""
    return scrub(note + yaml.safe_dump(_public(document), sort_keys=False, allow_unicode=True, width=100))


def _public(value: Any) -> Any:  # noqa: ANN401 - a tree of YAML's types
    """The value without secrets and empty members."""
    if isinstance(value, Mapping):
        public = {key: REMOVED if key in _SECRET and each else _public(each) for key, each in value.items()}
        return {key: each for key, each in public.items() if each not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [_public(each) for each in value]
    return _without_credentials(value) if isinstance(value, str) and "://" in value else value


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(
        netloc=f"{REMOVED}@{host}" if "@" in parts.netloc else host,
        query=REMOVED if parts.query else "",
        fragment="",
    ).geturl()
