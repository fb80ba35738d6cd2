"""Every alert says what whoever it wakes must know, is built on what is there, and is tried out from all sides."""

import json
import re
import runpy
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from promql import KNOWN, RECORDED, SHOWN, metrics_of
from runbooks import ROOT, RULES, alerts, groups

BUILDER: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "build_alerts.py"))
CASES = ROOT / "docs" / "monitoring" / "tests"
ALERTS = alerts()
OF_JOBS = [name for name in ALERTS if name.startswith("BedrockCustomizationJob")]
EXPRESSIONS = {rule.get("record", rule.get("alert")): rule["expr"] for group in groups() for rule in group["rules"]}
ANNOTATIONS = {"summary", "description", "runbook_url", "dashboard_url"}
DASHBOARDS = {json.loads(path.read_text())["uid"] for path in (ROOT / "helm" / "dashboards").glob("*.json")}

each = pytest.mark.parametrize("name", ALERTS)


# What is generated


def test_rules_are_up_to_date() -> None:
    """docs/monitoring/rules.yaml is what its generator writes; if it is not, `make docs` writes it anew."""
    assert RULES.read_text(encoding="utf-8") == BUILDER["build_rules"]()


def test_rules_of_the_chart_are_up_to_date() -> None:
    """So is the chart's template."""
    template = ROOT / "helm" / "templates" / "_rules.tpl"
    assert template.read_text(encoding="utf-8") == BUILDER["build_chart_rules"]()


# What they say


@each
def test_nothing_is_missing(name: str) -> None:
    """It has a severity, and texts and links, each of one line."""
    assert ALERTS[name]["labels"]["severity"] in {"critical", "warning"}
    annotations = ALERTS[name]["annotations"]
    assert annotations.keys() == ANNOTATIONS
    assert [text for text in annotations.values() if "\n" in text or not text.strip()] == []


@pytest.mark.parametrize("name", OF_JOBS)
def test_alerts_on_jobs_tell_which(name: str) -> None:
    """In words: the job, where it is, what it is, and for how long; and the dashboard is that of this job."""
    annotations = ALERTS[name]["annotations"]
    named = set(re.findall(r"\$labels\.(\w+)", annotations["description"]))
    assert named == {"aws_account_id", "aws_region", "customization_type", "job_id", "job_name"}
    assert "{{ $value | humanizeDuration }}" in annotations["description"]
    assert "{{ $labels.job_name }}" in annotations["summary"]
    assert set(re.findall(r"[?&]var-(\w+)={{", annotations["dashboard_url"])) == {"account", "region", "job_id"}


@each
def test_dashboards_exist(name: str) -> None:
    """The dashboard that it leads to is one of the chart's."""
    found = re.match(r"/d/([\w-]+)", ALERTS[name]["annotations"]["dashboard_url"])
    assert found is not None
    assert found[1] in DASHBOARDS


# What they are built on


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_series_exist(name: str) -> None:
    """The expression has series of the exporter or of a rule, and the queries within the texts have."""
    named = metrics_of(EXPRESSIONS[name])
    assert named
    assert named - KNOWN == set()
    texts = " ".join(ALERTS[name]["annotations"].values()) if name in ALERTS else ""
    for query in re.findall(r'printf "(.+?)" \$labels', texts):
        assert metrics_of(query.replace("%q", '""')) <= SHOWN


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
    """The check before this one sees every name, and nothing else."""
    assert metrics_of(expression) == names


def test_records_are_used() -> None:
    """No rule records what no other rule looks at."""
    used = {name for expression in EXPRESSIONS.values() for name in metrics_of(expression)}
    assert used >= RECORDED


# How they are tried out


class Case(NamedTuple):
    """A scenario of a test file: for each minute that is looked at, whether the alert fires then."""

    fires: dict[int, bool]

    @property
    def at_once(self) -> bool:
        """Whether it is shown that the alert does not fire, and a minute later does."""
        return any(
            after - before == 1 and not self.fires[before] and self.fires[after] for before, after in self._steps
        )

    @property
    def resolves(self) -> bool:
        return any(self.fires[before] and not self.fires[after] for before, after in self._steps)

    @property
    def _steps(self) -> Iterable[tuple[int, int]]:
        return pairwise(sorted(self.fires))


def cases(path: Path, name: str) -> list[Case]:
    """The scenarios of a test file, as far as they are about an alert."""
    tests = yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
    looked_at = ([look for look in test["alert_rule_test"] if look["alertname"] == name] for test in tests)
    return [
        Case({int(look["eval_time"].removesuffix("m")): bool(look["exp_alerts"]) for look in looks})
        for looks in looked_at
    ]


def test_each_is_tried_out() -> None:
    """There is a file of tests for each alert, and none for another; what they say `promtool test rules` holds."""
    assert {path.stem for path in CASES.iterdir()} == ALERTS.keys()


@each
def test_from_all_sides(name: str) -> None:
    """The boundary to the minute, a case that resolves by itself, and one, or more, in which it never fires."""
    found = cases(CASES / f"{name}.yaml", name)
    assert any(case.at_once for case in found)
    assert any(case.resolves for case in found)
    assert any(not any(case.fires.values()) for case in found)


@each
def test_against_the_rules_that_ship(name: str) -> None:
    """The tests are of the file that ships, evaluated every minute."""
    test = yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    (rules,) = test["rule_files"]
    assert (CASES / rules).resolve() == RULES
    assert test["evaluation_interval"] == "1m"
