"""Stacks of all threads at SIGUSR1."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import stat
import sys


def write_at_signal() -> None:
    """Write the stacks of all threads to standard error at SIGUSR1. If nobody reads it, they are lost; nothing blocks.

    The handler runs in the main thread, between two bytecodes. `faulthandler.register` would also answer while C code
    keeps the interpreter, but it reads the stacks of threads that are running, which can crash the process.
    """
    if sys.stderr is None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return
    descriptor = sys.stderr.fileno()
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # opening a file twice would give a second position
        with contextlib.suppress(OSError):
            # Opening a pipe again leaves its other users' mode alone. A socket, such as systemd's, can't be opened.
            descriptor = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    signal.signal(signal.SIGUSR1, lambda *_: faulthandler.dump_traceback(descriptor, all_threads=True))
