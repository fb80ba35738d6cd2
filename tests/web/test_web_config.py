"""`--web.config.file`: what a file gives, or every fault of it at once."""

import datetime
import ssl
import time
from pathlib import Path

import pytest
import trustme
from web.toolkit_files import EXPIRY, FILES, HASH, SAN, Folder, faults_of

from exporter.config.config import ConfigError
from exporter.web.config.settings import RateLimit, Tls, WebConfig
from exporter.web.config.tls import expiry
from exporter.web.files import WebFiles


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("web"))


def read(folder: Folder, text: str, *, probes_exempt: bool = False) -> WebConfig:
    return WebFiles(str(folder.write(text)), probes_exempt=probes_exempt).load()


def tls_of(folder: Folder, more: str, *, probes_exempt: bool = False) -> Tls:
    text = f"tls_server_config: {{cert_file: server.crt, key_file: server.key, {more}}}"
    tls = read(folder, text, probes_exempt=probes_exempt).tls
    assert tls is not None
    return tls


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_valid_or_all_of_its_faults_are_told(name: str, folder: Folder) -> None:
    """Each with its place and what is wanted; and every file that the toolkit's users may have is here."""
    file = folder.write(FILES[name])
    try:
        WebFiles(str(file), probes_exempt=False).load()
        faults = []
    except ConfigError as error:
        faults = error.faults

    assert [fault.replace(str(file), "web.yml") for fault in faults] == faults_of(FILES[name])
    assert bool(faults) is name.endswith(".bad.yml")
    assert "hunter2" not in "".join(faults)


def test_an_empty_file_asks_for_nothing(folder: Folder) -> None:
    """Plain HTTP for everybody, as without the file."""
    assert read(folder, "") == WebConfig(tls=None, users={}, headers={}, rate_limit=None)


def test_users_headers_and_the_rate_limit_are_as_written(folder: Folder) -> None:
    """Also where YAML would read something else than text."""
    config = read(
        folder,
        f"basic_auth_users: {{0123: {HASH}, yes: {HASH}}}\nrate_limit: {{interval: 1m1.5s, burst: 20}}\n"
        "http_server_config: {headers: {X-XSS-Protection: 0, X-Frame-Options: deny, Content-Security-Policy: ''}}",
    )

    assert config.users == {"0123": HASH, "yes": HASH}
    assert config.headers == {"X-XSS-Protection": "0", "X-Frame-Options": "deny"}
    assert config.rate_limit == RateLimit(61.5, 20)
    assert HASH not in repr(config)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2", 2e-9), ("150us", 15e-5), ("2µs", 2e-6), ("5ns", 5e-9), ("+.5h", 1800.0), ("90ms", 0.09)]
)
def test_intervals_are_gos(text: str, seconds: float, folder: Folder) -> None:
    """With its units; a bare number is nanoseconds."""
    limit = read(folder, f"rate_limit: {{interval: {text}, burst: 1}}").rate_limit

    assert limit is not None
    assert limit.interval == pytest.approx(seconds)


def test_what_is_not_there_is_the_toolkits_default(folder: Folder) -> None:
    """TLS 1.2 to 1.3, the server's order of suites, no client certificates."""
    context = tls_of(folder, "").context

    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert context.verify_mode is ssl.CERT_NONE
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_versions_suites_and_their_order_are_set(folder: Folder) -> None:
    """Suites of TLS 1.3 may stand in the list, and stay on whatever it has."""
    suites = "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
    context = tls_of(folder, f"cipher_suites: [{suites}], prefer_server_cipher_suites: off, max_version: TLS12").context

    assert [suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"] == [
        "ECDHE-RSA-AES256-SHA",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ]
    assert context.maximum_version is ssl.TLSVersion.TLSv1_2
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_with_suites_of_tls_1_3_alone_nothing_older_is_spoken(folder: Folder) -> None:
    """As in Go, where the list leaves none for older versions."""
    context = tls_of(folder, "cipher_suites: [TLS_AES_256_GCM_SHA384]").context

    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    ("kind", "exempt", "mode", "required"),
    [
        ("RequestClientCert", False, ssl.CERT_NONE, False),
        ("VerifyClientCertIfGiven", False, ssl.CERT_OPTIONAL, False),
        ("VerifyClientCertIfGiven", True, ssl.CERT_OPTIONAL, False),
        ("RequireAndVerifyClientCert", False, ssl.CERT_REQUIRED, True),
        ("RequireAndVerifyClientCert", True, ssl.CERT_OPTIONAL, True),
    ],
)
def test_client_certificates(kind: str, exempt: bool, mode: ssl.VerifyMode, required: bool, folder: Folder) -> None:
    """Where probes are exempt, the handshake can't demand one: then requests do."""
    tls = tls_of(folder, f"client_auth_type: {kind}, client_ca_file: ca.crt", probes_exempt=exempt)

    assert (tls.context.verify_mode, tls.requires_client_cert) == (mode, required)


