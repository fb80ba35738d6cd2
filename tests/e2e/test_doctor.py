"""`--doctor` as people and programs run it: the whole screen, the JSON, the exit code. Faults: tests/doctor."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import faults
import pytest
from e2e.processes import PATIENCE, clean_environment, simulated_aws, wait_for
from e2e.somebody_elses_aws import moto
from faults import ACCOUNT, OTHER, ROLE

from exporter.simulator import Server, World, answer

pytestmark = pytest.mark.e2e

DATA = Path(__file__).parents[1] / "data" / "doctor"
ONE = "targets: [{regions: [us-east-1]}]\n"
ALL_GOOD = f"""\
targets:
  - regions: [us-east-1, us-west-2]
  - regions: [us-west-2]
    assume_role: {{role_arn: {ROLE}}}
"""
WHAT_TO_DO = f"""\
targets:
  - regions: [us-east-1, ap-south-1]
  - regions: [us-east-1]
    assume_role: {{role_arn: "arn:aws:iam::{OTHER}:role/admin", external_id: ours}}
  - regions: [eu-central-1]
    assume_role: {{role_arn: {ROLE}}}
"""
DISCOVERY = "discovery: {organizations: {role_name: bedrock-exporter, regions: [us-east-1, us-west-2]}}\n"
DOCTOR = [sys.executable, "-m", "exporter", "--doctor"]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The URL of a simulated AWS."""
    world = World.demo(time.time())
    with Server(lambda request: answer(world, request, time.time())) as server:
        yield server.url


def doctor(
    config: str, directory: Path, url: str, *flags: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `--doctor` on a configuration, against the AWS at a URL."""
    (directory / "config.yaml").write_text(config)
    env = clean_environment(directory, **{**simulated_aws(url), **environment})
    run = subprocess.run([*DOCTOR, *flags], cwd=directory, env=env, capture_output=True, timeout=PATIENCE, check=False)
    assert run.stderr == b""
    return run


@pytest.mark.parametrize(
    ("screen", "config", "environment"),
    [
        ("all-good", ALL_GOOD, {}),
        ("what-to-do", WHAT_TO_DO, {}),
        ("no-credentials", ONE, {"AWS_ACCESS_KEY_ID": ""}),
        ("plain", ONE, {"PYTHONIOENCODING": "ascii"}),
    ],
)
def test_screen(tmp_path: Path, aws: str, screen: str, config: str, environment: dict[str, str]) -> None:
    """A table, what failed and what to do about it, and nothing else; without ✔ where a terminal can't print it."""
    run = doctor(config, tmp_path, aws, **environment)
    assert run.stdout.decode() == (DATA / f"{screen}.txt").read_text(encoding="utf-8")
    assert run.returncode == (0 if run.stdout.endswith(b"OK, 0 failing\n") else 1)


def test_json(tmp_path: Path, aws: str) -> None:
    """`--log.format=json` gives the same as one document, statements as they are."""
    run = doctor(WHAT_TO_DO, tmp_path, aws, "--log.format=json")
    document = json.loads(run.stdout)
    assert (document["good"], run.returncode) == (False, 1)
    target = document["targets"][-1]
    assert (target["target"], target["region"], target["good"]) == ("targets[2]", "eu-central-1", False)
    assert target["who"] == f"arn:aws:sts::{OTHER}:assumed-role/bedrock-exporter/bedrock-customization-exporter"
    found = {each["check"]: each for each in target["checks"]}
    assert re.fullmatch(r"[+-]\d+ s from AWS's", found["clock"]["detail"])
    assert found["identity"]["detail"] == f"arn:aws:iam::{ACCOUNT}:user/demo"
    statement = {"Effect": "Allow", "Action": "bedrock:ListModelCustomizationJobs", "Resource": "*"}
    assert found["permission"]["steps"] == [{"text": f"Add to a policy of {ROLE}:", "statement": statement}]


def on_a_terminal(config: str, directory: Path, url: str, *flags: str, **environment: str) -> tuple[str, list[str]]:
    """What `--doctor` prints, and the lines that a terminal as its standard error shows one over the other."""
    (directory / "config.yaml").write_text(config)
    env = clean_environment(directory, **simulated_aws(url), **environment)
    master, terminal = os.openpty()
    try:
        run = subprocess.run(
            [*DOCTOR, *flags],
            cwd=directory,
            env=env,
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
    return run.stdout.decode(), shown.removesuffix(".").split("\r")


def test_progress(tmp_path: Path, aws: str) -> None:
    """A terminal shows how far it is on one line, which is empty in the end; a program that reads JSON sees nothing."""
    text, shown = on_a_terminal(ALL_GOOD, tmp_path, aws)
    assert text.endswith("\n3 targets OK, 0 failing\n")
    assert [line.rstrip() for line in shown] == [*(f"targets checked: {done} of 3" for done in range(4)), "", ""]
    assert len({len(line) for line in shown[:-1]}) == 1  # each covers the one before
    text, shown = on_a_terminal(ONE, tmp_path, aws, "--log.format=json")
    assert (json.loads(text)["good"], shown) == (True, [""])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    """It has not done what it was asked to: it prints nothing, and exits with 1."""
    stall = faults.Stall()
    (tmp_path / "config.yaml").write_text(ONE)
    with Server(stall.silent) as server:
        process = subprocess.Popen(
            DOCTOR,
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


def test_discovered_accounts(tmp_path: Path) -> None:
    """With a discovery the accounts are listed first, and then each one is checked."""
    with moto() as url:
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        client: Any = boto3.client("organizations", region_name="us-east-1", endpoint_url=url, **keys)
        client.create_organization(FeatureSet="ALL")
        made = [
            client.create_account(AccountName=name, Email=f"{name}@example.com") for name in ("research", "products")
        ]
        client.close()
        text, shown = on_a_terminal(DISCOVERY, tmp_path, url, AWS_ENDPOINT_URL_ORGANIZATIONS=url)
    accounts = sorted(each["CreateAccountStatus"]["AccountId"] for each in made)
    good = ["✔", "✔", "✔", "✔", "✔", "✔"]
    rows = [re.split(r" {2,}", line) for line in text.splitlines()[1:-2]]
    assert [[row[0], *row[2:8]] for row in rows] == [
        ["discovery.organizations us-east-1", "✔", "✔", "–", "✔", "✔", "✔"],  # noqa: RUF001 - as it is printed
        *(
            [f"discovery.organizations[{account}] {region}", *good]
            for account in accounts
            for region in ("us-east-1", "us-west-2")
        ),
    ]
    lines = [line.rstrip() for line in shown]
    assert lines[:2] == ["listing the accounts of the organization", "targets checked: 0 of 4"]
