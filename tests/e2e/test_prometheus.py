"""A real Prometheus scrapes the exporter, and gives back every family and every label value as it was meant."""

import json
from collections.abc import Iterator

import pytest
from e2e.processes import Exporter, Prometheus, clean_environment, fetch, prometheus, serving, wait_for
from faults import job
from prometheus_client.parser import text_string_to_metric_families

from exporter.bedrock.wire import read_page
from exporter.fleet.page import FAMILIES, compose
from exporter.fleet.state import TargetState, Walked
from exporter.jobs.families import JOBS_PREFIX
from exporter.jobs.fold import Fold
from exporter.jobs.page import Format, negotiate
from exporter.jobs.snapshot import Budget
from exporter.simulator import Request, Response, Server
from exporter.targets.target import Target

pytestmark = pytest.mark.e2e

NOW = 1_800_000_000.0
NASTY = [
    *(chr(code) for code in (*range(0x20), 0x7F, 0x80, 0x85, 0x9F, 0xA0, 0xAD)),
    *"\u200b\u2028\u2029\u202e\ufeff\ufffd\ufffe\uffff\U000e0001\U0010ffff",
    "😀👩‍🚀🇺🇳e\u0301",
    "\ud800",  # half a pair: AWS's JSON can spell it, UTF-8 can't
    "\udfff\ud83d",
    "\\",
    "\\\\",
    '"',
    '\\"',
    "\\n",
    "\n\n",
    "\r\n",
    '"} 1\nbedrock_exporter_target_up 1',
    "# EOF\n# TYPE",
    "%",
    "%s%(a)s%%",
    "{{value}}",
    ",=~!",
    "a" * 61,
]
JOBS = [job(number, jobName=f"<{text}>") for number, text in enumerate(NASTY)]
LABEL = 'quoted " back\\slash\\ \n\r\0\x1b\u2028😀 end\\'


def replaced(text: str) -> str:
    """The text with what UTF-8 can't carry replaced."""
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


def nasty_page(format_: Format) -> bytes:
    """What `/metrics` is for a list of jobs with the nastiest names."""
    fold = Fold(Budget(retain=1, max_jobs=100, baseline_window=1), NOW)
    fold.add(read_page(json.dumps({"modelCustomizationJobSummaries": JOBS}).encode()).jobs)
    target = Target("targets[0]", "us-east-1", labels=(("team", LABEL),))
    good = Walked(target, "111122223333", fold.snapshot(), pages=1, jobs=len(JOBS))
    state = TargetState(target, "111122223333", last_walk=NOW, good=good)
    return b"".join(compose([state], format_, NOW)) + (b"# EOF\n" if format_ is Format.OPENMETRICS else b"")


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """The Accept headers that Prometheus sent."""
    return []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    home = tmp_path_factory.mktemp("demo")
    with serving(["--demo"], home, clean_environment(home)) as exporter:
        yield exporter


