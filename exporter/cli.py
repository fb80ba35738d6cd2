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
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path

from exporter import NAME, __version__, config, demo, doctor, listing, log
from exporter.app import App
from exporter.bedrock import default_region, examine, known_regions
from exporter.config import Config, ConfigError
from exporter.model import Seen
from exporter.shard import Shard
from exporter.simulator import Simulator
from exporter.web import Address, ListenError, Server

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = _parser()
    flags = parser.parse_args(argv)
    try:
        shard = _shard(flags, socket.gethostname())
    except ValueError as error:
        parser.error(str(error))
    _tune_process()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(log.configure(flags.log_level, flags.log_format)))
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
        if flags.doctor:
            return asyncio.run(_doctor(loaded, as_json=flags.log_format == "json"))
        return asyncio.run(_once(loaded, shard) if flags.once else _serve(loaded, flags, shard, simulator))


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
    add(
        "--config.auto-reload-interval", dest="auto_reload", metavar="DURATION", type=_duration,
        help="look that often whether the file has changed, and reload it (default: only at SIGHUP)",
    )  # fmt: skip
    add(
        "--web.enable-lifecycle", dest="lifecycle", action="store_true", help="reload at a POST to /-/reload, too"
    )  # fmt: skip
    add(
        "--shard.total", dest="shards", metavar="N", default=1, type=_number_from(1),
        help="exporters that share the targets of one configuration (default: %(default)s)",
    )  # fmt: skip
    add(
        "--shard.index", dest="shard", metavar="I", type=_number_from(0),
        help="which of them this is, from 0 (default: the number at the end of the host name, as of a StatefulSet)",
    )  # fmt: skip
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--config.check", dest="config_check", action="store_true", help="check the configuration and end"
    )
    mode.add_argument(
        "--once", action="store_true", help="walk every target once, print the metrics and end; 1 if a target failed"
    )
    mode.add_argument(
        "--doctor", action="store_true",
        help="check what each target needs, say what to do about what is missing, and end; 1 if a check fails",
    )  # fmt: skip
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


def _duration(text: str) -> float:
    try:
        seconds = config.parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 1s")
    return seconds


def _number_from(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to 9999")
        return int(text)

    return parse


def _shard(flags: argparse.Namespace, host: str) -> Shard:
    """Which targets are this process's; ValueError says what is wrong with the flags."""
    if flags.shard is not None:
        index: int = flags.shard
    elif flags.shards == 1:
        index = 0
    elif ordinal := re.search(r"-(\d{1,4})$", host, re.ASCII):
        index = int(ordinal[1])
    else:
        raise ValueError(f"--shard.index is missing, and the host name {host!r} does not end with a number")
    if index >= flags.shards:
        raise ValueError(f"shard {index} is not one of {flags.shards}: --shard.index counts from 0")
    return Shard(index, flags.shards)


def _load(flags: argparse.Namespace) -> Config:
    """The configuration that the flags name; raises `ConfigError`."""
    if flags.demo:
        text, file = demo.CONFIG, "demo"
    else:
        file = flags.config_file
        try:
            text = config.read(file).decode()  # as it is, so that its hash is that of the file
        except OSError as error:
            raise ConfigError([f"{file}: can't be read: {error.strerror}; name another with --config.file"]) from error
        except UnicodeDecodeError as error:
            raise ConfigError([f"{file}: can't be read: it is not UTF-8 ({error.reason})"]) from error
    return config.load(
        text, file=file, environ=os.environ, default_region=default_region, known_regions=known_regions()
    )


async def _once(loaded: Config, shard: Shard) -> int:
    """Walk every target once and print the exposition."""
    app = App(loaded, shard=shard)
    good = False

    async def work() -> None:
        nonlocal good
        good = await app.run_once()

    if not await _until_stopped(work()):
        return 1
    return 0 if _print(app.exposition()) and good else 1


async def _doctor(loaded: Config, *, as_json: bool) -> int:
    """Check what every target needs, and print what was found and what to do."""
    seen: list[Seen] = []
    terminal = None if as_json or sys.stderr is None or not sys.stderr.isatty() else sys.stderr

    def show(progress: str) -> None:
        """Rewrite one line, and stay at its start, where a line of the log may follow."""
        if terminal is not None:
            with contextlib.suppress(OSError):  # it has been closed
                print(f"{progress:<50}", end="\r", file=terminal, flush=True)

    async def work() -> None:
        settings = (loaded.aws, loaded.schedule, listing.TIMEOUT)
        seen.extend(await examine(loaded.targets, loaded.discovery, *settings, progress=show))

    ended = await _until_stopped(work())
    show("")
    if not ended:
        return 1
    found = doctor.reports(seen)
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    try:
        page = (doctor.as_json(found) if as_json else doctor.as_text(found)).encode(encoding)
    except UnicodeEncodeError:  # a terminal without ✔
        page = doctor.as_text(found, plain=True).encode(encoding, "backslashreplace")
    return 0 if _print(page) and all(each.good for each in found) else 1


async def _serve(loaded: Config, flags: argparse.Namespace, shard: Shard, simulator: Simulator | None) -> int:
    """Poll and serve until SIGTERM or SIGINT; reload at SIGHUP."""
    app = App(loaded, flags.telemetry_path, load=lambda: _load(flags), shard=shard, lifecycle=flags.lifecycle)
    server = Server(app.site)
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[list[str]]] = set()  # the loop itself holds its tasks only weakly

    def reload() -> None:
        task = loop.create_task(app.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)

    async def work() -> None:
        places = await server.start(flags.addresses or [Address("127.0.0.1" if simulator else None, 9848)])
        for place in places:
            _log.info("listening", extra={"address": place, "targets": len(app.poller.states)})
        if simulator is not None:
            _print(demo.guide(simulator.url, f"http://{places[0]}", flags.telemetry_path).encode())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app.run())
            if flags.auto_reload is not None and simulator is None:
                tasks.create_task(_follow(Path(flags.config_file), loaded.digest, flags.auto_reload, app.reload))

    try:
        await _until_stopped(work())
    except ListenError as error:
        _log.error("can't start", extra={"detail": str(error)})
        return 1
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        await server.stop()
    _log.info("ended")
    return 0


async def _follow(file: Path, seen: str, interval: float, changed: Callable[[], Awaitable[object]]) -> None:
    """Tell when the file's content has another hash than the last time, good or bad; looks every `interval` seconds."""
    while True:
        await asyncio.sleep(interval)
        with contextlib.suppress(OSError):  # between two versions, say; a reload that is asked for tells what is wrong
            try:
                digest = config.digest(config.read(file))
            except ConfigError as error:  # a FIFO now, or too large: a reload tells so, once
                digest = str(error)
            if digest != seen:
                seen = digest
                await changed()


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
