"""Eight days with many troubles: the alerts tell of each, and of nothing else. `make signal-quality` does a year."""

import re
from pathlib import Path

import pytest
from signal_quality.account import Rates, Trouble
from signal_quality.year import RULES, run

pytestmark = pytest.mark.e2e

RATES = Rates(jobs=30, failed=0.08, stuck=0.03, faults=4)


def test_every_trouble_is_told_of_once() -> None:
    """Every alert begins in time, is the only one, and ceases in time."""
    figures, remarks = run(seed=2, stretches=2, rates=RATES)
    assert remarks == []
    assert figures["good"]
    counts = {row["of"]: row["count"] for row in (*figures["of_jobs"], *figures["of_exporter"])}
    assert {name for name, count in counts.items() if not count} == {"no fault"}
    assert counts[Trouble.NONE] > 100


def test_bad_rules_are_found_out(tmp_path: Path) -> None:
    """With rules that wait too long, never see a failure, and take every target for one that is down, it is not so."""
    rules = tmp_path / "rules.yaml"
    text = RULES.read_text(encoding="utf-8")
    for good, bad in (
        ("job_waiting_seconds > 7200", "job_waiting_seconds > 14400"),
        ('job_status{status="Failed"}', 'job_status{status="Lost"}'),
        (
            r"last_over_time(bedrock_exporter_target_up[5m])) == 0",
            "last_over_time(bedrock_exporter_target_up[5m])) >= 0",
        ),
    ):
        assert good in text
        text = text.replace(good, bad)
    rules.write_text(text, encoding="utf-8")
    figures, remarks = run(seed=2, stretches=1, rates=RATES, rules=rules)
    rows = {row["of"]: row for row in (*figures["of_jobs"], *figures["of_exporter"])}
    assert not figures["good"]
    assert rows[Trouble.BETWEEN]["late"]
    assert rows[Trouble.FAILED]["missed"] == rows[Trouble.FAILED]["count"] > 0
    assert rows[Trouble.STOPPING]["once"] == rows[Trouble.STOPPING]["count"] > 0
    assert rows["no fault"]["wrong"]
    assert any(re.match(r"BedrockExporterTargetDown: began", remark) for remark in remarks)
