"""A running exporter takes a new configuration, whole or not at all, while it is scraped without a pause."""

import os
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Self

import pytest
from e2e.processes import Exporter, clean_environment, running, serving, simulated_aws, wait_for

from exporter.simulator import Simulator, World, serve

pytestmark = pytest.mark.e2e

STAYS = "  - regions: [us-east-1]\n    account_id: '111122223333'\n"
GOES = "  - regions: [eu-central-1]\n"
COMES = "  - regions: [us-west-2]\n    assume_role: {role_arn: arn:aws:iam::444455556666:role/bedrock-exporter}\n"
BREAKS = "  - regions: [eu-central-1]\n    assume_role: {role_arn: arn:aws:iam::999999999999:role/bedrock-exporter}\n"
HEAD = "poll: {interval: 10s, timeout: 9s}\ntargets:\n"
UP = "bedrock_exporter_target_up"
WALKED = "bedrock_exporter_target_last_walk_timestamp_seconds"
JOBS = "bedrock_model_customization_jobs"


Start = Callable[..., AbstractContextManager[Exporter]]


class Scrapes:
    """Scrapes as fast as it can, in a thread of its own; remembers the samples of each scrape."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._end = threading.Event()
        self.pages: list[dict[str, float]] = []
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self.pages.append(samples(self._exporter))
            except OSError as error:
                self.failure = error
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def samples(exporter: Exporter) -> dict[str, float]:
    lines = exporter.metrics()[0].decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def of(page: dict[str, float], name: str, region: str) -> list[float]:
    """The values of a family in a region."""
    return [value for key, value in page.items() if key.startswith(name + "{") and f'aws_region="{region}"' in key]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with serve(World.demo(epoch=time.time())) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "watched.yaml"


@pytest.fixture
def start(simulator: Simulator, file: Path, tmp_path: Path) -> Start:
    def start(*flags: str) -> AbstractContextManager[Exporter]:
        environment = clean_environment(tmp_path, **simulated_aws(simulator.url))
        return serving([f"--config.file={file}", *flags], tmp_path, environment)

    return start


def post(exporter: Exporter) -> tuple[int, str]:
    """The status and the text of a POST to /-/reload."""
    request = urllib.request.Request(f"{exporter.url}/-/reload", method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def config_metric(exporter: Exporter, name: str) -> float:
    return samples(exporter)[f"bedrock_exporter_config_last_reload_{name}"]


def test_targets_come_go_and_break_while_scrapes_go_on(start: Start, file: Path) -> None:
    """Not one scrape fails, none lacks what stays, and what stays is neither asked for its account nor walked anew."""
    file.write_text(HEAD + STAYS + GOES)
    with start("--web.enable-lifecycle") as exporter, Scrapes(exporter) as scrapes:
        assert of(samples(exporter), UP, "eu-central-1") == [1]
        (first_walk,) = of(samples(exporter), WALKED, "us-east-1")

        file.write_text(HEAD + COMES + STAYS)  # another place in the file, another name
        assert post(exporter) == (200, "The configuration is reloaded.\n")
        assert of(samples(exporter), UP, "eu-central-1") == of(samples(exporter), JOBS, "eu-central-1") == []
        wait_for("the new target", lambda: of(samples(exporter), UP, "us-west-2") == [1], exporter.process)

        file.write_text(HEAD + STAYS + BREAKS)
        os.kill(exporter.process.pid, signal.SIGHUP)
        denied = 'bedrock_exporter_target_failure_info{aws_account_id="999999999999",aws_region="eu-central-1",reason='
        wait_for(
            "the broken target",
            lambda: denied + '"assume_role_denied"}' in samples(exporter),
            exporter.process,
        )
        assert of(samples(exporter), UP, "us-west-2") == []
        last = samples(exporter)

    assert scrapes.failure is None
    assert len(scrapes.pages) > 10
    for page in scrapes.pages:
        assert of(page, UP, "us-east-1") == [1]
        assert sum(of(page, JOBS, "us-east-1")) > 0
    walked = sorted({moment for page in scrapes.pages for moment in of(page, WALKED, "us-east-1")})
    assert walked[0] == first_walk
    assert all(later - earlier > 5 for earlier, later in pairwise(walked)), "a reload has made it walk out of turn"
    assert last['bedrock_exporter_api_requests_total{operation="GetCallerIdentity"}'] == 1  # of the one that went


def test_a_bad_file_changes_nothing_and_is_told(start: Start, file: Path) -> None:
    """By HTTP, in the log and as a metric; the next good one ends it."""
    file.write_text(HEAD + STAYS)
    with start("--web.enable-lifecycle") as exporter:
        loaded = config_metric(exporter, "success_timestamp_seconds")
        file.write_text(HEAD + STAYS.replace("us-east-1", "us-esat-1") + "polll: {}\n")
        status, text = post(exporter)
        assert status == 500
        assert text.splitlines()[0] == "The configuration is not reloaded; the previous one stays in use:"
        assert text.splitlines()[1].startswith(f"{file}:3: targets[0].regions[0]: 'us-esat-1' is not ")
        assert text.splitlines()[2] == f"{file}:5: polll: unknown key; did you mean 'poll'?"
        assert config_metric(exporter, "successful") == 0
        assert config_metric(exporter, "success_timestamp_seconds") == loaded
        assert of(samples(exporter), UP, "us-east-1") == [1]
        log = (exporter.directory / "stderr").read_text()
        assert log.count('msg="configuration not reloaded; the previous one stays in use"') == 2

        file.unlink()
        os.kill(exporter.process.pid, signal.SIGHUP)
        wait_for(
            "the message", lambda: "can't be read" in (exporter.directory / "stderr").read_text(), exporter.process
        )

        file.write_text(HEAD + STAYS)
        os.kill(exporter.process.pid, signal.SIGHUP)
        wait_for("success", lambda: config_metric(exporter, "successful") == 1, exporter.process)
        assert config_metric(exporter, "success_timestamp_seconds") > loaded


def test_a_file_that_changes_is_reloaded_by_itself(start: Start, file: Path) -> None:
    """As Kubernetes changes a ConfigMap: by a link that turns to another directory. A bad one is told once."""
    versions = [file.parent / name for name in ("one", "two", "three")]
    for version, text in zip(versions, (STAYS, "nonsense\n", COMES), strict=True):
        version.mkdir()
        (version / "watched.yaml").write_text(HEAD + text)
    link = file.parent / "..data"
    link.symlink_to("one")
    file.symlink_to("..data/watched.yaml")

    def turn(name: str) -> None:
        link.with_name("..tmp").symlink_to(name)
        link.with_name("..tmp").rename(link)

    with start("--config.auto-reload-interval=1s") as exporter:
        turn("two")
        wait_for("the bad file", lambda: config_metric(exporter, "successful") == 0, exporter.process)
        time.sleep(2.5)  # two more looks, at which nothing has changed
        log = (exporter.directory / "stderr").read_text()
        assert log.count("configuration not reloaded") == 1
        assert of(samples(exporter), UP, "us-east-1") == [1]
        turn("three")
        wait_for("the good file", lambda: of(samples(exporter), UP, "us-west-2") == [1], exporter.process)
        assert of(samples(exporter), UP, "us-east-1") == []


def test_a_signal_to_reload_at_the_start_ends_nothing(simulator: Simulator, file: Path, tmp_path: Path) -> None:
    """From the first moment at which Python runs the package on; a service manager may send it at any time."""
    file.write_text(HEAD + STAYS)
    command = [sys.executable, "-m", "exporter", "--web.listen-address=127.0.0.1:0", f"--config.file={file}"]
    with running(command, tmp_path, clean_environment(tmp_path, **simulated_aws(simulator.url))) as process:
        status = Path(f"/proc/{process.pid}/status")
        ignored = re.compile(r"^Sig(?:Ign|Cgt):\s*[0-9a-f]*[13579bdf]$", re.MULTILINE)  # SIGHUP is the lowest bit
        wait_for("a SIGHUP that does not kill", lambda: ignored.search(status.read_text()), process)
        while b"target is up" not in (tmp_path / "stderr").read_bytes():
            process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
            assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 0
