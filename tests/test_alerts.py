"""Every alert says what the reader must know, is built on series that exist, and is tested from all sides."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from chart import one
from promql import KNOWN, RECORDED, metrics_of
from runbooks import ROOT, RULES, alerts, groups

from tools.rules import SETTINGS

CASES = ROOT / "monitoring" / "tests"
ALERTS = alerts()
OF_JOBS = [name for name in ALERTS if name.startswith("BedrockCustomizationJob")]
EXPRESSIONS = {rule.get("record", rule.get("alert")): rule["expr"] for group in groups() for rule in group["rules"]}
DASHBOARDS = {json.loads(path.read_text())["uid"] for path in (ROOT / "helm" / "dashboards").glob("*.json")}

each = pytest.mark.parametrize("name", ALERTS)


@each
def test_nothing_is_missing(name: str) -> None:
    """A severity, texts of one line, and links to a runbook and to a dashboard of the chart."""
    assert ALERTS[name]["labels"]["severity"] in {"critical", "warning"}
    annotations = ALERTS[name]["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert [text for text in annotations.values() if "\n" in text or not text.strip()] == []
    assert annotations["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
    assert re.split(r"[/?]", annotations["dashboard_url"])[2] in DASHBOARDS


@pytest.mark.parametrize("name", OF_JOBS)
def test_alerts_on_jobs_tell_which(name: str) -> None:
    """In words: the job, where it is, what it is, and for how long. The dashboard is that of this job."""
    annotations = ALERTS[name]["annotations"]
    named = set(re.findall(r"\$labels\.(\w+)", annotations["description"]))
    assert named - {"subtask"} == {"aws_account_id", "aws_region", "customization_type", "job_id", "job_name"}
    assert "{{ $value | humanizeDuration }}" in annotations["description"]
    assert "{{ $labels.job_name }}" in annotations["summary"]
    assert set(re.findall(r"[?&]var-(\w+)={{", annotations["dashboard_url"])) == {"account", "region", "job_id"}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_series_exist(name: str) -> None:
    """A scrape or a rule gives the series of the expression, and those of the queries in the texts."""
    named = metrics_of(EXPRESSIONS[name])
    assert named
    assert named <= KNOWN
    texts = " ".join(ALERTS[name]["annotations"].values()) if name in ALERTS else ""
    for query in re.findall(r'printf "(.+?)" (?:\(or )?\$labels', texts):
        assert metrics_of(query.replace("%q", '""')) <= KNOWN


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        (
            "sum by (team) (rate(a_total{b=~\"c|d{2}\", e!=''}[5m] offset 1h)) > 2 * on (g) group_left (h) i",
            {"a_total", "i"},
        ),
        ("j:k:l or (time() - m unless ignoring (n) o) >= bool 1e9", {"j:k:l", "m", "o"}),
        ("1.5 * p and absent(q) == Inf", {"p", "q"}),
    ],
)
def test_names_are_found(expression: str, names: set[str]) -> None:
    """`metrics_of`, which the checks of alerts, dashboards and runbooks rely on."""
    assert metrics_of(expression) == names


def test_records_are_used() -> None:
    assert {name for expression in EXPRESSIONS.values() for name in metrics_of(expression)} >= RECORDED


def test_each_has_a_file_of_tests() -> None:
    """`promtool test rules` runs them, see tests/e2e/test_rules.py."""
    assert {path.stem for path in CASES.glob("*.yaml")} == ALERTS.keys()


def scenarios(tests: list[dict[str, Any]], name: str) -> list[dict[int, bool]]:
    """Of each test in a file: minute that it looks at → whether the alert is to fire then."""
    return [
        {
            int(look["eval_time"].removesuffix("m")): bool(look["exp_alerts"])
            for look in sorted(test["alert_rule_test"], key=lambda look: int(look["eval_time"].removesuffix("m")))
            if look["alertname"] == name
        }
        for test in tests
    ]


@each
def test_is_tested_from_all_sides(name: str) -> None:
    """The rules that ship, each minute: the boundary to the minute, the end of the alert, and a case without one."""
    file = yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    assert [(CASES / rules).resolve() for rules in file["rule_files"]] == [RULES]
    assert file["evaluation_interval"] == "1m"
    found = scenarios(file["tests"], name)
    steps = [step for fires in found for step in pairwise(fires.items())]
    assert any(after - before == 1 and (was, now) == (False, True) for (before, was), (after, now) in steps)
    assert any((was, now) == (True, False) for (_, was), (_, now) in steps)
    assert any(not any(fires.values()) for fires in found)


def test_every_selector_is_scoped() -> None:
    """One matcher that stands in all of them, and at the head of the file, says which exporters the rules are about."""
    for expression in EXPRESSIONS.values():
        for name in metrics_of(expression):
            assert re.findall(rf"(?<![\w:]){name}(?![\w:])(?!\{{job=~)", expression) == []


def test_the_settings_at_the_head_are_those_of_the_rules() -> None:
    """As values of the chart they give the same rules; with others, the rules follow."""
    head, body = RULES.read_text(encoding="utf-8").split("groups:\n", 1)
    settings = yaml.safe_load(
        "".join(line.removeprefix(SETTINGS) for line in head.splitlines(keepends=True) if line.startswith(SETTINGS))
    )

    def rules() -> Any:
        return one("PrometheusRule", settings)["spec"]["groups"]

    assert rules() == yaml.safe_load("groups:\n" + body)["groups"]
    settings["prometheusRule"]["selector"] = 'namespace="prod", job="bedrock"'
    settings["prometheusRule"]["thresholds"]["jobValidation"] = "77m"
    settings["prometheusRule"]["severity"]["BedrockCustomizationJobStuck"] = "page"
    changed = rules()
    assert 'job=~".*"' not in str(changed)
    assert "> 4620" in str(changed)
    assert "'severity': 'page'" in str(changed)
