"""The command line: what it prints, where, and its exit code."""

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from exporter import __version__
from exporter.cli import _follow, _parser, _shard, main
from exporter.config import digest
from exporter.shard import Shard
from exporter.simulator import Request, Response, Simulator, World, answer, serve

EPOCH = 1_790_000_000.0
ROOT = Path(__file__).parent.parent
PATIENCE = 30.0
"""Seconds that a process may take to start on a busy machine; nothing waits so long unless it is broken."""

CONFIG = "poll: {interval: 10s, timeout: 9s}\ntargets: [{regions: [us-east-1]}]\naws: {max_attempts: 1}\n"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    handlers, level, ours = logging.root.handlers[:], logging.root.level, logging.getLogger("exporter").level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.getLogger("exporter").setLevel(ours)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def world() -> World:
    return World.demo(EPOCH)


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    with serve(world, now=lambda: EPOCH) as running:
        yield running


# Flags and files, in this process


def run(*argv: str | Path) -> int:
    """The exit code, whether it is returned or raised by argparse."""
    try:
        return main([str(argument) for argument in argv])
    except SystemExit as end:
        return int(end.code or 0)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version."""
    assert run("--version") == 0
    assert capsys.readouterr().out == f"bedrock-customization-exporter {__version__}\n"


def test_a_good_configuration_is_called_good(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--config.check` says so on standard output, without a word to AWS."""
    assert run("--config.check", "--config.file", config) == 0
    assert capsys.readouterr() == (f"{config}: good; targets: 1\n", "")


