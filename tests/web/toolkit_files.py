"""The web configurations in tests/data/web, good and bad, and a folder with what they name.

`#:` begins a fault that the product finds; `#~` why exporter-toolkit, that of Debian's node exporter, does otherwise;
`#~ p384: …` is about that request only. `{CERT}` and `{KEY}` are the server's, `{DIR}` is the folder.
"""

import json
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

PASSWORD = "secret"
HASH = "$2b$04$r74NnTOaeWuF.GryEgM0Y.cWZX3iTzGJoUyqDPu9RRVxczCvt4rSO"
SAN = "prometheus.example"
EXPIRY = datetime(2049, 12, 31, 23, 59, 58, tzinfo=UTC)
"""Of the server's certificate."""

FILES = {file.name: file.read_text() for file in sorted((Path(__file__).parents[1] / "data" / "web").iterdir())}
"""Name → text."""


def faults_of(text: str) -> list[str]:
    """What the product finds in a file."""
    return re.findall(r"^#: (.+)$", text, re.MULTILINE)


def differences_of(text: str) -> dict[str, str]:
    """What the toolkit does otherwise with a file → why; whether it accepts the file is an empty name."""
    return dict(re.findall(r"^#~ (?:(\w+): )?(.+)$", text, re.MULTILINE))


class Folder:
    """A folder with the files that web configurations name.

    Attributes:
        path: where.
        ca: issued the certificates.
        client, stranger: files with a client's certificate and key; the CA of the stranger's is not that of the files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ca = trustme.CA()
        self.renew()
        encrypted = load_pem_private_key((path / "server.key").read_bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
        )
        (path / "encrypted.key").write_bytes(encrypted)
        (path / "other.key").write_bytes(self.ca.issue_cert("localhost").private_key_pem.bytes())
        (path / "ca.crt").write_bytes(self.ca.cert_pem.bytes())
        (path / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        (path / "broken.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        (path / "junk.pem").write_text("junk\n")
        self.client = path / "client.pem"
        self.client.write_bytes(self.ca.issue_cert(SAN).private_key_and_cert_chain_pem.bytes())
        self.stranger = path / "stranger.pem"
        self.stranger.write_bytes(trustme.CA().issue_cert(SAN).private_key_and_cert_chain_pem.bytes())

    def renew(self, not_after: datetime = EXPIRY) -> None:
        """Write another certificate, with another key, for the server."""
        server = self.ca.issue_cert("localhost", "127.0.0.1", not_after=not_after)
        chain = b"".join(blob.bytes() for blob in server.cert_chain_pems)
        (self.path / "server.crt").write_bytes(chain)
        (self.path / "server.key").write_bytes(server.private_key_pem.bytes())
        (self.path / "both.pem").write_bytes(server.private_key_pem.bytes() + chain)

    def write(self, text: str) -> Path:
        """The web configuration with this text."""
        for name, file in (("{CERT}", "server.crt"), ("{KEY}", "server.key")):
            text = text.replace(name, json.dumps((self.path / file).read_text()))
        path = self.path / "web.yml"
        path.write_text(text.replace("{DIR}", str(self.path)))
        return path

    def client_context(self, certificate: Path | None = None) -> ssl.SSLContext:
        """Of a client that trusts the CA, with a certificate of its own or none."""
        context = ssl.create_default_context(cafile=self.path / "ca.crt")
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context
