"""Where botocore looks for credentials: common faults there, and programs that print credentials."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import botocore.credentials
import botocore.session

from exporter import work
from exporter.errors import FailureReason, WalkError

_LONGEST_TOKEN = 20_000
"""The most characters of a web identity token that STS accepts."""

_MOST_PRINTED = 64 * 1024
"""The most bytes that a credential program may print."""

_FILES = ("credentials_file", "config_file")
"""Settings of botocore that name the files of the AWS configuration."""

_LOOK = 0.1
"""Seconds between two checks of the deadline while a program runs."""


def refuse_mfa(session: botocore.session.Session, profile: str | None) -> None:
    """Raise `WalkError` if a profile needs an MFA code: botocore would prompt for it on the terminal."""
    profiles: Mapping[str, Any] = session.full_config.get("profiles", {})
    name, seen = profile or session.profile or "default", set[str]()
    while isinstance(section := profiles.get(name), dict) and name not in seen:
        seen.add(name)
        if "role_arn" in section and "mfa_serial" in section:
            message = f"profile {name} asks for an MFA code, which a service can't give; use a role that asks for none"
            raise WalkError(FailureReason.CREDENTIALS, message)
        name = str(section.get("source_profile"))


def refuse_empty_profile(environ: Mapping[str, str]) -> None:
    """Raise `WalkError` if a profile variable is empty: botocore would use the empty name."""
    for variable in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE"):  # in botocore's order
        if variable in environ:
            if not environ[variable].strip():
                message = f"{variable} is set but empty; unset it, or name a profile of the AWS configuration"
                raise WalkError(FailureReason.CREDENTIALS, message)
            return


def no_credentials(session: botocore.session.Session, profile: str | None, environ: Mapping[str, str]) -> WalkError:
    """The error for missing credentials; lists in one line where botocore looked."""
    tried = [] if profile else ["AWS_ACCESS_KEY_ID (not set)"]
    where = f"profile {profile or session.profile or 'default'}"
    tried.extend(f"{file} ({_unreadable(file) or f'nothing in {where}'})" for file in files(session))
    if not profile and "AWS_WEB_IDENTITY_TOKEN_FILE" not in environ:
        tried.append("AWS_WEB_IDENTITY_TOKEN_FILE (not set)")
    tried.append("AWS_CONTAINER_CREDENTIALS_FULL_URI (not set)")
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        tried.append("the instance's metadata service (AWS_EC2_METADATA_DISABLED is set)")
    else:
        tried.append("the instance's metadata service (no role or no answer; from a container its hop limit must be 2)")
    return WalkError(
        FailureReason.CREDENTIALS,
        f"NoCredentialsError: Unable to locate credentials; tried {', '.join(tried)}",
    )


class _TokenFile:
    """Reads a web identity token like botocore's own loader, but says what is wrong with the file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def __call__(self) -> str:
        """The token."""
        name = f"the web identity's token file {self._path}"
        try:
            if not stat.S_ISREG(self._path.stat().st_mode):
                raise WalkError(FailureReason.CREDENTIALS, f"{name} is not a regular file")
            with self._path.open("rb") as file:
                token = file.read(_LONGEST_TOKEN + 1)
        except OSError as error:
            message = f"{name} can't be read: {os.strerror(error.errno or 0)}"
            raise WalkError(FailureReason.CREDENTIALS, message) from None
        text = token.decode("latin-1").strip()
        if not 4 <= len(text) <= _LONGEST_TOKEN or not text.isascii() or not text.isprintable():
            size = f"{len(token)} bytes" if len(token) <= _LONGEST_TOKEN else f"more than {_LONGEST_TOKEN} bytes"
            message = f"{name} holds no token ({size}); check AWS_WEB_IDENTITY_TOKEN_FILE and what writes that file"
            raise WalkError(FailureReason.CREDENTIALS, message)
        return text


Written = tuple[tuple[int, int, int] | None, ...]
"""Modification time and identity of each file of an AWS configuration."""


