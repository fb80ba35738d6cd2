"""Users are told: from a job that fails in the simulated Bedrock to the webhook that hears of it, all parts real.

The rules are those of the chart, but for the windows of `SHORTER`; alerts on jobs take their team from the job's tag.
"""

import dataclasses
import itertools
import json
import math
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import jmespath
import pytest
import yaml
from chart import one
from e2e.processes import (
    PATIENCE,
    Exporter,
    Prometheus,
    alertmanager,
    clean_environment,
    prometheus,
    serving,
    simulated_aws,
    wait_for,
)
from faults import error
from runbooks import RUNBOOKS, Runbook, alerts

from exporter.simulator import Request, Response, Server, World, answer, serve
from exporter.simulator.world import Job

pytestmark = pytest.mark.e2e

ACCOUNT, REGION = "111122223333", "us-east-1"
HOUR = 3600.0
METRICS = Path(__file__).parents[2] / "docs" / "metrics.md"
CONFIG = f"""\
poll: {{interval: 10s, timeout: 9s, stale_after: 20s}}
targets:
  - regions: [{REGION}]
    labels: {{team: research}}
job_series: {{tags: [team]}}
details: {{enabled: true, calls_per_walk: 1000, calls_per_second: 100}}
aws: {{max_attempts: 1}}
"""
VALUES: dict[str, Any] = {
    "config": yaml.safe_load(CONFIG),
    "prometheusRule": {"enabled": True, "labelsFromTags": {"team": "team"}, "selector": ""},
}
SHORTER = {
    "[7d:61m] offset 12h": "[10m:1s] offset 10s",  # BedrockCustomizationJobFailed: how long it lasts,
    "- 43200": "- 10",  # the same for a target that is new,
    " + 300)": " + 2)",  # and what a walk may take
    "}[5m]": "}[3s]",  # BedrockExporterTargetDown and BedrockExporterTargetStale: what is bridged;
    "for: 10m": "for: 5s",  # longer than that, as it must be, since a new exporter does not know its account at first
    "for: 15m": "for: 10s",
}
"""What stands in the rules → what stands there in this test."""

FAILED, WAITING = "BedrockCustomizationJobFailed", "BedrockCustomizationJobWaiting"
DOWN, STALE = "BedrockExporterTargetDown", "BedrockExporterTargetStale"
LASTS = 10.0
"""Seconds that `FAILED` lasts at least."""


class Account(World):
    """An account whose jobs ended long ago, but for one that is stuck and those that train until `fail`.

    Attributes:
        stuck: between two sub-tasks, for more than a day.
        trains: the jobs that train.
        broken: whether AWS answers every request with 500.
    """

    def __init__(self) -> None:
        now = time.time()
        super().__init__(seed=1, epoch=now, accounts={ACCOUNT: (REGION,)})
        jobs = super().jobs(ACCOUNT, REGION, now)
        self._ended = [job for job in jobs if job.ended < now - 24 * HOUR]
        (self.stuck,) = (job for job in jobs if math.isinf(job.ended))
        # Those that end while the test runs, or are slow, are left out.
        trains = [job for job in jobs if job.spans[2][0] < now and now + 600 < job.ended < math.inf]
        of_teams = zip(trains, itertools.cycle(("risk", "search")))
        tagged = [dataclasses.replace(job, tags={"team": team}) for job, team in of_teams]
        self.trains = [job for job in tagged if job.created > now - 3 * HOUR]
        self.broken = False

    def jobs(self, account: str, region: str, now: float) -> list[Job]:  # noqa: ARG002 - always the same
        return sorted([*self._ended, self.stuck, *self.trains], key=lambda job: job.created)

    def fail(self, message: str = "Encountered an internal error.") -> Job:
        """One of those that train fails now, for this reason."""
        now = time.time()
        failed = dataclasses.replace(
            self.trains.pop(), outcome="Failed", halted=now, ended=now, failure_message=message
        )
        self._ended.append(failed)
        return failed

    def respond(self, request: Request) -> Response:
        return error(500, "InternalServerException") if self.broken else answer(self, request, time.time())


class Webhook:
    """A receiver of notifications.

    Attributes:
        notifications: Alertmanager's JSON, in the order in which it came.
    """

    def __init__(self) -> None:
        self.notifications: list[Any] = []

    def respond(self, request: Request) -> Response:
        self.notifications.append(json.loads(request.body))
        return Response(200)

    @property
    def heard(self) -> list[tuple[str, str]]:
        """Name and status of the alert of each notification."""
        return [(each["commonLabels"]["alertname"], each["status"]) for each in self.notifications]

    def wait_for(self, name: str, status: str, times: int = 1) -> Any:
        """The alert of the first notification that says so, or of the second if it is to come two times."""
        wait_for(f"{name} {status}", lambda: self.heard.count((name, status)) >= times)
        at = [index for index, heard in enumerate(self.heard) if heard == (name, status)][times - 1]
        (alert,) = self.notifications[at]["alerts"]
        return alert


