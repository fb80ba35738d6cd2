"""The user's AWS configuration: files, variables, commands and keys, and how they change."""

import gzip
import logging
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import faults
import pytest
from bedrock.scene import (
    ASKING,
    ASSUME,
    IN_ROLE,
    TARGET,
    WHO_AM_I,
    Aws,
    failure,
    key_of,
    keys,
    lent,
    names,
    reason,
    walk,
)
from faults import ACCOUNT, OTHER, ROLE, Service, error, job, page, sts_error

from exporter.bedrock.pages import TargetReader
from exporter.errors import FailureReason
from exporter.simulator import Respond, Response
from exporter.work import within

SECRET = "hidden-secret"


def test_web_identity(aws: Aws, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's own call for it is bounded and explained as ours are."""
    (files / "token").write_text("token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(files / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    answers: list[tuple[Response | Respond, FailureReason]] = [
        (faults.body_of(b"x" * 2_000_000), FailureReason.MALFORMED_RESPONSE),
        (sts_error(403, "AccessDenied"), FailureReason.ASSUME_ROLE_DENIED),
        (faults.body_of(b"<a/>"), FailureReason.MALFORMED_RESPONSE),
        (faults.body_of(f"<a><{ASSUME}WithWebIdentityResult/></a>".encode()), FailureReason.CREDENTIALS),
        (faults.drop, FailureReason.NETWORK),
    ]
    for answer_, expected in answers:
        assert reason(aws.reader(Service(page(), sts=answer_))) is expected
    assert aws.requests == []
    body = lent().body
    assert isinstance(body, bytes)
    good = faults.body_of(body.replace(b"AssumeRole", b"AssumeRoleWithWebIdentity"), content_type="text/xml")
    assert isinstance(good.body, bytes)
    zipped = Response(200, gzip.compress(good.body), {**good.headers, "Content-Encoding": "gzip"})
    tries = iter([sts_error(500, "InternalFailure")])
    assert names(walk(aws.reader(Service(page(job(1)), sts=lambda _: next(tries, good)), max_attempts=2))) == ["job-1"]
    assert names(walk(aws.reader(Service(page(job(1)), sts=zipped)))) == ["job-1"]


def test_a_profile_that_is_a_role_finds_sts(aws: Aws, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the target's region, where neither the profile nor the environment names one that botocore reads."""
    (files / "config").write_text(
        keys("profile base", "AKIABASE") + f"[profile member]\nrole_arn = {ROLE}\nsource_profile = base\n"
    )
    monkeypatch.setenv("AWS_REGION", "us-east-1")  # which botocore does not read
    service = Service(page(job(1)), sts=lent())
    walk(aws.reader(service, replace(TARGET, profile="member", region="eu-west-1")))
    assert "/eu-west-1/sts/" in service.seen[0].headers["authorization"]
    assert [key_of(request) for request in service.seen] == ["AKIABASE", "ASIATEST"]


def test_credentials_that_somebody_writes_anew(aws: Aws, files: Path) -> None:
    """They are read without a restart, and so is the account that was learnt from the old ones."""
    (files / "credentials").write_text(keys("default", "OLD"))
    accounts = {"OLD": ACCOUNT, "NEW": OTHER}
    answers = iter([page(job(1)), error(403, "ExpiredTokenException"), page(job(2))])
    service = Service(lambda _: next(answers), sts=lambda asked: faults.identity(accounts[key_of(asked)]))
    reader = aws.reader(service, ASKING)
    walk(reader)
    learnt = [reader.account_id]
    (files / "credentials").write_text(keys("default", "NEW"))
    assert reason(reader) is FailureReason.CREDENTIALS
    learnt.append(reader.account_id)
    assert names(walk(reader)) == ["job-2"]
    assert [*learnt, reader.account_id] == [ACCOUNT, None, OTHER]
    assert [key_of(request) for request in service.lists] == ["OLD", "OLD", "NEW"]


def test_a_role_that_is_refused_costs_others_nothing(aws: Aws) -> None:
    """A region that is off in one account refuses the role's credentials: they are made anew, those of others stay."""
    service = Service(error(403, "UnrecognizedClientException"), page(job(1)), sts=lent())
    clients = aws.clients(service)
    base = clients.access(ASKING)
    with within(30):
        service_account = base.ask_account_id()
    reader = TargetReader(IN_ROLE, clients)
    assert reason(reader) is FailureReason.CREDENTIALS
    assert base.account_id == service_account
    assert names(walk(reader)) == ["job-1"]
    assert service.sts_actions == [WHO_AM_I, ASSUME, ASSUME]


def test_keys_that_sts_refuses_are_read_anew(aws: Aws, files: Path) -> None:
    """A role can't be assumed because the keys that it starts from are old: these are forgotten."""
    (files / "credentials").write_text(keys("default", "OLD"))
    refused = sts_error(403, "InvalidClientTokenId")
    service = Service(page(job(1)), sts=lambda asked: refused if key_of(asked) == "OLD" else lent())
    reader = aws.reader(service, IN_ROLE)
    assert reason(reader) is FailureReason.CREDENTIALS
    (files / "credentials").write_text(keys("default", "NEW"))
    assert names(walk(reader)) == ["job-1"]


def test_credentials_that_take_for_ever_hold_up_no_other_profile(aws: Aws, files: Path) -> None:
    """Targets of the same profile wait for them, but no longer than their deadline."""
    pipe = files / "pipe"
    os.mkfifo(pipe)
    (files / "config").write_text(
        f"[profile hangs]\ncredential_process = cat {pipe}\n" + keys("profile good", "AKIAGOOD")
    )
    clients = aws.clients(Service(page(job(1))))
    hanging = replace(TARGET, profile="hangs")
    thread = threading.Thread(target=lambda: failure(TargetReader(hanging, clients)))
    thread.start()
    with pipe.open("w"):  # opens once the command reads
        assert names(walk(TargetReader(replace(TARGET, profile="good"), clients))) == ["job-1"]
        waited = failure(TargetReader(hanging, clients), seconds=0.1)
        assert waited.reason is FailureReason.TIMEOUT
        assert "the credentials of profile hangs" in waited.message
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()


def test_a_command_that_hangs_ends_with_the_walk(aws: Aws, files: Path) -> None:
    """With all that it has started, and nothing of it stays behind; the next walk runs it anew."""
    script = files / "credentials.sh"
    script.write_text(f"sleep 600 & echo $! > {files}/child; wait")
    (files / "config").write_text(f"[default]\ncredential_process = sh {script}\n")
    reader = aws.reader(Service(page(job(1))))
    started = time.monotonic()
    failed = failure(reader, seconds=1)
    assert time.monotonic() - started < 10
    assert failed.reason is FailureReason.CREDENTIALS
    assert "the credential_process sh did not end in time" in failed.message
    child = Path("/proc") / (files / "child").read_text().strip()
    while child.exists() and "\nState:\tZ" not in (child / "status").read_text():
        time.sleep(0.01)  # killed; whoever is its parent now reaps it

    script.write_text("""echo '{"Version": 1, "AccessKeyId": "AKIANEW", "SecretAccessKey": "any"}'""")
    assert names(walk(reader)) == ["job-1"]


@pytest.mark.parametrize("others", [True, False])
def test_an_api_key_is_told_of_once(
    aws: Aws, files: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, others: bool
) -> None:
    """Whether it is used or not."""
    caplog.set_level(logging.INFO, "exporter")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", SECRET)
    if others:
        (files / "credentials").write_text(keys("default", "AKIA"))
    reader = aws.reader(Service(error(403, "ExpiredTokenException")))
    for _ in range(2):
        assert reason(reader) is FailureReason.CREDENTIALS
    (line,) = [record.getMessage() for record in caplog.records if "API key" in record.getMessage()]
    assert ("is not used" in line) == others


@pytest.mark.parametrize(
    ("url", "bundle", "expected", "says"),
    [
        (f"http://user:{SECRET}@x:9 ", "", FailureReason.CREDENTIALS, "check AWS_ENDPOINT_URL_BEDROCK"),
        (f"http://user:{SECRET}@x:99999", "", FailureReason.CREDENTIALS, "check AWS_ENDPOINT_URL_BEDROCK"),
        (
            f"ftp://user:{SECRET}@x",
            "",
            FailureReason.CREDENTIALS,
            "a URL that can't be used; check AWS_ENDPOINT_URL_BEDROCK",
        ),
        (
            "https://127.0.0.1:{port}",
            "/no/such",
            FailureReason.CREDENTIALS,
            "the CA bundle /no/such of AWS_CA_BUNDLE can't be",
        ),
        ("https://127.0.0.1:{port}", "/usr", FailureReason.CREDENTIALS, "the CA bundle /usr of AWS_CA_BUNDLE can't be"),
        ("https://127.0.0.1:{port}", "/etc/hostname", FailureReason.CREDENTIALS, "AWS_CA_BUNDLE holds no certificates"),
    ],
    ids=[
        "a blank",
        "a port",
        "a scheme",
        "no CA bundle",
        "a directory as CA bundle",
        "a CA bundle without certificates",
    ],
)
def test_endpoints_that_cannot_be_used(  # noqa: PLR0917 - the columns of a table
    aws: Aws, monkeypatch: pytest.MonkeyPatch, url: str, bundle: str, expected: FailureReason, says: str
) -> None:
    """What the user's variables cause is no bug of ours, names the file, and shows no password."""
    reader = aws.reader(Service(page()))
    port = os.environ["AWS_ENDPOINT_URL_STS"].rpartition(":")[2]
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", url.format(port=port))
    if bundle:
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
    failed = failure(reader)
    assert failed.reason is expected
    assert says in failed.message
    assert SECRET not in failed.message


def test_a_profile_that_is_mended(aws: Aws, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that leads nowhere is read anew, though clients are shared, once somebody has written another."""
    reader = aws.reader(Service(page(job(1))), replace(TARGET, profile="ops"))
    url = os.environ["AWS_ENDPOINT_URL_BEDROCK"]
    monkeypatch.delenv("AWS_ENDPOINT_URL_BEDROCK")
    profile = keys("profile ops", "AKIAOPS") + "endpoint_url = {}\n"
    (files / "config").write_text(profile.format("http://127.0.0.1:1"))
    for _ in range(2):
        assert reason(reader) is FailureReason.NETWORK
    (files / "config").write_text(profile.format(url))
    assert names(walk(reader)) == ["job-1"]
