"""A log record is one line, in logfmt or JSON, whatever stands in it."""

import contextlib
import io
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.log import Formatter, LogFormat, configure

TS = "2026-09-21T14:13:20.125Z"


def record(message: str, *args: object, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    attributes = {
        "name": "exporter.poller",
        "levelno": level,
        "levelname": logging.getLevelName(level),
        "msg": message,
        "args": args,
        "created": 1_790_000_000.125,
        "exc_info": None,
    }
    return logging.makeLogRecord({**attributes, **extra})


def line(style: LogFormat, of: logging.LogRecord) -> str:
    return Formatter(style).format(of)


@pytest.mark.parametrize(
    ("of", "logfmt"),
    [
        pytest.param(record("up"), f"ts={TS} level=info logger=exporter.poller msg=up", id="plain"),
        pytest.param(
            record("%s is %d", "it", 5, level=logging.WARNING),
            f'ts={TS} level=warning logger=exporter.poller msg="it is 5"',
            id="arguments",
        ),
        pytest.param(
            record("up", target="targets[0]", jobs=7, none=None),
            f"ts={TS} level=info logger=exporter.poller msg=up target=targets[0] jobs=7 none=None",
            id="extra",
        ),
        pytest.param(
            record("", a="x=y", b='say "hi"', c="back\\slash", d="two\nlines", e="Zoë\u2028", f="\x1b[31m", g=" "),
            f'ts={TS} level=info logger=exporter.poller msg="" a="x=y" b="say \\"hi\\"" c="back\\\\slash" '
            'd="two\\nlines" e="Zo\\u00eb\\u2028" f="\\u001b[31m" g=" "',
            id="quoting",
        ),
    ],
)
def test_logfmt_lines(of: logging.LogRecord, logfmt: str) -> None:
    """Time in UTC, level, logger and message first, then what was added; quoted where it must be."""
    assert line("logfmt", of) == logfmt


def test_json_lines() -> None:
    """The same fields as an object, with numbers as numbers and what JSON has no word for as text."""
    text = line("json", record("up %s", "again", level=logging.ERROR, jobs=7, address=OSError("x"), none=None))

    assert json.loads(text) == {
        "ts": TS,
        "level": "error",
        "logger": "exporter.poller",
        "msg": "up again",
        "jobs": 7,
        "address": "x",
        "none": None,
    }


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_a_traceback_is_part_of_the_line(style: LogFormat) -> None:
    """An exception is a field, so that a log collector keeps it with its message."""
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        text = line(style, record("down", exc_info=(ValueError, error, error.__traceback__)))
    traceback = json.loads(text)["traceback"] if style == "json" else json.loads(text.partition("traceback=")[2])

    assert "\n" not in text
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("ValueError: two\nlines")


ANY_TEXT = st.text() | st.text(alphabet="ab \"'=\\\n\r\t\x00\x85\u2028\ud800{}%s")
LOGFMT_LINE = re.compile(r'(?:[a-z]+=(?:[^\s"=\\]+|"(?:[^"\\]|\\.)*")(?: |$))+')


@given(message=ANY_TEXT, value=ANY_TEXT)
def test_any_text_gives_one_logfmt_line(message: str, value: str) -> None:
    """Nobody can forge a line or a field by what they put into a job's name, and nothing is lost."""
    text = line("logfmt", record(message, value=value))

    assert len(text.splitlines()) == 1
    assert text.isascii()
    assert text.isprintable()
    assert LOGFMT_LINE.fullmatch(text)
    quoted = text.rpartition(" value=")[2]
    assert value in (quoted, json.loads(quoted) if quoted.startswith('"') else None)


@given(message=ANY_TEXT, value=ANY_TEXT | st.integers() | st.none() | st.booleans() | st.lists(ANY_TEXT))
def test_any_record_reads_back_from_json(message: str, value: object) -> None:
    """A JSON line is one line and loses nothing."""
    text = line("json", record(message, value=value))

    assert len(text.splitlines()) == 1
    read: dict[str, Any] = json.loads(text)
    assert (read["msg"], read["value"]) == (message, value)


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    handlers, level, ours = logging.root.handlers[:], logging.root.level, logging.getLogger("exporter").level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.getLogger("exporter").setLevel(ours)


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["exporter.x debug", "exporter.x info", "exporter.x warning", "boto warning"]),
        ("info", ["exporter.x info", "exporter.x warning", "boto warning"]),
        ("warning", ["exporter.x warning", "boto warning"]),
        ("error", ["boto warning"]),
    ],
)
def test_the_level_is_for_our_own_lines(level: str, shown: list[str]) -> None:
    """Ours show from the level on, those of libraries from warning on, each once however often it is configured."""
    stream = io.StringIO()
    configure("debug", "logfmt", io.StringIO())
    configure(level, "json", stream)
    for logger in ("exporter.x", "boto"):
        for name in ("debug", "info", "warning"):
            logging.getLogger(logger).log(logging.getLevelNamesMapping()[name.upper()], "a line")

    lines = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert [f"{fields['logger']} {fields['level']}" for fields in lines] == shown


