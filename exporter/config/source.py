"""A configuration file → its bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable

from exporter.config.config import ConfigError

CONFIG_FLAG = "--config.file"

MAX_BYTES = 4 * 1024 * 1024
"""The most bytes of a configuration file. One with 10,000 targets has 2 MB."""

READ_TIMEOUT = 10.0
"""Seconds to read a file, for callers with a deadline: a network disk can hang."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Unusable(Exception):  # noqa: N818 - about a file, not a program
    """A file can't be used; the text says why, without the file's name.

    Attributes:
        missing: whether the user probably meant another file.
    """

    def __init__(self, fault: str, *, missing: bool = False) -> None:
        super().__init__(fault)
        self.missing = missing


def read(file: str, flag: str = CONFIG_FLAG, read: Callable[[str], bytes] | None = None) -> bytes:
    """The content of a configuration file that a flag names.

    Args:
        file: its name.
        flag: for the message.
        read: reads the file; None for `content`.

    Raises:
        ConfigError: instead of `Unusable`.
    """
    try:
        return (read or content)(file)
    except Unusable as error:
        advice = f"; name a configuration file with {flag}" if error.missing else ""
        if error.missing and flag == CONFIG_FLAG:
            advice += " (an empty one will do), or look around with --demo"
        raise ConfigError([f"{file}: {error}{advice}"]) from error


def content(file: str) -> bytes:
    """The content of a file. Refuses pipes and devices without reading them; a network disk can still block.

    Raises:
        Unusable: it can't be read, is not a regular file, or is larger than `MAX_BYTES`.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
            if kind != stat.S_IFREG:
                raise Unusable(f"is {_KINDS.get(kind, 'not a regular file')}", missing=kind == stat.S_IFDIR)
            found = _read_up_to(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unusable(f"can't be read: {error.strerror}", missing=isinstance(error, FileNotFoundError)) from error
    except ValueError as error:  # the name has a null character
        raise Unusable("can't be read: that is no file name") from error
    if len(found) > MAX_BYTES:
        raise Unusable(f"is larger than {MAX_BYTES // 1024**2} MiB")
    return found


def digest(content: bytes) -> str:
    """SHA-256 of a file's content, the first 16 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:16]


def _read_up_to(descriptor: int, limit: int) -> bytes:
    content = bytearray()
    while len(content) < limit and (chunk := os.read(descriptor, limit - len(content))):
        content += chunk
    return bytes(content)
