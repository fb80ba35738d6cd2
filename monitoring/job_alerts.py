"""The alerts on jobs.

Times are Prometheus's: what the exporter shows of the past are timestamps, and none is compared with its clock.
"""

from __future__ import annotations

from exporter.jobs.families import JOBS_PREFIX
from monitoring.rule import (
    AGE,
    LAST_GOOD,
    LAST_GOOD_RECORDING,
    ONE_JOB_LABELS,
    PLACE,
    TARGET_UP,
    Alert,
    Recording,
    by_type,
    indented,
    of_jobs,
    series,
)

_ONE_JOB = "aws_account_id, aws_region, job_id"
_PEERS = "aws_account_id, aws_region, customization_type, base_model"


def _record(what: str) -> str:
    return f"customization_job:{JOBS_PREFIX}{what}"


def _seen(what: str, status: str, also: str = "") -> str:
    """What holds of jobs in a state, according to replicas whose last walk was good; without the label `also`."""
    return f"""\
max without ($replica{also}) (
  (
    {indented(what, 4)}
  )
  and ignoring (status, subtask) {of_jobs("job_status", f'status="{status}"')} == 1
  and ignoring ({ONE_JOB_LABELS}) {TARGET_UP} == 1
)"""


def _since(timestamp: str, matchers: str = "") -> str:
    """Seconds since a timestamp of a job or of a sub-task, in a `by_type`."""
    return f"time() - {of_jobs(f'{timestamp}_timestamp_seconds', matchers, types=True)}"


_TRAINING = 'subtask="training"'
_EXPECTED = of_jobs("job_expected_duration_seconds")
_SUBTASK_EXPECTED = of_jobs("subtask_expected_duration_seconds")
_WAITS = of_jobs("job_waiting_seconds")
_RUNS = of_jobs("subtask_status", 'status=~"InProgress|Stopping"')
_NO_SUBTASK = f"""\
unless ignoring (subtask, status) ({_RUNS} and ignoring (status) {of_jobs("subtask_started_timestamp_seconds")})
unless {_WAITS}"""
"""Leaves the jobs of which is known neither how long their sub-task has run nor how long they have waited for it."""

_WAITED = (
    f"time() - {of_jobs('job_created_timestamp_seconds', types=True)} "
    f"- ({of_jobs('job_duration_seconds', types=True)} - {of_jobs('job_waiting_seconds', types=True)})"
)
"""How long a job has waited: not by the clock of the exporter, which goes into both that are subtracted."""

_QUEUED = f"""\
{of_jobs("job_info")}
unless on ({_ONE_JOB}) {of_jobs("subtask_status", 'status=~"Failed|Stopped"')}
unless on ({_ONE_JOB}) {of_jobs("subtask_status", f'{_TRAINING}, status="Completed"')}
and on ({_PEERS})
  (
    {of_jobs("job_info")}
    and on ({_ONE_JOB})
      {by_type("jobWaiting", f"{_since('subtask_started')} < $threshold")}
  )"""
"""Jobs that may be in a queue that moves: sub-tasks are before them, and one of their peers has begun one lately."""

_GOOD_BEFORE = f"{LAST_GOOD}_before"
_GOOD_BEFORE_RECORDING = Recording(
    _GOOD_BEFORE,
    f"""\
max without ($replica) (max_over_time({series(LAST_GOOD)}[7d:61m] offset $jobFailed))
or
max without ($replica) (last_over_time({TARGET_UP}[1h])) * 0 + time() - $jobFailed_seconds""",
    "The same as it was known $jobFailed ago, or within a week before; of a new target, that moment. Steps of 61 "
    "minutes, as evaluations that are minutes apart could miss every step of an hour.",
)

JOB_RECORDINGS = (LAST_GOOD_RECORDING, _GOOD_BEFORE_RECORDING)
"""What the alerts on jobs build on."""

_FAILED = f"""\
(
  {indented(_seen(f"clamp_min(time() - {of_jobs('job_ended_timestamp_seconds')}, 1)", "Failed"))}
  < ignoring ({ONE_JOB_LABELS}) group_left () (time() - last_over_time({series(_GOOD_BEFORE)}[15m]) + 300)
)"""
_FAILED_VALIDATION = of_jobs("subtask_status", 'subtask="validation", status="Failed"')
_IN_VALIDATION = f"on ({_ONE_JOB}) {_FAILED_VALIDATION}"


def _longer(threshold: str, subtask: str) -> str:
    runs = _since("subtask_started", f'subtask="{subtask}"')
    return by_type(threshold, f"{runs} > $threshold")