@pytest.mark.parametrize("mode", [["--config.check"], ["--once"], []], ids=["check", "once", "serve"])
def test_every_fault_of_a_bad_configuration_is_printed(
    mode: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad file ends every mode with exit code 2 and all of its faults, a line each, on standard error."""
    config.write_text(
        "poll: {intervall: 60s}\ntargets: [{regions: [us-east-1]}]\naws: {max_attempts: 0}\n", encoding="utf-8"
    )

    assert run(*mode, "--config.file", config) == 2
    assert capsys.readouterr() == (
        "",
        (
            f"{config}: poll.intervall: unknown key; did you mean 'interval'?\n"
            f"{config}: aws.max_attempts: 0 is less than 1\n"
        ),
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "can't be read: No such file or directory; name another with --config.file"),
        (b"poll: \xff", "can't be read: it is not UTF-8 (invalid start byte)"),
    ],
    ids=["missing", "not-utf-8"],
)
def test_a_file_that_cannot_be_read(
    content: bytes | None, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the file and the reason."""
    file = tmp_path / "other.yaml"
    if content is not None:
        file.write_bytes(content)

    assert run("--config.file", file) == 2
    assert capsys.readouterr() == ("", f"{file}: {fault}\n")


def test_a_directory_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mount gone wrong in Kubernetes is a directory where the file should be."""
    assert run("--config.file", tmp_path) == 2
    assert capsys.readouterr().err == (f"{tmp_path}: can't be read: Is a directory; name another with --config.file\n")


def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing waits for a FIFO's writer, or reads a device that has no end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    wanted = "; a regular file is wanted\n"

    assert run("--config.check", "--config.file", fifo) == 2
    assert capsys.readouterr().err == f"{fifo}: can't be read: it is a FIFO{wanted}"
    assert run("--config.check", "--config.file", "/dev/zero") == 2
    assert capsys.readouterr().err == f"/dev/zero: can't be read: it is a character device{wanted}"


def test_the_largest_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four MiB are read, a byte more is refused; a hole of a gigabyte is not read to its end."""
    filled = CONFIG + "#" * (4 * 2**20 - len(CONFIG))
    config.write_text(filled, encoding="utf-8")
    assert run("--config.check", "--config.file", config) == 0
    assert capsys.readouterr().out == f"{config}: good; targets: 1\n"

    for size in (4 * 2**20 + 1, 2**30):
        os.truncate(config, size)
        assert run("--config.check", "--config.file", config) == 2
        assert capsys.readouterr().err == f"{config}: can't be read: it is larger than 4 MiB, the most allowed\n"


def test_a_followed_file_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    """A FIFO in the place of the file neither blocks nor ends the exporter, and is a change like any other."""
    file = tmp_path / "config.yaml"
    file.write_text("one", encoding="utf-8")
    changes: list[str] = []

    async def changed() -> None:
        changes.append("FIFO" if file.is_fifo() else file.read_text(encoding="utf-8"))

    async def follow() -> None:
        following = asyncio.create_task(_follow(file, digest(b"one"), 0, changed))
        for content in ("two", None, "two"):
            file.unlink()
            os.mkfifo(file) if content is None else file.write_text(content, encoding="utf-8")
            for _ in range(20):
                await asyncio.sleep(0)
        following.cancel()

    asyncio.run(follow())

    assert changes == ["two", "FIFO", "two"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--wat"], "unrecognized arguments: --wat"),
        (["--web.listen"], "unrecognized arguments: --web.listen"),
        (["config.yaml"], "unrecognized arguments: config.yaml"),
        (
            ["--web.listen-address", "9848"],
            "argument --web.listen-address: '9848' is not an address such as :9848, 127.0.0.1:9848 or [::1]:9848",
        ),
        *(
            (["--web.telemetry-path", path], f"argument --web.telemetry-path: {path!r} is not a path such as /metrics")
            for path in ("metrics", "", "/", "/-/healthy", "/a?b", "/a#b", "/a b")
        ),
        (["--once", "--demo"], "argument --demo: not allowed with argument --once"),
        (["--once", "--config.check"], "argument --config.check: not allowed with argument --once"),
        (["--log.level", "loud"], "argument --log.level: invalid choice: 'loud' "),
        (["--shard.total", "0"], "argument --shard.total: '0' is not a whole number from 1 to 9999"),
        (["--shard.index", "x"], "argument --shard.index: 'x' is not a whole number from 0 to 9999"),
        (["--shard.total", "3", "--shard.index", "3"], "shard 3 is not one of 3: --shard.index counts from 0"),
        (
            ["--config.auto-reload-interval", "30"],
            "argument --config.auto-reload-interval: '30' is not a duration such as 45s, 15m, 1h30m or 14d",
        ),
        (
            ["--config.auto-reload-interval", "500ms"],
            "argument --config.auto-reload-interval: '500ms' is less than 1s",
        ),
        (["--log.format", "xml"], "argument --log.format: invalid choice: 'xml' "),
    ],
)
def test_bad_flags(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that can't be used ends with exit code 2 and says which, and what is wanted."""
    assert run(*argv) == 2
    captured = capsys.readouterr()

    assert captured.out == ""
    assert f"\nbedrock-customization-exporter: error: {message}" in captured.err


@pytest.mark.parametrize(
    ("host", "argv", "shard"),
    [
        ("exporter-2", ["--shard.total=3"], Shard(2, 3)),
        ("exporter-2", ["--shard.total=3", "--shard.index=0"], Shard(0, 3)),
        ("exporter-7d4b9-x2x9q", [], Shard(0, 1)),
        ("exporter-2", [], Shard(0, 1)),
        ("exporter-12", ["--shard.total=12"], "shard 12 is not one of 12: --shard.index counts from 0"),
        ("laptop", ["--shard.total=3"], "--shard.index is missing, and the host name 'laptop' does not end with a"),
        ("laptop2", ["--shard.total=3"], "--shard.index is missing, and the host name 'laptop2' does not end with a"),
    ],
)
def test_the_shard_is_the_ordinal_of_the_pod(host: str, argv: list[str], shard: Shard | str) -> None:
    """Unless the flag says which; a pod of a StatefulSet is called like it, with a hyphen and a number."""
    flags = _parser().parse_args(argv)
    if isinstance(shard, str):
        with pytest.raises(ValueError, match=re.escape(shard)):
            _shard(flags, host)
    else:
        assert _shard(flags, host) == shard


def test_a_port_that_is_taken_ends_with_1(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure at run time is exit code 1 and one line of the log."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"

        assert run("--config.file", config, "--web.listen-address", address, "--log.format", "json") == 1

    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["level"], line["msg"]) == ("error", "can't start")
    assert line["detail"] == (
        f"can't listen on {address}: Address already in use; choose another with --web.listen-address"
    )


# Processes


def environment(home: Path, simulator: Simulator) -> dict[str, str]:
    return {
        "HOME": str(home),
        "PATH": os.defpath,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": simulator.access_key_id,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_ENDPOINT_URL": simulator.url,
    }


def start(environ: Mapping[str, str], *argv: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "exporter", *map(str, argv)],
        cwd=ROOT,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.e2e
def test_without_a_region_and_without_a_file_of_ones_own(tmp_path: Path) -> None:
    """On a machine without any set-up, a configuration that relies on one is refused with what is missing."""
    (tmp_path / "config.yaml").write_text("", encoding="utf-8")
    process = start({"HOME": str(tmp_path), "PATH": os.defpath}, "--config.file", tmp_path / "config.yaml")
    out, err = process.communicate(timeout=PATIENCE)

    assert (process.returncode, out) == (2, "")
    assert err == (
        f"{tmp_path}/config.yaml: targets.regions: no region is given, and neither AWS_REGION nor the AWS "
        "configuration has one\n"
    )


@pytest.mark.e2e
def test_once_prints_the_metrics(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """One walk of every target, the exposition on standard output, the log on standard error, exit code 0."""
    process = start(environment(tmp_path, simulator), "--once", "--config.file", config)
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0
    assert 'bedrock_exporter_target_up{aws_account_id="111122223333",aws_region="us-east-1"} 1\n' in out
    assert "# TYPE bedrock_model_customization_jobs gauge\n" in out
    assert "# TYPE process_cpu_seconds_total counter\n" in out
    assert [line for line in err.splitlines() if 'msg="target is up"' not in line] == []


@pytest.mark.e2e
def test_once_with_a_broken_target_ends_with_1(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """What was good is printed all the same, and the broken target says why."""
    config.write_text(
        f"{CONFIG}\n".replace(
            "targets: [",
            "targets: [{regions: [us-west-2], assume_role: {role_arn: 'arn:aws:iam::999999999999:role/none'}}, ",
        ),
        encoding="utf-8",
    )
    process = start(environment(tmp_path, simulator), "--once", "--config.file", config)
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert 'bedrock_exporter_target_up{aws_account_id="111122223333",aws_region="us-east-1"} 1\n' in out
    assert 'bedrock_exporter_target_up{aws_account_id="999999999999",aws_region="us-west-2"} 0\n' in out
    assert "reason=assume_role_denied" in err


class Blocking:
    """A Bedrock whose list answers only when it is let go."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked = threading.Event()
        self.release = threading.Event()

    def wait(self, process: subprocess.Popen[str]) -> None:
        """Wait until the process has asked; what it says instead, if it ends, is the failure's message."""
        deadline = time.monotonic() + PATIENCE
        while not self.asked.wait(0.02):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline

    def __call__(self, request: Request) -> Response:
        if request.path == "/model-customization-jobs":
            self.asked.set()
            self.release.wait(PATIENCE)
        return answer(self._world, request, EPOCH)


@contextlib.contextmanager
def serving(environ: Mapping[str, str], *argv: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves, and its first log line that says so; killed at the end if it still runs."""
    with start(environ, *argv, "--web.listen-address", "127.0.0.1:0", "--log.format", "json") as process:
        try:
            assert process.stderr is not None
            line = json.loads(process.stderr.readline())
            assert line["msg"] == "listening"
            yield process, line["address"]
        finally:
            process.kill()


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well_in_the_middle_of_a_walk(
    number: signal.Signals, config: Path, world: World, tmp_path: Path
) -> None:
    """SIGTERM and SIGINT end within 5 seconds with exit code 0, although a walk waits for an answer."""
    blocking = Blocking(world)
    try:
        with (
            serve(world, respond=blocking) as simulator,
            serving(environment(tmp_path, simulator), "--config.file", config) as (process, _),
        ):
            blocking.wait(process)
            signalled = time.monotonic()
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)
            took = time.monotonic() - signalled
            blocking.release.set()
    finally:
        blocking.release.set()

    assert process.returncode == 0
    assert took < 5
    assert [json.loads(line)["msg"] for line in err.splitlines()] == ["ended"]


@pytest.mark.e2e
def test_a_signal_at_the_first_moment_ends_it_well(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """Whoever has seen it listen can stop it: there is no moment between at which a signal kills."""
    with serving(environment(tmp_path, simulator), "--config.file", config) as (process, _):
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)

    assert process.returncode == 0


@pytest.mark.e2e
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_it_loads(number: signal.Signals, code: int, config: Path, tmp_path: Path) -> None:
    """From the first line of the package on, long before the imports are through: no traceback, an exit code."""
    with start({"HOME": str(tmp_path), "PATH": os.defpath}, "--config.file", config) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            status = Path(f"/proc/{process.pid}/status")
            handled = 0
            while not handled >> (signal.SIGTERM - 1) & 1:
                assert time.monotonic() < deadline
                handled = int(re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)[0], 16)
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()

    assert (process.returncode, out, err) == (code, "", "")


@pytest.mark.e2e
def test_sigterm_right_after_exec(config: Path, tmp_path: Path) -> None:
    """Before Python runs a line of ours the kernel ends it, thereafter it ends itself."""
    with start({"HOME": str(tmp_path), "PATH": os.defpath}, "--config.file", config) as process:
        try:
            process.terminate()
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()

    assert process.returncode in {-signal.SIGTERM, 143}
    assert (out, err) == ("", "")


@pytest.mark.e2e
def test_standard_error_that_nobody_reads(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """A full pipe stops neither the answers nor the end."""
    with serving(
        environment(tmp_path, simulator), "--config.file", config, "--web.enable-lifecycle", "--log.level=debug"
    ) as (process, address):
        config.write_text("".join(f"k{number}: 1\n" for number in range(5000)), encoding="utf-8")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"http://{address}/-/reload", method="POST")
        with pytest.raises(urllib.error.HTTPError) as caught:  # 5,000 log lines, ten times what a pipe holds
            opener.open(request, timeout=PATIENCE)
        caught.value.close()
        with opener.open(f"http://{address}/-/healthy", timeout=5) as response:
            assert response.status == 200
        process.terminate()
        assert process.wait(5) == 0


@pytest.mark.e2e
def test_a_signal_ends_once_with_1(config: Path, world: World, tmp_path: Path) -> None:
    """`--once` that was stopped has not done what it was asked to, and prints no half of it."""
    blocking = Blocking(world)
    try:
        with (
            serve(world, respond=blocking) as simulator,
            start(environment(tmp_path, simulator), "--once", "--config.file", config) as process,
        ):
            try:
                blocking.wait(process)
                process.send_signal(signal.SIGTERM)
                out, _ = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()
                blocking.release.set()
    finally:
        blocking.release.set()

    assert (process.returncode, out) == (1, "")


@pytest.mark.e2e
def test_once_on_a_full_disk(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """Metrics that can't be printed are a failure, said in one line and without a traceback."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "exporter", "--once", "--config.file", config],
            env=environment(tmp_path, simulator),
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.endswith('msg="can\'t print" detail="No space left on device"\n')
    assert "Traceback" not in done.stderr
