"""The exporter's version, the commit it was built from if known, and Python's version."""

from __future__ import annotations

import contextlib
import json
import platform
from importlib import metadata, resources

from exporter import NAME, __version__


def commit() -> str | None:
    """The commit that this was built from; None if unknown.

    The image and released packages have it in a file `COMMIT`; a package that pip installed from a repository has it in
    ``direct_url.json`` (PEP 610).
    """
    with contextlib.suppress(OSError):
        return (resources.files("exporter") / "COMMIT").read_text(encoding="ascii").strip()
    with contextlib.suppress(metadata.PackageNotFoundError, AttributeError, LookupError, TypeError, ValueError):
        found = json.loads(metadata.distribution(NAME).read_text("direct_url.json") or "null")
        return str(found["vcs_info"]["commit_id"])
    return None


def facts() -> dict[str, str]:
    """The known ones of `version`, `commit` and `python`."""
    built = commit()
    return {"version": __version__} | ({"commit": built} if built else {}) | {"python": platform.python_version()}


def line() -> str:
    """The same, as one line for people."""
    known = facts()
    built = f"commit {known['commit']}, " if "commit" in known else ""
    return f"{NAME} {known['version']} ({built}Python {known['python']})"
