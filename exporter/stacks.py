"""What the process shows of a fault of its own: stacks of all threads at SIGUSR1, and exceptions that nobody caught."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
from types import TracebackType

_log = logging.getLogger(__name__)


def write_at_signal() -> None:
    """Write the stacks of all threads to standard error at SIGUSR1, also while the interpreter is held by one.

    If nobody reads standard error, what does not fit is lost: the process must not wait for it.
    """
    if sys.stderr is None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return
    descriptor = sys.stderr.fileno()
    with contextlib.suppress(OSError):
        # A pipe opened anew, whose readers don't see that it is so; a socket, as of systemd, can't be.
        descriptor = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    faulthandler.register(signal.SIGUSR1, file=descriptor, all_threads=True)


def log_uncaught() -> None:
    """Send exceptions that nobody caught the way of all log lines, which are whole and without secrets."""
    sys.excepthook = _log_exception
    sys.unraisablehook = lambda args: _log_exception(args.exc_type, args.exc_value, args.exc_traceback)
    threading.excepthook = lambda args: _log_exception(args.exc_type, args.exc_value, args.exc_traceback)


def _log_exception(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        _log.error(
            "an exception that nobody caught; please report this as a bug",
            exc_info=(kind, error or kind(), trace),
        )
