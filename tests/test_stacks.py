"""Stacks of all threads at SIGUSR1, and exceptions that nobody caught."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.processes import clean_environment, serving, wait_for

from exporter import stacks


@pytest.mark.e2e
def test_stacks_of_all_threads(tmp_path: Path) -> None:
    """They stand on standard error between the log lines, and the exporter goes on."""
    with serving(["--demo"], tmp_path, clean_environment(tmp_path)) as exporter:
        exporter.process.send_signal(signal.SIGUSR1)
        log = tmp_path / "stderr"
        wait_for("the stacks", lambda: "Current thread" in log.read_text())
        wait_for("other threads", lambda: log.read_text().count("Thread 0x") > 1)
        assert exporter.metrics()


@pytest.mark.e2e
def test_stacks_that_nobody_reads(tmp_path: Path) -> None:
    """A pipe that is full keeps neither the exporter nor its end."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "exporter", "--demo", "--web.listen-address=127.0.0.1:0"]
    environment = clean_environment(tmp_path)
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=writer, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(100):
            process.send_signal(signal.SIGUSR1)
        process.terminate()
        assert process.wait(timeout=5) == 0
    os.close(reader)
    os.close(writer)


@pytest.fixture
def _hooks_as_before() -> Iterator[None]:
    before = sys.excepthook, sys.unraisablehook, threading.excepthook
    yield
    sys.excepthook, sys.unraisablehook, threading.excepthook = before


@pytest.mark.usefixtures("_hooks_as_before")
def test_what_nobody_caught_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Exceptions of threads and finalizers are log lines, with their traceback."""

    class Fragile:
        def __del__(self) -> None:
            raise ValueError("in a finalizer")

    def fail() -> None:
        raise ValueError("in a thread")

    stacks.log_uncaught()
    Fragile()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "in a finalizer",
        "in a thread",
    ]
