"""What the tests of the simulator have in common."""

import re
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter.simulator import Request, Response, World, access_key_id, answer, wire

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


def ask(world: World, **request: Any) -> Response:
    """Answer one hand-made request: List, but for what `request` says."""
    return answer(
        world, Request(**{"method": "GET", "path": LIST, "headers": {"authorization": SIGNED}} | request), EPOCH
    )
