"""Writes docs/performance.md from docs/performance.json, which `make bench` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"

MEANING = {
    "first-boto3-1k": "walk, snapshot and text of 1,000 jobs for the first time, against boto3's paginator into gauges",
    "first-boto3-10k": "the same of 10,000 jobs",
    "first-boto3-100k": "the same of 100,000 jobs",
    "first-json-1k": "the same walk of 1,000 jobs, against a bare fetch and `json.loads` of the same bytes",
    "first-json-10k": "the same of 10,000 jobs",
    "first-json-100k": "the same of 100,000 jobs",
    "later-100k": "a later walk of the same 100,000 jobs, against the same fetch and `json.loads`",
    "per-job-1m": "CPU per job of 1,000,000 jobs, against 10,000",
    "memory-100k": "memory that 100,000 jobs add, 1,000 of them with series: ten walks and a scrape in each format",
    "scrape-production": "a gzipped scrape of 23,000 series of 16 targets that are walked every 10 s, scraped every "
    "second, without the walks, against `generate_latest` and gzip of the same series",
    "scrape-again": "the same of a page that no walk has changed",
    "scrape-first": "the first gzipped scrape after a walk, 23,000 series of one target",
    "scrape-first-1k-targets": "the same of 10 jobs in each of 1,000 targets",
    "scrape-p99": "0.99 quantile of a scrape's time while 100,000 jobs are walked, a walk per 20 scrapes, against an "
    "idle exporter",
    "targets-memory": "memory of one of 1,000 targets with a role of its own and 10 jobs, beyond its rendered text",
    "targets-set-up": "CPU to set one of these up, its first walk included",
    "targets-round": "CPU of a walk of all 1,000, of one core at an interval of 60 s",
    "targets-5k": "memory of a process with 5,000 targets without jobs",
    "start-up": 'CPU from the start to the first good scrape, against `python -c "import boto3"`',
}
"""What each row of the benchmark is."""

UNEXPLAINED = "Not explained yet."

REASONS: dict[str, str] = {
    "start-up": (
        "Nearly all of it is imports, as `python -X importtime -m exporter --version` begins to show: aiohttp with its "
        "client half, boto3, pydantic. Then comes the first client, most of which is reading the service model."
    ),
}
"""Of each row that missed its bound, why; a sentence or two. Those of rows that reached it are not shown."""

INTRO = """\
# Performance

<!-- Written by tools/performance_page.py from docs/performance.json: `make bench docs`. -->

What the exporter costs. Absolute figures depend on the machine, so compare the ratios: both sides of each ratio ran in
turn on the same machine. `make bench` repeats the measurement in nine minutes, prints this table and writes
`docs/performance.json`, the figure and the profile; `make docs` writes this page from them. CPU is user and system
time of all threads. The server runs in a separate process, with its pages prepared in advance. Each case runs in a
fresh process; the best of three rounds counts.

"""

REST = """\

{missed}## By the number of jobs

{sizes}
![CPU per job over the number of jobs](performance.svg)

## Where it goes

The floor is `json.loads` of the bytes plus a bare urllib3 fetch. A walk does more and still takes less time: msgspec
decodes a page straight into the structs of `jobs/job.py`, with no dictionary in between (`bedrock/wire.py`). Then

- `jobs/fold.py` looks at each job. Of one that ended before `retain` and `baseline_window`, only a hash of its ARN and
  a count stay.
- botocore signs each request and reads its answer, once a page of 1,000 jobs.
- `jobs/text.py` renders the text of the jobs that have series, in the walk's own thread.

A scrape joins the texts of the targets family by family, fills in the values that grow, and compresses each family with
ISA-L (`jobs/page.py`). Nothing is kept from one scrape to the next. A walk gives way to a scrape for a moment after
each page and each family that it renders (`work.py`).

As the profiler sees a walk. It adds to the cost of every call, so small functions look dearer than they are; and what
waits for the server is counted, too (`recv_into`, `sendall`):

```text
{profile}```

