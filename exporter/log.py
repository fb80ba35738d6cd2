"""Log lines on standard error, as logfmt or JSON, one line each whatever AWS puts into a name."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import re
import select
import sys
import threading
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["logfmt", "json"]

_MOST_WAITING = 10_000  # lines
_MOST_CHARACTERS = 16 * 2**20  # of waiting lines, since one may quote much of a configuration
_LAST_SECONDS = 1.0
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII without space, quote, equals sign and backslash


class Formatter(logging.Formatter):
    """A record → one line: time, level, logger, message, then what was given as `extra`."""

    def __init__(self, style: LogFormat) -> None:
        super().__init__()
        self._json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line feed."""
        fields: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._json:
            return json.dumps(fields, default=str)
        return " ".join(f"{key}={_logfmt(value)}" for key, value in fields.items())


def _logfmt(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class Lines(logging.Handler):
    """Writes lines in a thread of its own, so that whoever logs never waits for whoever reads.

    While the stream takes nothing, 10,000 lines or 16 MiB wait. Further lines are dropped; how many is logged once it
    takes lines again.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        # Not a Queue: a task that the garbage collector finds inside its put() logs, too, and would wait for itself.
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._put = self._taken = 0  # characters, in all
        self._dropped = 0  # lines, in all
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's line at the end of the queue."""
        try:
            line = self.format(record) + "\n"
        except Exception:  # noqa: BLE001 - as logging's own handlers have it: a bug in a log call ends nothing
            self.handleError(record)
            return
        full = self._waiting.qsize() >= _MOST_WAITING or self._put - self._taken >= _MOST_CHARACTERS
        if full or self._ended:
            self._dropped += 1  # under the handler's lock
        else:
            self._put += len(line)
            self._waiting.put(line)

    def close(self) -> None:
        """Write what waits, within a second; the rest is lost, and so are later lines."""
        if not self._ended:
            self._ended = True
            self._waiting.put(None)
            self._thread.join(_LAST_SECONDS)
        super().close()

    def _run(self) -> None:
        told = 0
        while (line := self._waiting.get()) is not None:
            self._write(line)
            self._taken += len(line)
            if (dropped := self._dropped) > told:
                self._write(self.format(_record_of_dropped(dropped - told)) + "\n")
                told = dropped

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed, or a full disk: there is nowhere to tell
            try:
                descriptor = self._stream.fileno()
            except OSError:  # a stream in memory
                self._stream.write(line)
                self._stream.flush()
                return
            # Past the stream's buffer, whose lock Python wants at its end, even from a thread that still writes.
            rest = line.encode(errors="backslashreplace")
            while rest:
                try:
                    rest = rest[os.write(descriptor, rest) :]
                except BlockingIOError:  # another process may have made the pipe so
                    select.select([], [descriptor], [])


def _record_of_dropped(lines: int) -> logging.LogRecord:
    values = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": "log lines dropped"}
    return logging.makeLogRecord({**values, "lines": lines})


def configure(level: str, style: LogFormat, stream: TextIO | None = None) -> logging.Handler:
    """Send all logging to standard error, ours from `level` on and that of libraries from warning on.

    Args:
        level: the least of ours that is shown.
        style: of the lines.
        stream: takes the lines, each at once, in the place of standard error, where they wait while nobody reads.

    Returns:
        The handler; closing it writes what waits.
    """
    handler: logging.Handler
    if stream is not None:
        handler = logging.StreamHandler(stream)
    elif sys.stderr is None:  # closed before the start
        handler = logging.NullHandler()
    else:
        handler = Lines(sys.stderr)
    handler.setFormatter(Formatter(style))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.getLogger("exporter").setLevel(level.upper())
    # At every walk it warns, with a traceback, of a role that can't be assumed. The poller says so once.
    logging.getLogger("botocore.credentials").setLevel(logging.ERROR)
    return handler
