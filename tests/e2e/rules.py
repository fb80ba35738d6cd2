"""promtool and the files that say what the rules do."""

import subprocess
from pathlib import Path

from runbooks import ROOT

TESTS = sorted((ROOT / "monitoring" / "tests").rglob("*.yaml"))


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What promtool says, and with which exit code."""
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=600, check=False)
