"""The pages of docs/runbooks and the alerts that they are about, and whether what stands in them exists."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jmespath
import yaml
from botocore import xform_name

ROOT = Path(__file__).parents[1]
RULES = ROOT / "monitoring" / "rules.yaml"
SECTIONS = (
    "What it means",
    "What users feel",
    "How to check",
    "What to do",
    "How to silence it",
    "What to tune",
)

_CLI_OPTIONS = {"region", "profile", "query", "output"}
_CLI_PAGES = {"max-items", "page-size", "starting-token"}
"""What the AWS CLI adds to every command, and to every command that has pages."""


@dataclass(frozen=True)
class Runbook:
    """One page."""

    path: Path

    def __str__(self) -> str:
        return self.path.stem

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def sections(self) -> dict[str, str]:
        """Title → text of each section, in their order."""
        _, *parts = re.split(r"^## (.+)\n", self.text, flags=re.MULTILINE)
        return dict(zip(parts[::2], parts[1::2], strict=True))

    @property
    def queries(self) -> list[str]:
        """Every PromQL expression: a block each."""
        return self._blocks("promql")

    def commands(self, program: str) -> list[list[str]]:
        """The words of every command that begins with `program`, its variables as they stand."""
        lines = "\n".join(self._blocks("sh")).replace("\\\n", " ").splitlines()
        return [words for words in (shlex.split(line, comments=True) for line in lines) if words[:1] == [program]]

    def _blocks(self, language: str) -> list[str]:
        found = re.findall(rf"^( *)```{language}\n(.+?)^\1```$", self.text, flags=re.MULTILINE | re.DOTALL)
        return [text for _, text in found]


RUNBOOKS = [Runbook(path) for path in sorted((ROOT / "docs" / "runbooks").glob("*.md")) if path.stem != "README"]


def groups() -> list[dict[str, Any]]:
    """The groups of the rules that ship."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    """Name → rule of every alert that ships."""
    return {rule["alert"]: rule for group in groups() for rule in group["rules"] if "alert" in rule}


def aws_fault(words: list[str], session: Any) -> str | None:
    """What the AWS CLI would have against a command, by the service models that it is made from; None if nothing."""
    _, service, operation, *rest = words
    if service not in session.get_available_services():
        return f"no service {service}"
    model = session.get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        return f"no operation {operation}"
    name = names[operation]
    shape = model.operation_model(name).input_shape
    members = {xform_name(member, "-") for member in shape.members} if shape else set()
    required = {xform_name(member, "-") for member in shape.required_members} if shape else set()
    paginators = session.get_component("data_loader").load_service_model(service, "paginators-1")["pagination"]
    options = dict(option.removeprefix("--").split("=", 1) for option in _joined(rest))
    unknown = options.keys() - members - _CLI_OPTIONS - (_CLI_PAGES if name in paginators else set())
    if unknown:
        return f"no option {sorted(unknown)}"
    if missing := required - options.keys():
        return f"without {sorted(missing)}"
    try:
        jmespath.compile(options.get("query", "@"))
    except jmespath.exceptions.JMESPathError as error:
        return str(error)
    return None


def _joined(words: list[str]) -> list[str]:
    """``--option value`` as ``--option=value``."""
    options: list[str] = []
    for word in words:
        if word.startswith("--"):
            options.append(word if "=" in word else f"{word}=")
        else:
            options[-1] += word
    return options