@pytest.mark.usefixtures("_logging_as_before")
def test_logging_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is for what was asked for, such as the metrics of `--once`."""
    handler = configure("info", "logfmt")
    logging.getLogger("exporter").info("a line")
    handler.close()
    captured = capsys.readouterr()

    assert captured.out == ""
    assert captured.err.endswith(' level=info logger=exporter msg="a line"\n')


class Stuck:
    """A pipe that nobody reads, full to the brim, in the place of standard error."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self.filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self.filled += os.write(writer, b"x")
        os.set_blocking(writer, True)
        self.stream = os.fdopen(writer, "w", encoding="utf-8")

    def text(self, *wanted: str) -> str:
        """What is written after what it is filled with, until all of this is in it."""
        text = ""
        while not all(each in text for each in wanted):
            text += os.read(self.reader, 65536).decode()
        return text[self.filled :]


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    stuck = Stuck()
    yield stuck
    with contextlib.suppress(OSError):
        os.close(stuck.reader)  # which ends a write that waits
    stuck.stream.close()


@pytest.mark.usefixtures("_logging_as_before")
def test_who_logs_waits_for_nobody(stuck: Stuck, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody reads, lines wait up to a number, and what was dropped is told when somebody reads again."""
    monkeypatch.setattr("sys.stderr", stuck.stream)
    handler = configure("info", "logfmt")
    for number in range(10_500):
        logging.getLogger("exporter").info("line", extra={"number": number})

    text = stuck.text('msg="log lines dropped" lines=', " number=9999\n")
    handler.close()

    (dropped,) = re.findall(r'level=warning logger=exporter\.log msg="log lines dropped" lines=(\d+)\n', text)
    numbers = [int(number) for number in re.findall(r" number=(\d+)\n", text)]
    assert numbers[:10_000] == list(range(10_000))
    assert int(dropped) in {499, 500}  # the thread may have taken one out of the queue already


@pytest.mark.usefixtures("_logging_as_before")
def test_long_lines_that_wait_are_bounded_too(stuck: Stuck, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few lines may be many bytes."""
    monkeypatch.setattr("sys.stderr", stuck.stream)
    monkeypatch.setattr("exporter.log._MOST_CHARACTERS", 1000)
    handler = configure("info", "logfmt")
    for number in range(10):
        logging.getLogger("exporter").info("x" * 500, extra={"number": number})

    text = stuck.text('msg="log lines dropped" lines=8\n', " number=1\n")
    handler.close()

    assert re.findall(r" number=(\d+)\n", text) == ["0", "1"]


@pytest.mark.usefixtures("_logging_as_before")
def test_the_end_waits_a_second_at_most(stuck: Stuck, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be written is lost, once: closing again does not wait again."""
    monkeypatch.setattr("sys.stderr", stuck.stream)
    handler = configure("info", "logfmt")
    logging.getLogger("exporter").info("line")
    began = time.monotonic()
    for _ in range(3):
        handler.close()
    logging.getLogger("exporter").info("after the end")

    assert 0.9 < time.monotonic() - began < 2.5


@pytest.mark.usefixtures("_logging_as_before")
def test_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started with a closed standard error logs nowhere."""
    monkeypatch.setattr("sys.stderr", None)
    handler = configure("info", "logfmt")
    logging.getLogger("exporter").error("line")
    handler.close()
