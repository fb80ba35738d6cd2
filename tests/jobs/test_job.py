"""What a job means: when it ended, whether it waits, which model it is made from."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from jobs.make import ACCOUNT, DAY, HOUR, NOW, PREFIX, at, details, job, subtask

from exporter.jobs.job import StatusDetails, SubTask


@pytest.mark.parametrize(
    ("changes", "has_ended", "ended"),
    [
        pytest.param({"status": "Completed", "end_time": at(9)}, True, NOW + 9, id="end-time"),
        pytest.param({"status": "Failed", "last_modified_time": at(8)}, True, NOW + 8, id="last-modification"),
        pytest.param({"status": "Stopped", "last_modified_time": None}, True, None, id="nobody-knows-when"),
        pytest.param({"status": "Paused", "end_time": at(9)}, True, NOW + 9, id="new-status-with-an-end"),
        pytest.param({"status": "Paused"}, False, None, id="new-status-without-an-end"),
        pytest.param({"status": "InProgress"}, False, None, id="in-progress"),
        pytest.param({"status": "InProgress", "end_time": at(9)}, False, None, id="in-progress-with-an-end-as-in-moto"),
        pytest.param({"status": "Stopping", "end_time": at(9)}, False, None, id="stopping-with-an-end"),
    ],
)
def test_end(changes: Mapping[str, Any], has_ended: bool, ended: float | None) -> None:
    """A job in a terminal status has ended, at its endTime or else at its last modification; others run."""
    assert (job(**changes).has_ended, job(**changes).ended) == (has_ended, ended)


VALIDATED = subtask("Completed", -30 * HOUR, -29 * HOUR)
PROCESSED = subtask("Completed", -29 * HOUR, -28 * HOUR)
UNTRAINED = subtask("NotStarted")


@pytest.mark.parametrize(
    ("subtasks", "since"),
    [
        pytest.param(details(VALIDATED, PROCESSED, UNTRAINED), -28 * HOUR, id="before-training"),
        pytest.param(details(VALIDATED, None, UNTRAINED), -29 * HOUR, id="stuck-as-reported-in-2026"),
        pytest.param(details(VALIDATED, PROCESSED), -28 * HOUR, id="training-left-out"),
        pytest.param(details(VALIDATED, PROCESSED, subtask("Completed", -28 * HOUR, -DAY)), -DAY, id="all-completed"),
        pytest.param(details(subtask("Failed", -30 * HOUR, -29 * HOUR)), -29 * HOUR, id="after-a-failure"),
        pytest.param(details(PROCESSED, VALIDATED, UNTRAINED), -28 * HOUR, id="the-latest-end-counts"),
        pytest.param(details(subtask("Completed", -30 * HOUR), None, UNTRAINED), -3 * HOUR, id="end-not-known"),
        pytest.param(details(training=UNTRAINED), -3 * HOUR, id="nothing-has-started"),
        pytest.param(details(subtask("NotStarted", None, -HOUR)), -3 * HOUR, id="nothing-has-started-but-modified"),
        pytest.param(details(), -3 * HOUR, id="empty-details"),
        pytest.param(details(subtask("InProgress", -HOUR), None, UNTRAINED), None, id="one-runs"),
        pytest.param(details(VALIDATED, subtask("Stopping", -HOUR), UNTRAINED), None, id="one-stops"),
        pytest.param(None, None, id="no-details"),
    ],
)
def test_waiting(subtasks: StatusDetails | None, since: float | None) -> None:
    """A job in progress waits while no sub-task runs, since the last one ended or since it was created."""
    assert job(status_details=subtasks).waiting_since == (None if since is None else NOW + since)


@pytest.mark.parametrize("status", ["Stopping", "Stopped", "Failed", "Completed", "Paused"])
def test_only_a_job_in_progress_waits(status: str) -> None:
    """A job that stops, has ended or is in a status that is new to us does not wait."""
    assert job(status=status, status_details=details(VALIDATED, None, UNTRAINED)).waiting_since is None


def test_subtasks() -> None:
    """Sub-tasks have their names and order; one without a status is none."""
    every = job(status_details=details(VALIDATED, PROCESSED, UNTRAINED))
    assert every.subtasks == (("validation", VALIDATED), ("data_processing", PROCESSED), ("training", UNTRAINED))
    assert job(status_details=details(SubTask(creation_time=at(0)), None, UNTRAINED)).subtasks == (
        ("training", UNTRAINED),
    )
    assert job().subtasks == ()


def test_a_subtask_that_has_not_started_has_no_start() -> None:
    """The time at which a waiting sub-task got into the list is not its start."""
    assert (subtask("NotStarted", -HOUR).started, subtask("InProgress", -HOUR).started) == (None, NOW - HOUR)


@pytest.mark.parametrize(
    ("arn", "model"),
    [
        pytest.param("arn:aws:bedrock:us-east-1::foundation-model/a.b-v1:0:4k", "a.b-v1:0:4k", id="foundation-model"),
        pytest.param("arn:aws:bedrock:r:1:custom-model/a.b-v1:0/abcdef", "a.b-v1:0/abcdef", id="custom-model"),
        pytest.param("a.b-v1:0", "a.b-v1:0", id="bare-id"),
        pytest.param("arn:aws:bedrock:r::foundation-model/", "arn:aws:bedrock:r::foundation-model/", id="no-name"),
        pytest.param("", "unknown", id="none"),
    ],
)
def test_base_model(arn: str, model: str) -> None:
    """The base model is the part of its ARN that names it."""
    assert job(base_model_arn=arn).base_model == model


@pytest.mark.parametrize(
    ("arn", "id_", "account"),
    [
        pytest.param(PREFIX + "a", "a", ACCOUNT, id="usual"),
        pytest.param(
            "arn:aws-cn:bedrock:cn-north-1:999988887777:x", None, "999988887777", id="no-slash-other-partition"
        ),
        pytest.param("arn:aws:bedrock:us-east-1::foundation-model/a", "a", None, id="no-account"),
        pytest.param("arn:aws:bedrock:us-east-1:12345:x", None, None, id="account-too-short"),
        pytest.param("arn:aws:bedrock:us-east-1:abcdefabcdef:x", None, None, id="account-of-letters"),
        pytest.param(f"arn:aws:bedrock:us-east-1:{chr(0x661) * 12}:x", None, None, id="account-of-arabic-digits"),
        pytest.param("111122223333", None, None, id="no-ARN"),
    ],
)
def test_parts_of_the_arn(arn: str, id_: str | None, account: str | None) -> None:
    """A job's id is the last part of its ARN; its account is the fifth, if that is twelve digits."""
    assert (job(job_arn=arn).id, job(job_arn=arn).account_id) == (id_ or arn, account)


def test_no_time_is_beyond_the_year_9999() -> None:
    """What another zone calls 9999 can be 10000 in UTC, which datetime can't convert back."""
    last = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14)))
    late = job(creation_time=last, last_modified_time=last)
    assert (late.created, late.last_modified) == (253402300799.0, 253402300799.0)
