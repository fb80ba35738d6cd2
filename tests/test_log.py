"""A log record is one line, in logfmt or JSON, whatever stands in it; and nobody waits for it to be written."""

import contextlib
import io
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.log import FLUSH, MAX_LINES, Formatter, LogFormat, configure

TS = "2026-09-21T14:13:20.125Z"


def record(message: str, *args: object, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    attributes = {
        "name": "exporter.fleet",
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
        pytest.param(record("up"), f"ts={TS} level=info logger=exporter.fleet msg=up", id="plain"),
        pytest.param(
            record("%s is %d", "it", 5, level=logging.WARNING),
            f'ts={TS} level=warning logger=exporter.fleet msg="it is 5"',
            id="arguments",
        ),
        pytest.param(
            record("up", target="targets[0]", jobs=7, none=None),
            f"ts={TS} level=info logger=exporter.fleet msg=up target=targets[0] jobs=7 none=None",
            id="extra",
        ),
        pytest.param(
            record("", a="x=y", b='say "hi"', c="back\\slash", d="two\nlines", e="Zoë\u2028", f="\x1b[31m", g=" "),
            f'ts={TS} level=info logger=exporter.fleet msg="" a="x=y" b="say \\"hi\\"" c="back\\\\slash" '
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
        "logger": "exporter.fleet",
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


# The pipeline


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
        ("warn", ["exporter.x warning", "boto warning"]),
        ("error", ["boto warning"]),
    ],
)
def test_the_level_is_for_our_own_lines(level: str, shown: list[str]) -> None:
    """Ours show from the level on, those of libraries from warning on, each once however often it is configured."""
    stream = io.StringIO()
    configure("debug", "logfmt", io.StringIO()).close()
    pipeline = configure(level, "json", stream)
    for logger in ("exporter.x", "boto", "botocore.credentials"):
        for name in ("debug", "info", "warning"):
            logging.getLogger(logger).log(logging.getLevelNamesMapping()[name.upper()], "a line")
    pipeline.close()

    lines = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert [f"{fields['logger']} {fields['level']}" for fields in lines] == shown
    assert pipeline.dropped == 0


@pytest.mark.usefixtures("_logging_as_before")
def test_logging_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is for what was asked for, such as the metrics of `--once`."""
    pipeline = configure("info", "logfmt")
    logging.getLogger("exporter").info("a line")
    pipeline.close()
    captured = capsys.readouterr()

    assert captured.out == ""
    assert captured.err.endswith(' level=info logger=exporter msg="a line"\n')


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_every_line_is_scrubbed(style: LogFormat) -> None:
    """Messages, values and tracebacks go through one function."""
    stream = io.StringIO()
    pipeline = configure("info", style, stream, scrub=lambda line: line.replace("secret", "***"))
    try:
        raise ValueError("secret 1")
    except ValueError:
        logging.getLogger("exporter").exception("secret %s", 2, extra={"detail": "secret 3"})
    pipeline.close()

    assert "secret" not in stream.getvalue()
    assert stream.getvalue().count("***") == 4  # the line of code that raises it, too


@pytest.mark.usefixtures("_logging_as_before")
def test_without_standard_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was started with a closed standard error logs nowhere, and not on standard output."""
    monkeypatch.setattr("sys.stderr", None)
    pipeline = configure("info", "logfmt")
    logging.getLogger("exporter").error("a line")
    pipeline.close()

    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("_logging_as_before")
def test_a_bug_in_a_log_call_is_a_line() -> None:
    """It names the place in the code, and the program goes on."""
    stream = io.StringIO()
    pipeline = configure("info", "json", stream)
    logging.getLogger("exporter").info("%d jobs", "many")
    pipeline.close()

    fields = json.loads(stream.getvalue())
    assert (fields["level"], fields["msg"]) == ("error", "a log line can't be formatted; please report this as a bug")
    assert re.search(r"test_log\.py:\d+$", fields["where"])
    assert "TypeError" in fields["traceback"]
    assert pipeline.dropped == 0


class Pipe:
    """A pipe in the place of standard error, so full that not even one more character fits in."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self._filled = 0
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._filled += os.write(writer, b"x" * size)
        os.set_blocking(writer, True)
        self.stream = os.fdopen(writer, "w", encoding="utf-8")

    def read_until(self, wanted: str) -> list[str]:
        """The lines up to the one that ends with this."""
        text = ""
        while f"{wanted}\n" not in text:
            text += os.read(self.reader, 1 << 20).decode()
        return text[self._filled :].splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    with contextlib.suppress(OSError):
        os.close(pipe.reader)  # which ends a write that waits
    pipe.stream.close()


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(
    ("message", "kept"), [("a line", MAX_LINES), ("x" * 2**20, 16)], ids=["many lines", "many characters"]
)
def test_nobody_waits_for_a_pipe_that_nobody_reads(message: str, kept: int, blocking: bool, pipe: Pipe) -> None:
    """Up to 10,000 lines or 16 MiB wait; further ones are dropped and counted, and that is logged when it is read."""
    os.set_blocking(pipe.stream.fileno(), blocking)  # another process that shares it may have made it so
    pipeline = configure("info", "logfmt", pipe.stream)
    for number in range(kept + 20):
        logging.getLogger("exporter").info(message, extra={"number": number})
    dropped = pipeline.dropped
    assert dropped in {19, 20}  # the writer may have taken the first line out of the queue or not

    lines = pipe.read_until(f" number={kept + 19 - dropped}")
    pipeline.close()
    numbers = [int(line.rpartition("=")[2]) for line in lines if " number=" in line]
    assert numbers == list(range(kept + 20 - dropped))
    (told,) = [line for line in lines if " number=" not in line]
    assert told.endswith(f' level=warning logger=exporter.log msg="log lines dropped" lines={dropped}')


@pytest.mark.usefixtures("_logging_as_before")
def test_the_end_takes_a_second_at_most(pipe: Pipe) -> None:
    """What can't be written by then is lost."""
    pipeline = configure("info", "logfmt", pipe.stream)
    logging.getLogger("exporter").info("a line")
    started = time.monotonic()
    pipeline.close()
    assert FLUSH <= time.monotonic() - started < FLUSH + 10

    os.close(pipe.reader)  # the write that waits fails
    pipeline.close()
    assert pipeline.dropped == 1


@pytest.mark.usefixtures("_logging_as_before")
def test_a_log_call_may_be_interrupted_by_another() -> None:
    """The garbage collector can run anywhere in it, and a task that nobody awaited logs when it is found."""
    stream = io.StringIO()
    pipeline = configure("info", "logfmt", stream)
    logger = logging.getLogger("exporter")

    def log() -> None:
        sys.setprofile(lambda *_: logger.info("in the midst"))  # at every call of a function, and not within itself
        logger.info("a line")
        sys.setprofile(None)

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    pipeline.close()
    assert stream.getvalue().count('msg="in the midst"') > 10
    assert stream.getvalue().count('msg="a line"') == 1
