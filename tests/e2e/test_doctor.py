"""`--doctor` over real HTTP: what is wrong around the exporter, and the exact words about it."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import boto3
import faults
import pytest
from e2e.processes import PATIENCE, clean_environment, simulated_aws, wait_for
from e2e.somebody_elses_aws import moto
from faults import ACCOUNT, OTHER, ROLE, Service
from test_organizations import aws_error

from exporter.simulator import Request, Respond, Response, Server, World, answer

pytestmark = pytest.mark.e2e

DATA = Path(__file__).parents[1] / "data" / "doctor"
ONE = "targets: [{regions: [us-east-1]}]\naws: {max_attempts: 1}\n"
IN_ROLE = f"targets:\n  - regions: [us-east-1]\n    assume_role: {{role_arn: {ROLE}}}\n"


@pytest.fixture(scope="module")
def world() -> World:
    return World.demo(time.time())


def dated(respond: Respond, ahead: float = 0) -> Respond:
    """The same answers, with a Date as AWS has it, where AWS's clock is so many seconds ahead of ours."""

    def with_date(request: Request) -> Response:
        given = respond(request)
        date = formatdate(time.time() + ahead, usegmt=True)
        return Response(given.status, given.body, {**given.headers, "Date": date})

    return with_date


@pytest.fixture
def aws(world: World) -> Iterator[str]:
    """The URL of a simulated AWS."""
    with Server(lambda request: answer(world, request, time.time())) as server:
        yield server.url


