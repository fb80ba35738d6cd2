"""What packaging/trim_botocore.py leaves of botocore's data is all that the exporter can ask for."""

import hashlib
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import botocore
import pytest
from e2e.processes import clean_environment

from exporter.simulator import Request, Response, Server

pytestmark = pytest.mark.e2e

BOTOCORE = Path(botocore.__file__).parent
TRIM = runpy.run_path(str(Path(__file__).parents[2] / "packaging" / "trim_botocore.py"))

START_URL = "https://example.awsapps.com/start"
PROFILE = "sso_account_id = 111122223333\nsso_role_name = reader\n"
SSO = f"sso_start_url = {START_URL}\nsso_region = us-east-1\n"
TOKEN = {"accessToken": "token", "expiresAt": "2999-01-01T00:00:00Z"}
OLD_TOKEN = {
    "accessToken": "token",
    "expiresAt": "2020-01-01T00:00:00Z",
    "refreshToken": "token",
    "clientId": "client",
    "clientSecret": "secret",
    "registrationExpiresAt": "2999-01-01T00:00:00Z",
}
KEYS = "aws_access_key_id = A\naws_secret_access_key = B\n"
ROLE = "arn:aws:iam::111122223333:role/reader"


class Need(NamedTuple):
    """What needs the model of a service.

    Attributes:
        request: the one that is seen where the model is there.
        files: of ~/.aws.
        config: of the exporter.
        variables: of the environment; ``{home}`` is the home directory.
    """

    request: str
    files: Mapping[str, str] = {"credentials": f"[default]\n{KEYS}"}
    config: str = ""
    variables: Mapping[str, str] = {}


NEEDS = {
    "the job list": Need("GET /model-customization-jobs", config="targets: [{account_id: '111122223333'}]"),
    "the account of keys": Need("GetCallerIdentity"),
    "the role of a target": Need("AssumeRole", config=f"targets: [{{assume_role: {{role_arn: '{ROLE}'}}}}]"),
    "the role of a profile": Need(
        "AssumeRole",
        {"config": f"[default]\nrole_arn = {ROLE}\nsource_profile = keys\n", "credentials": f"[keys]\n{KEYS}"},
    ),
    "web identity": Need(
        "AssumeRoleWithWebIdentity",
        {"token": "token"},
        variables={"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/.aws/token"},
    ),
    "SSO": Need(
        "GET /federation/credentials",
        {
            "config": f"[default]\n{PROFILE}{SSO}",
            f"sso/cache/{hashlib.sha1(START_URL.encode()).hexdigest()}.json": json.dumps(TOKEN),
        },
    ),
    "an SSO session that is renewed": Need(
        "POST /token",
        {
            "config": f"[default]\n{PROFILE}sso_session = s\n[sso-session s]\n{SSO}",
            f"sso/cache/{hashlib.sha1(b's').hexdigest()}.json": json.dumps(OLD_TOKEN),
        },
    ),
    "discovery": Need("ListAccounts", config="discovery: {organizations: {role_name: reader, regions: [us-east-1]}}"),
}

ONCE = """
import sys
from botocore.loaders import Loader
Loader.BUILTIN_DATA_PATH = sys.argv.pop()
from exporter.cli import main
sys.exit(main(["--once"]))
"""


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """botocore's data as the image has it."""
    data = tmp_path_factory.mktemp("botocore") / "data"
    shutil.copytree(BOTOCORE / "data", data)
    TRIM["trim"](data)
    return data


@pytest.mark.parametrize("need", NEEDS.values(), ids=NEEDS.keys())
def test_every_service_is_still_gone_to(trimmed: Path, tmp_path: Path, need: Need) -> None:
    """With the data cut down, every way to credentials and every list still sends its request."""
    seen: list[str] = []

    def trap(request: Request) -> Response:
        said = re.search(r"Action=(\w+)|\.(\w+)$", request.headers.get("x-amz-target") or request.body.decode())
        seen.append((said[1] or said[2]) if said and request.path == "/" else f"{request.method} {request.path}")
        return Response(400, b"{}")

    for name, content in need.files.items():
        file = tmp_path / ".aws" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (tmp_path / "config.yaml").write_text(need.config)
    with Server(trap) as server:
        services = ("BEDROCK", "STS", "SSO", "SSO_OIDC", "ORGANIZATIONS")
        environment = clean_environment(
            tmp_path,
            **{f"AWS_ENDPOINT_URL_{service}": server.url for service in services},
            **{name: value.format(home=tmp_path) for name, value in need.variables.items()},
            AWS_DEFAULT_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true",
        )
        command: list[str | Path] = [sys.executable, "-c", ONCE, trimmed]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert need.request in seen, ended.stderr.decode()


def test_no_provider_is_forgotten() -> None:
    """botocore's providers of credentials make clients of no service but these, and of `aws login`."""
    source = "".join((BOTOCORE / file).read_text(encoding="utf-8") for file in ("credentials.py", "tokens.py"))
    made = re.findall(r"""create(?:_nested)?_client\([^'"]*?["']([a-z-]+)["']|client_creator\(\s*'([a-z-]+)'""", source)
    services = {one or other for one, other in made}
    assert {"sts", "sso", "sso-oidc"} <= services
    assert services - set(TRIM["SERVICES"]) <= {"signin"}
