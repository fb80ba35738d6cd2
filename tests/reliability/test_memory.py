"""The process stays small whatever its peers send, all of them at once."""

import gzip
import itertools
import json
import re
from pathlib import Path

import faults
import pytest
from e2e.processes import clean_environment, serving, simulated_aws
from faults import job

from exporter.bedrock.transport import LIST_PATH
from exporter.simulator import Request, Respond, Response, Server

pytestmark = pytest.mark.e2e

MB = 1_000_000
REGIONS = "us-east-1 us-east-2 us-west-2 eu-west-1 eu-west-3 eu-central-1 ap-south-1 ap-northeast-1".split()  # noqa: SIM905
WELL = "eu-north-1"
ROLE = "arn:aws:iam::111122223333:role/exporter"


def config(hostile: str) -> str:
    """As many hostile targets as walk at a time, with more about each, and one beside them that is well."""
    return f"""\
poll: {{concurrency: {len(REGIONS)}}}
targets:
  - regions: [{", ".join(REGIONS)}]
    {hostile}
  - regions: [{WELL}]
    account_id: '111122223333'
aws: {{max_attempts: 1}}
"""


def listing(text: str) -> bytes:
    return b'{"modelCustomizationJobSummaries": [' + text.encode() + b"]}"


ANSWERS: dict[str, Response] = {
    "a body without end": Response(200, itertools.repeat(b" " * 65536)),
    "a 500 without end": Response(500, itertools.repeat(b" " * 65536)),
    "a body of 2 GB, as its header says": Response(200, [b"{"], {"Content-Length": "2000000000"}),
    "a job name of 4 MB": Response(200, listing(json.dumps(job(1, jobName="x" * 4_000_000)))),
    "a body that gzip unpacks to 64 MB": Response(200, gzip.compress(bytes(64 * MB)), {"Content-Encoding": "gzip"}),
    "lists in lists": Response(200, listing(",".join(["[" * 20 + "]" * 20] * 95_000))),
    "as many members as a page may have": Response(200, listing(json.dumps({f"{n:030}": n for n in range(49_900)}))),
    "jobs that say as much as they can": Response(
        200,
        listing(",".join(json.dumps(job(n, jobName="x" * 2000, customizationType=f"T{n}" * 300)) for n in range(1000))),
    ),
}


def test_hostile_sts(tmp_path: Path) -> None:
    """Nor does the STS of as many roles fill memory, with an answer without end."""
    endless = Response(200, itertools.repeat(b" " * 65536))
    role = f"assume_role: {{role_arn: '{ROLE}'}}"
    page = peak_of(lambda request: endless if request.path == "/" else faults.page(), config(role), tmp_path)
    assert len(re.findall(r"(?m)^bedrock_exporter_target_up\{", page)) == len(REGIONS) + 1
    assert page.count('reason="malformed_response"} 1') == 2 * len(REGIONS)  # it is counted, and the reason of now


def test_hostile_organizations(tmp_path: Path) -> None:
    """Nor does AWS Organizations, with an answer without end."""
    endless = Response(200, itertools.repeat(b" " * 65536))
    hostile = "account_id: '111122223333'\ndiscovery: {organizations: {role_name: exporter, regions: [us-east-1]}}"
    text = f"targets:\n  - regions: [{WELL}]\n    {hostile}\n"
    page = peak_of(lambda request: faults.page() if LIST_PATH in request.path else endless, text, tmp_path)
    assert 'discovery_failures_total{reason="malformed_response"} 1' in page


def test_ten_million_jobs(tmp_path: Path) -> None:
    """Nor does a list of ten million jobs, all different, of which `max_pages` lets 2 million be read."""
    one = json.dumps(job(0))
    parts = one.partition(f"{0:012d}")

    def respond(request: Request) -> Response:
        if LIST_PATH not in request.path:
            return faults.identity()
        if f"/{WELL}/" in request.headers["authorization"]:
            return faults.page(job(1))
        number = int(request.query.get("nextToken", "0"))
        jobs = ",".join(f"{parts[0]}{number * 1000 + each:012d}{parts[2]}" for each in range(1000))
        return faults.body_of(f'{{"modelCustomizationJobSummaries": [{jobs}], "nextToken": "{number + 1}"}}'.encode())

    text = "poll: {timeout: 290s, interval: 300s}\n" + config("").replace(", ".join(REGIONS), REGIONS[0])
    page = peak_of(respond, text.replace(f"poll: {{concurrency: {len(REGIONS)}}}\n", ""), tmp_path)
    assert f'aws_region="{REGIONS[0]}",reason="runaway_pagination"}} 1' in page


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_hostile_targets_at_once(answer: Response, tmp_path: Path) -> None:
    """As many as walk at a time, each with the same answer: at most 300 MB, ever, and the one beside them is up."""
    well = faults.page(job(1))
    peak_of(lambda request: well if f"/{WELL}/" in request.headers["authorization"] else answer, config(""), tmp_path)


def environment_of(url: str, directory: Path) -> dict[str, str]:
    return clean_environment(directory, **simulated_aws(url), AWS_ENDPOINT_URL_ORGANIZATIONS=url)


def peak_of(respond: Respond, text: str, directory: Path) -> str:
    """The page after the first walks; the process never had more than 300 MB, and the target that is well is up."""
    (directory / "config.yaml").write_text(text)
    with (
        Server(respond) as server,
        serving([], directory, environment_of(server.url, directory)) as exporter,
    ):
        page = exporter.metrics()[0].decode()
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{exporter.process.pid}/status").read_text())
    assert f'bedrock_exporter_target_up{{aws_account_id="111122223333",aws_region="{WELL}"}} 1' in page
    assert peak is not None
    assert int(peak[1]) * 1024 <= 300 * MB
    return page
