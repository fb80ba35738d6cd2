"""Rules that are about some exporters only do for these what they do for all."""

from pathlib import Path

import pytest
import yaml
from e2e.rules import TESTS, promtool

from tools.helm import render

pytestmark = pytest.mark.e2e


class Texts(yaml.SafeLoader):
    """Reads texts only, as promtool does where it wants some: `0x9` is nine zeros."""


Texts.yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.stem)
def test_rules_of_chosen_exporters_do_the_same(test: Path, tmp_path: Path) -> None:
    """With a selector on a label that Prometheus or an agent sets, each test holds for series that have the label.

    The same series of other exporters change nothing.
    """
    chosen = {"prometheusRule": {"enabled": True, "selector": 'environment="prod"'}}
    rules = yaml.safe_load(render(chosen, name="rules", namespace="monitoring")["templates/prometheusrule.yaml"])[
        "spec"
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    told = yaml.load(test.read_text(encoding="utf-8"), Texts)
    told["rule_files"] = ["rules.yaml"]
    for case in told["tests"]:
        case["input_series"] = [
            {**one, "series": one["series"].replace("{", f'{{environment="{environment}",')}
            for one in case["input_series"]
            for environment in ("prod", "test")
        ]
        for alert in (alert for look in case.get("alert_rule_test", []) for alert in look["exp_alerts"]):
            alert["exp_labels"] = {**alert["exp_labels"], "environment": "prod"}
        for sample in (sample for look in case.get("promql_expr_test", []) for sample in look["exp_samples"]):
            sample["value"] = float(sample["value"])
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
