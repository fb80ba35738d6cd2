"""No secret of the environment, and none of a URL, is in what leaves the process, in whatever form it is shown."""

import html
import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from exporter import log
from exporter.config.config import ConfigError
from exporter.errors import FailureReason, WalkError
from exporter.scrub import scrub

FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "repr": repr,
    "bytes": lambda value: repr(value.encode()),
    "json": json.dumps,
    "repr in json": lambda value: json.dumps(repr(value)),
    "bytes in json": lambda value: json.dumps(repr(value.encode())),
    "html": html.escape,
    "percent": lambda value: quote(value, safe=""),
    "path": quote,
    "form": quote_plus,
}
SECRETS = [
    "FAKETOKEN",
    "FAKETOKEN\n",
    "two parts\nFAKETOKEN",
    "wJalr/FAKETOKEN+=&",
    "p\"a'ss\\FAKETOKEN",
    "Zoë/FAKETOKEN",
    "%41bc/FAKETOKEN",
]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "name", ["AWS_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK", "DB_PASSWORD"]
)
def test_secrets_of_the_environment(
    name: str, secret: str, form: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are masked in every form, and what stands around them stays."""
    monkeypatch.setenv(name, secret)
    shown = scrub(f"can't send <{form(secret)}>; do this")
    assert "FAKETOKEN" not in shown
    assert "***" in shown
    assert shown.startswith("can't send <")
    assert shown.endswith(">; do this")


@pytest.mark.parametrize(
    "url",
    [
        "http://user:FAKETOKEN@proxy:3128",
        "socks5://FAKETOKEN@proxy:3128",
        "http://user:pa/ss#FAKETOKEN@[proxy:3128",
        "https://us%65r:%46FAKETOKEN@bedrock.example/path",
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "AWS_ENDPOINT_URL_BEDROCK", None])
def test_users_and_passwords_of_urls(url: str, name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of any URL in a text; and of variables with URLs also where they stand alone."""
    assert "FAKETOKEN" not in scrub(f"can't use {url!r}, nor {url}")
    if name is not None:
        monkeypatch.setenv(name, url)
        password = url.rpartition("@")[0].rpartition("://")[2].rpartition("user:")[2].rpartition("us%65r:")[2]
        assert "FAKETOKEN" not in scrub(f"failed to parse: {password!r}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/etc/credentials"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        ("AWS_SESSION_TOKEN", "short"),
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_PROFILE", "production"),
    ],
)
def test_what_messages_have_to_name_stays(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, profiles and addresses; and a secret of less than 8 characters, which any word may hold."""
    monkeypatch.setenv(name, value)
    text = f"can't read {value or 'nothing'}"
    assert scrub(text) == text


def test_a_long_text_takes_no_time() -> None:
    """Whatever AWS, or somebody in its place, writes."""
    started = time.process_time()
    for text in ("://" * 33_333, "@" * 100_000, "://" + "x" * 100_000, "://x@" * 20_000):
        scrub(text + "@")
    assert time.process_time() - started < 5


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_every_sink(style: log.LogFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors as they are made, log lines, warnings, and tracebacks of whatever nobody caught."""
    secret = "FAKE\"TOKEN'\\x"
    monkeypatch.setenv("AWS_SESSION_TOKEN", secret)
    assert WalkError(FailureReason.CREDENTIALS, f"it is {secret!r}").message == "it is '***'"
    assert ConfigError([f"it is {secret}"]).faults == ["it is ***"]

    stream = io.StringIO()
    before = logging.root.handlers[:], logging.root.level, logging.getLogger("exporter").level
    pipeline = log.configure("info", style, stream, scrub=scrub)

    def fail() -> None:
        raise ValueError(secret)

    with log.catching():
        logging.getLogger("exporter").info("it is %r", secret, extra={"detail": secret})
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        try:
            fail()
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
    pipeline.close()
    logging.root.handlers[:] = before[0]
    logging.root.setLevel(before[1])
    logging.getLogger("exporter").setLevel(before[2])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert all("***" in line and "TOKEN'" not in line for line in lines)
    assert all("Traceback" in line for line in lines[1:])
    if style == "json":
        assert all(json.loads(line) for line in lines)


@pytest.mark.parametrize("mode", ["--doctor", "--once", "--config.check"])
def test_every_mode(mode: str, tmp_path: Path) -> None:
    """The command shows nothing of a session token that can't be sent, whatever it is asked for."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": ":".join(sys.path),
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "AKIAFAKE",
        "AWS_SECRET_ACCESS_KEY": "FAKETOKEN/secret",
        "AWS_SESSION_TOKEN": "FAKETOKEN\n",
        "HTTPS_PROXY": "http://user:FAKETOKEN@[",
    }
    config = tmp_path / "config.yaml"
    config.write_text("aws: {endpoint_url: 'ftp://user:FAKETOKEN@x'}\n" if mode == "--config.check" else "")
    command = [sys.executable, "-m", "exporter", mode, "--config.file", str(config)]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in {1, 2}
    assert "FAKETOKEN" not in ended.stdout + ended.stderr
    if mode != "--config.check":
        assert "the session token, ends with a line feed" in ended.stdout + ended.stderr
