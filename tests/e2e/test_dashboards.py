"""Every query of every dashboard, against a real Prometheus that scrapes real exporters, one of them in trouble."""

import functools
import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import pytest
from e2e.processes import Exporter, Prometheus, clean_environment, prometheus, serving, simulated_aws, wait_for
from faults import body_of, error, job, page, sts_error
from prometheus_client.parser import text_string_to_metric_families

from exporter.jobs.families import JOBS_PREFIX
from exporter.simulator import Request, Response, Server

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
BOARDS = {file.stem: json.loads(file.read_text()) for file in sorted((ROOT / "helm" / "dashboards").glob("*.json"))}
RANGE, STEP = 12 * 3600, 10
"""Seconds that the dashboards show, and from one point of a line to the next."""


class Query(NamedTuple):
    """A query of a panel: the dashboard and the title of the panel, its letter, and the query itself."""

    board: str
    panel: str
    letter: str
    target: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.board}: {self.panel}: {self.letter}"


QUERIES = [
    Query(name, panel["title"], target["refId"], target)
    for name, board in BOARDS.items()
    for panel in board["panels"]
    for target in panel.get("targets", [])
]
VARIABLES = [
    (name, variable)
    for name, board in BOARDS.items()
    for variable in board["templating"]["list"]
    if variable["type"] == "query"
]

TARGETS = 6 + 3
"""Those of the demo, and those that are in trouble."""

EMPTY = {
    "job: Failure reason: A": "the job that is looked at has not failed",
    "job: Training loss: A": "nor has it ended",
    "job: Validation loss: A": "likewise",
    "exporter: Failed discoveries by reason: A": "listing an organization's accounts fails here once at most, and an "
    "increase takes two",
}
"""Queries that have nothing to show in this scene, and why."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    home = tmp_path_factory.mktemp("demo")
    with serving(["--demo"], home, clean_environment(home)) as exporter:
        yield exporter


MANAGEMENT, OPERATIONS, MEMBER = "888899990000", "777788889999", "666677778888"
TROUBLED = f"""\
poll: {{interval: 10s, timeout: 9s}}
targets:
  - regions: [us-east-1, eu-west-1]
    account_id: "{OPERATIONS}"
    labels: {{team: operations}}
discovery:
  organizations: {{role_name: exporter, regions: [us-east-1]}}
job_series: {{max_jobs: 1}}
"""


ACCOUNTS = [
    {
        "Id": account,
        "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/o-abcdefghij/{account}",
        "Name": f"account {account}",
        "State": "ACTIVE",
    }
    for account in (MANAGEMENT, MEMBER)
]


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that is denied one region and is sent a malformed job in the other, with too many jobs for it.

    It finds an account in the organization, whose role it may not assume.
    """
    now = datetime.now(UTC).isoformat()
    ended = {"status": "Completed", "creationTime": now, "lastModifiedTime": now, "endTime": now}
    arn = f"arn:aws:bedrock:us-east-1:{OPERATIONS}:model-customization-job/model/"
    jobs = [job(number, jobArn=f"{arn}{number:012d}", **ended) for number in range(3)]

    def respond(request: Request) -> Response:
        if "x-amz-target" in request.headers:
            return body_of(json.dumps({"Accounts": ACCOUNTS}).encode(), content_type="application/x-amz-json-1.1")
        if request.path == "/":
            return sts_error(403, "AccessDenied")
        if "/eu-west-1/" in request.headers["authorization"]:
            return error(403, "AccessDeniedException")
        return page(*jobs, job(3, creationTime="yesterday"))

    home = tmp_path_factory.mktemp("troubled")
    (home / "config.yaml").write_text(TROUBLED)
    with Server(respond) as aws:
        environment = {**simulated_aws(aws.url), "AWS_ENDPOINT_URL_ORGANIZATIONS": aws.url}
        with serving([], home, clean_environment(home, **environment)) as exporter:
            yield exporter


