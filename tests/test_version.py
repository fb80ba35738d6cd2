"""Which exporter this is: nothing is invented."""

import platform
from pathlib import Path
from types import SimpleNamespace

import pytest

from exporter import NAME, __version__, version

PYTHON = f"Python {platform.python_version()}"


@pytest.fixture
def nobody_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package without the commit; gives its folder."""
    monkeypatch.setattr("exporter.version.resources.files", lambda _: tmp_path)
    installed(monkeypatch, None)
    return tmp_path


def installed(monkeypatch: pytest.MonkeyPatch, direct_url: str | None) -> None:
    """What pip noted where it got the package from."""
    distribution = SimpleNamespace(read_text=lambda _: direct_url)
    monkeypatch.setattr("exporter.version.metadata.distribution", lambda _: distribution)


@pytest.mark.usefixtures("nobody_said")
@pytest.mark.parametrize("direct_url", [None, "", "{}", "[]", "?", '{"url": "file:///src", "dir_info": {}}'])
def test_an_unknown_commit_is_left_out(direct_url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package from an index, from a folder, or with a note that makes no sense."""
    installed(monkeypatch, direct_url)
    assert version.line() == f"{NAME} {__version__} ({PYTHON})"
    assert version.facts() == {"version": __version__, "python": platform.python_version()}


def test_the_commit_of_a_release(nobody_said: Path) -> None:
    """The image and the packages of a release have it in a file."""
    (nobody_said / "COMMIT").write_text("0123abc\n")
    assert version.line() == f"{NAME} {__version__} (commit 0123abc, {PYTHON})"
    assert version.facts()["commit"] == "0123abc"


@pytest.mark.usefixtures("nobody_said")
def test_the_commit_that_pip_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install git+https://…` notes it."""
    installed(monkeypatch, '{"url": "https://a/b", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}}')
    assert version.line() == f"{NAME} {__version__} (commit 0123abc, {PYTHON})"
