"""The systemd unit: read by systemd's own tools, of this machine."""

import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client import ProcessCollector

pytestmark = pytest.mark.e2e

UNIT = Path(__file__).parents[2] / "docs" / "examples" / "systemd" / "bedrock-customization-exporter.service"


def test_verify(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing, once the program is where the unit has it."""
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (verified.stdout, verified.stderr, verified.returncode) == ("", "", 0)


def test_security() -> None:
    """`systemd-analyze security` gives an exposure of 1.5 or less, of 10."""
    command: list[str | Path] = ["systemd-analyze", "security", "--offline=yes", "--threshold=15", UNIT]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_process_metrics(tmp_path: Path) -> None:
    """The unit lets the exporter see more of /proc than processes: without /proc/stat it shows no process_* series."""
    assert list(ProcessCollector(registry=None).collect())
    (tmp_path / "self").symlink_to("/proc/self")  # what ProcSubset=pid leaves
    assert list(ProcessCollector(proc=str(tmp_path), registry=None).collect()) == []
    assert "ProcSubset" not in UNIT.read_text()
