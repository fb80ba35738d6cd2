"""Every command that README and docs show: run as it is written where that can be done here, else looked at.

Runbooks are pages of docs, too; `test_runbooks` looks closer at these. What stands in a block ``sh`` is a command.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import botocore.session
import pytest
from e2e.processes import clean_environment, logged, running, simulated_aws
from runbooks import ROOT, aws_fault

from exporter import NAME, flags
from exporter.simulator import World, serve

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "helm" / "README.md"]


@dataclass(frozen=True)
class Command:
    """One line, whose continuations are joined."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"

    @property
    def words(self) -> list[str]:
        """Its words, without variables that are set before it, up to a pipe or a redirection."""
        text = re.sub(r"^(\w+)=\$\((.+)\)$", r"\2", self.text)
        words = [word for word in shlex.split(text, comments=True) if not re.match(r"[A-Z_]+=", word)]
        end = next((at for at, word in enumerate(words) if word in {"|", ">", "&", "<"}), len(words))
        return words[:end]


def blocks(page: Path) -> Iterator[str]:
    """The blocks of commands of a page."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^( *)```sh\n(.+?)^\1```$", text, re.MULTILINE | re.DOTALL):
        yield found[2]


def lines(block: str) -> list[str]:
    """Its commands, each in one line."""
    return [line.strip() for line in re.sub(r"\\\n\s*", "", block).splitlines() if line.strip()]


COMMANDS = list(
    dict.fromkeys(
        Command(page.relative_to(ROOT).as_posix(), line)
        for page in PAGES
        for block in blocks(page)
        for line in lines(block)
    )
)


def exporter(words: list[str]) -> None:
    """The flags are the exporter's."""
    flags.parser().parse_args(words[1:])


def make(words: list[str]) -> None:
    """The Makefile has the target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [word for word in words[1:] if "=" not in word and not re.search(rf"(?m)^{word}:", makefile)] == []


def aws(words: list[str]) -> None:
    """The AWS CLI knows the command and its options; `update-kubeconfig` is the CLI's own."""
    if words[2] != "update-kubeconfig":
        assert aws_fault(words, botocore.session.get_session()) is None


def helm(words: list[str]) -> None:
    """A chart in a folder is there."""
    assert [word for word in words if word.startswith("./") and not (ROOT / word / "Chart.yaml").exists()] == []


def files(words: list[str]) -> None:
    """Files of the project exist; a lock, a policy, a manifest, the unit."""
    named = [word.rpartition("=")[2].removeprefix("file://") for word in words]
    ours = [word for word in named if word.partition("/")[0] in {"docs", "helm", "monitoring", "packaging"}]
    assert [word for word in ours if not (ROOT / word).exists()] == []


KINDS: dict[str, Callable[[list[str]], None]] = {
    NAME: exporter,
    f"exporter-env/bin/{NAME}": exporter,
    "make": make,
    "aws": aws,
    "helm": helm,
    # Run below.
    "python3": files,
    "exporter-env/bin/pip": files,
    "mkdir": files,
    "cp": files,
    # Run by tests/e2e/test_chart.py, with the variables before it.
    "sed": files,
    # No cluster is here; tests/test_chart_values.py looks whether what is named is installed.
    "kubectl": files,
    # Docker's are run where there is an engine, by tests/e2e/test_image.py and test_compose.py.
    "docker": files,
    # Of a release that is yet to come.
    "cosign": files,
    # tests/test_runbooks.py.
    "amtool": files,
    # Of root, or of the machine's systemd: tests/e2e/test_systemd.py reads the unit.
    f"/opt/{NAME}/bin/pip": files,
    "install": files,
    "rm": files,
    "systemctl": files,
    # Need an address on the Internet, or what other commands have started.
    "curl": files,
    "git": files,
    "cd": files,
    "export": files,
}
"""Program → what is looked at. Whoever writes of another one says here how it is known to be right."""


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command_is_right(command: Command) -> None:
    """Its program is known, its words are of the program, and files of the project that it names exist."""
    if command.words:
        KINDS[command.words[0]](command.words)
        files(command.words)


HERE = {"python3", "exporter-env/bin/pip", "mkdir", "cp", NAME, f"exporter-env/bin/{NAME}"}


def runs_here(line: str) -> bool:
    """Whether it needs nothing but Python and AWS."""
    words = Command("", line).words
    return not words or words[0] in HERE


@pytest.mark.e2e
def test_commands_run_as_written(tmp_path: Path) -> None:
    """All blocks that need nothing but Python and AWS, one after the other in a checkout, against a simulated AWS.

    What serves is started last, at a port that is free.
    """
    checkout = tmp_path / "checkout"
    kept = shutil.ignore_patterns(".*", "build", "dist", "__pycache__", "exporter-env", "*.egg-info")
    shutil.copytree(ROOT, checkout, ignore=kept)
    shown = [lines(block) for page in PAGES for block in blocks(page)]
    wanted = list(dict.fromkeys(line for block in shown if all(map(runs_here, block)) for line in block))
    (server,) = (line for line in wanted if line == f"exporter-env/bin/{NAME} --config.file=config.yaml")
    script = "\n".join(line for line in wanted if line != server)
    assert all(part in script for part in ("--config.check", "--doctor", "--once", "requirements.lock"))
    with serve(World.demo(time.time())) as bedrock:
        environment = clean_environment(tmp_path, **simulated_aws(bedrock.url), PIP_DISABLE_PIP_VERSION_CHECK="1")
        del environment["PYTHONPATH"], environment["PYTHONWARNINGS"]
        path = [checkout / "exporter-env" / "bin", Path(sys.executable).parent, environment["PATH"]]
        environment |= {"PATH": os.pathsep.join(map(str, path))}
        environment |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        ran = subprocess.run(
            ["bash", "-euc", script], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        with running([*shlex.split(server), "--web.listen-address=127.0.0.1:0"], checkout, environment) as process:
            logged(checkout, r"msg=listening address=(\S+)", process)


CHECK = re.compile(r'"(import urllib[^"]+)"')


@pytest.mark.e2e
def test_health_check(tmp_path: Path) -> None:
    """The health check of docs/install.md is good while the exporter answers, and bad if nobody does."""
    shown = CHECK.findall((ROOT / "docs" / "install.md").read_text(encoding="utf-8"))
    assert len(shown) == 2
    (code,) = set(shown)
    with running(
        [sys.executable, "-m", "exporter", "--demo", "--web.listen-address=127.0.0.1:0"],
        tmp_path,
        clean_environment(tmp_path),
    ) as process:
        address = logged(tmp_path, r"msg=listening address=(\S+)", process)
        well = subprocess.run([sys.executable, "-c", code.replace("127.0.0.1:9848", address)], check=False)
    gone = subprocess.run(
        [sys.executable, "-c", code.replace("127.0.0.1:9848", address)], capture_output=True, check=False
    )
    assert (well.returncode, gone.returncode) == (0, 1)
