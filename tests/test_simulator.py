"""The simulator is a Bedrock that boto3 believes in, and whose jobs can be foretold."""

import math
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from exporter.simulator import Request, Response, Server, Simulator, World, access_key_id, answer, serve, wire
from exporter.simulator.world import LONG

EPOCH = 1_790_000_000.0
HOUR, MINUTE = 3600.0, 60.0
LIST = "/model-customization-jobs"
OWN, OTHER = "111122223333", "444455556666"
SIGNED = f"AWS4-HMAC-SHA256 Credential={access_key_id(OWN)}/20260101/us-east-1/bedrock/aws4_request, Signature=none"
TYPES = {"FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION", "REINFORCEMENT_FINE_TUNING", "IMPORTED"}
STATUSES = {"InProgress", "Completed", "Failed", "Stopping", "Stopped"}
STEPS = {"NotStarted": 0, "InProgress": 1, "Stopping": 2, "Completed": 3, "Failed": 3, "Stopped": 3}


class Clock:
    """The time that the simulator believes it is, in Unix seconds."""

    now = EPOCH

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def world() -> World:
    return World.demo(EPOCH)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bedrock(world: World, clock: Clock) -> Iterator[Simulator]:
    with serve(world, now=clock) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def session() -> Any:
    return boto3.Session()


@pytest.fixture(scope="module")
def model() -> Any:
    return botocore.session.get_session().get_service_model("bedrock")


@pytest.fixture
def connect(bedrock: Simulator, session: Any) -> Iterator[Any]:
    """Make boto3 clients of the simulator, which are closed after the test."""
    clients = []

    def connect(service: str = "bedrock", region: str = "us-east-1", key: str = "", **extra: Any) -> Any:
        client = session.client(
            service,
            region_name=region,
            endpoint_url=bedrock.url,
            aws_access_key_id=key or bedrock.access_key_id,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, signature_version="v4"),
            **extra,
        )
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()


def summaries(world: World, now: float) -> dict[str, dict[str, Any]]:
    """Return every job summary of the world by ARN."""
    return {
        job.arn: dict(wire.summary(job, now))
        for account, region in world.targets
        for job in world.jobs(account, region, now)
    }


def walk(client: Any, **query: Any) -> list[dict[str, Any]]:
    """Return all jobs of a list, page by page."""
    pages = client.get_paginator("list_model_customization_jobs").paginate(**query)
    return [job for page in pages for job in page["modelCustomizationJobSummaries"]]


