"""The command line as processes: signals, hangs, and streams that nobody reads."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import PIPE

import pytest
from command_line.scene import BROKEN_TARGET, CONFIG, EPOCH, ROOT
from web.hosted import PATIENCE, ask, wait_until

from exporter import __version__
from exporter.simulator import Request, Response, Simulator, World, answer, serve


@pytest.fixture(scope="module")
def world() -> World:
    return World.demo(EPOCH)


class Blocking:
    """A Bedrock whose list answers only when it is let go."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked = threading.Event()
        self.release = threading.Event()

    def __call__(self, request: Request) -> Response:
        if request.path == "/model-customization-jobs":
            self.asked.set()
            self.release.wait(PATIENCE)
        return answer(self._world, request, EPOCH)


@pytest.fixture
def simulator(world: World) -> Iterator[Simulator]:
    with serve(world, now=lambda: EPOCH) as running:
        yield running


def environment(home: Path, simulator: Simulator | None = None) -> dict[str, str]:
    aws = (
        {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": simulator.access_key_id,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_ENDPOINT_URL": simulator.url,
        }
        if simulator
        else {}
    )
    return {"HOME": str(home), "PATH": os.defpath, **aws}


@contextlib.contextmanager
def started(
    environ: Mapping[str, str], *argv: str | Path, stderr: int = PIPE, code: Sequence[str] = ("-m", "exporter")
) -> Iterator[subprocess.Popen[str]]:
    """A process of the exporter; killed at the end if it still runs."""
    command = [sys.executable, *code, *map(str, argv)]
    with subprocess.Popen(
        command, cwd=ROOT, env=dict(environ), stdin=PIPE, stdout=PIPE, stderr=stderr, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def serving(
    environ: Mapping[str, str], *argv: str | Path, code: Sequence[str] = ("-m", "exporter")
) -> Iterator[subprocess.Popen[str]]:
    """A process that serves, and has said so."""
    flags = ("--web.listen-address=127.0.0.1:0", "--log.format=json")
    with started(environ, *flags, *argv, code=code) as process:
        assert process.stderr is not None
        first, second = json.loads(process.stderr.readline()), json.loads(process.stderr.readline())
        assert (first["msg"], first["version"], second["msg"]) == ("starting", __version__, "listening")
        yield process


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a process that ends."""
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


@pytest.mark.e2e
def test_without_a_region_and_without_a_file_of_ones_own(tmp_path: Path) -> None:
    """On a machine without any set-up, a configuration that relies on one is refused with what is missing."""
    (tmp_path / "config.yaml").write_text("", encoding="utf-8")
    with started(environment(tmp_path), "--config.file", tmp_path / "config.yaml") as process:
        code, out, err = ended(process)

    assert (code, out) == (2, "")
    assert re.fullmatch(re.escape(str(tmp_path)) + r"/config\.yaml: targets.regions: no region .*AWS_REGION.*\n", err)


@pytest.mark.e2e
@pytest.mark.parametrize(("content", "code"), [(CONFIG, 0), (BROKEN_TARGET, 1)], ids=["good", "broken"])
def test_once_prints_the_metrics(content: str, code: int, config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """One walk of every target; what is good is printed, and a target that fails says why and makes it exit code 1."""
    config.write_text(content, encoding="utf-8")
    with started(environment(tmp_path, simulator), "--once", "--config.file", config) as process:
        returned, out, err = ended(process)

    assert returned == code
    assert 'bedrock_exporter_target_up{aws_account_id="111122223333",aws_region="us-east-1"} 1\n' in out
    assert "# TYPE bedrock_model_customization_jobs gauge\n" in out
    assert "# TYPE process_cpu_seconds_total counter\n" in out
    down = 'bedrock_exporter_target_up{aws_account_id="999999999999",aws_region="us-west-2"} 0\n'
    assert (down in out, "reason=assume_role_denied" in err) == (bool(code), bool(code))
    *said, summary = err.splitlines()
    assert len(said) == 1 + code
    assert f'msg="walked every target once" ok=1 failing={code}' in summary


@pytest.mark.e2e
@pytest.mark.parametrize("moment", ["walking", "listening"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_well(number: signal.Signals, moment: str, config: Path, world: World, tmp_path: Path) -> None:
    """Within 5 seconds and with exit code 0, although a walk waits for an answer, or as soon as it listens."""
    blocking = Blocking(world)
    with (
        serve(world, respond=blocking) as simulator,
        serving(environment(tmp_path, simulator), "--config.file", config) as process,
    ):
        try:
            assert moment == "listening" or blocking.asked.wait(PATIENCE)
            signalled = time.monotonic()
            process.send_signal(number)
            process.send_signal(number)  # changes nothing
            code, _, err = ended(process)
            took = time.monotonic() - signalled
        finally:
            blocking.release.set()

    assert code == 0
    assert took < 5
    assert [json.loads(line)["msg"] for line in err.splitlines()] == ["ended"]


ELSEWHERE = """
import signal, sys, threading
from exporter import __main__

def send():
    sys.stdin.readline()
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=send, daemon=True).start()
__main__.main()
"""


@pytest.mark.e2e
def test_a_signal_wakes_the_event_loop(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """It may arrive in another thread, or just before the loop starts to wait: then nothing interrupts that wait."""
    config.write_text(CONFIG.replace("interval: 10s", "interval: 1h, stale_after: 3h"), encoding="utf-8")
    argv = ("--config.file", config)
    with serving(environment(tmp_path, simulator), *argv, code=("-c", ELSEWHERE)) as process:
        assert process.stdin is not None
        time.sleep(1)  # the first walks end, and nothing else wakes the loop
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(PATIENCE) == 0


@pytest.mark.e2e
def test_a_signal_ends_once_with_1(config: Path, world: World, tmp_path: Path) -> None:
    """`--once` that was stopped has not done what it was asked to, and prints no half of it."""
    blocking = Blocking(world)
    with (
        serve(world, respond=blocking) as simulator,
        started(environment(tmp_path, simulator), "--once", "--config.file", config) as process,
    ):
        try:
            assert blocking.asked.wait(PATIENCE)
            process.send_signal(signal.SIGTERM)
            assert ended(process)[:2] == (1, "")
        finally:
            blocking.release.set()


HANG = """
import sys, time
from exporter import __main__, app
from exporter.config import source

