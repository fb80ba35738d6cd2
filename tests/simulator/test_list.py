"""The list is one that boto3 believes in: pages, filters, tokens."""

from datetime import UTC, datetime
from typing import Any

import pytest
from simulator.scene import EPOCH, MINUTE, OWN, STATUSES, Clock, ask, check_shape, refusal, walk

from exporter.simulator import World, access_key_id


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
