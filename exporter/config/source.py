"""A configuration file → its bytes."""

from __future__ import annotations

import hashlib
import os
import stat

from exporter.config.config import ConfigError

MAX_BYTES = 4 * 1024 * 1024
"""A configuration file with 10,000 targets has 2 MB."""

READ_TIMEOUT = 10.0
"""Seconds that reading it may take, for those who put it under a deadline: a network disk can hang."""

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read(file: str) -> bytes:
    """The content of a configuration file. Refuses a pipe or device unread; a network disk can still block.

    Raises:
        ConfigError: it can't be read, is not a regular file, or is larger than `MAX_BYTES`.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
            if kind != stat.S_IFREG:
                raise _unusable(file, f"is {_KINDS.get(kind, 'not a regular file')}", advise=kind == stat.S_IFDIR)
            content = _read_up_to(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        advise = isinstance(error, FileNotFoundError)
        raise _unusable(file, f"can't be read: {error.strerror}", advise=advise) from error
    if len(content) > MAX_BYTES:
        raise _unusable(file, f"is larger than {MAX_BYTES // 1024**2} MiB")
    return content


def digest(content: bytes) -> str:
    """SHA-256 of a file's content, the first 16 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:16]


def _read_up_to(descriptor: int, limit: int) -> bytes:
    content = bytearray()
    while len(content) < limit and (chunk := os.read(descriptor, limit - len(content))):
        content += chunk
    return bytes(content)


def _unusable(file: str, fault: str, *, advise: bool = False) -> ConfigError:
    return ConfigError([f"{file}: {fault}{'; name a configuration file with --config.file' if advise else ''}"])
