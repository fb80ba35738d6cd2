"""How long a scrape waits at worst while others do what they should not: `make delays` prints it.

A good client scrapes every 50 ms, on a connection of its own each time, with a time-out of 10 s. What it measures
depends on the machine and on what else it does.
"""

import concurrent.futures
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import faults
from e2e.processes import Exporter, clean_environment, fetch, serving, simulated_aws
from faults import Service, job, page
from web.hosted import SCRAPE, Crowd

from exporter.simulator import Server

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
SECONDS = 10.0
"""How long a case lasts."""


@dataclass
class Delays:
    """What a good client has met. Seconds.

    Attributes:
        taken: of each scrape that was answered whole.
        lost: scrapes that were not.
    """

    taken: list[float] = field(default_factory=list)
    lost: int = 0

    def __str__(self) -> str:
        count = len(self.taken) + self.lost
        worst = max(self.taken, default=0.0)
        return f"{count:4} scrapes, {self.lost} lost, worst delay {worst * 1000:6.0f} ms"


@contextlib.contextmanager
def scraping(url: str) -> Iterator[Delays]:
    """A good client that goes on scraping meanwhile."""
    delays, over = Delays(), threading.Event()

    def scrape() -> None:
        while not over.wait(0.05):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
                    answer.read()
            except (OSError, http.client.HTTPException):  # also one that is cut off
                delays.lost += 1
            else:
                delays.taken.append(time.monotonic() - began)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield delays
    finally:
        over.set()
        thread.join()


def reload(url: str) -> int:
    """POST /-/reload: its status."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/-/reload", method="POST"), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def config(count: int) -> str:
    """So many roles in one region."""
    role = "assume_role: {{role_arn: 'arn:aws:iam::{}:role/exporter'}}"
    targets = (f"  - {{regions: [us-east-1], {role.format(10**11 + number)}}}\n" for number in range(count))
    return f"poll: {{interval: 60s}}\ntargets:\n{''.join(targets)}"


def many_reloads(exporter: Exporter, directory: Path) -> str:
    """300 reloads at once."""
    (directory / "config.yaml").write_text(config(200))
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(300) as pool:
        statuses = set(pool.map(lambda _: reload(exporter.url), range(300)))
    return f"all answered {statuses} in {time.monotonic() - began:.1f} s"


def crowd(exporter: Exporter, directory: Path) -> str:
    """512 readers that stand still, and 100 new connections a second."""
    del directory
    place = exporter.url.removeprefix("http://")
    with Crowd() as crowd:
        for _ in range(512):
            with contextlib.suppress(OSError):
                crowd.connect(place, SCRAPE, small=True, source="127.0.0.2")
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                crowd.connect(place, source="127.0.0.3")
            time.sleep(0.01)
    return ""


BOMBS: dict[str, Callable[[Path], object]] = {
    "40 dashes": lambda file: file.write_text(
        f"targets: [{{regions: [us-east-1], filter: {{name_contains: {'-' * 40}_}}}}]"
    ),
    "aliases": lambda file: file.write_text(
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    ),
    "50 MB": lambda file: file.write_bytes(b"a: [" + b"x, " * 17_000_000 + b"]"),
    "FIFO": os.mkfifo,
    "/dev/zero": lambda file: file.symlink_to("/dev/zero"),
}


def bombs(exporter: Exporter, directory: Path) -> str:
    """A reload of each file that no configuration should be."""
    took = []
    for name, put in BOMBS.items():
        file = directory / "config.yaml"
        file.unlink()
        put(file)
        began = time.monotonic()
        status = reload(exporter.url)
        took.append(f"{name} {status} in {time.monotonic() - began:.2f} s")
    return ", ".join(took)


def nothing(exporter: Exporter, directory: Path) -> str:
    """Nothing."""
    del exporter, directory
    time.sleep(SECONDS)
    return ""


def unread(server: Server, directory: Path) -> str:
    """Standard error is a pipe that nobody reads, with a log line for every walk of 200 targets."""
    (directory / "config.yaml").write_text(config(200).replace("60s", "10s"))
    address = "127.0.0.1:9848"
    command = [sys.executable, "-m", "exporter", f"--web.listen-address={address}", "--log.level=debug"]
    environment = clean_environment(directory, **simulated_aws(server.url))
    with subprocess.Popen(command, cwd=directory, env=environment, stderr=subprocess.PIPE) as process:
        url = f"http://{address}"
        for _ in range(100):
            with contextlib.suppress(OSError):
                fetch(url)
                break
            time.sleep(0.1)
        with scraping(url) as delays:
            time.sleep(2 * SECONDS)
        ended = _time_to_end(process)
    return f"{delays}; ends in {ended:.1f} s"


def end_in_reload(server: Server, directory: Path) -> str:
    """SIGTERM in the midst of a reload of 10,000 targets."""
    (directory / "config.yaml").write_text(config(10_000))
    with _serving(server, directory) as exporter, scraping(exporter.url) as delays:
        (directory / "config.yaml").write_text(config(10_000).replace("60s", "70s"))
        time.sleep(SECONDS)
        exporter.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        before = str(delays)
        ended = _time_to_end(exporter.process)
    return f"{before}; ends in {ended:.1f} s"


def few_files(server: Server, directory: Path) -> str:
    """200 targets, each with a client of its own, and 64 descriptors."""
    profiles = [f"[profile p{number}]\nendpoint_url = {server.url}\n" for number in range(200)]
    keys = "aws_access_key_id = AKIATEST\naws_secret_access_key = any\n"
    (directory / "aws").write_text("".join(profile + keys for profile in profiles))
    targets = [f"  - {{regions: [us-east-1], profile: p{n}, account_id: '{10**11 + n}'}}\n" for n in range(200)]
    (directory / "config.yaml").write_text("poll: {interval: 10s, timeout: 9s}\ntargets:\n" + "".join(targets))
    limited = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    with (
        _serving(server, directory, through=limited, AWS_CONFIG_FILE=str(directory / "aws")) as exporter,
        scraping(exporter.url) as delays,
    ):
        time.sleep(2 * SECONDS)
    log = (directory / "stderr").stat().st_size
    return f"{delays}; log {log >> 10} KiB in {2 * SECONDS:.0f} s"


def _time_to_end(process: subprocess.Popen[bytes]) -> float:
    began = time.monotonic()
    process.terminate()
    process.wait(60)
    return time.monotonic() - began


@contextlib.contextmanager
def _serving(server: Server, directory: Path, through: tuple[str, ...] = (), **more: str) -> Iterator[Exporter]:
    environment = clean_environment(directory, **simulated_aws(server.url) | more)
    with serving(["--web.enable-lifecycle"], directory, environment, through=through) as exporter:
        yield exporter


def main() -> None:
    """Print a line for each case."""
    with Server(Service(page(*map(job, range(200))), sts=faults.identity())) as server:
        for during in (nothing, many_reloads, crowd, bombs):
            with tempfile.TemporaryDirectory() as place:
                directory = Path(place)
                (directory / "config.yaml").write_text(f"targets: [{{regions: [{', '.join(REGIONS)}]}}]\n")
                with _serving(server, directory) as exporter, scraping(exporter.url) as delays:
                    said = during(exporter, directory)
                print(f"{during.__doc__} {delays}{f'; {said}' if said else ''}", flush=True)
        for alone in (unread, end_in_reload, few_files):
            with tempfile.TemporaryDirectory() as place:
                print(f"{alone.__doc__} {alone(server, Path(place))}", flush=True)


if __name__ == "__main__":
    main()
