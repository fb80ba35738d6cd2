"""What documents, rules and their tests, dashboards and the chart call by a name of the exporter's metrics exists."""

import re
from pathlib import Path

import pytest
from promql import KNOWN, SHOWN
from runbooks import ROOT

PLACES = [
    path
    for where in ("README.md", "CONTRIBUTING.md", "docs", "helm", "monitoring")
    for path in sorted([ROOT / where, *(ROOT / where).rglob("*")])
    if path.suffix in {".json", ".md", ".tpl", ".txt", ".yaml"}
    if "terraform" not in path.parts  # names of Terraform's own
]
NAMES = KNOWN | {re.sub(r"_(total|bucket)$", "", name) for name in SHOWN}
"""Those of series, and of families as OpenMetrics has them."""


def unknown(text: str) -> set[str]:
    """The words that look like the name of a series, or like the beginning of one, and are not."""
    words = set(re.findall(r"(?:\w+:)?bedrock_(?:exporter|model_customization)_\w*(?::\w+)*", text))
    beginnings = {word for word in words if word.endswith("_") and any(name.startswith(word) for name in NAMES)}
    return words - NAMES - beginnings


@pytest.mark.parametrize("path", PLACES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_named_exists(path: Path) -> None:
    """Each name is of a family, a series or a recording rule."""
    assert unknown(path.read_text(encoding="utf-8")) == set()


def test_wrong_names_are_found() -> None:
    """The check before this one sees a name that is wrong at its end or in the middle."""
    wrong = {
        "bedrock_exporter_target_ups",
        "bedrock_model_customization_jop_info",
        "job:bedrock_exporter_target_up:new",
    }
    assert unknown("`bedrock_exporter_target_up` bedrock_exporter_target_* " + " ".join(wrong)) == wrong
