"""``python -m exporter``, and the command of the package."""

import os
import signal
import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    # The kernel keeps a signal that nobody handles from process 1 of a container, and Python's own handler of SIGINT
    # prints a traceback. Nothing is there yet that would have to be ended well.
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    # SIGHUP is for a reload, and must not end an exporter that is still loading what it takes to understand it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from exporter import cli  # noqa: PLC0415 - takes most of a second

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
