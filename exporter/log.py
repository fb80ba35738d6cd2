"""Log lines on standard error, as logfmt or JSON, one line each whatever AWS puts into a name."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["logfmt", "json"]

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


def configure(level: str, style: LogFormat, stream: TextIO | None = None) -> None:
    """Send all logging to standard error (or `stream`), ours from `level` on and that of libraries from warning on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Formatter(style))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    logging.getLogger("exporter").setLevel(level.upper())
    # At every walk it warns, with a traceback, of a role that can't be assumed. The poller says so once.
    logging.getLogger("botocore.credentials").setLevel(logging.ERROR)