Targets share boto3 clients, one for each profile, region and way of signing; a walk brings its own credentials
(`bedrock/clients.py`). That is what makes a target cheap.

A page of 1,000 jobs holds the interpreter while it is decoded, so a scrape may have to wait that long several times. On
a machine that others use at the same time, the longest times are theirs.
"""


def files() -> dict[Path, str]:
    """The page."""
    return {DOCS / "performance.md": _page()}


def _page() -> str:
    document = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    rows = "".join(_line(row) for row in document["rows"])
    profile = (DOCS / "performance-profile.txt").read_text(encoding="utf-8")
    return (
        INTRO
        + f"Measured with Python {document['python']}, {versions}.\n\n"
        + "| what | ours | theirs | ratio | must reach | |\n|---|--:|--:|--:|---|---|\n"
        + rows
        + REST.replace("{profile}", profile)
        .replace("{missed}", _missed(document["rows"]))
        .replace("{sizes}", _sizes(document["seen"]))
        + _budget(json.loads((DOCS / "budget.json").read_text(encoding="utf-8")))
    )


def _missed(rows: list[dict[str, Any]]) -> str:
    """A section on the rows that missed their bounds; empty if none did."""
    lines = [
        f"- **{_what(row)}**: {_figure(row)}, where {_bound(row)} was the aim. {REASONS.get(row['row'], UNEXPLAINED)}\n"
        for row in rows
        if row["reached"] is False
    ]
    return "".join(["## What was not reached\n\n", *lines, "\n"]) if lines else ""


BUDGET = """
## Calls for details and tags

From a start, with `details.enabled` and one key in `job_series.tags`, `job_series.max_jobs` above the number of jobs,
and the defaults besides: 20 calls after each walk of a target (`calls_per_walk`), 5 a second in the whole process
(`calls_per_second`), a walk a minute. Every twentieth of the jobs that ended within `job_series.retain` (14 days) has
failed. Time is virtual, a call takes 0.3 s; `PYTHONPATH=tests python -m benchmarks.budget` counts anew, in a minute.
Later it is two calls for a job that ends, and four a day for the tags of one that runs.

| targets | ended jobs | failed | calls in all | most in a minute | every failed job has its reason | all is known |
|--:|--:|--:|--:|--:|---|---|
"""


def _budget(measured: list[dict[str, int]]) -> str:
    """What calls for details cost, and when the reasons are there."""
    rows = [
        f"| {each['targets']:,} | {each['ended_jobs']:,} | {each['failed_jobs']:,} | {each['calls']:,} "
        f"| {each['most_per_minute']:,} | after {_after(each['reasons_after'])} | after {_after(each['all_after'])} |\n"
        for each in measured
    ]
    return "".join([BUDGET, *rows])


def _after(seconds: int) -> str:
    return f"{seconds} s" if seconds < 300 else f"{seconds / 60:.0f} min"


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
    theirs = "" if row["theirs"] is None else f"{_number(row['theirs'])} {unit}"
    ratio = "" if row["theirs"] is None else f"{row['measure']:.2f}"
    reached = {None: "", True: "reached", False: "**missed**"}[row["reached"]]
    remark = f" ({row['remark']})" if row["remark"] else ""
    ours = f"{_number(row['ours'])} {unit}"
    return f"| {_what(row)}{remark} | {ours} | {theirs} | {ratio} | {_bound(row)} | {reached} |\n"


def _what(row: dict[str, Any]) -> str:
    return MEANING[row["row"]]


def _bound(row: dict[str, Any]) -> str:
    """Of a ratio, or of ours in its unit; empty if there is none."""
    return row["must"] if row["theirs"] is not None or not row["must"] else f"{row['must']} {row['unit']}"


def _figure(row: dict[str, Any]) -> str:
    """What is held against the bound."""
    return f"a ratio of {row['measure']:.2f}" if row["theirs"] is not None else f"{_number(row['ours'])} {row['unit']}"


def _number(value: float) -> str:
    return f"{value:,.2f}" if value >= 1 else f"{value:.2g}"
