"""5,000 jobs of every status, type and set of optional fields, over HTTP and several pages, are counted exactly."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from e2e.processes import clean_environment, serving, simulated_aws
from faults import LIST, Service, body_of, identity
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import Request, Response, Server

pytestmark = pytest.mark.e2e

JOBS = 5000
ACCOUNT, REGION = "111122223333", "us-east-1"
STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped", "Paused")  # the last is not of today
TYPES = (
    "FINE_TUNING",
    "CONTINUED_PRE_TRAINING",
    "DISTILLATION",
    "REINFORCEMENT_FINE_TUNING",
    "IMPORTED",
    "QUANTIZATION",  # nor is this
    None,
    "absent",
)
OPTIONAL = ("lastModifiedTime", "endTime", "customModelArn", "customModelName", "statusDetails", "baseModelArn")
SUBTASKS = {
    "validationDetails": "validation",
    "dataProcessingDetails": "data_processing",
    "trainingDetails": "training",
}
SUBTASK_STATES: tuple[str | None, ...] = (
    "Completed",
    "InProgress",
    "NotStarted",
    "Failed",
    "Stopped",
    "Stopping",
    None,
)
ENDED = ("Completed", "Failed", "Stopped")
MAX_JOBS = 700

CONFIG = f"""\
job_series: {{retain: 400d, max_jobs: {MAX_JOBS}}}
baseline_window: 400d
targets:
  - regions: [{REGION}]
