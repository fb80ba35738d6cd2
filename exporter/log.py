"""Log lines on standard error, as logfmt or JSON, one line each whatever AWS puts into a name.

Every line takes the same path: loggers → formatter → scrub → bounded queue → writer thread. So only that thread ever
waits for standard error, even if it is a pipe that nobody reads. Lines that don't fit into the queue are dropped and
counted; the count is logged once standard error is read again.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Literal, TextIO

LogFormat = Literal["logfmt", "json"]
Scrub = Callable[[str], str]

MAX_LINES = 10_000
"""The most lines that wait to be written."""

MAX_CHARACTERS = 16 * 2**20
"""About the most characters that wait: a single line may quote much of a configuration."""

FLUSH = 1.0
"""Seconds to write the remaining lines at exit."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII without space, quote, equals sign and backslash


class Formatter(logging.Formatter):
    """A record → one line: time, level, logger, message, then the fields of `extra`.

    Args:
        style: how a line looks.
        scrub: takes secrets out of every line.
    """

    def __init__(self, style: LogFormat, scrub: Scrub = str) -> None:
        super().__init__()
        self._json = style == "json"
        self._scrub = scrub

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
            return self._scrub(json.dumps(fields, default=str))
        return self._scrub(" ".join(f"{key}={_logfmt(value)}" for key, value in fields.items()))


def _logfmt(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class Pipeline(logging.Handler):
    """Takes all lines from the loggers to a stream; created by `configure`.

    Attributes:
        dropped: lines that could not be written: the queue was full, or the stream is broken.
    """

    def __init__(self, stream: TextIO | None, formatter: Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.dropped = 0
        self._stream = stream
        # Not a Queue: a finalizer that logs while the garbage collector runs inside its put() would wait for itself.
        self._waiting: SimpleQueue[str | None] = SimpleQueue()
        self._put = self._taken = 0  # characters, in total
        self._writer = threading.Thread(target=self._run, name="log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's line at the end of the queue; called by logging, under the handler's lock."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a bug in a log call ends nothing, but is seen
            text = "a log line can't be formatted; please report this as a bug"
            where = f"{record.pathname}:{record.lineno}"
            line = self.format(_record(text, logging.ERROR, where=where, exc_info=sys.exc_info()))
        if self._waiting.qsize() >= MAX_LINES or self._put - self._taken >= MAX_CHARACTERS:
            self.dropped += 1
        else:
            self._put += len(line)
            self._waiting.put(line)

    def close(self) -> None:
        """Write the remaining lines within `FLUSH`. If nobody reads the stream, the writer ends with the process."""
        self._waiting.put(None)
        self._writer.join(FLUSH)
        super().close()

    def _run(self) -> None:
        told = 0
        while (line := self._waiting.get()) is not None:
            written = self._write(line)
            self._taken += len(line)
            if not written:
                self.acquire()
                self.dropped += 1
                self.release()
            elif (dropped := self.dropped) > told:
                self._write(self.format(_record("log lines dropped", logging.WARNING, lines=dropped - told)))
                told = dropped

    def _write(self, line: str) -> bool:
        """Write a line, waiting until somebody reads; returns whether that worked."""
        try:
            if self._stream is not None:
                _write(self._stream, line)
        except (OSError, ValueError):  # a closed pipe, a full disk, a closed stream
            return False
        return True


def _write(stream: TextIO, line: str) -> None:
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:  # a stream in memory
        print(line, file=stream)
        return
    rest = f"{line}\n".encode(errors="backslashreplace")
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # another process that shares the stream may have made it non-blocking
            select.select([], [descriptor], [])


def _record(message: str, level: int, **extra: object) -> logging.LogRecord:
    values = {"name": __name__, "levelno": level, "levelname": logging.getLevelName(level), "msg": message}
    return logging.makeLogRecord({**values, **extra})


def configure(level: str, style: LogFormat, stream: TextIO | None = None, scrub: Scrub = str) -> Pipeline:
    """Send all logging to a stream: ours from `level`, that of libraries from warning.

    Args:
        level: name of a level, in any case.
        style: how a line looks.
        stream: None for standard error; if that was closed before the start, lines are dropped.
        scrub: takes secrets out of every line.

    Returns:
        The pipeline, to be closed at exit.
    """
    pipeline = Pipeline(sys.stderr if stream is None else stream, Formatter(style, scrub))
    logging.root.handlers[:] = [pipeline]
    logging.root.setLevel(logging.WARNING)
    logging.getLogger("exporter").setLevel(level.upper())
    # They warn at every walk, with a traceback, of credentials that can't be renewed. The target's loop logs it once.
    for name in ("credentials", "tokens", "utils"):
        logging.getLogger(f"botocore.{name}").setLevel(logging.ERROR)
    return pipeline


@contextlib.contextmanager
def catching() -> Iterator[None]:
    """Log what Python would print: uncaught exceptions, also those of threads and finalizers, and warnings."""
    logger = logging.getLogger(__name__)
    before = sys.excepthook, sys.unraisablehook, threading.excepthook

    def log(message: str, error: BaseException | None) -> None:
        logger.error(message, exc_info=error)

    sys.excepthook = lambda _, error, __: log("a bug ended the exporter; please report it", error)
    sys.unraisablehook = lambda seen: log("an exception in a finalizer; please report this as a bug", seen.exc_value)
    threading.excepthook = lambda seen: log("a bug ended a thread; please report it", seen.exc_value)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        sys.excepthook, sys.unraisablehook, threading.excepthook = before


def lines_dropped() -> int:
    """Lines that the configured pipeline has dropped so far."""
    return sum(handler.dropped for handler in logging.root.handlers if isinstance(handler, Pipeline))
