"""The systemd unit: read by systemd's own tools, of this machine."""

import re
import subprocess
from pathlib import Path

import pytest

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
