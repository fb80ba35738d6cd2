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

## What stands in the way of more

- **40 times less than boto3** would be little more than the floor itself: divide boto3's figure by 40, and compare that
  with the floor of the same number of jobs. A JSON parser in another language would lower the floor; it is not worth a
  compiled dependency for work that later walks do not do.
- **Scrapes beside a walk** share the interpreter with it: `json.loads` of a page of 1,000 jobs does not let go of it
  until it is done, whatever the switch interval, which `cli` has set to 1 ms. On a machine that others use at the same
  time, the longest times are theirs.
"""


def build() -> str:
    """The whole page."""
    document = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    rows = "".join(_line(row) for row in document["rows"])
    return (
        INTRO
        + f"Measured with Python {document['python']}, {versions}.\n\n"
        + "| what | ours | theirs | ratio | must reach | |\n|---|--:|--:|--:|---|---|\n"
        + rows
        + REST.replace("{profile}", (DOCS / "performance-profile.txt").read_text(encoding="utf-8"))
    )


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
