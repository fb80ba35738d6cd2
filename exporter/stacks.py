"""Stacks of all threads at SIGUSR1."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys


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