"""
NOW = datetime.now(UTC).replace(microsecond=0)


def spellings(moment: datetime) -> tuple[str | float, ...]:
    """One time in every way that the service, or another list of it, writes times."""
    plain = moment.strftime("%Y-%m-%dT%H:%M:%S")
    east = moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
    ending = [f"{plain}{rest}" for rest in ("Z", ".0Z", ".000Z", ".000000Z", "+00:00", ".000+0000", "", ".0")]
    return (*ending, plain.replace("T", " "), east, moment.timestamp(), int(moment.timestamp()))


def made() -> list[dict[str, Any]]:
    """The jobs as JSON, in order of creation: every combination at least once, three hours to 200 days old."""
    combinations = list(itertools.product(STATUSES, TYPES, itertools.product((True, False), repeat=len(OPTIONAL))))
    states = itertools.cycle(itertools.product(SUBTASK_STATES, repeat=3))
    jobs = []
    for number in range(JOBS):
        status, kind, given = combinations[number * 1009 % len(combinations)]  # so that neighbours differ
        created = NOW - timedelta(days=200) + number * timedelta(minutes=57)
        spelling = number % len(spellings(created))
        start, ended, modified = (
            spellings(created + timedelta(minutes=minutes))[spelling] for minutes in (1, *end_minutes(number))
        )
        subtasks: dict[str, dict[str, Any]] = {
            name: {"status": state}
            | ({"creationTime": start, "lastModifiedTime": modified} if state != "NotStarted" else {})
            for name, state in zip(SUBTASKS, next(states), strict=True)
            if state is not None
        }
        values: dict[str, Any] = {
            "lastModifiedTime": modified,
            "endTime": ended,
            "customModelArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/m/{number:012d}",
            "customModelName": f"model-{number}",
            "statusDetails": subtasks,
            "baseModelArn": f"arn:aws:bedrock:{REGION}::foundation-model/model-{number % 3}",
        }
        lacking = None if number // 7 % 2 else "absent"
        job: dict[str, Any] = {
            "jobArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-customization-job/model-{number % 3}/{number:012d}",
            "jobName": f"job-{number}",
            "status": status,
            "creationTime": spellings(created)[spelling],
            "customizationType": kind,
            **{name: values[name] if there else lacking for name, there in zip(OPTIONAL, given, strict=True)},
        }
        jobs.append({name: value for name, value in job.items() if value != "absent"})
    return jobs


def end_minutes(number: int) -> tuple[int, int]:
    """Minutes from the creation of a job to its endTime and to its lastModifiedTime."""
    return 30 + number % 90, 31 + number % 90


@pytest.fixture(scope="module")
def jobs() -> list[dict[str, Any]]:
    jobs = made()
    shapes = {
        (job["status"], job.get("customizationType", "absent"), *(job.get(name) is not None for name in OPTIONAL))
        for job in jobs
    }
    assert len(shapes) == len(STATUSES) * len(TYPES) * 2 ** len(OPTIONAL)
    for name in OPTIONAL:
        assert len({(name in job, job.get(name) is None) for job in jobs}) == 3  # given, null and absent
    return jobs


@pytest.fixture(scope="module")
def service(jobs: list[dict[str, Any]]) -> Service:
    """The list in pages of 1,000, of which each but the first begins with the last 20 jobs of the one before it."""

    def respond(request: Request) -> Response:
        assert request.query["maxResults"] == "1000"
        start = int(request.query.get("nextToken", "0"))
        end = min(start + 1000, len(jobs))
        body: dict[str, Any] = {"modelCustomizationJobSummaries": jobs[start:end]}
        if end < len(jobs):
            body["nextToken"] = str(end - 20)
        return body_of(json.dumps(body).encode())

    return Service(respond, sts=identity(ACCOUNT))


@pytest.fixture(scope="module")
def page(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Metric]]:
    """The families on /metrics of an exporter that has walked the list."""
    home = tmp_path_factory.mktemp("many")
    (home / "config.yaml").write_text(CONFIG)
    with (
        Server(service) as server,
        serving([], home, clean_environment(home, **simulated_aws(server.url))) as exporter,
    ):
        body, _ = exporter.metrics("text/plain")
        yield {family.name: family for family in text_string_to_metric_families(body.decode())}


def counts(family: Metric, *labels: str) -> dict[tuple[str, ...], float]:
    """Values by these labels, zeros left out."""
    return {tuple(s.labels[label] for label in labels): s.value for s in family.samples if s.value}


def is_running(job: dict[str, Any]) -> bool:
    """A job of a status that is new to us counts as running while AWS gives it no end."""
    if job["status"] in ENDED:
        return False
    return job["status"] in {"InProgress", "Stopping"} or job.get("endTime") is None


def test_pages(page: dict[str, Metric], service: Service) -> None:
    """The list took six pages, each asked for once, and all its jobs are there, those on two pages once."""
    assert {s.value for s in page["bedrock_exporter_target_walk_pages"].samples} == {6}
    assert {s.value for s in page["bedrock_exporter_target_walk_jobs"].samples} == {JOBS}
    assert {s.value for s in page["bedrock_exporter_target_malformed_jobs"].samples} == {0}
    tokens = [request.query.get("nextToken") for request in service.lists][:6]
    assert tokens == [None, "980", "1960", "2940", "3920", "4900"]
    assert {request.path for request in service.seen} == {"/", LIST}


def test_jobs(page: dict[str, Metric], jobs: list[dict[str, Any]]) -> None:
    """`jobs` is the number of jobs by status and type, with an absent type as unknown and new ones as they are."""
    tally = Counter((job["status"], job.get("customizationType") or "unknown") for job in jobs)
    assert counts(page["bedrock_model_customization_jobs"], "status", "customization_type") == tally
    assert tally.total() == JOBS


def test_subtasks(page: dict[str, Metric], jobs: list[dict[str, Any]]) -> None:
    """`subtasks` counts those of jobs that have not ended, by state."""
    tally = Counter(
        (SUBTASKS[name], details["status"])
        for job in jobs
        if is_running(job)
        for name, details in (job.get("statusDetails") or {}).items()
    )
    assert counts(page["bedrock_model_customization_subtasks"], "subtask", "status") == tally


def test_completed_durations(page: dict[str, Metric], jobs: list[dict[str, Any]]) -> None:
    """The summaries count the completed jobs by base model and type, where AWS said when they ended."""
    tally: Counter[tuple[str, str]] = Counter()
    seconds: Counter[tuple[str, str]] = Counter()
    for number, job in enumerate(jobs):
        ends = [
            minutes
            for name, minutes in zip(("endTime", "lastModifiedTime"), end_minutes(number), strict=True)
            if job.get(name) is not None
        ]
        if job["status"] == "Completed" and ends:  # in whatever spelling
            model = (job.get("baseModelArn") or "/unknown").partition("/")[2]
            key = (model, job.get("customizationType") or "unknown")
            tally[key] += 1
            seconds[key] += 60 * ends[0]
    family = page["bedrock_model_customization_completed_job_duration_seconds"]
    for suffix, expected in (("_count", tally), ("_sum", seconds)):
        samples = [sample for sample in family.samples if sample.name == family.name + suffix]
        assert {(s.labels["base_model"], s.labels["customization_type"]): s.value for s in samples} == expected


def test_series(page: dict[str, Metric], jobs: list[dict[str, Any]]) -> None:
    """Every running job has series of its own; of the ended ones those that ended last, and the rest is counted."""
    running = {job["jobName"] for job in jobs if is_running(job)}
    info = {sample.labels["job_name"] for sample in page["bedrock_model_customization_job_info"].samples}
    assert info >= running
    assert len(info - running) == MAX_JOBS
    omitted = {sample.value for sample in page["bedrock_exporter_target_job_series_omitted"].samples}
    assert omitted == {JOBS - len(info)}


def test_fields_of_series(page: dict[str, Metric], jobs: list[dict[str, Any]]) -> None:
    """A job has a sample in a family if and only if AWS gave the field that it takes."""
    by_name = {job["jobName"]: job for job in jobs}
    shown = [by_name[sample.labels["job_name"]] for sample in page["bedrock_model_customization_job_info"].samples]

    def names(family: str) -> list[str]:
        return sorted(sample.labels["job_name"] for sample in page[f"bedrock_model_customization_{family}"].samples)

    def with_all(*fields: str) -> list[str]:
        return sorted(job["jobName"] for job in shown if any(job.get(field) is not None for field in fields))

    assert names("job_created_timestamp_seconds") == with_all("creationTime")
    assert names("job_last_modified_timestamp_seconds") == with_all("lastModifiedTime")
    assert names("job_time_since_last_modified_seconds") == with_all("lastModifiedTime")
    assert names("job_ended_timestamp_seconds") == sorted(
        job["jobName"]
        for job in shown
        if not is_running(job) and (job.get("endTime") or job.get("lastModifiedTime")) is not None
    )
    waiting = []
    for job in shown:
        details = job.get("statusDetails")
        states = {each["status"] for each in (details or {}).values()}
        if job["status"] == "InProgress" and details is not None and not {"InProgress", "Stopping"} & states:
            waiting.append(job["jobName"])
    assert names("job_waiting_seconds") == sorted(waiting)
    assert waiting
