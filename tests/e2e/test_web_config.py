"""TLS, client certificates and passwords, between real processes: curl, Prometheus, and a renewal under load."""

import base64
import contextlib
import http.client
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
from e2e.processes import clean_environment, logged, prometheus, running, simulated_aws, wait_for
from web.toolkit_files import EXPIRY, HASH, PASSWORD, SAN, Folder

from exporter.simulator import World, serve

pytestmark = pytest.mark.e2e

TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
CLIENTS = TLS.replace("}", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}")
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
GOOD = {"Authorization": f"Basic {base64.b64encode(f'alice:{PASSWORD}'.encode()).decode()}"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """What the exporter's web configuration names."""
    path = tmp_path / "web"
    path.mkdir()
    return Folder(path)


@dataclass(frozen=True)
class Secured:
    """An exporter with a web configuration.

    Attributes:
        address: where it listens.
        directory: has its standard output and error, as files.
        folder: has what the web configuration names.
    """

    address: str
    directory: Path
    folder: Folder

    def log(self) -> str:
        """What it logged so far."""
        return (self.directory / "stderr").read_text()

    def curl(self, path: str, *flags: str | Path) -> str:
        """The status that curl gets, or why there is none."""
        command = ["curl", "--silent", "--show-error", "--output", os.devnull, "--write-out", "%{http_code}"]
        ran = subprocess.run(
            [*command, "--max-time", "30", "--cacert", self.folder.path / "ca.crt", *flags, f"{self.address}{path}"],
            capture_output=True,
            check=False,
            text=True,
        )
        return ran.stdout if ran.returncode == 0 else ran.stderr


@contextlib.contextmanager
def secured(folder: Folder, directory: Path, text: str, *flags: str) -> Iterator[Secured]:
    """An exporter that watches a simulated account."""
    directory.mkdir()
    (directory / "config.yaml").write_text("targets: [{regions: [us-east-1]}]\n")
    web = folder.write(text)
    command = [sys.executable, "-m", "exporter", "--web.listen-address=127.0.0.1:0", f"--web.config.file={web}", *flags]
    with (
        serve(World.demo(epoch=time.time())) as simulator,
        running(command, directory, clean_environment(directory, **simulated_aws(simulator.url))) as process,
    ):
        address = logged(directory, r"msg=listening address=(\S+)", process)
        yield Secured(f"https://{address}" if "tls_server_config" in text else f"http://{address}", directory, folder)


def test_curl_with_and_without_what_is_wanted(folder: Folder, tmp_path: Path) -> None:
    """A user, a certificate, both; and what is refused says why to who asks, but nothing of the jobs."""
    alice, wrong, mallory = (
        ("--user", f"alice:{PASSWORD}"),
        ("--user", "alice:wrong"),
        ("--user", f"mallory:{PASSWORD}"),
    )
    with secured(folder, tmp_path / "users", TLS + USERS) as exporter:
        assert exporter.curl("/metrics", *alice) == "200"
        assert [exporter.curl("/metrics", *who) for who in ((), wrong, mallory)] == ["401"] * 3
        assert [exporter.curl(path) for path in ("/", "/-/healthy", "/-/ready", "/none")] == ["401"] * 4

    with secured(folder, tmp_path / "certificates", CLIENTS + USERS) as exporter:
        good, other = ("--cert", folder.client), ("--cert", folder.stranger)
        assert exporter.curl("/metrics", *alice, *good) == "200"
        assert exporter.curl("/metrics", *good) == "401"
        for who in ((), other):
            assert exporter.curl("/metrics", *alice, *who).startswith("curl: ")

    with secured(folder, tmp_path / "probes", CLIENTS + USERS, "--web.probes-without-auth") as exporter:
        assert exporter.curl("/-/healthy") == "200"
        assert exporter.curl("/metrics", *alice) == "401"
        assert exporter.curl("/metrics", *alice, *good) == "200"
    for directory in ("users", "certificates", "probes"):
        log = (tmp_path / directory / "stderr").read_text()
        assert PASSWORD not in log
        assert HASH not in log


@pytest.mark.parametrize("kind", ["user", "certificate"])
def test_prometheus_scrapes(kind: str, folder: Folder, tmp_path: Path) -> None:
    """Over TLS, with a user or with a client certificate, by its own settings."""
    tls = {"ca_file": str(folder.path / "ca.crt")}
    settings: dict[str, object] = {"tls_config": tls, "basic_auth": {"username": "alice", "password": PASSWORD}}
    text = TLS + USERS
    if kind == "certificate":
        text = CLIENTS.replace("}", f", client_allowed_sans: [{SAN}]}}")
        settings = {"tls_config": {**tls, "cert_file": str(folder.client), "key_file": str(folder.client)}}
    with (
        secured(folder, tmp_path / "exporter", text) as exporter,
        prometheus({"with": exporter.address}, make(tmp_path / "prometheus"), settings=settings) as scraping,
    ):
        wait_for("samples", lambda: scraping.query('bedrock_exporter_target_up{job="with"} == 1'))
        assert scraping.query('up{job="with"}')[0][1] == 1
    with (
        secured(folder, tmp_path / "again", text) as exporter,
        prometheus({"without": exporter.address}, make(tmp_path / "other"), settings={"tls_config": tls}) as scraping,
    ):
        assert wait_for("a scrape", lambda: scraping.query('up{job="without"}'))[0][1] == 0


def make(directory: Path) -> Path:
    directory.mkdir()
    return directory


class Load:
    """Clients that scrape as fast as they can: one on new connections, one on a connection that it keeps."""

    def __init__(self, exporter: Secured) -> None:
        self._exporter = exporter
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(keep,)) for keep in (False, True)]
        self.failures: list[str] = []
        self.scrapes = 0
        self.page = ""

    def sample(self, name: str) -> float | None:
        """What the last scrape showed of the web configuration; None if nothing."""
        found = re.search(rf"^bedrock_exporter_web_{name} (\S+)$", self.page, re.MULTILINE)
        return float(found[1]) if found else None

    def _run(self, keep: bool) -> None:
        address = self._exporter.address.removeprefix("https://")
        tls = self._exporter.folder.client_context()
        connection = http.client.HTTPSConnection(address, timeout=60, context=tls)
        while not self._end.is_set():
            try:
                connection.request("GET", "/metrics", headers=GOOD)
                answer = connection.getresponse()
                self.page = answer.read().decode()
                self.scrapes += 1
                if answer.status != 200:
                    self.failures.append(f"{answer.status}")
                if not keep:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                return
        connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


def test_a_renewal_under_load_costs_no_scrape(folder: Folder, tmp_path: Path) -> None:
    """Nor does one that breaks the key first: the old certificate stays until the new one is whole."""
    with secured(folder, tmp_path / "exporter", TLS + USERS) as exporter, Load(exporter) as load:
        before = served(exporter)
        for hours in (1, 2):
            (folder.path / "server.key").write_text("being written")
            wait_for("the fault told", lambda: load.sample("config_last_reload_successful") == 0)
            assert served(exporter) == before
            expiry = EXPIRY - timedelta(hours=hours)
            folder.renew(expiry)
            wait_for("the new certificate", lambda: load.sample("config_last_reload_successful") == 1)
            assert load.sample("certificate_expiry_timestamp_seconds") == expiry.timestamp()
            assert served(exporter) != before
            before = served(exporter)
        assert "has no private key in PEM" in exporter.log()
    assert load.failures == []
    assert load.scrapes > 100


def served(exporter: Secured) -> bytes:
    """The certificate."""
    host, _, port = exporter.address.removeprefix("https://").partition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=30).encode()
