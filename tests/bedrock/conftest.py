"""Fixtures of the tests of exporter/bedrock."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import faults
import pytest
from bedrock.scene import Aws, without_credentials
from faults import ACCOUNT

from exporter.bedrock import attempts
from exporter.simulator import access_key_id


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key_id(ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.001)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with contextlib.ExitStack() as stack:
        yield Aws(monkeypatch, stack)


@pytest.fixture
def stall() -> Iterator[faults.Stall]:
    stall = faults.Stall()
    yield stall
    stall.release()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder with the user's ``config`` and ``credentials``, which are all that there is."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with without_credentials(monkeypatch):
        yield tmp_path
