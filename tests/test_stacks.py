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
    """They stand on standard error, later log lines don't overwrite them, and the exporter goes on."""
    with serving(["--demo"], tmp_path, clean_environment(tmp_path)) as exporter:
        log = tmp_path / "stderr"
        exporter.process.send_signal(signal.SIGUSR1)
        wait_for("the stacks", lambda: "Current thread" in log.read_text())
        exporter.process.send_signal(signal.SIGHUP)
        wait_for("a later log line", lambda: "configuration reloaded" in log.read_text())
        assert "Current thread" in log.read_text()
        assert log.read_text().count("Thread 0x") > 1
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
