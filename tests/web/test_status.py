"""What people see of the states: the views of the status page and of the API."""

import pytest
from jobs.make import DAY, HOUR, MINUTE, NOVA, NOW, at, details, job, subtask
from web import scenes
from web.scenes import PEERS, SCENES, walked

from exporter.errors import FailureReason
from exporter.fleet.state import TargetState
from exporter.jobs.job import StatusDetails
from exporter.web import status
from exporter.web.reasons import EXPLANATIONS
from exporter.web.selection import Selection
from exporter.web.views import Failure, JobView, Status
from monitoring.thresholds import THRESHOLDS

NOTHING = Selection()


def of(scene: str, **selected: str | int) -> Status:
    selection = Selection(**selected)  # type: ignore[arg-type] # as a query gives them
    return status.status(SCENES[scene], selection, now=NOW, started=NOW - HOUR, ready=True)


def by_name(view: Status) -> dict[str, JobView]:
    return {job.name: job for job in view.jobs.jobs if job.name != "tone-7"}


@pytest.mark.parametrize(
    ("scene", "summary"),
    [
        ("empty", "0 targets; no jobs known"),
        ("first-walk", "2 targets; no jobs known"),
        ("all-failed", "3 targets, 3 down; no jobs known"),
        (
            "every-kind",
            (
                "3 targets, 1 down; 4 jobs running, 1 waiting, 1 slow, 1 stopping for too long, "
                "1 failed in the last 24 hours"
            ),
        ),
        ("no-jobs", "1 target; 0 jobs running"),
        ("many-jobs", "1 target; 5,000 jobs running"),
    ],
)
def test_one_line_says_it_all(scene: str, summary: str) -> None:
    """How many targets and jobs there are, and what is wrong with them; a region without the service is not down."""
    assert of(scene).summary == summary


def test_what_needs_a_person_comes_first() -> None:
    """Failed, waiting, slow, stopping; then those that run, then those that have ended."""
    view = of("every-kind")
    assert [job.group for job in view.jobs.jobs] == ["failed", "waiting", "slow", "stopping", "running"] + [
        "ended"
    ] * 12
    assert {name: job.group for name, job in by_name(view).items()} == {
        "fails": "failed",
        "waits": "waiting",
        "slow": "slow",
        "stops": "stopping",
        "runs": "running",
    }
    assert view.jobs.groups == {"failed": 1, "waiting": 1, "slow": 1, "stopping": 1, "running": 1, "ended": 12}


DONE = subtask("Completed", -13 * HOUR, -12 * HOUR)


@pytest.mark.parametrize(
    ("created", "progress", "peers", "group"),
    [
        (-44 * MINUTE, details(subtask("InProgress", -44 * MINUTE)), False, "running"),
        (-46 * MINUTE, details(subtask("InProgress", -46 * MINUTE)), False, "slow"),
        (-13 * HOUR, details(DONE, subtask("InProgress", -2.9 * HOUR)), True, "running"),
        (-13 * HOUR, details(DONE, subtask("InProgress", -3.1 * HOUR)), True, "slow"),
        (-13 * HOUR, details(DONE, None, subtask("InProgress", -0.5 * HOUR)), True, "running"),  # it was in a queue
        (-47 * HOUR, details(DONE, None, subtask("InProgress", -47 * HOUR)), False, "running"),
        (-49 * HOUR, details(DONE, None, subtask("InProgress", -49 * HOUR)), False, "slow"),
        (-13 * HOUR, details(DONE, None, subtask("InProgress", -12 * HOUR)), False, "running"),
        (-47 * HOUR, details(DONE, None, subtask("InProgress", -47 * HOUR)), True, "slow"),
        (-6 * HOUR, None, True, "running"),
        (-8 * HOUR, None, True, "slow"),
        (-9 * DAY, None, False, "running"),
    ],
)
def test_slow_is_judged_by_what_runs(created: float, progress: StatusDetails | None, peers: bool, group: str) -> None:
    """By the longest time of a sub-task and by its peers; only a job without status details by the whole of it."""
    judged = job("judged000000", job_name="judged", creation_time=at(created), status_details=progress)
    state = walked(judged, *(PEERS if peers else ()))
    (view,) = status.jobs([state], Selection(status="InProgress"), now=NOW).jobs
    assert view.group == group


def test_thresholds_are_those_of_the_alerts() -> None:
    """The page and the alerts agree unless somebody sets other thresholds."""
    default = {each.name: each.number for each in THRESHOLDS}
    assert (default["jobWaiting"], default["jobStopping"]) == (status.WAITING, status.STOPPING)
    assert (default["subtaskSlow"], default["jobSlow"]) == (status.SUBTASK_SLOW, status.JOB_SLOW)
    assert {
        "validation": default["jobValidation"],
        "data_processing": default["jobDataProcessing"],
        "training": default["jobTraining"],
    } == status.LONGEST


