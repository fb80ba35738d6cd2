"""The modes of the command line, signals, and exit codes: 0 success, 1 a failure at run time, 2 bad input.

Each mode imports only what it needs, because imports take most of the start-up time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from exporter import flags as command_line
from exporter import log, version
from exporter.config.config import Config, ConfigError
from exporter.scrub import scrub
from exporter.web.address import Address

if TYPE_CHECKING:
    from exporter.doctor.seen import Seen
    from exporter.simulator import Simulator
    from exporter.targets.shard import Shard
    from exporter.web.config.settings import WebConfig
    from exporter.web.files import WebFiles
    from exporter.web.security import Security

    Secured = tuple[WebFiles, WebConfig]

_log = logging.getLogger(__name__)

END = 4.0
"""Seconds from SIGTERM or SIGINT to the end of the process, even if something hangs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    flags = command_line.parse(sys.argv[1:] if argv is None else argv)
    try:
        shard = command_line.shard(flags, socket.gethostname())
    except ValueError as error:
        command_line.parser().error(str(error))
    if flags.demo and flags.web_config is not None:
        command_line.parser().error("--demo serves plain HTTP to this machine; leave --web.config.file out")
    tune_process()
    with contextlib.closing(log.configure(flags.log_level, flags.log_format, scrub=scrub)), log.catching():
        try:
            return _run(flags, shard)
        except Exception:  # noqa: BLE001 - logged like any other line, and no thread keeps the process from ending
            _log.exception("a bug ended the exporter; please report it")
            return 1


def tune_process() -> None:
    """Set process-wide limits: how often threads switch, and how many file descriptors may be open."""
    sys.setswitchinterval(0.001)  # the default of 5 ms keeps a scrape waiting beside a walk
    # Clients and targets need file descriptors; the usual soft limit is 1,024. Go programs raise theirs, too.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # not allowed: keep the limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run(flags: argparse.Namespace, shard: Shard) -> int:
    with contextlib.ExitStack() as stack:
        simulator: Simulator | None = None
        if flags.demo:
            from exporter import demo  # noqa: PLC0415

            simulator = stack.enter_context(demo.start(os.environ))
        loaded = _load_both(flags)
        if loaded is None:
            return 2
        config, secured = loaded
        if flags.config_check:
            count = len(config.targets)
            said = f"{_shown(flags.config_file)}: valid, {count} target{'' if count == 1 else 's'}\n"
            if secured is not None:
                said += f"{_shown(flags.web_config)}: valid, {secured[1].summary()}\n"
            return 0 if _print(said.encode()) else 1
        if flags.doctor:
            return _in_loop(_doctor(config, as_json=flags.log_format == "json"))
        return _in_loop(_once(config, shard) if flags.once else _serve(config, secured, flags, shard, simulator))


def _shown(file: str) -> str:
    return os.fsencode(file).decode(errors="backslashreplace")  # a file name need not be UTF-8


def _load_both(flags: argparse.Namespace) -> tuple[Config, Secured | None] | None:
    """Load the configuration and the web configuration; None if either has faults, after printing all of them."""
    config: Config | None = None
    secured: Secured | None = None
    faults: list[str] = []
    try:
        config = _load(flags)
    except ConfigError as error:
        faults += error.faults
    if flags.web_config is not None:
        from exporter.web.files import WebFiles  # noqa: PLC0415

        files = WebFiles(flags.web_config, probes_exempt=flags.probes_exempt)
        try:
            secured = files, files.load()
        except ConfigError as error:
            faults += error.faults
    if faults and sys.stderr is not None:
        print(*faults, sep="\n", file=sys.stderr)
    return None if faults or config is None else (config, secured)


def _load(flags: argparse.Namespace) -> Config:
    """The configuration that the flags name; raises `ConfigError`."""
    from exporter.bedrock.regions import default_region, known_regions  # noqa: PLC0415
    from exporter.config import resolve, source  # noqa: PLC0415

    if flags.demo:
        from exporter import demo  # noqa: PLC0415

        content, file = demo.CONFIG.encode(), "demo"
    else:
        content, file = source.read(flags.config_file), flags.config_file
    return resolve.load(
        content, file=file, environ=os.environ, default_region=default_region, known_regions=known_regions()
    )


async def _once(config: Config, shard: Shard) -> int:
    """Walk every target once and print the metrics."""
    from exporter.app import App  # noqa: PLC0415

    logging.getLogger("exporter.jobs.story").setLevel(logging.WARNING)  # one walk has nothing to compare with
    app = App(config, shard=shard)
    good = False

    async def work() -> None:
        nonlocal good
        good = await app.run_once()

    if not await _until_stopped(work()):
        return 1
    if not _print(app.exposition()):
        return 1
    up = sum(state.up for state in app.fleet.states)
    _log.info("walked every target once", extra={"ok": up, "failing": app.targets - up})
    return 0 if good else 1


