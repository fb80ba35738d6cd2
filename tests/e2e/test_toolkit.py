"""Debian's node exporter, which has Prometheus's exporter-toolkit, given the same web configurations side by side."""

import base64
import contextlib
import http.client
import re
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e.processes import clean_environment, running, wait_for
from web.hosted import hosted
from web.toolkit_files import FILES, PASSWORD, Folder, differences_of

from exporter.config.config import ConfigError
from exporter.telemetry import Telemetry
from exporter.web.files import WebFiles
from exporter.web.routes import Site
from exporter.web.security import Security

pytestmark = pytest.mark.e2e

GOOD, WRONG, UNKNOWN = f"alice:{PASSWORD}", "alice:wrong", f"nobody:{PASSWORD}"
SITE = Site("/metrics", tuple, lambda: True, lambda _, __: [b"own 1\n"], lambda: 0.0)


@dataclass(frozen=True)
class Request:
    """What a client does.

    Attributes:
        tls: whether it speaks TLS.
        user: user and password.
        certificate: `client` or `stranger`.
        version: the only one of TLS that it speaks.
        curve, suite: the only one that it has, by OpenSSL's name.
    """

    tls: bool = True
    user: str | None = GOOD
    certificate: str | None = "client"
    version: ssl.TLSVersion | None = None
    curve: str | None = None
    suite: str | None = None


REQUESTS = {
    "plain": Request(tls=False),
    "plain_nobody": Request(tls=False, user=None),
    "plain_wrong": Request(tls=False, user=WRONG),
    "good": Request(),
    "nobody": Request(user=None, certificate=None),
    "no_certificate": Request(certificate=None),
    "stranger": Request(certificate="stranger"),
    "wrong": Request(user=WRONG),
    "unknown": Request(user=UNKNOWN),
    "tls11": Request(version=ssl.TLSVersion.TLSv1_1),
    "tls12": Request(version=ssl.TLSVersion.TLSv1_2),
    "tls13": Request(version=ssl.TLSVersion.TLSv1_3),
    "p256": Request(curve="prime256v1"),
    "p384": Request(curve="secp384r1"),
    "p521": Request(curve="secp521r1"),
    "x25519": Request(curve="X25519"),
    "aes256": Request(version=ssl.TLSVersion.TLSv1_2, suite="ECDHE-ECDSA-AES256-GCM-SHA384"),
    "cbc": Request(version=ssl.TLSVersion.TLSv1_2, suite="ECDHE-ECDSA-AES128-SHA"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("web"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_file_does_what_it_does_with_the_toolkit(name: str, folder: Folder, tmp_path: Path) -> None:
    """Accepted or refused alike, and every request answered with the same status; or the file says why not."""
    file = folder.write(FILES[name])
    different = differences_of(FILES[name])
    with node_exporter(file, tmp_path) as (theirs, said), product(file) as ours:
        assert (ours is not None) is ((theirs is not None) is not ("" in different)), said
        if ours is not None and theirs is not None:
            answers = {name: (ask(ours, what, folder), ask(theirs, what, folder)) for name, what in REQUESTS.items()}
            assert {name: pair for name, pair in answers.items() if (pair[0] == pair[1]) is (name in different)} == {}


@contextlib.contextmanager
def product(file: Path) -> Iterator[str | None]:
    """Its address; None if it refuses the file."""
    files = WebFiles(str(file), probes_exempt=False)
    try:
        security = Security(files, files.load(), Telemetry().web)
    except ConfigError:
        yield None
        return
    with hosted(SITE, security=security) as host:
        yield str(host.place)


@contextlib.contextmanager
def node_exporter(file: Path, directory: Path) -> Iterator[tuple[str | None, str]]:
    """Its address, None if it refuses the file; and what it logged."""
    command = (
        "prometheus-node-exporter",
        "--collector.disable-defaults",
        "--web.disable-exporter-metrics",
        "--web.listen-address=127.0.0.1:0",
        f"--web.config.file={file}",
    )
    with running(command, directory, clean_environment(directory)) as process:
        serves = wait_for("answer of the node exporter", lambda: _serves(process, directory))
        said = (directory / "stderr").read_text()
        yield (None if serves == "ended" else serves), said


def _serves(process: subprocess.Popen[bytes], directory: Path) -> str | None:
    """The address where it answers, or that it has ended; None if neither is so yet."""
    if process.poll() is not None:
        return "ended"
    address = re.search(r'msg="Listening on" address=(\S+)', (directory / "stderr").read_text())
    if address is None:
        return None
    connection = http.client.HTTPConnection(address[1], timeout=1)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        connection.getresponse()  # 200, 400 or 401
    return address[1]


def ask(address: str, what: Request, folder: Folder) -> int | None:
    """The status of an answer; None if there is none."""
    connection = http.client.HTTPConnection(address, timeout=30)
    if what.tls:
        connection = http.client.HTTPSConnection(address, timeout=30, context=_context(what, folder))
    headers = {"Authorization": f"Basic {base64.b64encode(what.user.encode()).decode()}"} if what.user else {}
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/metrics", headers=headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None


def _context(what: Request, folder: Folder) -> ssl.SSLContext:
    certificates = {"client": folder.client, "stranger": folder.stranger, None: None}
    context = folder.client_context(certificates[what.certificate])
    if what.version is not None:
        if what.version < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = what.version
    if what.curve is not None:
        context.set_ecdh_curve(what.curve)
    if what.suite is not None:
        context.set_ciphers(what.suite)
    return context