def refusal(call: Any, **arguments: Any) -> tuple[int, str]:
    """Return the HTTP status and the code of the error that a call is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def check_shape(value: Any, shape: Any, where: str) -> None:
    """Hold a parsed answer against botocore's model: required members, patterns, enums and lengths."""
    if shape.type_name == "structure":
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{where} lacks {missing}"
        for name in value:
            check_shape(value[name], shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for item in value:
            check_shape(item, shape.member, f"{where}[]")
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern", ".*")
        assert re.fullmatch(pattern, value, re.DOTALL), f"{where}: {value!r} is not {pattern}"
        assert not shape.enum or value in shape.enum, f"{where}: {value!r} is not in {shape.enum}"
        assert shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", 10_000), f"{where}: {value!r}"
    elif shape.type_name == "timestamp":
        assert isinstance(value, datetime), where


# The world


def test_same_seed_same_world() -> None:
    """Two worlds of one seed and epoch are alike at any time; another seed gives another world."""
    for now in (EPOCH, EPOCH + 777, EPOCH + 5 * HOUR):
        first = summaries(World.demo(EPOCH), now)
        assert list(first.items()) == list(summaries(World.demo(EPOCH), now).items())
        assert first.keys().isdisjoint(summaries(World.demo(EPOCH, seed=2), now))


def test_order_of_questions_does_not_matter(world: World) -> None:
    """What a world says of a time doesn't depend on the times it was asked about before."""
    fresh = World.demo(EPOCH)
    late = summaries(fresh, EPOCH + 2 * HOUR)
    assert summaries(fresh, EPOCH + 60) == summaries(world, EPOCH + 60)
    assert summaries(world, EPOCH + 2 * HOUR) == late


def test_history_has_everything(world: World) -> None:
    """At the epoch there are some hundred jobs of four months, of every type, state and kind of base model."""
    jobs = summaries(world, EPOCH).values()
    assert 600 <= len(jobs) <= 900
    assert len({(job["jobArn"].split(":")[4], job["jobArn"].split(":")[3], job["jobName"]) for job in jobs}) == len(
        jobs
    )
    statuses = Counter(job["status"] for job in jobs)
    assert set(statuses) == STATUSES
    assert statuses["Completed"] > 0.8 * len(jobs)
    assert 0.02 < statuses["Failed"] / len(jobs) < 0.1
    assert {(job.get("customizationType"), job["status"]) for job in jobs} >= {
        (kind, status) for kind in TYPES for status in ("Completed", "Failed", "Stopped")
    }
    oldest = min(datetime.fromisoformat(job["creationTime"]).timestamp() for job in jobs)
    assert 110 <= (EPOCH - oldest) / 86400 <= 120
    assert any(":custom-model/" in job["baseModelArn"] for job in jobs)


def test_history_has_gaps(world: World) -> None:
    """Old jobs lack sub-tasks, some a type or a modification time, and their times come in three precisions."""
    jobs = summaries(world, EPOCH).values()
    for field in ("statusDetails", "customizationType", "lastModifiedTime"):
        assert 0 < sum(field not in job for job in jobs) < 50
    assert {len(job["creationTime"]) for job in jobs} == {len("2026-01-01T00:00:00Z") + extra for extra in (0, 4, 7)}
    assert all(len(job["creationTime"]) == 24 for job in jobs if "statusDetails" in job)


def test_running_jobs_have_peers(world: World) -> None:
    """Most running jobs have five completed peers: same account, region, base model and type, within 90 days."""
    peered = []
    for account, region in world.targets:
        jobs = [
            wire.summary(job, EPOCH) for job in world.jobs(account, region, EPOCH) if job.created > EPOCH - 90 * 86400
        ]
        done = Counter((j["baseModelArn"], j["customizationType"]) for j in jobs if j["status"] == "Completed")
        running = (j for j in jobs if j["status"] == "InProgress")
        peered += [done[j["baseModelArn"], j["customizationType"]] >= 5 for j in running]
    assert sum(peered) > 0.7 * len(peered) > 5


def test_lengths_follow_the_model(world: World) -> None:
    """Completed jobs take as long as their base model does in reality: Nova Micro an hour, images 4 to 5 hours."""
    jobs = [job for target in world.targets for job in world.jobs(*target, EPOCH) if job.status(EPOCH) == "Completed"]
    for model_id, kind, low, high in (
        ("amazon.nova-micro-v1:0:128k", "FINE_TUNING", 0.9, 1.5),
        ("amazon.nova-lite-v1:0:300k", "FINE_TUNING", 3.5, 4.8),
        ("amazon.titan-image-generator-v2:0", "FINE_TUNING", 4.0, 5.5),
        ("amazon.nova-2-lite-v1:0:256k", "REINFORCEMENT_FINE_TUNING", 4.0, 8.0),
    ):
        hours = [(j.ended - j.created) / HOUR for j in jobs if (j.model_id, j.customization_type) == (model_id, kind)]
        assert hours
        assert low < min(hours) <= max(hours) < high


def test_first_look(world: World) -> None:
    """At the epoch jobs run in each sub-task, one is Stopping, and one failed within the last ten minutes."""
    jobs = [job for target in world.targets for job in world.jobs(*target, EPOCH)]
    running = [job for job in jobs if job.status(EPOCH) == "InProgress"]
    stages = Counter(
        next((index for index, subtask in enumerate(job.subtasks(EPOCH)) if subtask.status == "InProgress"), None)
        for job in running
        if job.ended > EPOCH + 20 * MINUTE
    )
    assert all(stages[stage] for stage in (0, 1, 2))
    assert [job.status(EPOCH) for job in jobs].count("Stopping") == 1
    assert any(job.status(EPOCH) == "Failed" and job.ended > EPOCH - 10 * MINUTE for job in jobs)


def test_one_job_is_stuck(world: World) -> None:
    """One job has waited for its training for 30 hours at the epoch, and waits for ever."""
    for later in (0, 1 * HOUR, 72 * HOUR):
        now = EPOCH + later
        stuck = [
            job
            for target in world.targets
            for job in world.jobs(*target, now)
            if job.status(now) == "InProgress" and "InProgress" not in {subtask.status for subtask in job.subtasks(now)}
            if now - job.modified(now) > HOUR
        ]
        assert len(stuck) == 1
        assert [subtask.status for subtask in stuck[0].subtasks(now)] == ["Completed", "Completed", "NotStarted"]
        assert now - stuck[0].modified(now) == pytest.approx(30 * HOUR + later, abs=0.3 * HOUR)


def test_one_job_is_slow(world: World) -> None:
    """One job has been in training for more than twice as long as any of its peers took."""
    slow = []
    for target in world.targets:
        jobs = world.jobs(*target, EPOCH)
        for job in jobs:
            peers = [
                peer.ended - peer.created
                for peer in jobs
                if (peer.base_model_arn, peer.customization_type) == (job.base_model_arn, job.customization_type)
                if peer.status(EPOCH) == "Completed"
            ]
            trains = job.subtasks(EPOCH)[2].status == "InProgress"
            slow += [job.name] if trains and len(peers) >= 5 and EPOCH - job.created > 2 * max(peers) else []
    assert len(slow) == 1


# What changes


@pytest.mark.parametrize("hours", [6, 12, 24, 24.5, 25, 49, 24 * 7])
def test_long_jobs_are_replaced(world: World, hours: float) -> None:
    """A demo that has run for a day, or a week, still has every status and sub-task state, and long jobs under way."""
    now = EPOCH + hours * HOUR
    jobs = sorted((job for target in world.targets for job in world.jobs(*target, now)), key=lambda job: job.created)
    running = [job for job in jobs if job.status(now) == "InProgress"]

    assert {job.model_id for job in running if job.spans[-1][1] - job.created > 50 * MINUTE} >= {
        recipe.model_id for recipe in LONG
    }
    recent = [now - half_minute * MINUTE / 2 for half_minute in range(60)]
    assert {job.status(moment) for job in jobs[-100:] for moment in recent if moment >= job.created} == STATUSES
    states = {subtask.status for job in running for subtask in job.subtasks(now)}
    assert states == {"NotStarted", "InProgress", "Completed"}
    assert any(job.spans[-1][1] == math.inf for job in running)  # the one that is stuck


def test_a_list_only_ever_grows(world: World) -> None:
    """Jobs keep their places in the list while live and long ones come in."""
    for target in world.targets:
        before: list[str] = []
        for minutes in range(0, 36 * 60, 47):
            now = [job.arn for job in world.jobs(*target, EPOCH + minutes * MINUTE)]
            assert now[: len(before)] == before
            before = now


def test_half_an_hour(world: World) -> None:
    """New jobs start every minute or two, sub-tasks only advance, what has ended stays, and no job is lost."""
    before = summaries(world, EPOCH)
    starts = []
    for second in range(5, 30 * 60 + 1, 5):
        jobs = summaries(world, EPOCH + second)
        assert jobs.keys() >= before.keys()
        starts += [second] * len(jobs.keys() - before.keys())
        for arn, old in before.items():
            new = jobs[arn]
            if "endTime" in old:
                assert new == old
            assert STEPS[old["status"]] <= STEPS[new["status"]]
            changed = {name: value for name, value in new.items() if old.get(name) != value}
            assert not changed or new["lastModifiedTime"] > old["lastModifiedTime"]
            for name, subtask in old.get("statusDetails", {}).items():
                assert STEPS[subtask["status"]] <= STEPS[new["statusDetails"][name]["status"]]
        before = jobs
    assert all(gap <= 125 for gap in (later - earlier for earlier, later in pairwise(starts)))
    lived = [job for job in before.values() if datetime.fromisoformat(job["creationTime"]).timestamp() > EPOCH]
    assert len(lived) == len(starts) >= 15
    assert {job["status"] for job in lived} >= {"InProgress", "Completed", "Failed"}


def test_live_jobs_last_minutes(world: World) -> None:
    """A live job that completes takes 8 to 15 minutes, and most do complete; some are stopped, for about a minute."""
    long = {(recipe.model_id, recipe.customization_type) for recipe in LONG}
    new = [job for target in world.targets for job in world.jobs(*target, EPOCH + 10 * HOUR) if job.created > EPOCH]
    live = [job for job in new if (job.model_id, job.customization_type) not in long]
    outcomes = Counter(job.outcome for job in live)
    assert outcomes["Completed"] > len(live) / 2
    assert all(7.5 <= (job.ended - job.created) / MINUTE <= 15.5 for job in live if job.outcome == "Completed")
    assert all(45 <= job.ended - job.halted <= 75 for job in live if job.outcome == "Stopped")
    assert outcomes["Stopped"] > 10


@pytest.mark.parametrize("seed", range(5))
def test_failures_keep_coming(seed: int) -> None:
    """From the epoch on, any six minutes see a failure, and each has a message that tells which sub-task failed."""
    demo = World.demo(EPOCH, seed)
    until = EPOCH + 24 * HOUR
    failed = [job for target in demo.targets for job in demo.jobs(*target, until) if job.status(until) == "Failed"]
    ends = sorted(job.ended for job in failed if job.ended >= EPOCH - 6 * MINUTE)
    assert all(later - earlier < 6 * MINUTE for earlier, later in pairwise([EPOCH - 6 * MINUTE, *ends, until]))
    assert all([subtask.status for subtask in job.subtasks(until)].count("Failed") == 1 for job in failed)
    assert all(job.failure_message for job in failed)


# The list


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("size", [7, 1000])
def test_pages(world: World, connect: Any, model: Any, order: str, size: int) -> None:
    """Every page size and order yields each job once, in order, in a shape that botocore's model accepts."""
    shape = model.operation_model("ListModelCustomizationJobs").output_shape
    for account, region in world.targets:
        client = connect(region=region, key=access_key_id(account))
        jobs = walk(client, maxResults=size, sortBy="CreationTime", sortOrder=order)
        check_shape({"modelCustomizationJobSummaries": jobs}, shape, f"{account}/{region}")
        expected = [job.arn for job in world.jobs(account, region, EPOCH)]
        assert [job["jobArn"] for job in jobs] == (expected if order == "Ascending" else expected[::-1])
        times = [job["creationTime"] for job in jobs]
        assert times == sorted(times, reverse=order == "Descending")


def test_defaults(world: World, connect: Any) -> None:
    """Without parameters the newest ten jobs come first, and a token with them."""
    page = connect().list_model_customization_jobs()
    expected = [job.arn for job in world.jobs(OWN, "us-east-1", EPOCH)][:-11:-1]
    assert [job["jobArn"] for job in page["modelCustomizationJobSummaries"]] == expected
    assert page["nextToken"]


def test_filters(connect: Any) -> None:
    """Each filter, and all together, give what a tally of the unfiltered list gives."""
    client = connect()
    everything = walk(client, maxResults=1000)
    after, before = (datetime.fromtimestamp(EPOCH - days * 86400, UTC) for days in (70, 20))
    for status in STATUSES:
        assert walk(client, maxResults=7, statusEquals=status) == [j for j in everything if j["status"] == status]
    for name in ("nova-lite", "prod-", "no-such-job"):
        assert walk(client, maxResults=7, nameContains=name) == [j for j in everything if name in j["jobName"]]
    young = [j for j in everything if j["creationTime"] > after]
    assert walk(client, maxResults=7, creationTimeAfter=after) == young
    old = [j for j in everything if j["creationTime"] < before]
    assert walk(client, maxResults=7, creationTimeBefore=before) == old
    both = [j for j in young if j in old and j["status"] == "Completed" and "prod-" in j["jobName"]]
    query = {"creationTimeAfter": after, "creationTimeBefore": before, "statusEquals": "Completed"}
    assert walk(client, maxResults=2, nameContains="prod-", **query) == both
    assert 0 < len(both) < len(young) < len(everything)


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_paging_while_jobs_start(world: World, connect: Any, clock: Clock, order: str) -> None:
    """Jobs that start between two pages neither hide nor double a job that was there at the first page."""
    client = connect()
    there = [job.arn for job in world.jobs(OWN, "us-east-1", EPOCH)]
    seen: list[str] = []
    query = {"maxResults": 7, "sortOrder": order}
    while True:
        page = client.list_model_customization_jobs(**query)
        seen += [job["jobArn"] for job in page["modelCustomizationJobSummaries"]]
        if "nextToken" not in page:
            break
        query["nextToken"] = page["nextToken"]
        clock.now += 10 * MINUTE
    assert len(set(seen)) == len(seen)
    assert [arn for arn in seen if arn in there] == (there if order == "Ascending" else there[::-1])
    assert (len(seen) > len(there)) == (order == "Ascending")


def ask(world: World, **request: Any) -> Response:
    """Answer one hand-made request: List, but for what `request` says."""
    return answer(
        world, Request(**{"method": "GET", "path": LIST, "headers": {"authorization": SIGNED}} | request), EPOCH
    )


@pytest.mark.parametrize(
    "query",
    [
        {"maxResults": "0"},
        {"maxResults": "1001"},
        {"maxResults": "ten"},
        {"maxResults": ""},
        {"nextToken": "no token"},
        {"nextToken": "bm8gdG9rZW4="},
        {"nextToken": ""},
        {"sortBy": "Name"},
        {"sortOrder": "ascending"},
        {"statusEquals": "Done"},
        {"creationTimeAfter": "yesterday"},
    ],
    ids=str,
)
def test_bad_parameters(world: World, query: dict[str, str]) -> None:
    """A parameter out of range is a ValidationException that names it."""
    response = ask(world, query=query)
    assert response.status == 400
    assert response.headers["x-amzn-ErrorType"] == "ValidationException"
    assert isinstance(response.body, bytes)
    assert next(iter(query)).encode() in response.body


def test_token_of_another_query(connect: Any) -> None:
    """A page token is good only for the query that it was given for."""
    client = connect()
    token = client.list_model_customization_jobs(sortOrder="Ascending")["nextToken"]
    assert refusal(client.list_model_customization_jobs, nextToken=token) == (400, "ValidationException")


# Refusals


def test_unknown_region(connect: Any) -> None:
    """A region outside the world answers as a region without the feature does."""
    with pytest.raises(ClientError, match=r"ValidationException.*Unknown Operation"):
        connect(region="sa-east-1").list_model_customization_jobs()


def test_region_of_the_other_account(connect: Any) -> None:
    """A region that only another account uses is denied."""
    client = connect(region="eu-central-1", key=access_key_id(OTHER))
    assert refusal(client.list_model_customization_jobs) == (403, "AccessDeniedException")


def test_unknown_operation(world: World) -> None:
    """Other paths and methods are unknown operations."""
    for request in ({"path": "/guardrails"}, {"method": "DELETE"}, {"path": f"{LIST}s"}):
        response = ask(world, **request)
        assert (response.status, response.headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException")


def test_credentials(world: World, connect: Any) -> None:
    """Without a known access key there is no answer, whatever the region."""
    client = connect(key="AKIAIOSFODNN7EXAMPLE")
    assert refusal(client.list_model_customization_jobs) == (403, "UnrecognizedClientException")
    for headers, code in (
        ({}, "MissingAuthenticationTokenException"),
        ({"authorization": "Bearer secret"}, "UnrecognizedClientException"),
        ({"authorization": "AWS4-HMAC-SHA256 nonsense"}, "IncompleteSignatureException"),
    ):
        response = ask(world, headers=headers)
        assert (response.status, response.headers["x-amzn-ErrorType"]) == (403, code)


# One job


def test_get_every_job(world: World, connect: Any, model: Any) -> None:
    """Get answers for every job by its ARN, in a shape that botocore's model accepts, and agrees with List."""
    shape = model.operation_model("GetModelCustomizationJob").output_shape
    for account, region in world.targets:
        client = connect(region=region, key=access_key_id(account))
        for summary in walk(client, maxResults=1000):
            job = client.get_model_customization_job(jobIdentifier=summary["jobArn"])
            del job["ResponseMetadata"]
            check_shape(job, shape, summary["jobArn"])
            for name in ("status", "statusDetails", "creationTime", "lastModifiedTime", "endTime", "customizationType"):
                assert job.get(name) == summary.get(name)
            assert ("failureMessage" in job) == (job["status"] == "Failed")
            completed = {"trainingMetrics", "validationMetrics", "outputModelArn"}
            assert completed & set(job) == (completed if job["status"] == "Completed" else set())


def test_get_by_name(connect: Any) -> None:
    """Get also knows a job by its name, and only jobs that exist, of the caller's own account."""
    client = connect()
    summary = client.list_model_customization_jobs()["modelCustomizationJobSummaries"][0]
    get_job = client.get_model_customization_job
    assert get_job(jobIdentifier=summary["jobName"])["jobArn"] == summary["jobArn"]
    assert refusal(get_job, jobIdentifier="no-such-job") == (404, "ResourceNotFoundException")
    foreign = summary["jobArn"].replace(OWN, OTHER)
    assert refusal(get_job, jobIdentifier=foreign) == (403, "AccessDeniedException")


def test_tags(connect: Any) -> None:
    """ListTagsForResource gives a job's tags; most jobs have a team and a cost center, some have none."""
    client = connect()
    sizes: Counter[int] = Counter()
    for summary in walk(client, maxResults=1000):
        tags = client.list_tags_for_resource(resourceARN=summary["jobArn"])["tags"]
        sizes[len(tags)] += 1
        assert {tag["key"] for tag in tags} in (set(), {"team", "cost-center", "environment"})
    assert 0 < sizes[0] < sizes[3]
    unknown = summary["jobArn"][:-12] + "abcdefghijkl"
    assert refusal(client.list_tags_for_resource, resourceARN=unknown) == (404, "ResourceNotFoundException")


# Accounts


def test_caller_identity(connect: Any) -> None:
    """STS tells which account an access key belongs to, and refuses unknown keys in its own words."""
    assert connect("sts").get_caller_identity()["Account"] == OWN
    assert connect("sts", key=access_key_id(OTHER)).get_caller_identity()["Account"] == OTHER
    assert refusal(connect("sts", key="AKIAIOSFODNN7EXAMPLE").get_caller_identity) == (403, "InvalidClientTokenId")


def test_assume_role(world: World, connect: Any, clock: Clock) -> None:
    """The role of the other account gives an hour of that account's jobs."""
    role = f"arn:aws:iam::{OTHER}:role/bedrock-exporter"
    assumed = connect("sts").assume_role(RoleArn=role, RoleSessionName="test", ExternalId="exporter")["Credentials"]
    assert assumed["Expiration"] == datetime.fromtimestamp(EPOCH + HOUR, UTC)
    key, token = assumed["AccessKeyId"], assumed["SessionToken"]
    identity = connect("sts", key=key, aws_session_token=token).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/bedrock-exporter/test"
    client = connect(key=key, aws_session_token=token)
    jobs = walk(client, maxResults=1000, sortOrder="Ascending")
    assert [job["jobArn"] for job in jobs] == [job.arn for job in world.jobs(OTHER, "us-east-1", EPOCH)]
    clock.now += HOUR
    assert refusal(client.list_model_customization_jobs) == (403, "ExpiredTokenException")
    assert refusal(connect(key=key).list_model_customization_jobs) == (403, "UnrecognizedClientException")


@pytest.mark.parametrize("role", [f"{OTHER}:role/admin", "999999999999:role/bedrock-exporter"])
def test_other_roles_are_denied(connect: Any, role: str) -> None:
    """No other role, and no role of an unknown account, can be assumed."""
    assume_role = connect("sts").assume_role
    denied = refusal(assume_role, RoleArn=f"arn:aws:iam::{role}", RoleSessionName="test")
    assert denied == (403, "AccessDenied")


# The server


def read(url: str, sent: bytes) -> bytes:
    """Send bytes on a new connection, and return all that comes back until it is closed."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_connections_are_kept(bedrock: Simulator) -> None:
    """Two requests on one connection get two answers."""
    answers = read(bedrock.url, 2 * f"GET {LIST} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answers.count(b"HTTP/1.1 403 Forbidden\r\n") == 2


def test_faults_can_be_made(world: World) -> None:
    """A test's own `respond` can drop a connection, cut a body short, dribble, or hand on to the simulator."""

    def respond(request: Request) -> Response:
        match request.path:
            case "/drop":
                raise ConnectionAbortedError
            case "/short":
                return Response(200, b"{", {"Content-Length": "99", "Connection": "close"})
            case "/dribble":
                return Response(200, (bytes([byte]) for byte in b"drip"))
        return answer(world, request, EPOCH)

    with Server(respond) as server:
        assert read(server.url, b"GET /drop HTTP/1.1\r\n\r\n") == b""
        assert read(server.url, b"GET /short HTTP/1.1\r\n\r\n").endswith(
            b"Content-Length: 99\r\nConnection: close\r\n\r\n{"
        )
        assert read(server.url, b"GET /dribble HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\ndrip")
        assert b"MissingAuthenticationTokenException" in read(server.url, b"GET / HTTP/1.1\r\n\r\n")


def test_rude_clients_leave_no_trace(bedrock: Simulator, connect: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """A client that resets its connection in the middle of a request is not worth a word on standard error."""
    host, _, port = bedrock.url.removeprefix("http://").partition(":")
    for sent in (b"", b"GET /model", b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n" * 50):
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(sent)
        connection.close()
    assert connect().list_model_customization_jobs()["nextToken"]
    time.sleep(0.05)
    assert capfd.readouterr().err == ""


def test_closed_is_dead(world: World, clock: Clock, session: Any) -> None:
    """After close() a kept connection is cut and a new one refused."""
    simulator = serve(world, now=clock)
    client = session.client(
        "bedrock",
        region_name="us-east-1",
        endpoint_url=simulator.url,
        aws_access_key_id=simulator.access_key_id,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.list_model_customization_jobs()
    simulator.close()
    for _ in range(2):
        with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
            client.list_model_customization_jobs()
    client.close()
