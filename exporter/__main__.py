"""``python -m exporter``, and the command of the package. Handles signals before imports that take time."""

import gc
import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)  # also as process 1, for which the kernel has no default
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # asks for a reload; what is being loaded is new anyway
    from exporter import stacks  # noqa: PLC0415 - the first signals are handled before

    stacks.write_at_signal()
    # Off during the imports, where it finds nothing and costs a tenth of the time; `cli` turns it on again.
    gc.disable()
    from exporter import cli  # noqa: PLC0415 - the imports that take time

    os._exit(cli.main())  # waits for no thread: one may hang


def _end(number: int, _: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
