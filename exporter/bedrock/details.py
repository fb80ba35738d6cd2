"""Reads details and tags of one job, through the clients that walks share. Calls are not retried."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from exporter.bedrock import actions
from exporter.bedrock.clients import Clients
from exporter.bedrock.credentials import answer_of
from exporter.bedrock.errors import ADVICE, walk_error
from exporter.errors import FailureReason, WalkError
from exporter.jobs.details import HYPERPARAMETERS, MAX_MESSAGE, JobDetails, Tags
from exporter.labels import printable
from exporter.targets.target import Target

MAX_TAGS, MAX_VALUE = 50, 256
"""The most tags of a resource, and the most characters of a tag's value."""

_MAX_VALIDATORS = 10


class DetailReader:
    """Reads details of a target's jobs, one call at a time. Creating one is cheap and never fails.

    It has its own credentials, so a walk never waits for it.
    """

    def __init__(self, target: Target, clients: Clients) -> None:
        self._access = clients.access(target)

    def details(self, job_arn: str) -> JobDetails | None:
        """What ``GetModelCustomizationJob`` returns for a job; None if the job does not exist. Raises `WalkError`."""
        answer = self._ask("get_model_customization_job", jobIdentifier=job_arn)
        return None if answer is None else read_details(answer)

    def tags(self, job_arn: str) -> Tags | None:
        """The tags of a job; None if the job does not exist. Raises `WalkError`."""
        answer = self._ask("list_tags_for_resource", resourceARN=job_arn)
        return None if answer is None else read_tags(answer)

    def _ask(self, operation: str, **request: str) -> bytes | None:
        try:
            bedrock = self._access.bedrock(attempts=1)
            body: bytes = getattr(bedrock, operation)(**request)["body"]
        except Exception as error:
            if isinstance(error, ClientError) and _is_not_found(error):
                return None
            explained = self._explain(error)
            if explained.reason is FailureReason.INTERNAL and not isinstance(error, ClientError):
                raise
            raise explained from answer_of(error)
        return body

    def _explain(self, error: Exception) -> WalkError:
        denied = (
            f"allow {actions.GET_JOB} and {actions.LIST_TAGS} on the jobs, as far as the configuration asks for them"
        )
        explained = walk_error(error, advice={**ADVICE, FailureReason.ACCESS_DENIED: denied})
        self._access.recover(explained.reason)
        if explained.reason is FailureReason.UNSUPPORTED_REGION:  # the list works there
            return WalkError(FailureReason.MALFORMED_RESPONSE, explained.message)
        return explained


def read_details(body: bytes) -> JobDetails:
    """The details in an answer of ``GetModelCustomizationJob``; missing or non-numeric values are left out."""
    answer = _object(body)
    training = _members(answer.get("trainingMetrics"))
    validators = answer.get("validationMetrics")
    losses = [
        (str(number), loss)
        for number, metric in enumerate(validators[:_MAX_VALIDATORS] if isinstance(validators, list) else [])
        if (loss := _number(_members(metric).get("validationLoss"))) is not None
    ]
    config = _members(_members(answer.get("customizationConfig")).get("rftConfig"))
    parameters = {**_members(config.get("hyperParameters")), **_members(answer.get("hyperParameters"))}
    message = answer.get("failureMessage")
    return JobDetails(
        failure_message=printable(message, MAX_MESSAGE) if isinstance(message, str) else "",
        training_loss=_number(training.get("trainingLoss")),
        validation_losses=tuple(losses),
        hyperparameters=tuple(
            [(name, value) for name in HYPERPARAMETERS if (value := _number(parameters.get(name))) is not None]
        ),
    )


def read_tags(body: bytes) -> Tags:
    """The tags in an answer of ``ListTagsForResource``."""
    tags = _object(body).get("tags")
    pairs = [_members(tag) for tag in (tags[:MAX_TAGS] if isinstance(tags, list) else [])]
    return {
        pair["key"]: printable(pair["value"], MAX_VALUE)
        for pair in pairs
        if isinstance(pair.get("key"), str) and isinstance(pair.get("value"), str)
    }


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body.decode("utf-8", "replace"), parse_int=float)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise WalkError(FailureReason.MALFORMED_RESPONSE, f"a 200 that is no JSON object; it begins {body[:80]!r}")
    return answer


def _members(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    """A finite number, possibly sent as text, as hyper-parameters are."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value) if len(str(value)) < 40 else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_not_found(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return bool(status == 404 and error.response.get("Error", {}).get("Code") == "ResourceNotFoundException")