async def _doctor(config: Config, *, as_json: bool) -> int:
    """Check what every target needs, and print what was found and how to fix it."""
    from exporter.doctor import checks, report  # noqa: PLC0415
    from exporter.fleet import discovery  # noqa: PLC0415

    seen: list[Seen] = []
    terminal = None if as_json or sys.stderr is None or not sys.stderr.isatty() else sys.stderr

    def show(progress: str) -> None:
        """Rewrite one line and leave the cursor at its start, where a log line may follow."""
        if terminal is not None:
            with contextlib.suppress(OSError):  # closed
                print(f"{progress:<50}", end="\r", file=terminal, flush=True)

    async def work() -> None:
        settings = (config.aws, config.schedule, discovery.TIMEOUT)
        seen.extend(
            await checks.examine(config.targets, config.discovery, *settings, details=config.details, progress=show)
        )

    ended = await _until_stopped(work())
    show("")
    if not ended:
        return 1
    found = report.reports(seen)
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    try:
        page = scrub(report.as_json(found) if as_json else report.as_text(found)).encode(encoding)
    except UnicodeEncodeError:  # a terminal that can't show ✔
        page = scrub(report.as_text(found, plain=True)).encode(encoding, "backslashreplace")
    return 0 if _print(page) and all(each.ok for each in found) else 1


async def _serve(
    config: Config,
    secured: Secured | None,
    flags: argparse.Namespace,
    shard: Shard,
    simulator: Simulator | None,
) -> int:
    """Poll and serve until SIGTERM or SIGINT; reload at SIGHUP."""
    from exporter.app import App  # noqa: PLC0415
    from exporter.telemetry import Telemetry  # noqa: PLC0415
    from exporter.web.server import ListenError, Server  # noqa: PLC0415

    _log.info("starting", extra=version.facts())
    telemetry = Telemetry()
    app = App(
        config,
        flags.telemetry_path,
        load=lambda: _load(flags),
        shard=shard,
        lifecycle=flags.lifecycle,
        telemetry=telemetry,
    )
    security: Security | None = None
    if secured is not None:
        from exporter.web.security import Security  # noqa: PLC0415

        security = Security(*secured, telemetry.web, probes_exempt=flags.probes_exempt)
    server = Server(app.site, security=security)
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[list[str]]] = set()  # the loop itself holds its tasks only weakly

    def reload() -> None:
        task = loop.create_task(app.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(reload))

    async def work() -> None:
        places = await server.start(flags.addresses or [Address("127.0.0.1" if simulator else None, 9848)])
        for place in places:
            _log.info("listening", extra={"address": place, "targets": app.targets})
        if simulator is not None:
            from exporter import demo  # noqa: PLC0415

            _print(demo.guide(simulator.url, f"http://{places[0]}", flags.telemetry_path).encode())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app.run())
            if security is not None:
                tasks.create_task(security.follow())
            if flags.auto_reload is not None and simulator is None:
                tasks.create_task(_follow(flags.config_file, config.digest, flags.auto_reload, app.reload))

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


async def _follow(file: str, digest: str, interval: float, changed: Callable[[], Awaitable[object]]) -> None:
    """Check the file at an interval; call `changed` when its content differs, or the reason why it can't be read.

    Args:
        file: its name.
        digest: of the content in use.
        interval: seconds between two checks.
        changed: loads the file again.
    """
    from exporter.config import source  # noqa: PLC0415
    from exporter.errors import WalkError  # noqa: PLC0415
    from exporter.work import Worker  # noqa: PLC0415

    reader = Worker("read configuration", "is its disk reachable?")
    while True:
        await asyncio.sleep(interval)
        try:
            seen = source.digest(await reader.run(lambda: source.read(file), source.READ_TIMEOUT))
        except ConfigError as error:  # missing, too large or a pipe now: the reload says so, once
            seen = str(error)
        except WalkError:  # a network disk hangs: try again later
            continue
        if seen != digest:
            digest = seen
            await changed()


class _Threads(ThreadPoolExecutor):
    """The event loop's threads. The process does not wait for them to end: one may hang on a silent name server."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        super().shutdown(wait=False, cancel_futures=True)


def _in_loop(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Threads())
        return runner.run(work)


async def _until_stopped(work: Coroutine[None, None, None]) -> bool:
    """Run the work until it ends, or until SIGTERM or SIGINT; returns whether it ended by itself.

    After a signal the process ends within `END` in any case, and further signals are ignored. Raises what the work
    raises.
    """
    gc.freeze()  # modules and the configuration stay: keep the collector from scanning them
    gc.enable()
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    signals = (signal.SIGTERM, signal.SIGINT)

    def stop(*_: object) -> None:  # not add_signal_handler: the loop might be busy
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, END)
        loop.call_soon_threadsafe(task.cancel)

    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        with _woken_by_signals(loop):
            await task
    except asyncio.CancelledError:
        return False
    finally:
        if task.done() and not task.cancelled():
            for number, handler in before.items():
                signal.signal(number, handler)
    return True


@contextlib.contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have every signal wake the event loop.

    Otherwise the handler of one that arrives just before the loop starts to wait only runs when that wait ends: at the
    next walk.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        loop.add_reader(reader, reader.recv, 4096)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            loop.remove_reader(reader)


def _print(text: bytes) -> bool:
    """Print on standard output; returns whether that worked."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sys.stdout.buffer.write(text)
        sys.stdout.flush()
    except OSError as error:  # a full disk, a closed pipe, a closed descriptor
        _log.error("can't print", extra={"detail": error.strerror})
        # Otherwise Python flushes the rest of the buffer at exit, and fails again.
        sys.stdout = None
        return False
    return True
