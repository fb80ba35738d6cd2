"""Flags, wiring, signals and exit codes: 0 well, 1 a failure at run time, 2 bad input."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import re
import resource
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path

from exporter import NAME, __version__, config, demo, log
from exporter.app import App
from exporter.bedrock import default_region
from exporter.config import Config, ConfigError
from exporter.simulator import Simulator
from exporter.web import Address, ListenError, Server

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    flags = _parser().parse_args(argv)
    _tune_process()
    log.configure(flags.log_level, flags.log_format)
    with contextlib.ExitStack() as stack:
        simulator = stack.enter_context(demo.start(os.environ)) if flags.demo else None
        try:
            loaded = _load(flags)
        except ConfigError as error:
            if sys.stderr is not None:
                print(*error.faults, sep="\n", file=sys.stderr)
            return 2
        if flags.config_check:
            name = os.fsencode(flags.config_file).decode(errors="backslashreplace")  # a name need not be UTF-8
            return 0 if _print(f"{name}: good; targets: {len(loaded.targets)}\n".encode()) else 1
        return asyncio.run(_once(loaded) if flags.once else _serve(loaded, flags, simulator))


def _tune_process() -> None:
    sys.setswitchinterval(0.001)  # a scrape gets its turn beside a walk five times sooner
    # Each target keeps a connection open, and the usual soft limit is 1,024. Go does the same for its programs.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # where the kernel does not let us, the limit stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=NAME, description="Watches Amazon Bedrock model customization jobs for Prometheus.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--version", action="version", version=f"{NAME} {__version__}")
    add(
        "--config.file", dest="config_file", metavar="FILE", default="config.yaml",
        help="the configuration (default: %(default)s)",
    )  # fmt: skip
    add(
        "--web.listen-address", dest="addresses", metavar="HOST:PORT", action="append", type=_address,
        help="where to listen, :PORT for every interface; may be given more than once (default: :9848)",
    )  # fmt: skip
    add(
        "--web.telemetry-path", dest="telemetry_path", metavar="PATH", default="/metrics", type=_path,
        help="where the metrics are (default: %(default)s)",
    )  # fmt: skip
    add(
        "--log.level", dest="log_level", default="info", choices=("debug", "info", "warning", "error"),
        help="(default: %(default)s)",
    )  # fmt: skip
    add(
        "--log.format", dest="log_format", default="logfmt", choices=("logfmt", "json"), help="(default: %(default)s)"
    )  # fmt: skip
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--config.check", dest="config_check", action="store_true", help="check the configuration and end"
    )
    mode.add_argument(
        "--once", action="store_true", help="walk every target once, print the metrics and end; 1 if a target failed"
    )
    mode.add_argument(
        "--demo", action="store_true", help="run against an embedded simulated Bedrock; needs no AWS account"
    )
    return parser


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _path(text: str) -> str:
    if not re.fullmatch(r"/(?!-/|/)[^?#% ]+", text) or not text.isprintable():  # nor what UTF-8 can't carry
        raise argparse.ArgumentTypeError(f"{text!r} is not a path such as /metrics")
    return text


def _load(flags: argparse.Namespace) -> Config:
    """The configuration that the flags name; raises `ConfigError`."""
    if flags.demo:
        text, file = demo.CONFIG, "demo"
    else:
        file = flags.config_file
        try:
            text = Path(file).read_bytes().decode()  # as it is, so that its hash is that of the file
        except OSError as error:
            raise ConfigError([f"{file}: can't be read: {error.strerror}; name another with --config.file"]) from error
        except UnicodeDecodeError as error:
            raise ConfigError([f"{file}: can't be read: it is not UTF-8 ({error.reason})"]) from error
    return config.load(text, file=file, environ=os.environ, default_region=default_region)


async def _once(loaded: Config) -> int:
    """Walk every target once and print the exposition."""
    app = App(loaded)
    if not await _until_stopped(app.poller.run_once()):
        return 1
    printed = _print(app.exposition())
    return 0 if printed and all(state.up for state in app.poller.states) else 1


async def _serve(loaded: Config, flags: argparse.Namespace, simulator: Simulator | None) -> int:
    """Poll and serve until SIGTERM or SIGINT."""
    app = App(loaded, flags.telemetry_path)
    server = Server(app.site)

    async def work() -> None:
        places = await server.start(flags.addresses or [Address("127.0.0.1" if simulator else None, 9848)])
        for place in places:
            _log.info("listening", extra={"address": place, "targets": len(loaded.targets)})
        if simulator is not None:
            _print(demo.guide(simulator.url, f"http://{places[0]}", flags.telemetry_path).encode())
        await app.poller.run()

    try:
        await _until_stopped(work())
    except ListenError as error:
        _log.error("can't start", extra={"detail": str(error)})
        return 1
    finally:
        await server.stop()
    _log.info("ended")
    return 0


async def _until_stopped(work: Coroutine[None, None, None]) -> bool:
    """Do the work until it ends or until SIGTERM or SIGINT; whether it ended by itself. A failure of it is raised."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True  # the handlers stay, so that a second signal does not break what is to be done before the end


def _print(text: bytes) -> bool:
    """Print on standard output; whether that was possible."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sys.stdout.buffer.write(text)
        sys.stdout.flush()
    except OSError as error:  # a full disk, a reader that has gone, a closed descriptor
        _log.error("can't print", extra={"detail": error.strerror})
        # What is left in the buffer would fail again when Python flushes it at its end.
        sys.stdout = None
        return False
    return True
