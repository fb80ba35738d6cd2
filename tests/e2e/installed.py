"""Exporters that do not run from this checkout: from a wheel, from an image."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from e2e.processes import Exporter, clean_environment, fetch, running, serving, wait_for


@contextlib.contextmanager
def demo(program: Sequence[str | Path], directory: Path, environment: Mapping[str, str]) -> Iterator[Exporter]:
    """The demo of an installed exporter that has finished the first walk of every target."""
    with running([*program, "--demo", "--web.listen-address=127.0.0.1:0"], directory, environment) as process:
        log = directory / "stderr"
        found = wait_for("address", lambda: re.search(r"msg=listening address=(\S+)", log.read_text()), process)
        url = f"http://{found[1]}"
        wait_for("readiness", lambda: fetch(f"{url}/-/ready"), process)
        yield Exporter(process, directory, url)


def families(exporter: Exporter) -> set[bytes]:
    """Names of the families that a scrape shows."""
    return set(re.findall(rb"^# TYPE (\S+) ", exporter.metrics()[0], re.MULTILINE))


def families_here(directory: Path) -> set[bytes]:
    """The same of this checkout's demo; what `test_demo` looks at is not looked at again."""
    with serving(["--demo"], directory, clean_environment(directory)) as exporter:
        return families(exporter)
