"""States of targets as people may find them, for the tests of the status page and for pictures of it."""

from collections.abc import Mapping

from jobs.make import DAY, HOUR, MINUTE, NOW, at, completed, details, job, snapshot_of, subtask

from exporter.errors import FailureReason
from exporter.fleet.details import Details
from exporter.fleet.state import Failed, TargetState, Walked
from exporter.jobs.details import DetailSettings, JobDetails, Known
from exporter.jobs.job import Job
from exporter.targets.target import Target

ACCOUNTS = ("111122223333", "444455556666")
LONG = "Input data at s3://training/" + "x" * 2020  # 2,048 characters
SECRET_TEXT = "botocore.exceptions.ClientError: something that a library said"


def walked(
    *jobs: Job, region: str = "us-east-1", account: str = ACCOUNTS[0], messages: Mapping[str, str] = {}
) -> TargetState:
    """A target whose list was read five seconds ago; `messages`: id of a failed job → its failure message."""
    target = Target("targets[0]", region, labels=(("team", "platform"),))
    arns = {each.id: each.job_arn for each in jobs}
    known = Known(
        DetailSettings(enabled=True), {arns[id_]: JobDetails(failure_message=text) for id_, text in messages.items()}
    )
    good = Walked(target, account, snapshot_of(*jobs), 1, len(jobs))
    return TargetState(target, account, NOW - 5, NOW - 5, good=good, details=Details(known))


def down(reason: FailureReason, region: str, account: str = ACCOUNTS[1]) -> TargetState:
    """A target none of whose walks has gone well."""
    return TargetState(Target("targets[1]", region), account, NOW - 5, failure=Failed(None, reason, SECRET_TEXT))


def new(region: str) -> TargetState:
    """A target whose first walk is under way."""
    return TargetState(Target("targets[2]", region))


DONE = subtask("Completed", -3 * HOUR, -2.9 * HOUR)
TRAINS = details(DONE, subtask("Completed", -2.9 * HOUR, -2.7 * HOUR), subtask("InProgress", -2.7 * HOUR, -2 * HOUR))
PEERS = tuple(
    completed(
        f"peer{number}",
        (3.5 + number / 100) * HOUR,
        end=-number * DAY,
        status_details=details(
            subtask("Completed", -number * DAY - 3.5 * HOUR, -number * DAY - 3.4 * HOUR),
            None,
            subtask("Completed", -number * DAY - 3.2 * HOUR, -number * DAY),
        ),
    )
    for number in range(2, 14)
)
RUNS = job("runs00000000", job_name="runs", status_details=TRAINS)
WAITS = job(
    "waits0000000",
    job_name="waits",
    status_details=details(DONE, None, subtask("NotStarted")),
)
SLOW = job(
    "slow00000000",
    job_name="slow",
    creation_time=at(-13 * HOUR),
    status_details=details(
        subtask("Completed", -13 * HOUR, -12.9 * HOUR), None, subtask("InProgress", -12.9 * HOUR, -2 * HOUR)
    ),
)
STOPS = job("stops0000000", job_name="stops", status="Stopping", status_details=TRAINS)
FAILS = completed(
    "fails0000000",
    20 * MINUTE,
    job_name="fails",
    status="Failed",
    status_details=details(subtask("Failed", -1.3 * HOUR, -HOUR)),
)
EVERY_KIND = (RUNS, WAITS, SLOW, STOPS, FAILS, *PEERS)

SCENES: Mapping[str, tuple[TargetState, ...]] = {
    "empty": (),
    "first-walk": (new("us-east-1"), new("eu-west-1")),
    "no-jobs": (walked(),),
    "all-failed": (
        down(FailureReason.ACCESS_DENIED, "us-east-1"),
        down(FailureReason.ACCESS_DENIED, "eu-west-1"),
        down(FailureReason.NETWORK, "ap-south-1", ACCOUNTS[0]),
    ),
    "every-kind": (
        walked(*EVERY_KIND, messages={FAILS.id: "Amazon S3 perms missing (PutObject)"}),
        down(FailureReason.CREDENTIALS, "eu-west-1"),
        down(FailureReason.UNSUPPORTED_REGION, "ca-west-1"),
    ),
    "long-message": (walked(FAILS, messages={FAILS.id: LONG}),),
    "many-jobs": (
        walked(*(job(f"many{number:08d}", job_name=f"tone-{number}", status_details=TRAINS) for number in range(5000))),
    ),
}
"""Name → the states of all targets."""