read, files = source.read, []

def hang(*_):
    print("hangs", flush=True)
    time.sleep(1000)

def read_once(file):
    files.append(file)
    return read(file) if len(files) == 1 else hang()

async def reload(_):
    hang()

if sys.argv.pop() == "loop":
    app.App.reload = reload
source.read = read_once
__main__.main()
"""


@pytest.mark.e2e
@pytest.mark.parametrize(("hung", "code"), [("thread", 0), ("loop", 1)])
def test_sigterm_ends_it_whatever_hangs(
    hung: str, code: int, config: Path, simulator: Simulator, tmp_path: Path
) -> None:
    """Within 5 seconds, also while a reload hangs in its thread, and even if the event loop itself hangs."""
    argv = ("--config.file", config, hung)
    with serving(environment(tmp_path, simulator), *argv, code=("-c", HANG)) as process:
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        assert process.stdout.readline() == "hangs\n"
        signalled = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == code
        assert time.monotonic() - signalled < 5


@pytest.mark.e2e
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_signal_while_it_loads_ends_it_at_once(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Before its imports are done, and without a traceback; SIGHUP changes nothing."""
    slow = 'print("loading", flush=True)\ninput()\n'
    (tmp_path / "msgspec.py").write_text(slow, encoding="utf-8")  # one of the modules that it imports
    with started({**environment(tmp_path), "PYTHONPATH": str(tmp_path)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(number)

        assert ended(process) == (code, "", "")


@pytest.mark.e2e
def test_a_followed_file_that_cannot_be_read_is_told_once(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """Although it has no content to compare; the next good one is loaded, even the same as before."""
    argv = ("--config.file", config, "--config.auto-reload-interval=1s")
    with serving(environment(tmp_path, simulator), *argv) as process:
        assert process.stderr is not None
        about_files = (fields for fields in map(json.loads, process.stderr) if fields["logger"] == "exporter.app")
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "pipe").replace(config)
        told = next(about_files)
        time.sleep(2.5)  # two more looks, at which nothing has changed
        (tmp_path / "good").write_text(CONFIG, encoding="utf-8")
        (tmp_path / "good").replace(config)

        assert (told["level"], told["detail"]) == ("error", f"{config}: is a named pipe")
        assert next(about_files)["msg"] == "configuration reloaded"


@pytest.mark.e2e
def test_nobody_reads_standard_error(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """A full pipe stops neither a scrape nor SIGTERM."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    argv = ("--config.file", config, "--web.listen-address", address)
    with started(environment(tmp_path, simulator), *argv, stderr=writing) as process:
        wait_until(lambda: is_ready(address), "ready")
        assert b"bedrock_exporter_log_lines_dropped_total 0.0\n" in ask(address, "/metrics").body
        signalled = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert time.monotonic() - signalled < 5
    os.close(reading)
    os.close(writing)


def is_ready(address: str) -> bool:
    try:
        return ask(address, "/-/ready").status == 200
    except OSError:
        return False


@pytest.mark.e2e
def test_once_on_a_full_disk(config: Path, simulator: Simulator, tmp_path: Path) -> None:
    """Metrics that can't be printed are a failure, said in one line and without a traceback."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "exporter", "--once", "--config.file", config],
            env=environment(tmp_path, simulator),
            cwd=ROOT,
            stdout=full,
            stderr=PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.endswith('msg="can\'t print" detail="No space left on device"\n')
    assert "Traceback" not in done.stderr
