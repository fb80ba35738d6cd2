"""Jobs as the service writes them: the members, names and times of the real JSON [model, rec]."""

import functools
import random
from datetime import UTC, datetime

from exporter.simulator.world import Job, SubTask, training_bucket

Json = dict[str, object]

_TIMESPEC = {0: "seconds", 3: "milliseconds", 6: "microseconds"}
_SUBTASKS = ("validationDetails", "dataProcessingDetails", "trainingDetails")


def timestamp(seconds: float, digits: int = 3) -> str:
    """Return Unix seconds as ISO 8601 with `digits` (0, 3 or 6) fraction digits and a Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=_TIMESPEC[digits]).replace("+00:00", "Z")


def summary(job: Job, now: float) -> Json:
    """Return the job's entry in ListModelCustomizationJobs at `now`. Do not modify it: it may be shared."""
    return _ended_summary(job) if now >= job.ended else _summary(job, now)


@functools.lru_cache(maxsize=100_000)
def _ended_summary(job: Job) -> Json:
    return _summary(job, job.ended)  # Terminal states never change [docs].


def _summary(job: Job, now: float) -> Json:
    status = job.status(now)
    members: Json = {
        "jobArn": job.arn,
        "baseModelArn": job.base_model_arn,
        "jobName": job.name,
        "status": status,
        "statusDetails": {
            name: _details(subtask, job.digits) for name, subtask in zip(_SUBTASKS, job.subtasks(now), strict=True)
        },
        "lastModifiedTime": timestamp(job.modified(now), job.digits),
        "creationTime": timestamp(job.created, job.digits),
        "customModelName": job.custom_model_name,
        "customizationType": job.customization_type,
    }
    if now >= job.ended:
        members["endTime"] = timestamp(job.ended, job.digits)
    if status == "Completed":
        members["customModelArn"] = job.custom_model_arn
    return {name: value for name, value in members.items() if name not in job.omits}


def _details(subtask: SubTask, digits: int) -> Json:
    if subtask.started is None or subtask.modified is None:
        return {"status": subtask.status}
    return {
        "status": subtask.status,
        "creationTime": timestamp(subtask.started, digits),
        "lastModifiedTime": timestamp(subtask.modified, digits),
    }


def detail(job: Job, now: float) -> Json:
    """Return GetModelCustomizationJob's answer at `now`: the summary under Get's names, and what only Get has [model].

    Get's `baseModelArn` admits foundation models only [model], so a job on a custom model names the model underneath.
    """
    rng = random.Random(job.arn)
    home = f"s3://{training_bucket(job.account, job.region)}/{job.name}"
    members = dict(summary(job, now))
    members |= {
        "baseModelArn": f"arn:aws:bedrock:{job.region}::foundation-model/{job.model_id}",
        "outputModelName": members.pop("customModelName"),
        "roleArn": f"arn:aws:iam::{job.account}:role/bedrock-customization",
        "hyperParameters": {
            "epochCount": str(rng.randint(1, 5)),
            "batchSize": str(rng.choice((1, 8, 16))),
            "learningRate": rng.choice(("0.00001", "0.00005")),
        },
        "trainingDataConfig": {"s3Uri": f"{home}/train.jsonl"},
        "validationDataConfig": {"validators": [{"s3Uri": f"{home}/validation.jsonl"}]},
        "outputDataConfig": {"s3Uri": f"{home}/output/"},
    }
    if job.customization_type == "DISTILLATION":
        teacher = {"teacherModelIdentifier": f"arn:aws:bedrock:{job.region}::foundation-model/amazon.nova-pro-v1:0"}
        members["customizationConfig"] = {"distillationConfig": {"teacherModelConfig": teacher}}
    if job.customization_type == "REINFORCEMENT_FINE_TUNING":
        grader = {"lambdaArn": f"arn:aws:lambda:{job.region}:{job.account}:function:grader"}
        members["customizationConfig"] = {"rftConfig": {"graderConfig": {"lambdaGrader": grader}}}
    status = members["status"]
    if status == "Failed":
        members["failureMessage"] = job.failure_message
    if status == "Completed":
        loss = rng.uniform(0.2, 1.8)
        members["outputModelArn"] = members.pop("customModelArn")
        members["trainingMetrics"] = {"trainingLoss": round(loss, 4)}
        members["validationMetrics"] = [{"validationLoss": round(loss * rng.uniform(1.0, 1.3), 4)}]
    return members