@pytest.fixture(scope="module")
def scraped(demo: Exporter, asked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the demo, and the nasty jobs in both formats, several times."""

    def negotiated(request: Request) -> Response:
        asked.append(request.headers["accept"])
        format_ = negotiate(request.headers["accept"])
        return Response(200, nasty_page(format_), {"Content-Type": format_.value})

    def text(_: Request) -> Response:
        return Response(200, nasty_page(Format.TEXT), {"Content-Type": Format.TEXT.value})

    directory = tmp_path_factory.mktemp("prometheus")
    with (
        Server(negotiated) as openmetrics,
        Server(text) as plain,
        prometheus({"demo": demo.url, "nasty": openmetrics.url, "nasty-text": plain.url}, directory) as server,
    ):
        wait_for("three scrapes of each job", lambda: len(server.query("count_over_time(up[10m]) >= 3")) == 3)
        yield server


def test_scrapes_are_good(scraped: Prometheus) -> None:
    """Every scrape of every job has been good, and nothing is said against the last one."""
    targets = scraped.get("targets")["activeTargets"]
    assert {target["scrapePool"]: (target["health"], target["lastError"]) for target in targets} == dict.fromkeys(
        ("demo", "nasty", "nasty-text"), ("up", "")
    )
    assert {(labels["job"], value) for labels, value in scraped.query("min_over_time(up[10m])")} == {
        ("demo", 1),
        ("nasty", 1),
        ("nasty-text", 1),
    }


def test_openmetrics_is_what_prometheus_asks_for(scraped: Prometheus, asked: list[str]) -> None:
    """Prometheus, as it comes, gets OpenMetrics."""
    assert len(scraped.query("up")) == 3
    assert {negotiate(accept) for accept in asked} == {Format.OPENMETRICS}


def test_every_family_can_be_queried(scraped: Prometheus, demo: Exporter) -> None:
    """Every sample name on the demo's page has series in Prometheus, with its labels."""
    page = demo.metrics("text/plain")[0].decode()
    read = {family.name: family for family in text_string_to_metric_families(page)}
    assert read.keys() >= {family.name.removesuffix("_total") for family in FAMILIES}
    for family in read.values():
        for name in {sample.name for sample in family.samples}:
            found = scraped.query(f'{name}{{job="demo"}}')
            assert found, name
            labels = {label for sample in family.samples for label, value in sample.labels.items() if value}
            if len({sample.name for sample in family.samples}) == 1:  # no parts with labels of their own
                assert labels == {label for one, _ in found for label in one} - {"__name__", "job", "instance"}


def test_types_and_help(scraped: Prometheus) -> None:
    """Prometheus knows the type and the help of every family of the table."""
    metadata = {name: facts[0] for name, facts in scraped.get("metadata").items()}
    for family in FAMILIES:
        # In OpenMetrics, metadata stand under the name without _total.
        facts = metadata.get(family.name) or metadata[family.name.removesuffix("_total")]
        assert (facts["type"], facts["help"]) == (family.kind, family.help)


def test_no_complaints(scraped: Prometheus) -> None:
    """Prometheus has counted no duplicate, no sample out of order, and no other fault of a scrape."""
    own = text_string_to_metric_families(fetch(f"{scraped.url}/metrics")[0].decode())
    complaints = {
        sample.name: sample.value
        for family in own
        for sample in family.samples
        if sample.name.startswith(("prometheus_target_scrapes_", "prometheus_target_scrape_pool_exceeded"))
        and sample.name.endswith("_total")
    }
    assert {
        "prometheus_target_scrapes_sample_duplicate_timestamp_total",
        "prometheus_target_scrapes_sample_out_of_order_total",
        "prometheus_target_scrapes_sample_out_of_bounds_total",
    } < complaints.keys()
    assert {name: count for name, count in complaints.items() if count} == {}


@pytest.mark.parametrize("source", ["nasty", "nasty-text"])
def test_nasty_label_values(scraped: Prometheus, source: str) -> None:
    """Whatever stands in a label value, Prometheus gives the same back: only half a surrogate pair is replaced."""
    selector = f'{{job="{source}"}}'
    names = {labels["job_id"]: labels["job_name"] for labels, _ in scraped.query(JOBS_PREFIX + "job_info" + selector)}
    assert names == {f"{number:012d}": f"<{replaced(text)}>" for number, text in enumerate(NASTY)}
    for family in ("job_info", "job_duration_seconds", "jobs"):
        assert {labels["team"] for labels, _ in scraped.query(JOBS_PREFIX + family + selector)} == {LABEL}


def test_nasty_label_values_can_be_asked_for(scraped: Prometheus) -> None:
    """A query finds a series by such a value."""
    for number in (NASTY.index("\n"), NASTY.index("\\"), NASTY.index("\0"), NASTY.index("😀👩‍🚀🇺🇳e\u0301")):
        quoted = "".join(f"\\U{ord(character):08x}" for character in f"<{NASTY[number]}>")
        found = scraped.query(f'{JOBS_PREFIX}job_info{{job="nasty",job_name="{quoted}"}}')
        assert [labels["job_id"] for labels, _ in found] == [f"{number:012d}"]
