"""Each alert has a runbook, and what stands in it exists: commands of the AWS CLI, metrics, values of the chart."""

import re
from typing import Any

import botocore.session
import pytest
import yaml
from promql import KNOWN, metrics_of
from runbooks import ROOT, RUNBOOKS, SECTIONS, Runbook, alerts, aws_fault

from exporter import NAME, cli


def each(runbooks: list[Runbook]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("runbook", runbooks, ids=str)


def test_there_is_one_for_each_alert() -> None:
    """And none for an alert that there is not."""
    assert [runbook.path.stem for runbook in RUNBOOKS] == sorted(alerts())


@pytest.mark.parametrize("name", alerts())
def test_the_alert_leads_to_it(name: str) -> None:
    """The link in the alert is that of the page."""
    assert alerts()[name]["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md")


@each(RUNBOOKS)
def test_nothing_is_missing(runbook: Runbook) -> None:
    """Each page has its title and every section, each of which says something."""
    assert runbook.text.startswith(f"# {runbook}\n\n")
    assert tuple(runbook.sections) == SECTIONS
    assert [title for title, text in runbook.sections.items() if len(text.split()) < 5] == []
    assert runbook.queries


@each(RUNBOOKS)
def test_silence_is_for_this_alert(runbook: Runbook) -> None:
    """The section shows one silence, of this alert alone and for a time."""
    (command,) = runbook.commands("amtool")
    assert "amtool silence add" in runbook.sections["How to silence it"]
    assert command[:4] == ["amtool", "silence", "add", f"alertname={runbook}"]
    assert {word.partition("=")[0] for word in command if word.startswith("--")} == {"--duration", "--comment"}


@each(RUNBOOKS)
def test_series_of_queries_exist(runbook: Runbook) -> None:
    """Every query asks for something that a scrape or a rule gives."""
    for query in runbook.queries:
        assert metrics_of(query) <= KNOWN
        assert metrics_of(query) or 'job_id!=""' in query  # or whatever jobs have


@each(RUNBOOKS)
def test_links_lead_somewhere(runbook: Runbook) -> None:
    """Every page that it leads to exists."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", runbook.text)
    assert [link for link in links if not (runbook.path.parent / link).exists()] == []


@each(RUNBOOKS)
def test_the_exporter_takes_its_flags(runbook: Runbook) -> None:
    """The exporter has the flags that it is to be run with."""
    for _, *flags in runbook.commands(NAME):
        cli._parser().parse_args(flags)


@pytest.fixture(scope="module")
def session() -> Any:
    """A botocore session, which keeps the service models that it has read."""
    return botocore.session.get_session()


@each(RUNBOOKS)
def test_aws_commands_exist(runbook: Runbook, session: Any) -> None:
    """The AWS CLI knows each command, its options, and what it asks of an answer."""
    faults = {" ".join(words): aws_fault(words, session) for words in runbook.commands("aws")}
    assert {command: fault for command, fault in faults.items() if fault} == {}


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("aws bedroc list-model-customization-jobs", "no service bedroc"),
        ("aws bedrock list-customization-jobs", "no operation list-customization-jobs"),
        ("aws bedrock list-model-customization-jobs --status Failed", "no option ['status']"),
        ("aws bedrock get-model-customization-job --max-items 1 --job-identifier a", "no option ['max-items']"),
        ("aws bedrock get-model-customization-job", "without ['job-identifier']"),
        ("aws bedrock list-model-customization-jobs --max-items 1 --status-equals=Failed --region us-east-1", None),
    ],
)
def test_wrong_commands_are_found(command: str, fault: str | None, session: Any) -> None:
    """The check before this one sees what is wrong."""
    assert aws_fault(command.split(), session) == fault


def test_thresholds_are_values_of_the_chart() -> None:
    """The runbooks name every threshold of the chart with its default, and no other."""
    values = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text(encoding="utf-8"))["prometheusRule"]["thresholds"]
    text = "".join(runbook.sections["What to tune"] for runbook in RUNBOOKS)
    named = dict(re.findall(r"`prometheusRule\.thresholds\.(\w+)` of the chart, (\w+)", text))
    assert named == {name: str(value) for name, value in values.items() if name != "byCustomizationType"}
    assert "`prometheusRule.thresholds.byCustomizationType`" in text
