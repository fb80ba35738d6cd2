"""What is said of an AWS configuration that can't be used: files, variables, commands and keys."""

from pathlib import Path

import pytest
from bedrock.scene import Aws, failure, keys, names, walk
from botocore.exceptions import NoCredentialsError
from faults import ACCOUNT, ROLE, Service, job, page

from exporter.errors import FailureReason

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
