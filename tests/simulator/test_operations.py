"""The other operations, and what is refused, as boto3 sees them."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from simulator.scene import EPOCH, HOUR, LIST, OTHER, OWN, Clock, ask, check_shape, refusal, walk

from exporter.simulator import World, access_key_id

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
