"""Writes docs/reliability.md from the tables of faults beside this file, each line of which a test proves.

``PYTHONPATH=tests python -m reliability.page``
"""

from __future__ import annotations

import re
from pathlib import Path

from exporter.bedrock.transport import MAX_OTHER, MAX_PAGE
from exporter.bedrock.wire import MAX_JOBS
from exporter.config.resolve import load
from exporter.fleet.walk import MAX_COMPLAINTS
from exporter.web.connections import Limits
from exporter.web.server import SHUTDOWN_DEADLINE
from reliability import aws_faults, client_faults, detail_faults, long_life
from reliability.rows import Row

PLACE = Path(__file__).parents[2] / "docs" / "reliability.md"

INTRO = """\
# Reliability

<!-- Written by tests/reliability/page.py from the tables beside it: `make docs`. -->

What can go wrong around the exporter, and what its users then see. Each line names the test that injects the fault,
over real sockets where the network is involved, and checks the result. Tests are named as in pytest: file, test and
parameter.

## What it promises

- **A walk counts as a whole or not at all.** If one fails, on any page, `/metrics` keeps showing the result of the last
  good walk, byte for byte; only values that grow with time keep growing.
  `bedrock_exporter_target_up` is 0 and the reason is counted in `bedrock_exporter_target_walk_failures_total`.
- **Old data end.** When no walk of a target has been good for `poll.stale_after` ({stale_after} unless set), the
  series of its jobs end. The series about the target itself stay.
- **A failing target does not affect others.** The others are walked on time, even while one waits for a peer that never
  answers. The exporter starts, serves and is healthy while every target fails.
- **It recovers by itself.** The first good walk after a fault shows the current list. No restart is needed.
- **No false zeros.** It shows "no jobs" only if AWS returned an empty list: a 200 without the list is a failed walk.
- **One log line for each change**, not for each walk: `target is down` with the `reason` and a `detail` that says what
  to do, and `target is up` when it is over, with the reason as `was`. A job that can't be read is logged once.
- **A scrape never waits for AWS**, and never sees half a walk.

## Deadlines and limits

| what | bound | set by |
|---|---|---|
| one walk | {timeout}, then it is aborted, whatever the peer does | `poll.timeout` |
| pages of a walk | {max_pages:,}; more are `runaway_pagination`, as is a page token seen before | `poll.max_pages` |
| jobs of a page | {page_jobs:,}; more are `malformed_response`, as are more bytes | fixed |
| bytes of a response | {page_bytes} MiB for a page, {other_bytes} MiB for any other, also when decompressed | fixed |
| concurrent walks | {concurrency} | `poll.concurrency` |
| wait for a connection to AWS | {connect_timeout} | `aws.connect_timeout` |
| wait for the next byte from AWS | {read_timeout} | `aws.read_timeout` |
| attempts per request | {max_attempts}, with growing pauses, all within the deadline of the walk | `aws.max_attempts` |
| age of the data shown while walks fail | {stale_after} | `poll.stale_after` |
| jobs with series of their own | {max_jobs:,} ended per target, five times as many that run | `job_series.max_jobs` |
| malformed jobs named in the log | the first {max_complaints} of a walk; all are counted | fixed |
| client connections | {connections}; at the limit, the one that has been idle longest is closed | fixed |
| a client's first request | {header} after it connected | fixed |
| a client's next request | {keep_alive} after the last response | fixed |
| time for a client to read a response | {write} after the request | fixed |
| size of a request | {request} KiB | fixed |
| responses that clients have not read yet | {unread} MiB; beyond that, the client stalled longest is cut off | fixed |
| concurrent scrapes | as many as connections; scrapes in the same format share one page in memory | fixed |
| shutdown after SIGTERM | responses in flight get {shutdown}; the process ends within 5 s | fixed |

Tests check the deadline of a walk with a tolerance of 2 s. Intervals and deadlines use the monotonic clock; the wall
clock is only displayed.
"""

SECTIONS = (
    (
        aws_faults.ROWS,
        "AWS and the network",
        """\
Tested with real boto3 against a faulty server. Two walks meet the fault: one on the first page and, where that makes a
difference, one in the middle of the list. A second, healthy target is walked all the time and is not affected. Where
`target_up` is 0, everything else stays as it was, and one good walk restores it. Metric names are shown without their
prefix `bedrock_exporter_`.""",
    ),
    (
        detail_faults.ROWS,
        "Details and tags of jobs",
        """\
These are faults of the calls that `details` and `job_series.tags` make. Each call has a deadline of 15 s and runs apart
from the walks: if it fails, walks still succeed on time, and scrapes are answered. After 6 failures the exporter stops
asking about a job; denied calls do not count.""",
    ),
    (client_faults.ROWS, "Clients", "A well-behaved client keeps scraping all the time, and gets correct pages."),
    (
        long_life.ROWS,
        "Long uptime and arbitrary input",
        "What expires, jumps or hangs in months of uptime, and any input whatsoever.",
    ),
)
"""Table, title, and what holds for all lines of the table."""

ROWS = [row for rows, *_ in SECTIONS for row in rows]

HEAD = "| fault | what users see | log line | test |\n|---|---|---|---|\n"


def text() -> str:
    """The page."""
    sections = (f"## {title}\n\n{about}\n\n{HEAD}{''.join(map(_line, rows))}" for rows, title, about in SECTIONS)
    return "\n".join([INTRO.format(**_limits()), *sections])


def _limits() -> dict[str, object]:
    """The limits, as they are unless they are set."""
    config = load("targets: [{regions: [us-east-1]}]", file="", environ={}, default_region=lambda _: None)
    web = Limits()
    durations = {
        "timeout": config.schedule.timeout,
        "stale_after": config.schedule.stale_after,
        "connect_timeout": config.aws.connect_timeout,
        "read_timeout": config.aws.read_timeout,
        "header": web.header,
        "keep_alive": web.keep_alive,
        "write": web.write,
        "shutdown": SHUTDOWN_DEADLINE,
    }
    return {
        "concurrency": config.schedule.concurrency,
        "max_attempts": config.aws.max_attempts,
        "max_complaints": MAX_COMPLAINTS,
        "page_jobs": MAX_JOBS,
        "page_bytes": MAX_PAGE >> 20,
        "other_bytes": MAX_OTHER >> 20,
        "max_jobs": config.budget.max_jobs,
        "max_pages": config.schedule.max_pages,
        "connections": web.connections,
        "request": web.request >> 10,
        "unread": web.unread >> 20,
        **{name: f"{value:g} s" if value < 120 else f"{value / 60:g} minutes" for name, value in durations.items()},
    }


def _line(row: Row) -> str:
    test = row.test.removeprefix("tests/")
    cells = (row.fault, row.seen, row.log, f"`{test}`")
    return "| " + " | ".join(re.sub(r"\s+", " ", cell).replace("|", r"\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