def shortened() -> str:
    """The rules of the chart, with the windows of this test."""
    text = yaml.safe_dump(one("PrometheusRule", VALUES)["spec"], sort_keys=False, width=10_000)
    for window, shorter in SHORTER.items():
        assert window in text
        text = text.replace(window, shorter)
    # Alertmanager sends at once here: the first notification has to have what the details say.
    return text.replace(f"  - alert: {FAILED}\n", f"  - alert: {FAILED}\n    for: 2s\n")


def join() -> str:
    """The query of docs/metrics.md that puts a tag onto another series."""
    (query,) = re.findall(r"^```promql\n(.+?)^```$", METRICS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(query)


def firing(server: Prometheus) -> set[str]:
    """Names of the alerts that fire."""
    return {labels["alertname"] for labels, _ in server.query('ALERTS{alertstate="firing"}')}


def interrupted(server: Prometheus) -> set[str]:
    """Names of the alerts on jobs that have ended and begun again, be it for so short that nobody was told."""
    query = 'changes(ALERTS_FOR_STATE{alertname=~"BedrockCustomizationJob.+"}[1h]) > 0'
    return {labels["alertname"] for labels, _ in server.query(query)}


def labels_of(name: str, job: Job, severity: str) -> dict[str, str]:
    return {
        "alertname": name,
        "severity": severity,
        "aws_account_id": ACCOUNT,
        "aws_region": REGION,
        "team": job.tags.get("team", "research"),
        "job": "exporter",
        "job_id": job.arn.rpartition("/")[2],
        "job_name": job.name,
        "customization_type": job.customization_type,
    }


def tagged(exporter: Exporter, jobs: Iterable[Job]) -> bool:
    """Whether the page shows these jobs with their tags."""
    page = exporter.metrics()[0].decode()
    infos = re.findall(r"^bedrock_model_customization_job_info\{.*", page, re.MULTILINE)
    return all(
        any(job.arn in info and f'tag_team="{job.tags.get("team", "")}"' in info for info in infos) for job in jobs
    )


def texts_of(name: str, job: Job, summary: str, description: str) -> dict[str, str]:
    job_id = job.arn.rpartition("/")[2]
    homepage = "https://github.com/bedrock-customization-exporter/bedrock-customization-exporter"
    return {
        "summary": summary,
        "description": f"The {job.customization_type} job {job.name} ({job_id}) of account {ACCOUNT} in {REGION} "
        + description,
        "runbook_url": f"{homepage}/blob/main/docs/runbooks/{name}.md",
        "dashboard_url": f"/d/bedrock-customization-job?var-account={ACCOUNT}&var-region={REGION}&var-job_id={job_id}",
    }


def without_age(annotations: dict[str, str], place: str) -> dict[str, str]:
    """The texts with AGE where there is one, such as 1d 6h 4m 3s or 5.25s."""
    description = re.sub(place.replace("AGE", r"(\d+[dhm] )*\d+(\.\d+)?m?s"), place, annotations["description"])
    return annotations | {"description": description}


def time_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclasses.dataclass
class Scene:
    """Everything that runs; the exporter can be started anew."""

    account: Account
    webhook: Webhook
    prometheus: Prometheus
    exporter: Exporter
    environment: dict[str, str]
    stack: ExitStack

    def restart_exporter(self) -> None:
        """Stop the exporter as a rollout does, and start it anew at its address."""
        old = self.exporter
        old.process.send_signal(signal.SIGTERM)
        assert old.process.wait(PATIENCE) == 0
        address = old.url.removeprefix("http://")
        self.exporter = self.stack.enter_context(serving([], old.directory, self.environment, address))
        wait_for(
            "scrapes of the new exporter",
            lambda: self.prometheus.query(
                "changes(process_start_time_seconds[5m]) == 1 and on (instance) bedrock_exporter_target_up == 1"
            ),
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    account, webhook = Account(), Webhook()
    with ExitStack() as stack:
        homes = {name: tmp_path / name for name in ("exporter", "prometheus", "alertmanager")}
        for home in homes.values():
            home.mkdir()
        (homes["exporter"] / "config.yaml").write_text(CONFIG)
        (tmp_path / "rules.yaml").write_text(shortened())
        aws = stack.enter_context(serve(account, respond=account.respond))
        environment = clean_environment(homes["exporter"], **simulated_aws(aws.url))
        exporter = stack.enter_context(serving([], homes["exporter"], environment))
        jobs = [account.stuck, *account.trains]
        wait_for("the tags of all jobs that run", lambda: tagged(exporter, jobs))
        receiver = stack.enter_context(Server(webhook.respond))
        alerts_to = stack.enter_context(alertmanager(receiver.url, homes["alertmanager"]))
        server = stack.enter_context(
            prometheus({"exporter": exporter.url}, homes["prometheus"], tmp_path / "rules.yaml", alerts_to)
        )
        yield Scene(account, webhook, server, exporter, environment, stack)


def test_from_the_job_to_the_webhook(scene: Scene) -> None:
    """A stuck and a failed job are told of once; a restart and an outage tell of nothing that is not so."""
    account, webhook = scene.account, scene.webhook

    # A job is stuck.
    alert = webhook.wait_for(WAITING, "firing")
    assert alert["labels"] == labels_of(WAITING, account.stuck, "critical")
    assert without_age(alert["annotations"], "for AGE none") == texts_of(
        WAITING,
        account.stuck,
        f"Job {account.stuck.name} has no running sub-task",
        "is InProgress, yet for AGE none of its sub-tasks has run. Such jobs have stayed like this for days, until "
        "somebody stopped them.",
    )

    # Another one fails.
    job = account.fail("Could not validate GetObject permissions to access Amazon S3 bucket: data at key train.jsonl")
    alert = webhook.wait_for(FAILED, "firing")
    assert alert["labels"]["team"] in {"risk", "search"}  # its own, not the one of its target
    assert alert["labels"] == labels_of(FAILED, job, "critical")
    assert without_age(alert["annotations"], "failed AGE ago") == texts_of(
        FAILED,
        job,
        f"Job {job.name} has failed",
        "failed AGE ago (reason: s3_access). Bedrock's failure message says why; nothing starts it again by itself.",
    )

    # Tags join onto any other series of a job, as docs/metrics.md says.
    (joined,) = {labels["tag_team"] for labels, _ in scene.prometheus.query(join()) if labels["job_name"] == job.name}
    assert joined == job.tags["team"]

    # The exporter is started anew meanwhile; then the hour of the failed job has passed.
    scene.restart_exporter()
    over = webhook.wait_for(FAILED, "resolved")
    assert over["labels"] == alert["labels"]
    assert time_of(over["endsAt"]) >= job.ended + LASTS
    assert webhook.heard == [(WAITING, "firing"), (FAILED, "firing"), (FAILED, "resolved")]
    assert interrupted(scene.prometheus) == set()

    # AWS is down, for longer than the exporter shows old data; a job fails, and nobody can know.
    account.broken = True
    unseen = account.fail()
    reason = "Reason: server_error."
    assert reason in webhook.wait_for(DOWN, "firing")["annotations"]["description"]
    assert reason in webhook.wait_for(STALE, "firing")["annotations"]["description"]
    wait_for("the end of old data", lambda: not scene.prometheus.query("bedrock_model_customization_job_info"))
    assert firing(scene.prometheus) == {WAITING, DOWN, STALE}

    # AWS is back.
    account.broken = False
    alert = webhook.wait_for(FAILED, "firing", times=2)
    assert alert["labels"] == labels_of(FAILED, unseen, "critical")
    webhook.wait_for(DOWN, "resolved")
    webhook.wait_for(STALE, "resolved")

    assert webhook.heard[3:5] == [(DOWN, "firing"), (STALE, "firing")]
    assert sorted(webhook.heard[5:]) == [(FAILED, "firing"), (DOWN, "resolved"), (STALE, "resolved")]
    assert interrupted(scene.prometheus) == set()


# What the runbooks tell people to do


def test_queries_of_the_runbooks_are_promql(tmp_path: Path) -> None:
    """Prometheus can read every query."""
    queries = [query for runbook in RUNBOOKS for query in runbook.queries]
    rules = [{"record": f"query{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "rules.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(queries)} rules found" in done.stdout


def test_silences_of_the_runbooks(tmp_path: Path) -> None:
    """Alertmanager takes every silence, and each is for its alert."""
    with alertmanager("http://127.0.0.1:9", tmp_path) as url:
        amtool = ["amtool", f"--alertmanager.url={url}"]
        for runbook in RUNBOOKS:
            (command,) = runbook.commands("amtool")
            subprocess.run([*amtool, *command[1:]], capture_output=True, check=True, timeout=PATIENCE)
        shown = subprocess.run(
            [*amtool, "--output=json", "silence", "query"], capture_output=True, check=True, timeout=PATIENCE
        )
    silenced = [
        matcher["value"]
        for silence in json.loads(shown.stdout)
        for matcher in silence["matchers"]
        if matcher["name"] == "alertname"
    ]
    assert sorted(silenced) == sorted(alerts())


@pytest.mark.parametrize("runbook", [each for each in RUNBOOKS if "aws bedrock get-" in each.text], ids=str)
def test_runbooks_ask_for_what_aws_answers(runbook: Runbook) -> None:
    """What a runbook picks from the answer about a job stands there."""
    account = Account()
    job = account.fail()
    with serve(account) as aws:
        client = boto3.client(
            "bedrock",
            region_name=REGION,
            endpoint_url=aws.url,
            aws_access_key_id=aws.access_key_id,
            aws_secret_access_key="any",
        )
        answered = client.get_model_customization_job(jobIdentifier=job.arn)
    (command,) = (words for words in runbook.commands("aws") if words[2] == "get-model-customization-job")
    picked = jmespath.search(command[command.index("--query") + 1], answered)
    assert picked
    assert [name for name, value in picked.items() if value is None] == []