@pytest.fixture(scope="module")
def server(demo: Exporter, troubled: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has the rules and scrapes the demo twice, like a pair of exporters with the same targets."""
    jobs = {"demo": demo.url, "twin": demo.url, "troubled": troubled.url}
    rules = ROOT / "monitoring" / "rules.yaml"
    with prometheus(jobs, tmp_path_factory.mktemp("prometheus"), rules) as server:
        for counter in ('walk_failures_total{reason="access_denied"}', "malformed_jobs_total"):
            grown = f"increase(bedrock_exporter_target_{counter}[1m] offset {STEP}s) > 0"
            wait_for(f"a second one in {counter}", functools.partial(server.query, grown))
        wait_for("alerts", lambda: server.query("ALERTS"))
        for family in ("job_failure_info", "job_validation_loss"):
            wait_for(f"details in {family}", functools.partial(server.query, f"{JOBS_PREFIX}{family} offset {STEP}s"))
        yield server


@pytest.fixture(scope="module")
def stuck(server: Prometheus) -> str:
    """The id of the demo's job that is stuck, which has one of everything that a job can have."""
    ((labels, _),) = server.query(f'topk(1, {JOBS_PREFIX}job_waiting_seconds{{job="demo"}})')
    return labels["job_id"]


def of_panel(title: str, board: str = "overview") -> Mapping[str, Any]:
    (target,) = (query.target for query in QUERIES if (query.board, query.panel) == (board, title))
    return target


class Grafana:
    """Asks what Grafana would, with values for the variables.

    Args:
        server: is asked.
        job_id: the variable of that name.
        filters: ad hoc filters, as matchers.
    """

    def __init__(self, server: Prometheus, job_id: str, filters: str = "") -> None:
        self._server = server
        self._filters = filters
        self.now = math.floor(time.time())
        self.end = self.now - self.now % STEP  # Grafana rounds the time range of lines down to the step
        everything = dict.fromkeys(("cluster", "account", "region", "type", "instance"), ".*")
        self._values = everything | {
            "job_id": job_id,
            "__range": f"{RANGE}s",
            "__interval": f"{STEP}s",
            "__rate_interval": "60s",
        }

    def expression(self, text: str) -> str:
        """With its variables filled in, and the filters put into every selector, as Grafana does it."""
        filled = Template(text).substitute(self._values)
        return filled.replace("{", f"{{{self._filters},") if self._filters else filled

    def ask(self, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The series that a panel's query gives, each with its ``metric`` and ``values``."""
        expression = self.expression(target["expr"])
        if target.get("instant"):
            result = self._server.get("query", query=expression, time=str(self.now))["result"]
            return [{"metric": one["metric"], "values": [one["value"]]} for one in result]
        got: list[dict[str, Any]] = self._server.get(
            "query_range", query=expression, start=str(self.end - RANGE), end=str(self.end), step=str(STEP)
        )["result"]
        return got

    def number(self, title: str, board: str = "overview") -> float:
        """What a panel of one number shows."""
        return float(self.ask(of_panel(title, board))[0]["values"][0][1])

    def values_of(self, variable: Mapping[str, Any]) -> list[str]:
        """What a variable offers."""
        query = self.expression(variable["query"]["query"])
        if found := re.fullmatch(r"label_values\((.*), (\w+)\)", query):
            values: list[str] = self._server.get(f"label/{found[2]}/values", **{"match[]": found[1]})
            return values
        found = re.fullmatch(r"query_result\((.*)\)", query)
        assert found
        regex = re.sub(r"\(\?<", "(?P<", variable["regex"].removeprefix("/").removesuffix("/g"))
        lines = (
            ",".join(f'{name}="{value}"' for name, value in labels.items())
            for labels, _ in self._server.query(found[1])
        )
        return [found["value"] for line in lines for found in re.finditer(regex, line) if found["value"]]


@pytest.fixture(scope="module")
def grafana(server: Prometheus, stuck: str) -> Grafana:
    return Grafana(server, stuck)


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_queries_return_data(grafana: Grafana, query: Query) -> None:
    """Every query of a panel finds what it is to show, except those that can't find anything here."""
    found = [value for series in grafana.ask(query.target) for _, value in series["values"] if value != "NaN"]
    assert bool(found) is (str(query) not in EMPTY)


@pytest.mark.parametrize(
    ("board", "variable"), VARIABLES, ids=lambda part: part if isinstance(part, str) else part["name"]
)
def test_variables_have_values(grafana: Grafana, board: str, variable: Mapping[str, Any], stuck: str) -> None:
    """Every variable that asks Prometheus offers values; that of the job offers every job by its id."""
    values = grafana.values_of(variable)
    assert bool(values) is (variable["name"] != "cluster"), board  # nobody says here which cluster this is
    if variable["name"] == "job_id":
        assert stuck in values
    if variable["name"] == "account":
        assert set(values) == {"111122223333", "444455556666", OPERATIONS, MEMBER}


def test_filters_on_target_labels(server: Prometheus, stuck: str) -> None:
    """Grafana adds ad hoc filters to every selector: they narrow down what is about targets and jobs."""
    everybody, platform = Grafana(server, stuck), Grafana(server, stuck, 'team="platform"')
    assert [each.number("Targets", "exporter") for each in (everybody, platform)] == [TARGETS, 3]
    for query in QUERIES:
        if query.board in {"overview", "job"} and "ALERTS" not in query.target["expr"] and str(query) not in EMPTY:
            assert platform.ask(query.target), query
    assert Grafana(server, stuck, 'team="nobody"').ask(of_panel("Targets", "exporter")) == []


def test_a_pair_of_exporters_counts_once(server: Prometheus, grafana: Grafana) -> None:
    """What is scraped twice is counted once."""

    def counted() -> bool:
        instant = Grafana(server, "")
        selector = f'{JOBS_PREFIX}jobs{{job!="twin",status=~"InProgress|Stopping"}}'
        return instant.number("Running") == server.query(f"sum({selector} @ {instant.now})")[0][1]

    assert wait_for("the same number of running jobs, between two walks", counted)
    assert grafana.number("Targets", "exporter") == TARGETS


def ends(page_of_metrics: str, status: str, since: float, until: float) -> list[float]:
    """When those jobs on a page ended that ended in this state, within a time."""
    families = {family.name: family.samples for family in text_string_to_metric_families(page_of_metrics)}
    so = {
        sample.labels["job_id"]
        for sample in families[JOBS_PREFIX + "job_status"]
        if sample.labels["status"] == status and sample.value
    }
    return [
        sample.value
        for sample in families[JOBS_PREFIX + "job_ended_timestamp_seconds"]
        if sample.labels["job_id"] in so and since < sample.value <= until
    ]


def test_failures_over_time(server: Prometheus, demo: Exporter) -> None:
    """Each failed job is in the step in which it failed, also those that failed before anybody looked."""

    def agree() -> bool:
        grafana = Grafana(server, "")
        failed = ends(demo.metrics("text/plain")[0].decode(), "Failed", grafana.end - RANGE, grafana.end + STEP)
        bars: dict[float, int] = {}
        for series in grafana.ask(of_panel("Failures over time")):
            for start, count in series["values"]:
                bars[start] = bars.get(start, 0) + int(count)
        enough = sum(bars.values()) >= 3  # the demo has one every few minutes, some before its start
        return enough and all(
            bars.get(start, 0) == sum(start < end <= start + STEP for end in failed)
            for start in (grafana.end - RANGE + STEP * number for number in range(RANGE // STEP))
        )

    assert wait_for("bars that agree with the page, between two walks", agree)


def test_success_rate(server: Prometheus, demo: Exporter) -> None:
    """Of the jobs that ended in the time range those that completed, without those that a person stopped."""

    def agree() -> bool:
        grafana = Grafana(server, "", 'team=~"platform|research"')
        text = demo.metrics("text/plain")[0].decode()
        completed, failed, stopped = (
            len(ends(text, status, grafana.now - RANGE, grafana.now)) for status in ("Completed", "Failed", "Stopped")
        )
        assert min(completed, failed, stopped) > 0
        return grafana.number("Success rate") == pytest.approx(completed / (completed + failed))

    assert wait_for("a rate that agrees with the page, between two walks", agree)


GONE = f"""\
{JOBS_PREFIX}job_status{{job_id="gone",job_name="gone",customization_type="ELSEWHERE",status="Failed"}} 1
{JOBS_PREFIX}job_ended_timestamp_seconds{{job_id="gone",job_name="gone",customization_type="ELSEWHERE"}} %s
"""


def test_failures_outlive_their_series(tmp_path: Path) -> None:
    """A failed job stays in the graph and in the counts when its exporter is gone."""
    text = GONE % (time.time() - 600)
    with (
        Server(lambda _: Response(200, text.encode(), {"Content-Type": "text/plain"})) as exporter,
        prometheus({"exporter": exporter.url}, tmp_path) as server,
    ):
        wait_for("the job", lambda: server.query(JOBS_PREFIX + "job_status"))
        exporter.close()
        wait_for("the end of its series", lambda: not server.query(JOBS_PREFIX + "job_status"))
        (bars,) = Grafana(server, "").ask(of_panel("Failures over time"))
        assert bars["metric"] == {"customization_type": "ELSEWHERE"}
        assert [count for _, count in bars["values"]] == ["1"]
        assert Grafana(server, "").number("Failed in the time range") == 1


def _of_running_jobs(grafana: Grafana, letter: str) -> dict[str, tuple[Mapping[str, str], float]]:
    """Of each job in the table of running jobs the labels and the value of one of its queries."""
    (target,) = (query.target for query in QUERIES if (query.panel, query.letter) == ("Running jobs", letter))
    rows = [(row["metric"], float(row["values"][0][1])) for row in grafana.ask(target)]
    got = {labels["job_id"]: (labels, value) for labels, value in rows}
    assert len(got) == len(rows), "a job has two rows"
    return got


def test_running_jobs_are_sorted_by_trouble(grafana: Grafana, stuck: str) -> None:
    """The job that has been stuck for longest is the first, and the slow one is among those beyond a threshold."""
    trouble = _of_running_jobs(grafana, "B")
    most = max(trouble, key=lambda job_id: trouble[job_id][1])
    assert (most, trouble[most][0]["trouble"]) == (stuck, "waiting")
    assert {labels["trouble"] for labels, value in trouble.values() if value > 1} == {"waiting", "slow"}


def test_columns_about_running_jobs(grafana: Grafana, stuck: str) -> None:
    """They are about the jobs that run and no others, with one row each; the age is compared with the expected one."""
    running = _of_running_jobs(grafana, "A")
    assert {labels["status"] for labels, _ in running.values()} <= {"InProgress", "Stopping"}
    assert all(labels["base_model"] for labels, _ in running.values())
    subtasks, age, expected, ratio = (_of_running_jobs(grafana, letter) for letter in "CDEF")
    assert subtasks.keys() <= running.keys() == age.keys()
    assert subtasks[stuck][0]["subtask"] == "waits"
    assert ratio.keys() == expected.keys() <= running.keys()
    for job_id, (_, value) in ratio.items():
        assert value == pytest.approx(age[job_id][1] / expected[job_id][1])
