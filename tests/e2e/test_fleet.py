"""Thirty accounts in three regions, three of them broken, each in its own way, and sessions that end all the time.

It is somebody else's AWS, moto's, which keeps accounts apart by assumed role. A front before it breaks what is to be
broken, and lets every role session end after seconds.
"""

import asyncio
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import boto3
import pytest
from e2e.processes import simulated_aws
from e2e.somebody_elses_aws import moto
from faults import action_of, error, job, sts_error

from exporter.app import App
from exporter.bedrock.wire import JobPage, read_page
from exporter.config.resolve import load
from exporter.simulator import Request, Response, Server
from exporter.targets.shard import Shard
from exporter.targets.target import Target

pytestmark = pytest.mark.e2e

ACCOUNTS = [f"{number:04}55556666" for number in range(1, 31)]
REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]
NO_ROLE, NO_PERMISSION, NO_SERVICE = ACCOUNTS[6], ACCOUNTS[13], ACCOUNTS[20]
SESSION = 8.0
"""Seconds after which a role's session ends."""

INTERVAL = 2.0
ROUNDS = 6


class Front:
    """Forwards to moto, but for what is broken.

    Attributes:
        assumed: AssumeRole by account.
        late: requests with a session that had ended.
    """

    def __init__(self, moto: str) -> None:
        self._moto = moto
        self._sessions: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        self.assumed: Counter[str] = Counter()
        self.late: Counter[str] = Counter()

    def __call__(self, request: Request) -> Response:
        if request.path == "/" and action_of(request) == "AssumeRole":
            return self._assume(request)
        key = re.search(r"Credential=(\w+)/\d{8}/([a-z0-9-]+)/", request.headers["authorization"])
        assert key is not None
        account, ends = self._sessions.get(key[1], ("", time.time() + 1))
        if time.time() >= ends:
            self.late[account] += 1
            return error(403, "ExpiredTokenException")
        if account == NO_PERMISSION:
            return error(403, "AccessDeniedException")
        if account == NO_SERVICE and key[2] == REGIONS[1]:
            return error(400, "ValidationException", "Unknown Operation")
        return self._forward(request)

    def _assume(self, request: Request) -> Response:
        role = dict(parse_qsl(request.body.decode()))["RoleArn"]
        account = role.split(":")[4]
        with self._lock:
            self.assumed[account] += 1
        if account == NO_ROLE:
            return sts_error(403, "AccessDenied")
        answer = self._forward(request)
        assert isinstance(answer.body, bytes)
        ends = int(time.time() + SESSION)
        key = re.search(rb"<AccessKeyId>(\w+)</AccessKeyId>", answer.body)
        assert key is not None
        with self._lock:
            self._sessions[key[1].decode()] = (account, ends)
        expiration = f"<Expiration>{datetime.fromtimestamp(ends, UTC):%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        body = re.sub(rb"<Expiration>[^<]*</Expiration>", expiration.encode(), answer.body)
        return replace(answer, body=body)

    def _forward(self, request: Request) -> Response:
        query = "?" + "&".join(f"{name}={value}" for name, value in request.query.items()) if request.query else ""
        headers = {
            name: value for name, value in request.headers.items() if name not in {"content-length", "connection"}
        }
        wanted = urllib.request.Request(
            self._moto + request.path + query, request.body or None, headers, method=request.method
        )
        try:
            with self._open(wanted, timeout=30) as answer:
                return Response(200, answer.read(), {"Content-Type": answer.headers["Content-Type"]})
        except urllib.error.HTTPError as broken:
            with broken:
                return Response(broken.code, broken.read(), {"Content-Type": broken.headers["Content-Type"]})


def make_jobs(moto: str) -> dict[tuple[str, str], int]:
    """As many jobs in each account as its number, spread over the regions: (account, region) → number of jobs."""
    made: defaultdict[tuple[str, str], int] = defaultdict(int)
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    sts = boto3.client("sts", region_name="us-east-1", endpoint_url=moto, **keys)
    for number, account in enumerate(ACCOUNTS, 1):
        session = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/exporter", RoleSessionName="makes-jobs")
        got = session["Credentials"]
        for region in REGIONS:
            client = boto3.client(
                "bedrock",
                region_name=region,
                endpoint_url=moto,
                aws_access_key_id=got["AccessKeyId"],
                aws_secret_access_key=got["SecretAccessKey"],
                aws_session_token=got["SessionToken"],
            )
            for index in range((number + REGIONS.index(region)) % 4):
                client.create_model_customization_job(
                    jobName=f"job-{account}-{region}-{index}",
                    customModelName=f"model-{account}-{region}-{index}",
                    roleArn=f"arn:aws:iam::{account}:role/training",
                    baseModelIdentifier="amazon.titan-text-lite-v1",
                    trainingDataConfig={"s3Uri": "s3://training/train.jsonl"},
                    outputDataConfig={"s3Uri": "s3://training/out"},
                    hyperParameters={"epochCount": "1"},
                )
                made[account, region] += 1
            client.close()
    sts.close()
    return made


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Front, dict[tuple[str, str], int]]]:
    with moto() as url:
        front = Front(url)
        made = make_jobs(url)
        with Server(front) as running:
            for name, value in simulated_aws(running.url).items():
                monkeypatch.setenv(name, value)
            yield front, made


