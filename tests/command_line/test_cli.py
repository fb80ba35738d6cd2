"""The command line: what it prints, where, and its exit code."""

import json
import logging
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line.scene import BROKEN_TARGET, CONFIG

from exporter import __version__, flags
from exporter.cli import main
from exporter.targets.shard import Shard


@pytest.fixture
def _process_as_before() -> Iterator[None]:
    handlers, level, ours = logging.root.handlers[:], logging.root.level, logging.getLogger("exporter").level
    signals = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGALRM)}
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.getLogger("exporter").setLevel(ours)
    for number, handler in signals.items():
        signal.signal(number, handler)


def run(*argv: str | Path) -> int:
    """The exit code, whether it is returned or raised by argparse."""
    try:
        return main([str(argument) for argument in argv])
    except SystemExit as end:
        return int(end.code or 0)


pytestmark = pytest.mark.usefixtures("_process_as_before")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name, version and Python's version; the commit is tested in test_version.py."""
    assert run("--version") == 0
    assert re.fullmatch(
        rf"bedrock-customization-exporter {re.escape(__version__)} \((commit \w+, )?Python 3\.\d+\.\w+\)\n",
        capsys.readouterr().out,
    )


@pytest.mark.parametrize("columns", ["40", "80", "100", "300"])
def test_help(columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flag once, in groups; no line is longer than 100 columns or the terminal, if that is not tiny."""
    monkeypatch.setenv("COLUMNS", columns)
    assert run("--help") == 0
    lines = capsys.readouterr().out.splitlines()

    assert max(map(len, lines)) <= max(80, min(100, int(columns)))
    groups = ["modes:", "configuration:", "web:", "sharding:", "log:", "about:"]
    assert [line for line in lines if line.endswith(":") and not line.startswith(" ")] == groups
    flags = [line.split()[0] for line in lines if line.startswith("  -")]
    assert len(set(flags)) == len(flags) > 15


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--completion` prints a script with every flag, and with the values of those that have a few."""
    assert run("--completion", shell) == 0
    script = capsys.readouterr().out

    for word in ("config.auto-reload-interval", "doctor", "warning", "logfmt"):
        assert word in script


def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Flags, their values and files, in a real shell."""
    assert run("--completion", "bash") == 0
    (tmp_path / "script").write_text(capsys.readouterr().out, encoding="utf-8")
    (tmp_path / "mine.yaml").touch()
    ask_bash = """
source ./script
read -r _ _ _ _ function _ < <(complete -p bedrock-customization-exporter)
for words in "--log.le" "--log.level deb" "--config.file mi"; do
    COMP_WORDS=(bedrock-customization-exporter $words) COMPREPLY=()
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    $function
    echo "${COMPREPLY[@]}"
done
"""
    asked = subprocess.run(["bash", "-c", ask_bash], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert asked.stdout.split("\n") == ["--log.level", "debug", "mine.yaml", ""]


@pytest.mark.parametrize(
    ("content", "said"), [(CONFIG, "valid, 1 target"), (BROKEN_TARGET, "valid, 2 targets")], ids=["one", "two"]
)
def test_a_valid_configuration(content: str, said: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--config.check` says so on standard output, without a word to AWS."""
    config.write_text(content, encoding="utf-8")

    assert run("--config.check", "--config.file", config) == 0
    assert capsys.readouterr() == (f"{config}: {said}\n", "")


@pytest.mark.parametrize("mode", [["--config.check"], ["--once"], []], ids=["check", "once", "serve"])
def test_every_fault_of_a_bad_configuration_is_printed(
    mode: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad file ends every mode with exit code 2 and all of its faults, a line each, on standard error."""
    config.write_text(CONFIG.replace("interval", "intervall").replace("max_attempts: 1", "max_attempts: 0"), "utf-8")

    assert run(*mode, "--config.file", config) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.rpartition(": ")[0] for line in err.splitlines()] == [
        f"{config}:1: poll.intervall",
        f"{config}:3: aws.max_attempts",
    ]


def test_the_web_configuration_is_checked_too(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each file; the faults of both at once, whatever is to be done."""
    web = tmp_path / "web.yml"
    web.write_text("basic_auth_users: {}\n")
    argv = ("--config.file", config, "--web.config.file", web)

    assert run(*argv, "--config.check") == 0
    assert capsys.readouterr() == (f"{config}: valid, 1 target\n{web}: valid, no TLS, no users\n", "")

    config.write_text(CONFIG.replace("interval", "intervall"), "utf-8")
    web.write_text("basic_auth_users:\n  alice: hunter2\n")
    for mode in (["--config.check"], ["--once"], []):
        assert run(*argv, *mode) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert [line.rpartition(": ")[0] for line in err.splitlines()] == [
            f"{config}:1: poll.intervall",
            f"{web}:2: basic_auth_users.alice",
        ]
        assert "hunter2" not in err


def test_the_demo_is_plain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is for this machine only; a flag that would protect it is not ignored."""
    assert run("--demo", "--web.config.file", tmp_path / "web.yml") == 2
    assert "--demo serves plain HTTP to this machine; leave --web.config.file out" in capsys.readouterr().err


def test_a_file_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the file, the reason and the flag."""
    file = tmp_path / "other.yaml"

    assert run("--config.file", file) == 2
    assert capsys.readouterr().err == (
        f"{file}: can't be read: No such file or directory; name a configuration file with --config.file "
        "(an empty one will do), or look around with --demo\n"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--wat"], "unknown flag --wat"),
        (["--web.listen"], "unknown flag --web.listen; did you mean --web.listen-address?"),
        (["--log_level", "warn"], "unknown flag --log_level; did you mean --log.level?"),
        (["-log.level=warn"], "unknown flag -log.level; did you mean --log.level?"),
        (["--LOG-LEVEL=hunter2"], "unknown flag --LOG-LEVEL; did you mean --log.level?"),
        (["-help"], "unknown flag -help; did you mean --help?"),
        (["-config.file", "x"], "unknown flag -config.file; did you mean --config.file?"),
        (["--configfile=x"], "unknown flag --configfile; did you mean --config.file?"),
        (["--wat\n"], "unknown flag '--wat\\n'"),
        (["--", "x"], "unexpected argument 'x'"),
        (["config.yaml"], "unexpected argument 'config.yaml'; did you mean --config.file=config.yaml?"),
        *(
            ([f"{flag}="], f"argument {flag}: the file name is empty; is a variable not set?")
            for flag in ("--config.file", "--web.config.file")
        ),
        (
            ["--web.listen-address", "9848"],
            "argument --web.listen-address: '9848' is not an address such as :9848, 127.0.0.1:9848 or [::1]:9848",
        ),
        *(
            (["--web.telemetry-path", path], f"argument --web.telemetry-path: {path!r} is not a path such as /metrics")
            for path in ("metrics", "", "/", "/-/healthy", "/a?b", "/a#b", "/a b")
        ),
        (["--once", "--demo"], "argument --demo: not allowed with argument --once"),
        (["--once", "--config.check"], "argument --config.check: not allowed with argument --once"),
        (["--log.level", "LOUD"], "argument --log.level: invalid choice: 'loud' "),
        (["--shard.total", "0"], "argument --shard.total: '0' is not a whole number from 1 to 9999"),
        (["--shard.index", "x"], "argument --shard.index: 'x' is not a whole number from 0 to 9999"),
        (["--shard.total", "3", "--shard.index", "3"], "shard 3 is not one of 3: --shard.index counts from 0"),
        (
            ["--config.auto-reload-interval", "30"],
            "argument --config.auto-reload-interval: '30' is not a duration such as 45s, 15m, 1h30m or 14d",
        ),
        (
            ["--config.auto-reload-interval", "500ms"],
            "argument --config.auto-reload-interval: '500ms' is less than 1s",
        ),
        (["--log.format", "xml"], "argument --log.format: invalid choice: 'xml' "),
    ],
)
def test_bad_flags(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that can't be used ends with exit code 2 and two lines: which and what is wanted, where to read more."""
    assert run(*argv) == 2
    captured = capsys.readouterr()

    assert captured.out == ""
    first, second = captured.err.splitlines()
    # Python words the end of a bad choice in its own way.
    assert first.startswith(f"bedrock-customization-exporter: error: {message}")
    assert "invalid choice" in message or first.endswith(f"error: {message}") or "host name" in message
    assert second == "Run bedrock-customization-exporter --help for all flags."
    assert "hunter2" not in captured.err


@pytest.mark.parametrize(
    ("host", "argv", "shard"),
    [
        ("exporter-2", ["--shard.total=3"], Shard(2, 3)),
        ("exporter-2", ["--shard.total=3", "--shard.index=0"], Shard(0, 3)),
        ("exporter-7d4b9-x2x9q", [], Shard(0, 1)),
        ("exporter-2", [], Shard(0, 1)),
        ("exporter-12", ["--shard.total=12"], "shard 12 is not one of 12: --shard.index counts from 0"),
        ("laptop", ["--shard.total=3"], "--shard.index is missing, and the host name 'laptop' does not end with a"),
        ("laptop2", ["--shard.total=3"], "--shard.index is missing, and the host name 'laptop2' does not end with a"),
    ],
)
def test_the_shard_is_the_ordinal_of_the_pod(host: str, argv: list[str], shard: Shard | str) -> None:
    """Unless the flag says which; a pod of a StatefulSet is called like it, with a hyphen and a number."""
    parsed = flags.parse(argv)
    if isinstance(shard, str):
        with pytest.raises(ValueError, match=re.escape(shard)):
            flags.shard(parsed, host)
    else:
        assert flags.shard(parsed, host) == shard


@pytest.mark.parametrize("level", ["warn", "WARNING", "Debug"])
def test_a_level_in_any_case(level: str) -> None:
    """`warn` and capitals are what people are used to."""
    assert flags.parse(["--log.level", level]).log_level == level.lower()


def test_a_port_that_is_taken_ends_with_1(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure at run time is exit code 1 and one line of the log after the first."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"

        assert run("--config.file", config, "--web.listen-address", address, "--log.format", "json") == 1

    _, line = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["level"], line["msg"]) == ("error", "can't start")
    assert line["detail"] == (
        f"can't listen on {address}: Address already in use; choose another with --web.listen-address"
    )


def test_a_bug_is_a_line_with_its_traceback(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes the way of all lines, and ends with exit code 1."""
    monkeypatch.setattr("exporter.config.source.read", lambda _: 1 / 0)

    assert run("--config.file", config, "--log.format=json") == 1
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["msg"] == "a bug ended the exporter; please report it"
    assert line["traceback"].endswith("ZeroDivisionError: division by zero")