def files(session: botocore.session.Session) -> tuple[Path, ...]:
    """The files of the AWS configuration that a session reads."""
    return tuple(Path(session.get_config_variable(each)).expanduser() for each in _FILES)


def written(read: tuple[Path, ...]) -> Written:
    """The current state of files."""
    return tuple(map(_state, read))


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unreadable(file: Path) -> str:
    """Why a file can't be read; empty if it can."""
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        return os.strerror(error.errno or 0)
    return ""


class _Program(subprocess.Popen[bytes]):
    """A program that prints credentials. Its process group ends at the work's deadline."""

    def __init__(self, arguments: list[str], **how: Any) -> None:  # noqa: ANN401 - as Popen takes it
        if not arguments:
            raise WalkError(FailureReason.CREDENTIALS, "credential_process is empty in the AWS configuration")
        work.check()
        self._name = str(arguments[0])
        super().__init__(arguments, stdin=subprocess.DEVNULL, process_group=0, **how)

    def communicate(self, *_: object, **__: object) -> tuple[bytes, bytes]:
        """What it printed. Raises `WalkError` if it fails, is too slow or prints too much, without quoting it."""
        try:
            printed = self._read_all()
            self._await_end()
        finally:
            self._end_group()
        if self.returncode != 0:
            how = f"exit code {self.returncode}" if self.returncode > 0 else f"signal {-self.returncode}"
            message = (
                f"Error when retrieving credentials from custom-process: {self._name} ended with {how}; "
                "run it by hand; its messages may hold secrets, so they are not shown"
            )
            raise WalkError(FailureReason.CREDENTIALS, message)
        if not _is_object(printed):
            message = f"the credential_process {self._name} printed no JSON object; run it by hand"
            raise WalkError(FailureReason.CREDENTIALS, message)
        return printed, b""

    def _read_all(self) -> bytes:
        """All of its standard output; standard error is ignored."""
        printed = bytearray()
        with selectors.DefaultSelector() as open_ones:
            for stream in (self.stdout, self.stderr):
                if stream is not None:
                    open_ones.register(stream, selectors.EVENT_READ)
            while open_ones.get_map():
                self._keep_time()
                for key, _ in open_ones.select(_LOOK):
                    part = os.read(key.fd, 65536)
                    if not part:
                        open_ones.unregister(key.fileobj)
                    elif key.fileobj is self.stdout:
                        printed += part
                if len(printed) > _MOST_PRINTED:
                    self._give_up(f"printed more than {_MOST_PRINTED >> 10} KiB")
        return bytes(printed)

    def _await_end(self) -> None:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(_LOOK)
                return
            self._keep_time()

    def _keep_time(self) -> None:
        if work.remaining() <= 0:
            self._give_up("did not end in time")

    def _give_up(self, why: str) -> NoReturn:
        message = f"the credential_process {self._name} {why}, and was killed; run it by hand"
        raise WalkError(FailureReason.CREDENTIALS, message)

    def _end_group(self) -> None:
        """Kill the rest of the group unless the program succeeded, and reap our children in it.

        As PID 1 of a container, the exporter is the parent of every orphan, and nobody else reaps them.
        """
        if self.poll() != 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self.wait()
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        for _ in _orphans(self.pid):
            pass


def _is_object(printed: bytes) -> bool:
    try:
        return isinstance(json.loads(printed.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _orphans(group: int) -> Iterator[int]:
    """Reap this process's ended children in a process group."""
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-group, os.WNOHANG)[0]) != 0:
            yield pid


class _ProcessProvider(botocore.credentials.ProcessProvider):
    def __init__(self, profile_name: str, load_config: Any) -> None:  # noqa: ANN401 - botocore's
        super().__init__(profile_name, load_config, popen=_Program)


# botocore looks the class up at each use, also for the source profiles of roles, which no other hook reaches.
botocore.credentials.ProcessProvider = _ProcessProvider
botocore.credentials.FileWebIdentityTokenLoader = _TokenFile
