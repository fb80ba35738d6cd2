"""Stacks of all threads at SIGUSR1."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.processes import clean_environment, serving, wait_for


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
