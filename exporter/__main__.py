"""``python -m exporter``, and the command of the package."""

import signal
import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    # SIGHUP is for a reload, and must not end an exporter that is still loading what it takes to understand it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from exporter import cli  # noqa: PLC0415 - takes most of a second

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