def doctor(
    config: str, directory: Path, url: str, *flags: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `--doctor` on a configuration, against the AWS at a URL."""
    (directory / "config.yaml").write_text(config)
    env = clean_environment(directory, **{**simulated_aws(url), **environment})
    command = [sys.executable, "-m", "exporter", "--doctor", *flags]
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, timeout=PATIENCE, check=False)


def golden(name: str) -> str:
    """What the terminal shall show."""
    return (DATA / f"{name}.txt").read_text(encoding="utf-8")


def printed(run: subprocess.CompletedProcess[bytes]) -> str:
    assert run.stderr == b""
    return run.stdout.decode()


def checks(run: subprocess.CompletedProcess[bytes]) -> list[dict[str, str]]:
    """The outcomes of each target, from the JSON."""
    return [
        {each["check"]: each["outcome"] for each in target["checks"]} for target in json.loads(run.stdout)["targets"]
    ]


# The terminal


def test_all_good(tmp_path: Path, aws: str) -> None:
    """Where everything is as it should be there is the table, and nothing else."""
    config = f"""\
targets:
  - regions: [us-east-1, us-west-2]
  - regions: [us-west-2]
    assume_role: {{role_arn: {ROLE}}}
"""
    run = doctor(config, tmp_path, aws)
    assert printed(run) == golden("all-good")
    assert run.returncode == 0


def test_what_to_do(tmp_path: Path, aws: str) -> None:
    """A denied role, a denied list and a region without the service, each with what to do."""
    config = f"""\
targets:
  - regions: [us-east-1, ap-south-1]
  - regions: [us-east-1]
    assume_role: {{role_arn: "arn:aws:iam::{OTHER}:role/admin", external_id: ours}}
  - regions: [eu-central-1]
    assume_role: {{role_arn: {ROLE}}}
"""
    run = doctor(config, tmp_path, aws)
    assert printed(run) == golden("what-to-do")
    assert run.returncode == 1


def test_a_terminal_without_the_marks(tmp_path: Path, aws: str) -> None:
    """Where ✔ can't be printed, words stand for the marks."""
    run = doctor(ONE, tmp_path, aws, PYTHONIOENCODING="ascii")
    assert printed(run) == golden("plain")


def test_json(tmp_path: Path, aws: str) -> None:
    """`--log.format=json` gives the same as one document, statements as they are."""
    run = doctor(f"{IN_ROLE.replace('us-east-1', 'eu-central-1')}", tmp_path, aws, "--log.format=json")
    document = json.loads(printed(run))
    assert run.returncode == 1
    (target,) = document["targets"]
    assert (document["good"], target["good"], target["target"], target["region"]) == (
        False,
        False,
        "targets[0]",
        "eu-central-1",
    )
    assert target["who"] == f"arn:aws:sts::{OTHER}:assumed-role/bedrock-exporter/bedrock-customization-exporter"
    found = {each["check"]: each for each in target["checks"]}
    assert re.fullmatch(r"[+-]\d+ s from AWS's", found["clock"]["detail"])
    assert found["identity"]["detail"] == f"arn:aws:iam::{ACCOUNT}:user/demo"
    assert (found["permission"]["outcome"], found["page"]["outcome"]) == ("failed", "skipped")
    assert found["permission"]["steps"] == [
        {
            "text": f"Add to a policy of {ROLE}:",
            "statement": {"Effect": "Allow", "Action": "bedrock:ListModelCustomizationJobs", "Resource": "*"},
        }
    ]


def on_a_terminal(config: str, directory: Path, url: str, *flags: str, **environment: str) -> tuple[str, str]:
    """What `--doctor` prints on standard output, and on a terminal as its standard error."""
    (directory / "config.yaml").write_text(config)
    master, terminal = os.openpty()
    try:
        run = subprocess.run(
            [sys.executable, "-m", "exporter", "--doctor", *flags],
            cwd=directory,
            env=clean_environment(directory, **simulated_aws(url), **environment),
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=PATIENCE,
            check=False,
        )
        os.write(terminal, b".")  # so that there is something to read
        shown = os.read(master, 65536).decode()
    finally:
        os.close(terminal)
        os.close(master)
    return run.stdout.decode(), shown.removesuffix(".")


def test_progress(tmp_path: Path, aws: str) -> None:
    """A terminal shows how far it is, on one line that is empty in the end."""
    config = "targets: [{regions: [us-east-1, us-west-2]}]\n"
    told, shown = on_a_terminal(config, tmp_path, aws)
    assert told.endswith("\ntargets: 2, good: 2, not: 0\n")
    lines = shown.split("\r")
    assert [line.rstrip() for line in lines] == [*(f"targets checked: {done} of 2" for done in range(3)), "", ""]
    assert len({len(line) for line in lines[:-1]}) == 1  # each covers the one before


def test_progress_of_a_listing(tmp_path: Path, organization: str) -> None:
    """The accounts are listed first, which takes its time, too."""
    _, shown = on_a_terminal(DISCOVERY, tmp_path, organization, AWS_ENDPOINT_URL_ORGANIZATIONS=organization)
    lines = [line.rstrip() for line in shown.split("\r")]
    assert lines[:2] == ["listing the accounts of the organization", "targets checked: 0 of 4"]


def test_no_progress_for_a_program(tmp_path: Path, aws: str) -> None:
    """With JSON standard error has lines of the log and nothing else."""
    told, shown = on_a_terminal(ONE, tmp_path, aws, "--log.format=json")
    assert (json.loads(told)["good"], shown) == (True, "")


# What can be wrong


def failing(check: str, *passed: str) -> dict[str, str]:
    """One check failed, some passed, the others could not be made."""
    names = ("clock", "identity", "role", "region", "permission", "page")
    return {name: "failed" if name == check else "passed" if name in passed else "skipped" for name in names}


def test_dead_endpoint(tmp_path: Path) -> None:
    """Where nobody answers, that is said of STS and of Bedrock, as they are two places to look at."""
    with faults.closed_port() as url:
        run = doctor(ONE, tmp_path, url, "--log.format=json")
    assert checks(run) == [{**failing("identity"), "region": "failed"}]
    found = {each["check"]: each["detail"] for each in json.loads(printed(run))["targets"][0]["checks"]}
    assert "AWS_ENDPOINT_URL_STS" in found["identity"]
    assert f"{url}/model-customization-jobs" in found["region"]
    assert run.returncode == 1


def test_dead_endpoint_of_bedrock(tmp_path: Path, aws: str) -> None:
    """Bedrock out of reach where STS is not."""
    with faults.closed_port() as url:
        run = doctor(ONE, tmp_path, aws, "--log.format=json", AWS_ENDPOINT_URL_BEDROCK=url)
    assert checks(run) == [failing("region", "clock", "identity")]


def test_sts_out_of_reach(tmp_path: Path, aws: str) -> None:
    """Bedrock answers and STS does not: all the same, as the jobs tell the account."""
    with faults.closed_port() as url:
        run = doctor(ONE, tmp_path, aws, "--log.format=json", AWS_ENDPOINT_URL_STS=url)
    assert checks(run) == [failing("", "region", "permission", "page")]
    assert run.returncode == 0


def test_sts_out_of_reach_and_no_jobs(tmp_path: Path) -> None:
    """Where there is no job either, nobody can tell the account."""
    with Server(Service(faults.page(), sts=faults.drop)) as server:
        run = doctor(ONE, tmp_path, server.url)
    assert "\n  Let AWS STS tell the account, or give targets[0] its account_id.\n" in printed(run)
    assert run.returncode == 1


def test_an_endpoint_that_never_answers(tmp_path: Path) -> None:
    """Each target has `poll.timeout`, whatever its peer does."""
    stall = faults.Stall()
    with Server(stall.silent) as server:
        config = f"poll: {{timeout: 1s}}\n{ONE}"
        run = doctor(config, tmp_path, server.url)
        stall.release()
    assert "no answer within 1 s" in printed(run)
    assert run.returncode == 1


def test_nothing_is_asked_after_the_deadline(tmp_path: Path) -> None:
    """What is cut off is the question that was not answered, and those after it are not asked."""
    stall = faults.Stall()
    service = Service(faults.page(), sts=stall.silent)
    with Server(service) as server:
        run = doctor(f"poll: {{timeout: 1s}}\n{IN_ROLE}", tmp_path, server.url, "--log.format=json")
        stall.release()
    assert checks(run) == [failing("identity")]
    assert (service.sts_actions, service.lists) == (["GetCallerIdentity"], [])


@pytest.mark.parametrize(("ahead", "side"), [(3600, "behind"), (-3600, "ahead of")])
def test_a_wrong_clock(tmp_path: Path, ahead: float, side: str) -> None:
    """What fails because the clock is wrong is not blamed on the credentials."""
    refuse = faults.sts_error(403, "SignatureDoesNotMatch")
    with Server(dated(Service(faults.error(403, "InvalidSignatureException"), sts=refuse), ahead)) as server:
        run = doctor(ONE, tmp_path, server.url)
    assert printed(run) == golden("wrong-clock").format(side=side)
    assert run.returncode == 1


def test_no_credentials(tmp_path: Path, aws: str) -> None:
    """Nothing is asked of AWS, and the message says that there are none."""
    run = doctor(ONE, tmp_path, aws, AWS_ACCESS_KEY_ID="")
    assert printed(run) == golden("no-credentials")
    assert run.returncode == 1


def test_an_api_key_alone(tmp_path: Path, aws: str) -> None:
    """STS knows nothing of it; what is wrong with it, only the list tells."""
    environment = {"AWS_ACCESS_KEY_ID": "", "AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key"}
    run = doctor(ONE, tmp_path, aws, "--log.format=json", **environment)
    assert checks(run) == [failing("permission")]
    found = {each["check"]: each["detail"] for each in json.loads(run.stdout)["targets"][0]["checks"]}
    assert found["identity"] == "an API key has none that STS tells"
    assert "Bearer authorization requires an HTTPS endpoint" in found["permission"]
    assert run.returncode == 1


def test_an_api_key_is_not_for_a_role(tmp_path: Path, aws: str) -> None:
    """A role is assumed with other credentials, and there are none."""
    environment = {"AWS_ACCESS_KEY_ID": "", "AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key"}
    run = doctor(IN_ROLE, tmp_path, aws, "--log.format=json", **environment)
    assert checks(run) == [failing("identity")]


def role_alone(request: Request) -> Response:
    """An STS behind a VPC endpoint whose policy allows AssumeRole and nothing else."""
    if faults.action_of(request) == "AssumeRole":
        return faults.assumed("token", timedelta(hours=1))
    return faults.sts_error(403, "AccessDenied")


def test_sts_that_gives_the_role_alone(tmp_path: Path) -> None:
    """A walk needs no more, and neither does a good check."""
    with Server(dated(Service(faults.page(), sts=role_alone))) as server:
        run = doctor(IN_ROLE, tmp_path, server.url, "--log.format=json")
    (target,) = json.loads(printed(run))["targets"]
    assert checks(run) == [failing("", "clock", "role", "region", "permission", "page")]
    assert target["checks"][1]["detail"].startswith("not known, and not needed: ")
    assert target["who"] == ROLE
    assert run.returncode == 0


def test_sts_that_refuses_all(tmp_path: Path) -> None:
    """Then the role is what is missing."""
    service = Service(faults.page(), sts=faults.sts_error(403, "AccessDenied"))
    with Server(dated(service)) as server:
        run = doctor(IN_ROLE, tmp_path, server.url, "--log.format=json")
    assert checks(run) == [failing("role", "clock")]
    assert service.lists == []


def test_a_date_that_is_none(tmp_path: Path) -> None:
    """What a proxy makes of a header must not look like a bug."""
    page = faults.page()
    date = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"

    def respond(request: Request) -> Response:
        given = faults.identity() if request.path == "/" else page
        return Response(given.status, given.body, {**given.headers, "Date": date})

    with Server(respond) as server:
        run = doctor(ONE, tmp_path, server.url, "--log.format=json")
    assert checks(run) == [failing("", "identity", "region", "permission", "page")]


def test_expired_credentials(tmp_path: Path) -> None:
    """Expired ones are said to be."""
    expired = Service(faults.error(403, "ExpiredTokenException"), sts=faults.sts_error(403, "ExpiredToken"))
    with Server(dated(expired)) as server:
        run = doctor(IN_ROLE, tmp_path, server.url, "--log.format=json")
    (target,) = json.loads(printed(run))["targets"]
    assert checks(run) == [failing("identity", "clock")]
    assert "ExpiredToken" in target["checks"][1]["detail"]


def test_a_region_that_the_account_has_not_opted_in_to(tmp_path: Path) -> None:
    """AWS calls the credentials invalid there."""
    refuse = faults.sts_error(403, "InvalidClientTokenId")
    with Server(Service(faults.error(403, "UnrecognizedClientException"), sts=refuse)) as server:
        run = doctor(ONE, tmp_path, server.url)
    assert "switch us-east-1 on for their account" in printed(run)


def test_another_account_than_configured(tmp_path: Path, aws: str) -> None:
    """An account_id that is not that of the credentials would put a wrong account on every series."""
    config = f'targets: [{{regions: [us-east-1], account_id: "{OTHER}"}}]\n'
    run = doctor(config, tmp_path, aws)
    assert f"\n  account_id is {OTHER}, but the credentials are of {ACCOUNT}: arn:aws:iam::" in printed(run)
    assert run.returncode == 1


def test_web_identity_that_the_role_does_not_trust(tmp_path: Path) -> None:
    """On EKS with IRSA the token in the pod says what the role's trust policy needs."""
    issuer = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
    subject = "system:serviceaccount:monitoring:exporter"
    claims = {"iss": f"https://{issuer}", "sub": subject, "aud": ["sts.amazonaws.com"]}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    (tmp_path / "token").write_text(f"e30.{payload}.c2lnbmF0dXJl")
    environment = {"AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/exporter", "AWS_WEB_IDENTITY_TOKEN_FILE": "token"}
    with Server(Service(faults.page(), sts=faults.sts_error(403, "AccessDenied"))) as server:
        run = doctor(ONE, tmp_path, server.url, "--log.format=json", AWS_ACCESS_KEY_ID="", **environment)
    assert checks(run) == [failing("identity", "clock")]
    (step,) = json.loads(run.stdout)["targets"][0]["checks"][1]["steps"]
    assert step["text"] == f"Add to the trust policy of arn:aws:iam::{ACCOUNT}:role/exporter:"
    assert step["statement"]["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"}
    assert step["statement"]["Condition"]["StringEquals"][f"{issuer}:sub"] == subject


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    """It has not done what it was asked to: nothing is printed, and the exit code is 1."""
    stall = faults.Stall()
    (tmp_path / "config.yaml").write_text(ONE)
    with Server(stall.silent) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "--doctor"],
            cwd=tmp_path,
            env=clean_environment(tmp_path, **simulated_aws(server.url)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_for("a question to AWS", lambda: stall.reached.is_set() or None, process)
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE) == (b"", b"")
        assert process.returncode == 1
        stall.release()


