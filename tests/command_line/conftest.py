"""A configuration file of one target."""

from pathlib import Path

import pytest
from command_line.scene import CONFIG


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return file
