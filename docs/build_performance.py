"""Writes docs/performance.md from docs/performance.json, which `make bench` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
PLACE = DOCS / "performance.md"

MEANING = {
    "first-boto3-1k": "walk, snapshot and text of 1,000 jobs for the first time, against boto3's paginator into gauges",
    "first-boto3-10k": "the same of 10,000 jobs",
    "first-boto3-100k": "the same of 100,000 jobs",
    "first-json-1k": "the same walk of 1,000 jobs, against a bare fetch and `json.loads` of the same bytes",
    "first-json-10k": "the same of 10,000 jobs",
    "first-json-100k": "the same of 100,000 jobs",
    "later-100k": "a later walk of the same 100,000 jobs, against the first",
    "per-job-1m": "CPU per job of 1,000,000 jobs, against 10,000",
    "memory-100k": "memory that 100,000 jobs add, 1,000 of them with series",
    "scrape-20k": "a gzipped scrape of 20,000 series, against `generate_latest` and gzip of the same series",
    "scrape-p99": "0.99 quantile of a scrape's time while 100,000 jobs are walked, against an idle exporter",
    "scrape-max": "the longest of these",
    "targets-memory": "memory of one of 1,000 targets with a role of its own and 10 jobs, its first walk done",
    "targets-set-up": "CPU to set one of these up, its first walk included",
    "targets-round": "CPU of a walk of all 1,000, of one core at an interval of 60 s",
    "start-up": 'CPU from the start to the first good scrape, against `python -c "import boto3"`',
}
"""What each row of the benchmark is."""

INTRO = """\
# Performance

<!-- Written by docs/build_performance.py from docs/performance.json: `make bench docs`. -->

What the exporter costs, as ratios within one run: nobody's machine is like ours, but both sides of a ratio ran on the
same one, in turns. `make bench` measures anew; it takes nine minutes, prints this table and writes
`docs/performance.json`, the figure and the profile, and `make docs` writes this page from them. CPU is user and system
time of all threads; the server stands in a process of its own and its pages are prepared beforehand; each case runs in
a fresh process, and of three rounds the least counts.

"""

REST = """\

{sizes}
![CPU per job over the number of jobs](performance.svg)

## Where it goes

The floor is `json.loads` of the bytes plus a bare urllib3 fetch. On top of it a first walk pays:

- **Looking at each job.** One that ended before `retain` and `baseline_window` is only counted
  (`bedrock.wire.parse_bygone`): its end is parsed, its ARN hashed, nothing made of it. The others become a `Job`, and
  their sub-tasks are parsed only if the job may get series.
- **The fingerprint of the page** (`bedrock.wire.parse_page`), small beside `json.loads`. It pays at the next walk:
  a page that differs in nothing but its token is not decoded (`walk.Memory`), so a later walk costs little more than
  fetching the list.
- **botocore's call**: signing, retries, and reading the body through urllib3 in slices; once a page.

A scrape copies the state of a compressor that has already eaten all that stands still (`exposition.Page`), fills in the
values that grow, and compresses these and the exporter's own metrics. The text of a job that has ended is rendered once
(`exposition.Renderer`).

As the profiler sees it. It adds to the cost of every call, so small functions look dearer than they are; and what waits
for the server is counted, too (`recv_into`, `sendall`):

```text
{profile}```

Targets share one loader of service models, one STS client for each profile and region, and for roles a shallow copy of
one session (`bedrock.client`): that is what makes a target cheap.

## What was not reached

- **40 times less CPU than boto3 for a first walk.** A fortieth of boto3's figure would be little more than the floor:
  divide the one by 40, and look at the other. What a first walk costs beyond the floor is the least that it takes to
  look at every job. Tried without a gain that could be told from noise: letting go of each page before the next is
  fetched, and keeping the garbage collector from running during a walk. Not tried: a JSON parser in another language,
  which would lower the floor itself, at the price of a compiled dependency for work that later walks do not do.
- **Start-up within 2.5 times `import boto3`.** Nearly all of it is imports, as `python -X importtime -c "import
  exporter.cli"` shows: boto3 itself, then aiohttp, whose client half can't be left out, then pydantic. Then comes the
  first client, a good part of which is botocore's reading of the service model. Tried without a gain that could be told
  from noise: building pydantic's models when they are first needed, and importing with the garbage collector off. An
  HTTP server and a configuration parser of our own would reach it; they would cost more than they save.

A page of 1,000 jobs is what `json.loads` holds the interpreter for, whatever the switch interval (`cli` has set that to
1 ms), so a scrape may have to wait that long several times. On a machine that others use at the same time, the longest
times are theirs.
"""


def build() -> str:
    """The whole page."""
    document = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    rows = "".join(_line(row) for row in document["rows"])
    profile = (DOCS / "performance-profile.txt").read_text(encoding="utf-8")
    return (
        INTRO
        + f"Measured with Python {document['python']}, {versions}.\n\n"
        + "| what | ours | theirs | ratio | must reach | |\n|---|--:|--:|--:|---|---|\n"
        + rows
        + REST.replace("{profile}", profile).replace("{sizes}", _sizes(document["seen"]))
    )


def _sizes(seen: dict[str, list[dict[str, float]]]) -> str:
    """CPU and peak memory of each process that walked a list, the least of its rounds."""

    def least(case: str, key: str) -> str:
        return f"{min(figures[key] for figures in seen[case]):,.0f}" if case in seen else ""

    lines = [
        "CPU in ms, and peak memory of the process in MB:\n\n",
        "| jobs | first walk | later walk | peak | boto3 | peak | floor | peak |\n",
        "|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    ]
    for jobs in (1_000, 10_000, 100_000, 1_000_000):
        cells = [f"{jobs:,}", *(least(f"walk {jobs}", key) for key in ("first", "later", "peak"))]
        cells += [least(f"{case} {jobs}", key) for case in ("stock", "floor") for key in ("cpu", "peak")]
        lines.append("| " + " | ".join(cells) + " |\n")
    return "".join(lines)


def _line(row: dict[str, Any]) -> str:
    unit = row["unit"]
    theirs = "" if row["theirs"] is None else f"{row['theirs']:,.2f} {unit}"
    ratio = "" if row["theirs"] is None else f"{row['measure']:.2f}"
    reached = {None: "", True: "reached", False: "**missed**"}[row["reached"]]
    remark = f" ({row['remark']})" if row["remark"] else ""
    bound = row["must"] if row["theirs"] is not None or not row["must"] else f"{row['must']} {unit}"
    return f"| {MEANING[row['row']]}{remark} | {row['ours']:,.2f} {unit} | {theirs} | {ratio} | {bound} | {reached} |\n"


if __name__ == "__main__":
    PLACE.write_text(build(), encoding="utf-8")