# Against moto


@pytest.fixture(scope="module")
def empty() -> Iterator[str]:
    """The URL of a running moto with nothing in it."""
    with moto() as url:
        yield url


@pytest.fixture(scope="module")
def organization(empty: str) -> str:
    """The same, with an organization of three accounts."""
    client: Any = boto3.client(
        "organizations",
        region_name="us-east-1",
        endpoint_url=empty,
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    client.create_organization(FeatureSet="ALL")
    for name in ("research", "products"):
        client.create_account(AccountName=name, Email=f"{name}@example.com")
    client.close()
    return empty


DISCOVERY = "discovery: {organizations: {role_name: bedrock-exporter, regions: [us-east-1, us-west-2]}}\n"


def test_discovered_accounts(tmp_path: Path, organization: str) -> None:
    """With a discovery, the accounts are listed first, and then each is checked."""
    run = doctor(DISCOVERY, tmp_path, organization, AWS_ENDPOINT_URL_ORGANIZATIONS=organization)
    heads = [re.split(r" {2,}", line)[:7] for line in printed(run).splitlines()[1:-2]]
    accounts = sorted({re.findall(r"\d{12}", place)[0] for place, *_ in heads[1:]})
    assert len(accounts) == 2
    good = ["✔", "✔", "✔", "✔", "✔", "✔"]
    assert heads == [
        ["discovery.organizations us-east-1", "✔", "✔", "–", "✔", "✔", "✔"],  # noqa: RUF001 - as it is printed
        *(
            [f"discovery.organizations[{account}] {region}", *good]
            for account in accounts
            for region in ("us-east-1", "us-west-2")
        ),
    ]
    assert run.returncode == 0


def test_accounts_that_may_not_be_listed(tmp_path: Path) -> None:
    """The statement that the listing needs."""

    def respond(request: Request) -> Response:
        if "x-amz-target" in request.headers:
            return aws_error("AccessDeniedException")
        return faults.identity()

    with Server(respond) as server:
        run = doctor(DISCOVERY, tmp_path, server.url, "--log.format=json", AWS_ENDPOINT_URL_ORGANIZATIONS=server.url)
    assert checks(run) == [failing("permission", "clock", "identity", "region")]
    (step,) = json.loads(run.stdout)["targets"][0]["checks"][4]["steps"]
    assert step == {
        "text": f"Add to a policy of arn:aws:iam::{ACCOUNT}:user/test:",
        "statement": {"Effect": "Allow", "Action": ["organizations:ListAccounts"], "Resource": "*"},
    }


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("AWSOrganizationsNotInUseException", f"The account of these credentials ({ACCOUNT}) is in no organization"),
        ("ParentNotFoundException", "Correct organizational_units of discovery.organizations"),
    ],
)
def test_no_permission_makes_an_organization(tmp_path: Path, code: str, text: str) -> None:
    """What no policy can mend is not blamed on one."""

    def respond(request: Request) -> Response:
        if "x-amz-target" in request.headers:
            return aws_error(code)
        return faults.identity()

    config = DISCOVERY.replace("}}", ", organizational_units: [ou-ab12-cdef3456]}}")
    with Server(respond) as server:
        run = doctor(config, tmp_path, server.url, AWS_ENDPOINT_URL_ORGANIZATIONS=server.url)
    assert text in printed(run)
    assert "organizations:List" not in printed(run)
    assert run.returncode == 1
