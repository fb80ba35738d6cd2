"""Starting what the end-to-end tests run: each a process on a free port of its own, with its data in a folder."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import exporter

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds within which everything that a test waits for happens, on the slowest of machines."""

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment with nothing of AWS in it and an empty home, but for `more`."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(exporter.__file__).parents[1]),
        "PYTHONWARNINGS": "error",
        **more,
    }


def simulated_aws(url: str) -> dict[str, str]:
    """Variables that lead AWS clients to an endpoint of a test, with credentials that do there."""
    return {
        "AWS_ACCESS_KEY_ID": "AKIASIM0111122223333",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_BEDROCK": url,
        "AWS_ENDPOINT_URL_STS": url,
    }


def wait_for(what: str, get: Callable[[], T | None], process: subprocess.Popen[bytes] | None = None) -> T:
    """What `get` gives as soon as it is neither false nor a connection that fails.

    Args:
        what: is waited for; for the message when it does not come.
        get: is asked several times a second.
        process: whose end is the end of waiting.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if got := get():
                return got
        assert process is None or process.poll() is None, f"no {what}: the process has ended"
        assert time.monotonic() < deadline, f"no {what} within {PATIENCE:g} s"
        time.sleep(0.1)


def fetch(url: str, accept: str = "*/*") -> tuple[bytes, str]:
    """Body and content type of a page; OSError if it can't be had or is not good."""
    with _DIRECT.open(urllib.request.Request(url, headers={"Accept": accept}), timeout=PATIENCE) as response:
        return response.read(), response.headers["Content-Type"]


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], directory: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes into the files ``stdout`` and ``stderr`` of the directory; killed in the end."""
    with (directory / "stdout").open("wb") as out, (directory / "stderr").open("wb") as err:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=out, stderr=err)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Exporter:
    """A running exporter; its standard output and error are files of the directory."""

    process: subprocess.Popen[bytes]
    directory: Path
    url: str

    def metrics(self, accept: str = "*/*") -> tuple[bytes, str]:
        """The page of metrics and its content type."""
        return fetch(f"{self.url}/metrics", accept)


@contextlib.contextmanager
def serving(
    flags: Sequence[str | Path],
    directory: Path,
    environment: Mapping[str, str],
    address: str = "127.0.0.1:0",
    *,
    through: Sequence[str] = (),
) -> Iterator[Exporter]:
    """An exporter that has finished the first walk of every target, started by another command where one is given."""
    command = [*through, sys.executable, "-m", "exporter", f"--web.listen-address={address}", *flags]
    with running(command, directory, environment) as process:
        address = logged(directory, r"msg=listening address=(\S+)", process)
        url = f"http://{address}"
        wait_for("readiness", lambda: fetch(f"{url}/-/ready"), process)
        yield Exporter(process, directory, url)


def once(
    config: str, directory: Path, environment: Mapping[str, str], timeout: float = PATIENCE
) -> subprocess.CompletedProcess[bytes]:
    """Run ``--once`` on a configuration."""
    (directory / "config.yaml").write_text(config)
    command = [sys.executable, "-m", "exporter", "--once"]
    return subprocess.run(
        command, cwd=directory, env=dict(environment), capture_output=True, timeout=timeout, check=False
    )


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def get(self, path: str, **query: str) -> Any:
        """The data that its HTTP API gives."""
        body, _ = fetch(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}")
        return json.loads(body)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and values of an instant query."""
        return [(one["metric"], float(one["value"][1])) for one in self.get("query", query=expression)["result"]]


@contextlib.contextmanager
def prometheus(
    jobs: Mapping[str, str],
    directory: Path,
    rules: Path | None = None,
    alerts_to: str | None = None,
    settings: Mapping[str, object] | None = None,
) -> Iterator[Prometheus]:
    """Debian's Prometheus, with its data in the directory.

    Args:
        jobs: name of a job → URL whose /metrics is scraped every second.
        directory: its own.
        rules: a file of rules to evaluate every second.
        alerts_to: URL of the Alertmanager that hears of alerts.
        settings: more of every job, such as `basic_auth`.
    """
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)] if rules else [],
        "alerting": {"alertmanagers": [_static(alerts_to)] if alerts_to else []},
        "scrape_configs": [{"job_name": job, **_static(url), **(settings or {})} for job, url in jobs.items()],
    }
    (directory / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    command = [
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--web.listen-address=127.0.0.1:0",
    ]
    with running(command, directory, clean_environment(directory)) as process:
        address = logged(directory, r'msg="Listening on" address=(\S+)', process)
        yield Prometheus(f"http://{address}")


def _static(url: str) -> dict[str, Any]:
    scheme, _, address = url.partition("://")
    return {"scheme": scheme, "static_configs": [{"targets": [address]}]}


@contextlib.contextmanager
def alertmanager(receiver: str, directory: Path) -> Iterator[str]:
    """Debian's Alertmanager, with its data in the directory: its URL.

    It sends each alert, and its end, by itself and within a second to the webhook at the URL `receiver`.
    """
    route = {"receiver": "webhook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    config = {"route": route, "receivers": [{"name": "webhook", "webhook_configs": [{"url": receiver}]}]}
    (directory / "alertmanager.yml").write_text(json.dumps(config))
    command = [
        "prometheus-alertmanager",
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",  # it has no peers
    ]
    with running(command, directory, clean_environment(directory)) as process:
        address = logged(directory, r'msg="Listening on" address=(\S+)', process)
        yield f"http://{address}"


def logged(directory: Path, pattern: str, process: subprocess.Popen[bytes]) -> str:
    """What the pattern's group matches in the log of a process, as soon as it does."""
    found = wait_for(
        f"log line with {pattern}", lambda: re.search(pattern, (directory / "stderr").read_text()), process
    )
    return found[1]
