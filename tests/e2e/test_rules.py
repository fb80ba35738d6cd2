"""promtool accepts the rules, and they do what their tests say."""

import json
from pathlib import Path

import pytest
import yaml
from e2e.rules import TESTS, promtool
from runbooks import RULES

from tools.helm import render

pytestmark = pytest.mark.e2e


def test_rules_are_good() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.stem)
def test_rules_do_what_their_tests_say(test: Path) -> None:
    """`promtool test rules` agrees, alert by alert: labels and texts, and from which minute to which."""
    done = promtool("test", "rules", test)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_test_is_found(tmp_path: Path) -> None:
    """`promtool` fails a test that expects another text."""
    (right,) = (path for path in TESTS if path.stem == "BedrockExporterConfigReloadFailed")
    text = right.read_text(encoding="utf-8").replace("../rules.yaml", str(RULES))
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("eval_time: 15m", "eval_time: 16m"), encoding="utf-8")
    assert promtool("test", "rules", wrong).returncode == 0
    wrong.write_text(text.replace("could not load its configuration", "could not load it"), encoding="utf-8")
    done = promtool("test", "rules", wrong)
    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


JOB = 'aws_account_id="111122223333",aws_region="us-east-1",job_id="%s",job_name="j",customization_type="FINE_TUNING"'


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
def test_two_releases_side_by_side(monitor: str, tmp_path: Path) -> None:
    """Their rules, loaded together, are each about their own exporter: alerts, thresholds, and whether it is there.

    They share a name in two namespaces; or a namespace, where the operator calls the job after the PodMonitor.
    """
    files, jobs, namespaces = [], {}, {}
    for name, thresholds in (("prod", {}), ("dev", {"jobWaiting": "6h"})):
        one_namespace = monitor == "podMonitor"
        release, namespaces[name] = (name, "monitoring") if one_namespace else ("bedrock", name)
        jobs[name] = f"monitoring/{release}" if one_namespace else release
        settings = {
            "prometheusRule": {"enabled": True, "thresholds": thresholds, "additionalAlertLabels": {"owner": name}},
            monitor: {"enabled": True},
            "fullnameOverride": release,
        }
        text = render(settings, name=release, namespace=namespaces[name])["templates/prometheusrule.yaml"]
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump(yaml.safe_load(text)["spec"]), encoding="utf-8")
    series = {}
    for name in ("prod", "dev"):
        of = f'namespace="{namespaces[name]}",job="{jobs[name]}",instance="{name}:1"'
        for what, values in (
            (f"up{{{of}}}", "1x200"),
            (f'bedrock_exporter_build_info{{{of},version="1"}}', "1x200"),
            (f'bedrock_exporter_target_up{{{of},aws_account_id="111122223333",aws_region="us-east-1"}}', "1x200"),
            (f"bedrock_model_customization_job_waiting_seconds{{{of},{JOB % name}}}", "0+60x200"),
            (f"bedrock_model_customization_job_duration_seconds{{{of},{JOB % name}}}", "0+60x200"),
            (f"bedrock_model_customization_job_created_timestamp_seconds{{{of},{JOB % name}}}", "0x200"),
        ):
            series[what] = values if name == "dev" or what.startswith("bedrock_model") else "1x150 stale"
    query = 'count by (alertname, namespace, owner) (ALERTS{alertstate="firing"})'
    waiting = f'{{alertname="BedrockCustomizationJobWaiting", namespace="{namespaces["prod"]}", owner="prod"}}'
    down = f'{{alertname="BedrockExporterDown", namespace="{namespaces["prod"]}", owner="prod"}}'
    looks = [("140m", [waiting]), ("190m", [down, waiting])]
    test = {
        "rule_files": [str(path) for path in files],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": query, "eval_time": at, "exp_samples": [{"labels": one, "value": 1} for one in wanted]}
                    for at, wanted in looks
                ],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    path.write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
