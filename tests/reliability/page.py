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

What goes wrong around the exporter, and what its users see then. Each line names the test that injects the fault, over
real sockets where there are any, and proves what stands beside it. The names of tests are those of pytest: the file,
the test and its parameter.

## What it promises

- **A walk counts as a whole or not at all.** If one fails, on whichever page, `/metrics` goes on showing what the last
  good walk brought: byte for byte, but for the values that grow with time, which go on growing.
  `bedrock_exporter_target_up` is 0 and the reason is counted in `bedrock_exporter_target_walk_failures_total`.
- **Old data end.** When no walk of a target has been good for `poll.stale_after` ({stale_after} unless set), the
  series of its jobs end. What is known of the target itself stays.
- **A target that fails harms no other.** The others are walked on time, also while one is held by a peer that never
  answers. The exporter starts, serves and is healthy while every target fails.
- **It gets well by itself.** The first good walk after a fault shows the list as it is now. No restart is needed.
- **No empty lies.** "No jobs" is what AWS said in so many words: a 200 without the list is a failed walk.
- **One line in the log for each change**, not one for each walk: `target is down` with the `reason` and a `detail` that
  says what to do, and when it is over `target is up`, with the reason again as `was`. A job that can't be read is
  named once.
- **A scrape never waits for AWS**, and never sees half a walk.

## Deadlines and limits

| what | bound | set by |
|---|---|---|
| one walk | {timeout}, then it is cut off, whatever the peer does | `poll.timeout` |
| pages of a walk | {max_pages:,}; more are `runaway_pagination`, as is a page token seen before | `poll.max_pages` |
| jobs of a page | {page_jobs:,}; more are `malformed_response`, as are more bytes | fixed |
| bytes of an answer | {page_bytes} MiB for a page, {other_bytes} MiB for any other, unpacked too | fixed |
| walks at a time | {concurrency} | `poll.concurrency` |
| wait for a connection to AWS | {connect_timeout} | `aws.connect_timeout` |
| wait for the next byte from AWS | {read_timeout} | `aws.read_timeout` |
| tries of one request | {max_attempts}, with growing pauses, all within the deadline of the walk | `aws.max_attempts` |
| age of what is shown while walks fail | {stale_after} | `poll.stale_after` |
| jobs with series of their own | {max_jobs:,} ended per target, five times as many that run | `job_series.max_jobs` |
| malformed jobs named in the log | the first {max_complaints} of a walk; all are counted | fixed |
| connections of clients | {connections}; for one more, who has waited longest without a request goes | fixed |
| a client's first request | {header} after it connected | fixed |
| a client's next request | {keep_alive} after the last response | fixed |
| reading a response | {write} after the request | fixed |
| one request | {request} KiB | fixed |
| responses that clients have yet to read | {unread} MiB; beyond it who stands still longest is cut off | fixed |
| scrapes in flight | as many as connections; those of one kind share one page in memory | fixed |
| the end, after SIGTERM | responses in flight get {shutdown}, all is over within 5 s | fixed |

The deadline of a walk is proven within 2 s. Intervals and deadlines go by a clock that nobody can set; the wall clock
is only shown.
"""

SECTIONS = (
    (
        aws_faults.ROWS,
        "AWS and the way there",
        """\
With real boto3 against a faulty server. Two walks meet the fault, one on its first page and one in mid-list where that
makes a difference; a second target is well all the time, walks on, and shows no trace of it. Where `target_up` is 0
everything else stays as it was, and one good walk ends it. Names of metrics are without their prefix
`bedrock_exporter_`.""",
    ),
    (
        detail_faults.ROWS,
        "Details and tags of jobs",
        """\
Of the calls that `details` and `job_series.tags` make, each with a deadline of 15 s and beside the walks: whatever
becomes of one, walks are good and on time, and scrapes are answered. A job is given up after 6 failures; denied calls
count for none.""",
    ),
    (client_faults.ROWS, "Who scrapes", "While a good client goes on scraping and gets correct pages."),
    (
        long_life.ROWS,
        "Long life and wild input",
        "What expires, jumps or hangs in months of uptime, and any input at all.",
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
