"""Summaries of jobs as the list has them, and the pages that they make."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporter.bedrock.wire import read_page
from exporter.jobs.job import Job

RECORDED = Path(__file__).parents[1] / "data" / "recorded-job-summaries.json"
ARN = "arn:aws:bedrock:us-east-1:111122223333:model-customization-job/amazon.nova-lite-v1:0:300k/q4ad8z8tioq8"
EPOCH = datetime.fromtimestamp(0, UTC)
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
LIST = "modelCustomizationJobSummaries"


def wire(**members: Any) -> dict[str, Any]:
    """The smallest summary that is a job, with these members added or replaced."""
    smallest = {"jobArn": ARN, "jobName": "tone-7", "status": "InProgress", "creationTime": "2026-10-01T12:00:00Z"}
    return smallest | members


def body(*summaries: object, **members: object) -> bytes:
    return json.dumps({LIST: summaries} | members).encode()


def read(summary: object) -> Job:
    """The job that a summary is, alone on its page."""
    page = read_page(body(summary))
    assert (page.malformed, page.complaints) == (0, ())
    return page.jobs[0]


SMALLEST = Job(job_arn=ARN, job_name="tone-7", status="InProgress", creation_time=NOON)


DETAILS = ("validationDetails", "dataProcessingDetails", "trainingDetails")
