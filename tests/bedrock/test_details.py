"""Details and tags of a job, whatever AWS or something in its place answers."""

import json
from typing import Any

import pytest
from bedrock.scene import TARGET, Aws

from exporter.bedrock.details import DetailReader, read_details, read_tags
from exporter.errors import FailureReason, WalkError
from exporter.jobs.details import MAX_MESSAGE, JobDetails
from exporter.simulator import Request, Response
from exporter.work import within

ARN = "arn:aws:bedrock:us-east-1:111122223333:model-customization-job/amazon.nova-lite-v1:0:300k/q4ad8z8tioq8"


def details(**answer: Any) -> JobDetails:
    return read_details(json.dumps(answer).encode())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param({}, JobDetails(), id="nothing"),
        pytest.param(
            {
                "failureMessage": "no\x1b[31m\ud800",
                "trainingMetrics": {"trainingLoss": 0.5},
                "validationMetrics": [{"validationLoss": 0.75}, {"validationLoss": None}, {"validationLoss": 1}],
                "hyperParameters": {"epochCount": "2", "learningRate": "1e-5", "batchSize": "NaN", "mine": "3"},
                "customizationConfig": {"rftConfig": {"hyperParameters": {"evalInterval": 10, "epochCount": 9}}},
            },
            JobDetails(
                "no\\x1b[31m\\ud800",
                0.5,
                (("0", 0.75), ("2", 1.0)),
                (("epochCount", 2.0), ("evalInterval", 10.0), ("learningRate", 1e-5)),
            ),
            id="all",
        ),
        pytest.param(
            {
                "failureMessage": None,
                "trainingMetrics": {"trainingLoss": float("nan")},
                "validationMetrics": {"validationLoss": 1},
                "hyperParameters": ["epochCount"],
                "customizationConfig": 7,
            },
            JobDetails(),
            id="null-nan-and-other-types",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_left_out(answer: dict[str, Any], expected: JobDetails) -> None:
    """A bad field never costs the others."""
    assert details(**answer) == expected


def test_a_message_of_a_megabyte_is_cut() -> None:
    """At the length that the service model gives it."""
    assert len(details(failureMessage="x" * 1_000_000).failure_message) == MAX_MESSAGE


def test_tags() -> None:
    """Those that are no pair of texts are left out."""
    tags: list[object] = [{"key": "team", "value": "a\n"}, {"key": "x"}, 7, {"key": 1, "value": "b"}]

    assert read_tags(json.dumps({"tags": tags}).encode()) == {"team": "a\\n"}
    assert read_tags(b"{}") == {}


def reader(aws: Aws, response: Response, requests: list[Request]) -> DetailReader:
    def respond(request: Request) -> Response:
        requests.append(request)
        return response

    return DetailReader(TARGET, aws.clients(respond, max_attempts=5))


def failed(code: str, status: int) -> Response:
    return Response(status, b'{"message": "no"}', {"x-amzn-ErrorType": code, "Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (failed("AccessDeniedException", 403), FailureReason.ACCESS_DENIED),
        (failed("ThrottlingException", 429), FailureReason.THROTTLED),
        (failed("InternalServerException", 500), FailureReason.SERVER_ERROR),
        (Response(200, b"<html>", {}), FailureReason.MALFORMED_RESPONSE),
    ],
    ids=["denied", "throttled", "server", "html"],
)
def test_a_failure_is_a_reason_after_one_attempt(aws: Aws, response: Response, reason: FailureReason) -> None:
    """The loop tries again later, so that the budget of calls holds."""
    requests: list[Request] = []
    with within(10), pytest.raises(WalkError) as caught:
        reader(aws, response, requests).details(ARN)

    assert (caught.value.reason, len(requests)) == (reason, 1)


def test_a_job_that_has_vanished_is_none(aws: Aws) -> None:
    """A 404 is an answer."""
    requests: list[Request] = []
    asking = reader(aws, failed("ResourceNotFoundException", 404), requests)
    with within(10):
        assert asking.details(ARN) is None
        assert asking.tags(ARN) is None
    assert [request.method for request in requests] == ["GET", "POST"]
