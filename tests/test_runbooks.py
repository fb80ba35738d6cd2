"""Each alert has a runbook, and what is in it exists: commands of the AWS CLI, metrics, flags, values of the chart."""

import re
from typing import Any

import botocore.session
import pytest
import yaml
from promql import KNOWN, metrics_of
from runbooks import ROOT, RULES, RUNBOOKS, SECTIONS, Runbook, alerts, aws_fault

from exporter import NAME, flags
from exporter.jobs.failures import REASONS

each = pytest.mark.parametrize("runbook", RUNBOOKS, ids=str)


def test_there_is_one_for_each_alert() -> None:
    assert [runbook.path.stem for runbook in RUNBOOKS] == sorted(alerts())


@each
def test_nothing_is_missing(runbook: Runbook) -> None:
    """Its title, every section with something in it, queries, and links that lead somewhere."""
    assert runbook.text.startswith(f"# {runbook}\n\n")
    assert tuple(runbook.sections) == SECTIONS
    assert [title for title, text in runbook.sections.items() if len(text.split()) < 5] == []
    assert runbook.queries
    links = re.findall(r"\]\((?!https?:)([^)#]+)", runbook.text)
    assert [link for link in links if not (runbook.path.parent / link).exists()] == []


def test_every_reason_of_a_failure_has_a_section() -> None:
    """What it means and what to do, in the order of the table."""
    (runbook,) = (each for each in RUNBOOKS if each.path.stem == "BedrockCustomizationJobFailed")
    titles = re.findall(r"^### (\w+)$", runbook.sections["What to do"], re.MULTILINE)
    assert sorted(titles) == sorted(REASONS)


@each
def test_silence_is_for_this_alert(runbook: Runbook) -> None:
    """The section shows one silence, of this alert alone and for a limited time."""
    (command,) = runbook.commands("amtool")
    assert "amtool silence add" in runbook.sections["How to silence it"]
    assert command[:4] == ["amtool", "silence", "add", f"alertname={runbook}"]
    assert {word.partition("=")[0] for word in command if word.startswith("--")} == {"--duration", "--comment"}


def test_rules_and_chart_name_the_same_place() -> None:
    """`prometheusRule.runbookUrl` of the chart and of the rules' head, with which each alert's link begins."""
    chart = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text(encoding="utf-8"))
    head = "".join(re.findall(r"^#\| (.+\n)", RULES.read_text(encoding="utf-8"), re.MULTILINE))
    base = chart["prometheusRule"]["runbookUrl"]
    assert yaml.safe_load(head)["prometheusRule"]["runbookUrl"] == base
    assert {name: rule["annotations"]["runbook_url"] for name, rule in alerts().items()} == {
        name: f"{base}/{name}.md" for name in alerts()
    }


@each
def test_queries_and_flags_exist(runbook: Runbook) -> None:
    """A scrape or a rule gives the series of each query, and the exporter accepts the flags of each command."""
    for query in runbook.queries:
        assert metrics_of(query) <= KNOWN
        assert metrics_of(query) or 'job_id!=""' in query  # any series of a job
    for _, *words in runbook.commands(NAME):
        flags.parser().parse_args(words)


@pytest.fixture(scope="module")
def session() -> Any:
    """A botocore session; it keeps the service models that it has read."""
    return botocore.session.get_session()


@each
def test_aws_commands_exist(runbook: Runbook, session: Any) -> None:
    """The AWS CLI knows each command, its options, and the expression that it applies to the answer."""
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
    """`aws_fault`, which the checks of all pages rely on."""
    assert aws_fault(command.split(), session) == fault


def test_thresholds_are_values_of_the_chart() -> None:
    """The runbooks name every threshold of the chart with its default, and no other."""
    values = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text(encoding="utf-8"))["prometheusRule"]["thresholds"]
    text = "".join(runbook.sections["What to tune"] for runbook in RUNBOOKS)
    named = dict(re.findall(r"`prometheusRule\.thresholds\.(\w+)` of the chart, (\w+)", text))
    assert named == {name: str(value) for name, value in values.items() if name != "byCustomizationType"}
    assert "`prometheusRule.thresholds.byCustomizationType`" in text
