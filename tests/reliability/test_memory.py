"""The process stays small whatever its peers send, all of them at once."""

import gzip
import itertools
import json
import re
from pathlib import Path

import pytest
from e2e.processes import clean_environment, serving, simulated_aws
from faults import job

from exporter.simulator import Response, Server

pytestmark = pytest.mark.e2e

MB = 1_000_000
REGIONS = "us-east-1 us-east-2 us-west-2 eu-west-1 eu-west-3 eu-central-1 ap-south-1 ap-northeast-1".split()  # noqa: SIM905
CONFIG = (
    f"poll: {{concurrency: {len(REGIONS)}}}\ntargets: [{{regions: [{', '.join(REGIONS)}]}}]\naws: {{max_attempts: 1}}\n"
)


def listing(text: str) -> bytes:
    return b'{"modelCustomizationJobSummaries": [' + text.encode() + b"]}"


ANSWERS: dict[str, Response] = {
    "a body without end": Response(200, itertools.repeat(b" " * 65536)),
    "a body that gzip unpacks to 64 MB": Response(200, gzip.compress(bytes(64 * MB)), {"Content-Encoding": "gzip"}),
    "lists in lists": Response(200, listing(",".join(["[" * 20 + "]" * 20] * 95_000))),
    "as many members as a page may have": Response(200, listing(json.dumps({f"{n:030}": n for n in range(49_900)}))),
    "jobs that say as much as they can": Response(
        200,
        listing(",".join(json.dumps(job(n, jobName="x" * 2000, customizationType=f"T{n}" * 300)) for n in range(1000))),
    ),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_hostile_targets_at_once(answer: Response, tmp_path: Path) -> None:
    """As many as walk at a time, each with the same answer: at most 300 MB, ever."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    with (
        Server(lambda _: answer) as server,
        serving([], tmp_path, clean_environment(tmp_path, **simulated_aws(server.url))) as exporter,
    ):
        page = exporter.metrics()[0].decode()
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{exporter.process.pid}/status").read_text())
    assert len(re.findall(r"(?m)^bedrock_exporter_target_up\{", page)) == len(REGIONS)
    assert peak is not None
    assert int(peak[1]) * 1024 <= 300 * MB
