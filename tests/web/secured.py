"""A site behind a web configuration: its users, its certificates."""

import base64
import contextlib
from collections.abc import Iterator

from web.hosted import LAX, Hosted, hosted
from web.toolkit_files import HASH, PASSWORD, Folder

from exporter.telemetry import Telemetry
from exporter.web.connections import Limits
from exporter.web.files import WebFiles
from exporter.web.routes import Site
from exporter.web.security import Security

TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
CLIENTS = TLS.replace("}", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}")
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
LARGE = b"".join(b"line_%d 1\n" % number for number in range(2_000_000))


class Counts:
    """What the site was told."""

    def __init__(self, page: bytes = b"own 1\n") -> None:
        self.requests: list[tuple[str, int]] = []
        self.cuts: list[str] = []
        self.site = Site(
            "/metrics",
            tuple,
            lambda: True,
            lambda _, __: [page],
            lambda: 0.0,
            count_request=lambda handler, code: self.requests.append((handler, code)),
            count_cut=self.cuts.append,
        )


def security(folder: Folder, text: str, telemetry: Telemetry | None = None, *, probes_exempt: bool = False) -> Security:
    files = WebFiles(str(folder.write(text)), probes_exempt=probes_exempt)
    return Security(files, files.load(), (telemetry or Telemetry()).web, probes_exempt=probes_exempt)


@contextlib.contextmanager
def secured(
    folder: Folder, text: str, counts: Counts | None = None, *, probes_exempt: bool = False, limits: Limits = LAX
) -> Iterator[Hosted]:
    guard = security(folder, text, probes_exempt=probes_exempt)
    with hosted((counts or Counts()).site, limits=limits, security=guard) as host:
        yield host


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


GOOD = basic("alice", PASSWORD)
