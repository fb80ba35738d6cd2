"""promtool accepts the rules, and they do what their tests say."""

import subprocess
from pathlib import Path

import pytest
from runbooks import ROOT, RULES

pytestmark = pytest.mark.e2e

TESTS = sorted((ROOT / "monitoring" / "tests").glob("*.yaml"))


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False)


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
