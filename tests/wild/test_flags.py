"""Whatever flags a user gives, the process ends as documented. Configuration files: tests/config."""

import contextlib
import io
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wild.bounded import bounded

from exporter import cli
from exporter.app import App

FLAGS = [
    *("--config.file", "--web.listen-address", "--web.telemetry-path", "--log.level", "--log.format"),
    *("--config.check", "--once", "--demo", "--version", "--help", "--web.config.file", "--", "-h", "-"),
]
ARGUMENT = st.text(st.characters(exclude_characters="\0"), max_size=10)  # no argument of a process can have a NUL
ADDRESS = st.tuples(
    st.sampled_from(["", "127.0.0.1", "[::1]", "localhost", "[fe80::1%x]", "a..b", "x" * 64]) | ARGUMENT,
    st.just(0) | st.integers(-1, 70_000),
).map(lambda place: f"{place[0]}:{place[1]}")
CHOICE = st.sampled_from(["debug", "error", "json", "logfmt", "/m", "/-/m", "/", "no-such-file", "/dev/null", "."])
ARGUMENTS = st.lists(
    st.sampled_from(FLAGS)
    | CHOICE
    | ARGUMENT
    | st.tuples(st.sampled_from(FLAGS), CHOICE | ADDRESS | ARGUMENT).map("=".join)
    | ADDRESS.map("--web.listen-address={}".format),
    max_size=5,
)


@pytest.fixture
def ends_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """What would poll for ever ends at once, and no name leaves the machine. Gives a folder."""

    async def end(_: App) -> bool:
        return True

    resolve = socket.getaddrinfo

    def local_only(host: Any, *how: Any, **more: Any) -> Any:
        with contextlib.suppress(OSError):
            if host in {None, "localhost"}:
                return resolve(host, *how, **more)
            return resolve(host, *how[:4], **{**more, "flags": socket.AI_NUMERICHOST})
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(App, "run", end)
    monkeypatch.setattr(App, "run_once", end)
    monkeypatch.setattr(socket, "getaddrinfo", local_only)
    monkeypatch.setattr(
        "exporter.demo.start", lambda _: contextlib.nullcontext(SimpleNamespace(url="http://127.0.0.1:1"))
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    Path("config.yaml").write_text("", encoding="utf-8")
    handlers, level = logging.root.handlers[:], logging.root.level
    ours = logging.getLogger("exporter").level
    yield tmp_path
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.getLogger("exporter").setLevel(ours)


def run(argv: list[str]) -> tuple[int, str]:
    """Exit code, and what was printed on standard error, with streams as a terminal in UTF-8 has them."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(argv)
        except SystemExit as end:
            code = int(end.code or 0)
        out.flush()
        err.flush()
    assert isinstance(err.buffer, io.BytesIO)
    return code, err.buffer.getvalue().decode()


NOT_UTF_8 = os.fsdecode(b"caf\xe9.yaml")


@bounded(250)
@given(argv=ARGUMENTS)
@example(argv=[])
@example(argv=["--config.check", "--config.file", NOT_UTF_8])
@example(argv=["--config.file", NOT_UTF_8, "--web.listen-address=:0"])
@example(argv=["--web.telemetry-path", os.fsdecode(b"/m\xe9trics"), "--web.listen-address=:0"])
@example(argv=["--web.listen-address=127.0.0.1:0", "--log.format=json"])
@example(argv=["--web.listen-address", os.fsdecode(b"caf\xe9:0")])
@example(argv=["--once", "--log.level=debug"])
@example(argv=["--demo", "--web.listen-address=localhost:0"])
@example(argv=["--config.file=", "--config.check"])
@example(argv=["--config.file=" + "x" * 5000])
def test_any_flags_end_as_documented(ends_at_once: Path, argv: list[str]) -> None:
    """Any arguments: exit code 0, 1 or 2, a word on standard error with 2, and never a traceback."""
    with contextlib.suppress(OSError):
        (ends_at_once / NOT_UTF_8).write_text("", encoding="utf-8")
    code, err = run(argv)

    assert code in {0, 1, 2}
    assert "Traceback" not in err
    assert "traceback=" not in err
    assert err or code != 2