_STUCK = f"""\
(
  {_longer("jobValidation", "validation")}
  or
  {_longer("jobDataProcessing", "data_processing")}
)
and ignoring (status) {_RUNS}
unless
{by_type("subtaskSlow", f"{_since('subtask_started')} <= $threshold * {_SUBTASK_EXPECTED}")}"""

_STILL_RECORD = _record("job_time_since_last_modified_seconds:stuck")
_KNOWN_STILL = f"on ({_ONE_JOB}) last_over_time({series(_STILL_RECORD)}[1h]) > 0"

_STILL = f"""\
{_longer("jobTraining", "training")}
  and ignoring (status) {_RUNS}
  unless {_SUBTASK_EXPECTED}
or
{by_type("subtaskSlow", f"{_since('subtask_started', _TRAINING)} > $threshold * {_SUBTASK_EXPECTED}")}
  and ignoring (status) {_RUNS}
  and {_KNOWN_STILL}
or
(
  {by_type("jobNotProgressing", f"{_since('job_last_modified')} > $threshold")}
  or
  {by_type("jobTraining", f"{_since('job_created')} > $threshold")}
)
  unless {_EXPECTED}
  {indented(_NO_SUBTASK)}"""

_COMPLETED = "completed_subtask_duration_seconds"
_WITHIN_SPREAD = f"""\
on ({_ONE_JOB})
  (
    max by ({_ONE_JOB}, customization_type, base_model) ({of_jobs("job_info")})
    * on ({_ONE_JOB}) group_left ()
      max by ({_ONE_JOB}) (
        (time() - {of_jobs("subtask_started_timestamp_seconds", _TRAINING)}) / {_SUBTASK_EXPECTED}
      )
    <= on ({_PEERS}) group_left ()
      max by ({_PEERS}) (
        {of_jobs(_COMPLETED, f'{_TRAINING}, quantile="0.95"')}
        / ignoring (quantile) {of_jobs(_COMPLETED, f'{_TRAINING}, quantile="0.5"')}
      ) ^ 1.25
  )"""

_SLOW = f"""\
{by_type("subtaskSlow", f"{_since('subtask_started', _TRAINING)} > $threshold * {_SUBTASK_EXPECTED}")}
  and ignoring (status) {_RUNS}
  unless {indented(_WITHIN_SPREAD)}
  unless {_KNOWN_STILL}
or
{by_type("jobSlow", f"{_since('job_created')} > $threshold * {_EXPECTED}")}
  {indented(_NO_SUBTASK)}"""

_STILL_SLOW = f"""\
time() - {of_jobs("subtask_started_timestamp_seconds", _TRAINING)}
  and ignoring (status) {_RUNS}
or
time() - {of_jobs("job_created_timestamp_seconds")}
  {indented(_NO_SUBTASK)}"""

_STOPPING = by_type(
    "jobStopping",
    "time() - ("
    f"{of_jobs('job_last_modified_timestamp_seconds', types=True)} "
    f"or {of_jobs('job_created_timestamp_seconds', types=True)}) > $threshold",
)

_WHY = (
    f'{{{{ with printf "{JOBS_PREFIX}job_failure_info{{aws_account_id=%q,aws_region=%q,job_id=%q}}" '
    "$labels.aws_account_id $labels.aws_region $labels.job_id | query }}"
    ' (reason: {{ . | first | label "reason" }}){{ end }}'
)
"""Why a job failed, where the exporter's details tell; else nothing."""

_JOB = "{{ $labels.customization_type }} job {{ $labels.job_name }} ({{ $labels.job_id }}) of " + PLACE
_WAITING_RECORD = _record("job_waiting_seconds:stuck")
_SLOW_RECORD = _record("job_duration_seconds:slow")