def test_a_job_in_full() -> None:
    """Everything that a person asks about a job."""
    jobs = by_name(of("every-kind"))
    runs, waits, fails = jobs["runs"], jobs["waits"], jobs["fails"]

    assert (runs.account_id, runs.region, runs.base_model) == (scenes.ACCOUNTS[0], "us-east-1", NOVA)
    assert (runs.duration, runs.ended, runs.waiting) == (3 * HOUR, None, None)
    assert runs.expected_duration == pytest.approx(3.63 * HOUR, abs=0.1 * HOUR)
    assert [(each.name, each.status) for each in runs.subtasks] == [
        ("validation", "Completed"),
        ("data_processing", "Completed"),
        ("training", "InProgress"),
    ]
    assert [each.duration for each in runs.subtasks] == pytest.approx([0.1 * HOUR, 0.2 * HOUR, 2.7 * HOUR])
    assert [each.expected_duration for each in runs.subtasks] == [None, None, pytest.approx(3.2 * HOUR, abs=1)]
    assert waits.waiting == pytest.approx(2.9 * HOUR)
    assert fails.failure == Failure("s3_access", "Amazon S3 perms missing (PutObject)")
    assert (fails.duration, fails.ended) == (1200, NOW - HOUR)
    assert runs.console == "https://us-east-1.console.aws.amazon.com/bedrock/home?region=us-east-1#/custom-models"


def test_a_failure_nobody_asked_about_has_no_reason() -> None:
    """Without `details` a failed job is shown all the same."""
    (job,) = status.jobs([scenes.walked(scenes.FAILS)], NOTHING, now=NOW).jobs
    assert (job.group, job.failure) == ("failed", None)


def test_a_failure_is_news_for_a_day() -> None:
    """After that the job is one of those that have ended."""
    (job,) = status.jobs([scenes.walked(scenes.FAILS)], NOTHING, now=NOW + 24 * HOUR).jobs
    assert job.group == "ended"


@pytest.mark.parametrize(
    ("selected", "names"),
    [
        ({"text": "FAIL"}, ["fails"]),
        ({"text": "fails0000000"}, ["fails"]),
        ({"status": "Stopping"}, ["stops"]),
        ({"account": scenes.ACCOUNTS[1]}, []),
        ({"region": "eu-west-1"}, []),
        ({"text": "nobody's"}, []),
        ({"text": "s", "status": "InProgress", "region": "us-east-1"}, ["waits", "slow", "runs"]),
    ],
)
def test_filters(selected: dict[str, str], names: list[str]) -> None:
    """All that is asked for has to fit, and text anywhere in what names the job."""
    assert list(by_name(of("every-kind", **selected))) == names


@pytest.mark.parametrize("text", [NOVA, "fine_tuning", "Platform", "custom-nobody"])
def test_text_is_also_of_models_types_and_labels(text: str) -> None:
    """Whatever people know of a job finds it."""
    assert bool(of("every-kind", text=text).jobs.total) == (text != "custom-nobody")


def test_a_search_for_jobs_hides_no_target() -> None:
    """What is down stays in sight; an account or a region narrows both."""
    assert len(of("every-kind", text="runs", status="InProgress").targets) == 3
    assert [target.region for target in of("every-kind", region="eu-west-1").targets] == ["eu-west-1"]


def test_many_jobs_come_in_pages() -> None:
    """All pages together are all jobs; beyond the last one is the last."""
    pages = [status.jobs(SCENES["many-jobs"], Selection(page=page, limit=400), now=NOW) for page in range(1, 15)]
    assert {(page.total, page.pages) for page in pages} == {(5000, 13)}
    assert [len(page.jobs) for page in pages] == [400] * 12 + [200, 200]
    assert len({job.arn for page in pages for job in page.jobs}) == 5000


def test_counts_are_of_all_jobs() -> None:
    """Also of those that have no series of their own, and whatever the page shows."""
    view = of("every-kind", status="Failed")
    assert view.statuses == {"InProgress": 3, "Completed": 12, "Failed": 1, "Stopping": 1}
    assert view.types == {"FINE_TUNING": 17}


def test_a_target_that_is_down_has_our_own_words() -> None:
    """Reason, meaning and remedy; never the message of a failure, which may quote a library."""
    targets = of("all-failed").targets
    assert [(target.state, target.reason) for target in targets] == [
        ("down", "access_denied"),
        ("down", "access_denied"),
        ("down", "network"),
    ]
    assert scenes.SECRET_TEXT not in str(targets)
    assert all(target.meaning and target.remedy for target in targets)


def test_every_reason_is_explained() -> None:
    """In a sentence each."""
    assert set(EXPLANATIONS) == set(FailureReason)
    assert all(text.endswith(".") for explanation in EXPLANATIONS.values() for text in explanation)


def test_stale_jobs_are_not_shown() -> None:
    """Nor counted: nobody knows them any more."""
    (good, *_), empty = SCENES["every-kind"], NOTHING
    stale = TargetState(good.target, good.account_id, good.last_walk, good.last_success, good=good.good, stale=True)
    assert not status.jobs([stale], empty, now=NOW).jobs
    assert status.targets([stale], empty).targets[0].stale


@pytest.mark.parametrize(
    ("arn", "region", "console"),
    [
        (
            "arn:aws-cn:bedrock:x",
            "cn-north-1",
            "https://cn-north-1.console.amazonaws.cn/bedrock/home?region=cn-north-1#/custom-models",
        ),
        ("arn:aws-iso:bedrock:x", "us-iso-east-1", ""),
        ("arn", "us-east-1", ""),
        ("arn:aws:bedrock:x", "evil.example/", ""),
    ],
)
def test_links_lead_to_aws_only(arn: str, region: str, console: str) -> None:
    """A region's console where its partition is known, else nowhere."""
    assert status.console(arn, region) == console