@pytest.mark.parametrize(
    ("san", "allowed"),
    [
        (("DNS", "one.example"), True),
        (("DNS", "two.example"), False),
        (("email", "a@one.example"), True),
        (("URI", "spiffe://one.example/a"), True),
        (("IP Address", "192.0.2.1"), True),
        (("IP Address", "2001:DB8:0:0:0:0:0:1"), True),
        (("IP Address", "192.0.2.2"), False),
        (("DirName", "one.example"), False),
    ],
)
def test_allowed_names_are_compared_as_go_spells_them(san: tuple[str, str], allowed: bool, folder: Folder) -> None:
    """Exactly, of every kind that has a name."""
    names = "one.example, a@one.example, 'spiffe://one.example/a', 192.0.2.1, '2001:db8::1'"
    certificates = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt"
    tls = tls_of(folder, f"{certificates}, client_allowed_sans: [{names}]")

    assert tls.allows({"subjectAltName": (("DNS", "other.example"), san)}) is allowed
    assert not tls.allows({"subject": ()})
    assert tls_of(folder, certificates).allows({"subjectAltName": (san,)})


@pytest.mark.parametrize("year", [2026, 2049, 2050, 9999])
def test_the_expiry_of_a_certificate(year: int) -> None:
    """As UTCTime, and as GeneralizedTime from 2050 on."""
    moment = datetime.datetime(year, 12, 31, 23, 59, 58, tzinfo=datetime.UTC)
    certificate = trustme.CA().issue_cert(SAN, not_after=moment).cert_chain_pems[0].bytes()

    assert expiry(b"leading text\n" + certificate) == moment.timestamp()


def test_the_expiry_is_that_of_the_first_certificate(folder: Folder) -> None:
    """The chain follows it."""
    assert tls_of(folder, "").expiry == EXPIRY.timestamp()


def test_a_change_of_any_file_is_seen(folder: Folder, tmp_path: Path) -> None:
    """Of what the file says or names; not of what stands beside it, nor of a time alone."""
    file = folder.write(
        "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt, "
        "client_auth_type: VerifyClientCertIfGiven}"
    )
    files = WebFiles(str(file), probes_exempt=False)
    files.load()
    assert not files.changed()

    for name in ("web.yml", "server.crt", "server.key", "ca.crt"):
        path = folder.path / name
        before = path.read_bytes()
        path.touch()
        assert not files.changed()
        path.write_bytes(before + b"\n")
        assert files.changed()
        path.rename(tmp_path / name)
        assert files.changed()
        path.write_bytes(before)
        assert not files.changed()


def test_a_file_that_is_missing_is_told_with_the_flag_and_seen_when_it_comes(folder: Folder) -> None:
    """It may be a secret that is not yet mounted."""
    file = folder.path / "later.yml"
    files = WebFiles(str(file), probes_exempt=False)
    with pytest.raises(ConfigError) as caught:
        files.load()

    assert caught.value.faults == [
        f"{file}: can't be read: No such file or directory; name a configuration file with --web.config.file"
    ]
    assert not files.changed()
    file.write_text("")
    assert files.changed()


def test_a_hostile_file_is_read_in_no_time(folder: Folder) -> None:
    """Long names are compared, and long texts matched, in bounded time."""
    long = "1" * 100_000
    text = f"tls_server_config: {{client_auth_type: {long}, min_version: {long}, {'b' * 1000}: 1}}\n"
    text += f"rate_limit: {{interval: {long}, burst: {long}}}\nbasic_auth_users: {{a: {long}}}"
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        read(folder, text)

    assert len(caught.value.faults) == 8
    assert time.monotonic() - began < 10