JOB_ALERTS = (
    Alert(
        "BedrockCustomizationJobFailed",
        "critical",
        "a job has Failed after its validation, and $jobFailed ago no good walk could have shown it",
        f"{_FAILED}\nunless {_IN_VALIDATION}",
        "The job ended after the walk that was the last good one $jobFailed ago, so nobody could know then; 5 minutes "
        "more are for jobs that ended while that walk was under way. Without such a walk, as with a new target, it "
        "ended within $jobFailed. So a job that failed in an outage alerts when it is seen, and last week's do not.",
        "Job {{ $labels.job_name }} has failed",
        f"The {_JOB} failed {AGE} ago{_WHY}. Bedrock's failure message says why; nothing starts it again by itself.",
        "job",
        record=_record("job_status:failed"),
    ),
    Alert(
        "BedrockCustomizationJobFailedValidation",
        "warning",
        "a job has Failed in its validation, and $jobFailed ago no good walk could have shown it",
        f"{_FAILED}\nand {_IN_VALIDATION}",
        "As the one above; but whoever submitted bad data minutes ago is still there, and nothing is lost.",
        "Job {{ $labels.job_name }} has failed in validation",
        f"The {_JOB} failed {AGE} ago, in validation{_WHY}. Bedrock's failure message says what is wrong.",
        "job",
        record=_record("job_status:failed_validation"),
    ),
    Alert(
        "BedrockCustomizationJobStuck",
        "critical",
        "the validation of a job has run for $jobValidation or its data processing for $jobDataProcessing, and "
        "$subtaskSlow times as long as those of its peers (their 0.95 quantile), where ten are known",
        _seen(_STUCK, "InProgress"),
        "Both usually take minutes. Peers only raise the floor.",
        "Job {{ $labels.job_name }} is stuck in {{ $labels.subtask }}",
        f"The {_JOB} has been in {{{{ $labels.subtask }}}} for {AGE}, which should take far less.",
        "job",
        record=_record("subtask_duration_seconds:stuck"),
    ),
    Alert(
        "BedrockCustomizationJobWaiting",
        "critical",
        "an InProgress job has had no sub-task running for $jobWaiting, or for $jobQueued in a queue that moves",
        f"""\
max without ($replica) (
  {by_type("jobWaiting", f"{_WAITED} > $threshold")}
  and ignoring ({ONE_JOB_LABELS}) {TARGET_UP} == 1
)
unless on ({_ONE_JOB})
  (
    {_WAITS} <= $jobQueued_seconds
    and on ({_ONE_JOB})
      (
        {indented(_QUEUED, 8)}
      )
    unless on ({_ONE_JOB}) last_over_time({series(_WAITING_RECORD)}[1h]) > 0
  )""",
        "The age of a job does not show it, the time without a running sub-task does. Where others of its kind begin "
        "sub-tasks, a job that has some before it may only be waiting for its turn; not so if it has waited too long "
        "before they did.",
        "Job {{ $labels.job_name }} has no running sub-task",
        f"The {_JOB} is InProgress, yet for {AGE} none of its sub-tasks has run. Such jobs have stayed like this for "
        "days, until somebody stopped them.",
        "job",
        record=_WAITING_RECORD,
    ),
    Alert(
        "BedrockCustomizationJobNotProgressing",
        "warning",
        "a training with fewer than ten completed peers has run for $jobTraining; or an InProgress job without status "
        "details, with fewer than five, has not been modified for $jobNotProgressing or has run for $jobTraining",
        _seen(_STILL, "InProgress", ", subtask"),
        "AWS may modify a job while it trains, or not. So where it is known how long its peers took, that is what "
        "counts: see BedrockCustomizationJobSlow. Where it is slow by peers known meanwhile, this one stays.",
        "Job {{ $labels.job_name }} does not progress",
        f"The {_JOB} is InProgress, and for {AGE} nothing has shown that it goes on.",
        "job",
        record=_STILL_RECORD,
    ),
    Alert(
        "BedrockCustomizationJobSlow",
        "warning",
        "a training has run $subtaskSlow times as long as those of its completed peers (their 0.95 quantile), where "
        "ten are known, and longer where these differ very much; or a job without status details $jobSlow times as "
        "long as five or more",
        f"""\
{_seen(_SLOW, "InProgress", ", subtask")}
or
({_seen(_STILL_SLOW, "InProgress", ", subtask")} and last_over_time({series(_SLOW_RECORD)}[1h]) > 0)""",
        "The time for which a job waited for its training does not count. Where the 0.95 quantile of the peers is more "
        "than 2.4 times their median, that ratio to the power of 1.25 replaces the 3: else one healthy training in 300 "
        "would alert. Once slow, a job stays so until its training ends: slow peers that complete meanwhile raise what "
        "is expected.",
        "Job {{ $labels.job_name }} is slower than its peers",
        f"The {_JOB} has run for {AGE}, which is far longer than 95 in 100 completed jobs of its base model and type.",
        "job",
        record=_SLOW_RECORD,
    ),
    Alert(
        "BedrockCustomizationJobStopping",
        "warning",
        "a job has been Stopping for $jobStopping",
        f"""\
{_seen(_STOPPING, "Stopping")}
unless
  max without ($replica, status) (max_over_time({of_jobs("job_status", 'status="InProgress"')}[$jobStopping])) == 1""",
        "AWS may not say when it was asked to stop, so nor may it have been seen InProgress within $jobStopping.",
        "Job {{ $labels.job_name }} does not stop",
        f"The {_JOB} was asked to stop, last modified {AGE} ago, and is still Stopping.",
        "job",
        record=_record("job_status:stopping"),
    ),
)
"""In the order of the documents."""