def values(page: str, name: str, label: str = "") -> dict[tuple[str, str], float]:
    """A family's samples that have this text among their labels, added up by account and region."""
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    pattern = rf'{name}\{{aws_account_id="(\w+)",aws_region="([\w-]+)"(.*)\}} (\S+)'
    for account, region, rest, value in re.findall(pattern, page):
        if label in rest:
            found[account, region] += float(value)
    return dict(found)


def test_thirty_accounts_in_three_regions(front: tuple[Front, dict[tuple[str, str], int]]) -> None:
    """Three accounts fail, each for its own reason, one of them in one region only; every scrape shows that, and of all
    others exactly the jobs that were made. No session is used after its end.
    """
    service, made = front
    text = "targets:\n" + "".join(
        f"  - regions: [{', '.join(REGIONS)}]\n    assume_role: {{role_arn: 'arn:aws:iam::{account}:role/exporter'}}\n"
        for account in ACCOUNTS
    )
    loaded = load(text, file="config.yaml", environ={}, default_region=lambda _: None, known_regions=())
    scrapes: list[str] = []

    async def work() -> None:
        app = App(replace(loaded, schedule=replace(loaded.schedule, interval=INTERVAL, timeout=30.0)))
        task = asyncio.create_task(app.run())
        rounds = 0.0
        async with asyncio.timeout(120):
            while rounds < ROUNDS:
                await asyncio.sleep(0.2)
                if app.fleet.ready:
                    page = app.exposition().decode()
                    scrapes.append(page)
                    count = re.search(r"walk_duration_seconds_count (\S+)", page)
                    assert count is not None
                    rounds = float(count[1]) / len(ACCOUNTS) / len(REGIONS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())
    broken = {
        **{(NO_ROLE, region): "assume_role_denied" for region in REGIONS},
        **{(NO_PERMISSION, region): "access_denied" for region in REGIONS},
        (NO_SERVICE, REGIONS[1]): "malformed_response",
    }
    places = {(account, region) for account in ACCOUNTS for region in REGIONS}
    for page in scrapes:
        assert values(page, "bedrock_exporter_target_up") == {place: float(place not in broken) for place in places}
        for place, reason in broken.items():
            assert values(page, "bedrock_exporter_target_failure_info", f'reason="{reason}"').get(place) == 1
        shown = {place: count for place, count in values(page, "bedrock_model_customization_jobs").items() if count}
        assert shown == {place: count for place, count in made.items() if place not in broken}
    failures = values(scrapes[-1], "bedrock_exporter_target_walk_failures_total")
    assert {place for place, count in failures.items() if count} == set(broken)
    assert not service.late
    assert all(service.assumed[account] > len(REGIONS) for account in ACCOUNTS)


class Reader:
    """In the place of a target's reader: its list has as many jobs as the last digit of its account."""

    def __init__(self, target: Target, _clients: object) -> None:
        self.account_id = target.account_id
        self._region = target.region

    def pages(self, _max_pages: int, _now: float) -> Iterator[JobPage]:
        arn = f"arn:aws:bedrock:{self._region}:{self.account_id}:model-customization-job/model/"
        jobs = [job(number, jobArn=f"{arn}{number}") for number in range(int(str(self.account_id)[-1]))]
        yield read_page(json.dumps({"modelCustomizationJobSummaries": jobs}).encode())


def test_5000_targets_over_4_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each target is on the page of exactly one of four exporters, with its jobs, so that sums are as of one."""
    monkeypatch.setattr("exporter.app.TargetReader", Reader)
    targets = tuple(
        Target("any", region, f"{account:012}")
        for account in range(1000)
        for region in (*REGIONS, "eu-west-1", "eu-west-3")
    )
    loaded = load(
        "poll: {concurrency: 64}",
        file="config.yaml",
        environ={},
        default_region=lambda _: "us-east-1",
        known_regions=(),
    )
    pages: list[str] = []

    async def work(shard: Shard) -> None:
        app = App(replace(loaded, targets=targets), shard=shard)
        assert await app.run_once()
        pages.append(app.exposition().decode())

    for index in range(4):
        asyncio.run(work(Shard(index, 4)))
    shown = [values(page, "bedrock_model_customization_jobs") for page in pages]
    assert sum(map(len, shown)) == len(targets) == 5000
    assert {place: count for each in shown for place, count in each.items()} == {
        (target.account_id, target.region): float(str(target.account_id)[-1]) for target in targets
    }
    assert all(1100 < len(each) < 1400 for each in shown)
