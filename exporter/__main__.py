"""``python -m exporter``, and the package's command. Handles signals before the slow imports."""

import gc
import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and exit with its code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)  # also as process 1, for which the kernel has no default
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload: pointless while the file is first being read
    from exporter import stacks  # noqa: PLC0415 - after the signal handlers

    stacks.write_at_signal()
    # During imports the collector finds nothing and costs a tenth of the time; `cli` turns it on again.
    gc.disable()
    from exporter import cli  # noqa: PLC0415 - the slow imports

    os._exit(cli.main())  # does not wait for threads: one may hang


def _end(number: int, _: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
