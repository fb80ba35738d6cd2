"""Which client a target gets, where it leads and what it signs with: real boto3, real HTTP."""

import logging
import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import faults
import pytest
import trustme
from bedrock.peers import Peer, front
from bedrock.scene import (
    ASKING,
    ASSUME,
    IN_ROLE,
    LIST,
    SETTINGS,
    TARGET,
    WHO_AM_I,
    Aws,
    key_of,
    lent,
    names,
    reason,
    walk,
    without_credentials,
)
from faults import ACCOUNT, Service, job, page

from exporter.bedrock.clients import API_KEY, Clients
from exporter.bedrock.pages import TargetReader
from exporter.errors import FailureReason
from exporter.simulator import Request, Response, Server, access_key_id
from exporter.targets.target import AssumeRole


def test_every_request_is_counted(aws: Aws) -> None:
    """Under the name of its operation; a role is assumed once, and the account is asked for once."""
    service = Service(page(), sts=lambda asked: lent() if faults.action_of(asked) == ASSUME else faults.identity())
    for target in (ASKING, IN_ROLE):
        reader = aws.reader(service, target)
        walk(reader)
        walk(reader)
    assert aws.requests == [WHO_AM_I, LIST, LIST, ASSUME, LIST, LIST]


def test_requests_name_the_exporter(aws: Aws) -> None:
    """For whoever reads CloudTrail."""
    service = Service(page(), sts=lent())
    walk(aws.reader(service, IN_ROLE))
    for request in service.seen:
        assert re.search(r" bedrock-customization-exporter/\d[\w.]*$", request.headers["user-agent"])


def test_clients_are_shared(aws: Aws) -> None:
    """Targets of one profile and region use the same client, and so the same connections; a role changes nothing."""
    clients = aws.clients(Service(page(), sts=lent()))
    other_role = AssumeRole(f"arn:aws:iam::{ACCOUNT}:role/other")
    same = [clients.access(target) for target in (TARGET, IN_ROLE, replace(IN_ROLE, assume_role=other_role))]
    assert len({id(each.bedrock().meta) for each in same}) == 1
    assert clients.access(replace(TARGET, region="us-west-2")).bedrock().meta is not same[0].bedrock().meta


