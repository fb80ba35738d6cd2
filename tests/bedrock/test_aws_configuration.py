"""The user's AWS configuration: files, variables, commands, keys, and what is said of those that can't be used."""

import gzip
import logging
import os
import threading
import time
from collections.abc import Iterator
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
    lent,
    names,
    reason,
    walk,
    without_credentials,
)
from botocore.exceptions import NoCredentialsError
from faults import ACCOUNT, OTHER, ROLE, Service, error, job, page, sts_error

from exporter.bedrock.pages import TargetReader
from exporter.errors import FailureReason
from exporter.simulator import Respond, Response
from exporter.work import within


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder with the user's ``config`` and ``credentials``, which are all that there is."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with without_credentials(monkeypatch):
        yield tmp_path


def keys(profile: str, key: str) -> str:
    return f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = any\n"


SECRET = "hidden-secret"
PAIR = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
FAULTS: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "nothing": ({}, {}, "NoCredentialsError: Unable to locate credentials"),
    "no such profile": ({}, {"AWS_PROFILE": "missing"}, "The config profile (missing) could not be found"),
    "half of a pair": (
        {},
        {"AWS_ACCESS_KEY_ID": "x"},
        "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY",
    ),
    "a file that can't be parsed": ({"config": "[default"}, {}, "Unable to parse config file"),
    "a command that is not there": (
        {"config": "[default]\ncredential_process = /no/such"},
        {},
        "No such file or directory: /no/such",
    ),
    "a command that fails": (
        {"config": f"[default]\ncredential_process = sh -c 'echo {SECRET} >&2; exit 1'"},
        {},
        "Error when retrieving credentials from custom-process: sh ended with exit code 1",
    ),
    "a command that prints no JSON": (
        {"config": f"[default]\ncredential_process = echo {SECRET}"},
        {},
        "the credential_process echo printed no JSON object",
    ),
    "a command that prints no UTF-8": (
        {"config": f"[default]\ncredential_process = printf '{SECRET}\\377'"},
        {},
        "the credential_process printf printed no JSON object",
    ),
    "a command that prints null": ({"config": "[default]\ncredential_process = echo null"}, {}, "echo printed no JSON"),
    "a command without end": (
        {"config": f"[default]\ncredential_process = yes {SECRET}"},
        {},
        "the credential_process yes printed more than 64 KiB, and was killed",
    ),
    "a command that is not quoted to the end": (
        {"config": f"[default]\ncredential_process = echo '{SECRET}"},
        {},
        "check credential_process of the AWS configuration",
    ),
    "a container's credentials of another host": (
        {},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"},
        "check AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    "a container's token with a line feed": (
        {},
        {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/x",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": f"{SECRET}\r\nX: y",
        },
        "check AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ),
    "an expiration that is no time": (
        {},
        {**PAIR, "AWS_CREDENTIAL_EXPIRATION": "x"},
        "check AWS_CREDENTIAL_EXPIRATION",
    ),
    "empty keys": (
        {"credentials": "[default]\naws_access_key_id =\naws_secret_access_key =\n"},
        {},
        "the access key id is empty",
    ),
    "a token file that is not there": (
        {},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such", "AWS_ROLE_ARN": ROLE},
        "the web identity's token file /no/such can't be read: No such file or directory",
    ),
    "a binary token file": (
        {"token": "\udcff"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "token", "AWS_ROLE_ARN": ROLE},
        "the web identity's token file token holds no token (1 bytes)",
    ),
    "an empty token file": (
        {"token": "\n"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "token", "AWS_ROLE_ARN": ROLE},
        "token holds no token",
    ),
    "a token file that is a directory": (
        {},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/usr", "AWS_ROLE_ARN": ROLE},
        "the web identity's token file /usr is not a regular file",
    ),
    "a role's name": (
        {"token": "token"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "token", "AWS_ROLE_ARN": "exporter"},
        "AWS_ROLE_ARN must be the ARN of a role, such as arn:aws:iam::",
    ),
    "a token file without a role": (
        {"token": "token"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "token"},
        "the AWS configuration lacks something or contradicts itself; check AWS_ROLE_ARN, role_arn",
    ),
    "a profile of `aws login`": (
        {"config": f"[default]\nlogin_session = {ROLE}\n"},
        {},
        "the profile signs in with `aws login`, which a service can't do; give the exporter a role",
    ),
    "a profile of SSO without a session": (
        {
            "config": "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\n"
            "sso_start_url = https://x\nsso_region = us-east-1\n"
        },
        {},
        "the profile signs in with SSO, but there is no valid session in ~/.aws/sso/cache; give the exporter a role",
    ),
    "a profile of SSO that is not whole": (
        {"config": "[default]\nsso_start_url = https://x\nsso_account_id = 1\n"},
        {},
        "check sso_region, sso_role_name",
    ),
    "a number that is none": (
        {},
        {"AWS_EC2_METADATA_DISABLED": "false", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "2x"},
        "not a number; check AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    ),
    "a mode of the metadata service that there is not": (
        {},
        {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv5"},
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6",
    ),
    "an endpoint without a scheme": (
        {
            "config": f"[default]\nendpoint_url = user:{SECRET}@localhost\naws_access_key_id = x\n"
            "aws_secret_access_key = x\n"
        },
        {"AWS_ENDPOINT_URL_BEDROCK": "", "AWS_ENDPOINT_URL_STS": ""},
        "a URL that can't be used; check endpoint_url of the AWS configuration",
    ),
    "an endpoint of a variable": (
        {},
        {**PAIR, "AWS_ENDPOINT_URL_BEDROCK": "", "AWS_ENDPOINT_URL": "http://x:99999"},
        "a URL that can't be used; check AWS_ENDPOINT_URL",
    ),
    "a command that prints no secret": (
        {
            "config": "[default]\ncredential_process = "
            """echo '{"Version": 1, "AccessKeyId": "x", "SecretAccessKey": null}'"""
        },
        {},
        "the secret access key holds a line feed, a space or another character that can't be sent; correct the file",
    ),
    "an API key without TLS": (
        {},
        {"AWS_BEARER_TOKEN_BEDROCK": SECRET},
        "an API key is sent over TLS only; have AWS_ENDPOINT_URL_BEDROCK or aws.endpoint_url begin with https://",
    ),
    "a file of TLS keys that can't be written": (
        {},
        {**PAIR, "SSLKEYLOGFILE": "/no/such"},
        "No such file or directory: /no/such",
    ),
    "a token with a line feed": (
        {},
        {**PAIR, "AWS_SESSION_TOKEN": f"{SECRET}\n"},
        "AWS_SESSION_TOKEN, the session token, ends with a line feed; correct AWS_SESSION_TOKEN",
    ),
    "a secret key with a line feed": (
        {},
        {**PAIR, "AWS_SECRET_ACCESS_KEY": f"{SECRET}\n"},
        "AWS_SECRET_ACCESS_KEY, the secret access key, ends with a line feed",
    ),
    "an API key with a line feed": (
        {},
        {"AWS_BEARER_TOKEN_BEDROCK": f"{SECRET}\n"},
        "AWS_BEARER_TOKEN_BEDROCK, the API key, ends with a line feed",
    ),
    "a profile that is a role with MFA": (
        {
            "config": f"[profile base]\naws_access_key_id = x\naws_secret_access_key = x\n[profile ops]\n"
            f"role_arn = {ROLE}\nsource_profile = base\nmfa_serial = arn:aws:iam::{ACCOUNT}:mfa/x\n"
        },
        {"AWS_PROFILE": "ops"},
        "profile ops asks for an MFA code, which a service can't give",
    ),
    "a profile whose source asks for MFA": (
        {
            "config": f"[default]\nrole_arn = {ROLE}\nsource_profile = ops\n[profile ops]\n"
            f"role_arn = {ROLE}\nsource_profile = ops\nmfa_serial = arn:aws:iam::{ACCOUNT}:mfa/x\n"
        },
        {},
        "profile ops asks for an MFA code, which a service can't give",
    ),
    "an empty profile": ({}, {**PAIR, "AWS_PROFILE": ""}, "AWS_PROFILE is set but empty"),
    "a profile of a blank": ({}, {**PAIR, "AWS_DEFAULT_PROFILE": " "}, "AWS_DEFAULT_PROFILE is set but empty"),
    "a credentials file that is a directory": (
        {},
        {"AWS_SHARED_CREDENTIALS_FILE": "/usr"},
        "NoCredentialsError: Unable to locate credentials; tried AWS_ACCESS_KEY_ID (not set), /usr (Is a directory), ",
    ),
    "no credentials file": (
        {},
        {"AWS_SHARED_CREDENTIALS_FILE": "/no"},
        "tried AWS_ACCESS_KEY_ID (not set), /no (No such",
    ),
    "no metadata service": (
        {},
        {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"},
        "the instance's metadata service (no role or no answer; from a container its hop limit must be 2)",
    ),
    "an empty command": ({"config": "[default]\ncredential_process ="}, {}, "credential_process is empty"),
    "a key id with a line feed": (
        {},
        {**PAIR, "AWS_ACCESS_KEY_ID": f"{SECRET}\n"},
        "AWS_ACCESS_KEY_ID, the access key id, ends with a line feed; correct AWS_ACCESS_KEY_ID",
    ),
    "a mode in a file that there is not": ({"config": "[default]\ndefaults_mode = x"}, PAIR, "InvalidDefaultsMode"),
    "a mode that there is not": ({}, {**PAIR, "AWS_DEFAULTS_MODE": "x"}, "InvalidDefaultsMode"),
    "a checksum setting that there is not": (
        {},
        {**PAIR, "AWS_REQUEST_CHECKSUM_CALCULATION": "always"},
        "InvalidChecksumConfigError",
    ),
    "a bad address of the metadata service": (
        {},
        {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://user:{SECRET}@[x/"},
        "a URL that can't be used; check AWS_ENDPOINT_URL_BEDROCK, AWS_ENDPOINT_URL_STS, AWS_EC2_METADATA_SERVICE",
    ),
    "a region that there is not": (
        {"config": "[default]\nregion = -\ncredential_process = echo null"},
        {},
        "echo printed no JSON object",
    ),
}


@pytest.mark.parametrize(("written", "variables", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_of_the_aws_configuration(  # noqa: PLR0917 - the columns of a table
    aws: Aws,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: dict[str, str],
    variables: dict[str, str],
    says: str,
) -> None:
    """They are a matter of credentials, never a bug of ours, nothing leaves, no secret shows, and they heal."""
    monkeypatch.chdir(files)
    for name, text in written.items():
        (files / name).write_text(text, errors="surrogateescape")
    reader = aws.reader(Service(page(job(1))))
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        failed = failure(reader)
    assert failed.reason is FailureReason.CREDENTIALS
    assert says in failed.message
    assert isinstance(failed.__cause__, NoCredentialsError) == failed.message.startswith("NoCredentialsError")
    assert SECRET not in failed.message
    assert aws.requests == []
    (files / "config").unlink(missing_ok=True)
    (files / "credentials").write_text(keys("default", "AKIANEW"))
    assert names(walk(reader)) == ["job-1"]


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
