"""Against someone else's Bedrock, moto's, the exporter counts exactly the jobs that were made there."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from e2e.processes import clean_environment, once, simulated_aws
from e2e.somebody_elses_aws import moto
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from exporter.bedrock.clients import Clients
from exporter.bedrock.pages import TargetReader
from exporter.bedrock.settings import AwsSettings
from exporter.targets.target import Target

pytestmark = pytest.mark.e2e

ACCOUNT = "123456789012"  # moto's own
MADE = {"us-east-1": 140, "eu-central-1": 110}
TYPES = ("FINE_TUNING", "CONTINUED_PRE_TRAINING")

CONFIG = f"""\
targets:
  - regions: [{", ".join(MADE)}]
"""


@pytest.fixture(scope="module", name="moto")
def _moto() -> Iterator[str]:
    """The URL of a running moto."""
    with moto() as url:
        yield url


@pytest.fixture(scope="module")
def tally(moto: str) -> Counter[tuple[str, str, str]]:
    """250 jobs in two regions, every seventh of them stopped: (region, status, type) → number."""
    made: Counter[tuple[str, str, str]] = Counter()
    for region, count in MADE.items():
        client: Any = boto3.client(
            "bedrock",
            region_name=region,
            endpoint_url=moto,
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )
        for number in range(count):
            name, kind = f"{region}-{number}", TYPES[number % 3 == 0]
            client.create_model_customization_job(
                jobName=name,
                customModelName=f"model-of-{name}",
                roleArn=f"arn:aws:iam::{ACCOUNT}:role/training",
                baseModelIdentifier="amazon.titan-text-lite-v1",
                trainingDataConfig={"s3Uri": "s3://training/train.jsonl"},
                outputDataConfig={"s3Uri": "s3://training/out"},
                hyperParameters={"epochCount": "1"},
                customizationType=kind,
            )
            stopped = number % 7 == 0
            if stopped:
                client.stop_model_customization_job(jobIdentifier=name)
            made[region, "Stopped" if stopped else "InProgress", kind] += 1
        client.close()
    return made


@pytest.fixture(scope="module")
def page(
    moto: str, tally: Counter[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Metric]:
    """The families that `--once` prints, by name."""
    assert tally.total() == 250
    home = tmp_path_factory.mktemp("moto")
    ended = once(CONFIG, home, clean_environment(home, **simulated_aws(moto)))
    assert (ended.returncode, [line for line in ended.stderr.splitlines() if b"level=info" not in line]) == (0, [])
    return {family.name: family for family in text_string_to_metric_families(ended.stdout.decode())}


def by_region(family: Metric) -> dict[str, float]:
    assert {sample.labels["aws_account_id"] for sample in family.samples} == {ACCOUNT}
    return {sample.labels["aws_region"]: sample.value for sample in family.samples}


def test_jobs(page: dict[str, Metric], tally: Counter[tuple[str, str, str]]) -> None:
    """`jobs` is what was made, by region, status and type, and zero for everything else."""
    counted = {
        (sample.labels["aws_region"], sample.labels["status"], sample.labels["customization_type"]): sample.value
        for sample in page["bedrock_model_customization_jobs"].samples
    }
    assert {key: value for key, value in counted.items() if value} == tally
    assert len(counted) == len(MADE) * 5 * 5


def test_one_page_each(page: dict[str, Metric]) -> None:
    """We ask for 1,000 jobs a page, so that one request a region does, where moto's default would take two."""
    assert by_region(page["bedrock_exporter_target_up"]) == dict.fromkeys(MADE, 1)
    assert by_region(page["bedrock_exporter_target_walk_jobs"]) == MADE
    assert by_region(page["bedrock_exporter_target_walk_pages"]) == dict.fromkeys(MADE, 1)
    requests = {s.labels["operation"]: s.value for s in page["bedrock_exporter_api_requests"].samples}
    assert requests == {"ListModelCustomizationJobs": 2, "GetCallerIdentity": 1, "AssumeRole": 0}


def test_every_job_has_series(page: dict[str, Metric], tally: Counter[tuple[str, str, str]]) -> None:
    """Jobs of moto's shape, with ARNs and times unlike the service's, are read all the same."""
    infos = page["bedrock_model_customization_job_info"].samples
    names = {(sample.labels["aws_region"], sample.labels["job_name"]) for sample in infos}
    assert names == {(region, f"{region}-{number}") for region, count in MADE.items() for number in range(count)}
    assert len(infos) == tally.total()
    assert sum(sample.value for sample in page["bedrock_exporter_target_malformed_jobs"].samples) == 0


def test_page_by_page(monkeypatch: pytest.MonkeyPatch, moto: str, tally: Counter[tuple[str, str, str]]) -> None:
    """Many small pages add up to the jobs that were made, none missing, none twice."""
    for name, value in simulated_aws(moto).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("exporter.bedrock.pages.PAGE_SIZE", 7)
    clients = Clients(AwsSettings(None, None, connect_timeout=5, read_timeout=30, max_attempts=1), 1)
    sizes = []
    for region, count in MADE.items():
        reader = TargetReader(Target("targets[0]", region), clients)
        read = list(reader.pages(max_pages=100, now=0))
        counted = Counter((region, job.status, job.customization_type) for page in read for job in page.jobs)
        assert counted == Counter({key: made for key, made in tally.items() if key[0] == region})
        assert len({job.job_arn for page in read for job in page.jobs}) == count
        assert reader.account_id == ACCOUNT
        sizes.append(len(read))
    assert sizes == [20, 16]