ENVIRONMENTS: list[tuple[dict[str, str], dict[str, Any], str, str, str]] = [
    ({}, {}, "eu-central-1", "bedrock.eu-central-1.amazonaws.com", "sts.eu-central-1.amazonaws.com"),
    ({}, {}, "cn-north-1", "bedrock.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.amazonaws.com.cn"),
    ({}, {}, "us-gov-west-1", "bedrock.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com"),
    (
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {},
        "us-east-1",
        "bedrock.us-east-1.api.aws",
        "sts.us-east-1.api.aws",
    ),
    (
        {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
        {},
        "us-east-1",
        "bedrock.us-east-1.amazonaws.com",
        "sts.us-east-1.amazonaws.com",
    ),
    (
        {},
        {"use_fips": True},
        "us-east-1",
        "bedrock-fips.us-east-1.amazonaws.com",
        "sts-fips.us-east-1.amazonaws.com",
    ),
    (
        {"AWS_ENDPOINT_URL_BEDROCK": "https://unused.invalid", "AWS_ENDPOINT_URL_STS": "https://sts.invalid"},
        {"endpoint_url": "https://bedrock.invalid"},
        "us-east-1",
        "bedrock.invalid",
        "sts.invalid",
    ),
]


@pytest.mark.parametrize(("variables", "settings", "region", "bedrock", "sts"), ENVIRONMENTS)
def test_endpoints(  # noqa: PLR0917 - the columns of a table
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    settings: dict[str, Any],
    region: str,
    bedrock: str,
    sts: str,
) -> None:
    """They are of the target's own region, in whatever partition; with IPv6 or FIPS where that is asked for."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    identity = Clients(replace(SETTINGS, **settings), 8).access(replace(TARGET, region=region))
    assert identity.bedrock().meta.endpoint_url == f"https://{bedrock}"
    assert identity.client("sts").meta.endpoint_url == f"https://{sts}"


def test_settings_are_pinned(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries, timeouts and signature are the configuration's, whatever the environment and botocore's defaults say."""
    for name, value in (("RETRY_MODE", "legacy"), ("MAX_ATTEMPTS", "9"), ("DEFAULTS_MODE", "mobile")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv(API_KEY, "token")
    identity = aws.clients(Service(page()), connect_timeout=1.5, read_timeout=2.5).access(TARGET)
    for client in (identity.bedrock(), identity.client("sts"), identity.client("organizations")):
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1.5, 2.5, 8)
        assert (config.signature_version, config.retries["total_max_attempts"]) == ("v4", 1)


def test_settings_of_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile may have its own endpoint, which its roles use as well."""
    (tmp_path / "config").write_text(
        "[profile other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = any\nendpoint_url = {url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    service = Service(page(job(1)), sts=lent())
    with Server(service) as server:
        config = tmp_path / "config"
        config.write_text(config.read_text().format(url=server.url))
        clients = Clients(SETTINGS, 8)
        for target in (TARGET, IN_ROLE):
            assert names(walk(TargetReader(replace(target, profile="other"), clients))) == ["job-1"]
    assert [key_of(request) for request in service.seen] == ["AKIAOTHER", "AKIAOTHER", "ASIATEST"]


def test_models_of_the_user_are_not_read(aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A service model in ~/.aws/models changes nothing."""
    model = tmp_path / ".aws/models/bedrock/2099-01-01/service-2.json"
    model.parent.mkdir(parents=True)
    model.write_text("not JSON")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert walk(aws.reader(Service(page())))


def test_a_proxy_of_the_environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is used, and NO_PROXY is heeded."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    direct = aws.reader(Service(page(job(1))))
    service = Service(page(job(2)))
    paths: list[str] = []

    def proxy(request: Request) -> Response:
        paths.append(request.path)
        return service(replace(request, path=faults.LIST))

    with Server(proxy) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        assert names(walk(direct)) == ["job-1"]
        assert names(walk(aws.reader("http://bedrock.invalid"))) == ["job-2"]
    assert paths == [f"http://bedrock.invalid{faults.LIST}"]


def test_api_key_never_replaces_credentials(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_BEARER_TOKEN_BEDROCK, which botocore prefers to all, does not take the place of a target's credentials."""
    monkeypatch.setenv(API_KEY, "bedrock-api-key-of-someone")
    service = Service(page(), sts=lent())
    for target in (TARGET, IN_ROLE):
        walk(aws.reader(service, target))
    assert [key_of(request) for request in service.lists] == [access_key_id(ACCOUNT), "ASIATEST"]


def test_api_key_is_used_where_there_is_nothing_else(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With no other credentials it is used, and that is said once; not for a target with a role or a profile."""
    caplog.set_level(logging.INFO, "exporter")
    monkeypatch.setenv(API_KEY, "bedrock-api-key-of-someone")
    (tmp_path / "config").write_text("[profile empty]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))  # botocore sends an API key over TLS only
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    service = Service(page(job(1)))
    with (
        without_credentials(monkeypatch),
        Server(service) as server,
        Peer(front(server.url.removeprefix("http://")), context) as peer,
    ):
        clients = aws.clients(peer.url)
        for target in (TARGET, replace(ASKING, region="eu-west-1")):
            assert names(walk(TargetReader(target, clients))) == ["job-1"]
        for other in (IN_ROLE, replace(TARGET, profile="empty")):
            assert reason(TargetReader(other, clients)) is FailureReason.CREDENTIALS
        assert reason(aws.reader(server.url)) is FailureReason.CREDENTIALS  # no TLS
    assert {request.headers["authorization"] for request in service.seen} == {"Bearer bedrock-api-key-of-someone"}
    said = [record.getMessage() for record in caplog.records if record.name.startswith("exporter")]
    told = "there are no other AWS credentials; using the API key for Amazon Bedrock in AWS_BEARER_TOKEN_BEDROCK"
    assert said == [told, told]  # once for each `Clients`
