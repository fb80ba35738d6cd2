"""The table of what goes wrong between the exporter and AWS: how it is injected, and what users must see of it.

`test_aws.py` proves every line of it; docs/reliability.md shows it.
"""

from reliability.answers import ANSWERS
from reliability.fault import FILE, R
from reliability.refusals import REFUSALS
from reliability.rows import Row

FAULTS = (*REFUSALS, *ANSWERS)


ALONE = (
    Row(
        "Every target fails when the exporter starts",
        "`/-/healthy` 200, `/-/ready` 200 after the first walks, `/metrics` with `target_up` 0 for each",
        f"`target is down`, `reason={R.NETWORK}`, once for each target",
        f"{FILE}::test_every_target_fails_from_the_start",
    ),
)

ELSEWHERE = (
    Row(
        "Walks that fail for longer than `poll.stale_after`",
        "the target's job series end; its `bedrock_exporter_target_*` stay. A good walk brings all back",
        "`no good walk within stale_after; the target's job series end`",
        "tests/fleet/test_states.py::test_stale_data_ends_exactly_then_and_a_good_walk_brings_it_back",
    ),
    Row(
        "The second of two targets that turn out to be one account in one region",
        f'`target_up` 0, `target_walk_failures_total{{reason="{R.DUPLICATE_TARGET}"}}` grows; no series stands twice',
        f"`target is down`, `reason={R.DUPLICATE_TARGET}`, “which targets[0] watches already; remove one of the two”",
        "tests/fleet/test_states.py::test_the_second_of_two_that_are_one_is_a_duplicate",
    ),
)

LIMITS = (
    Row(
        "200 targets, each with a profile of its own, and 64 file descriptors; as many clients that say nothing",
        "`target_up` 1; `/metrics` answers, and SIGTERM ends it; each request to AWS makes a connection",
        "`too few file descriptors to keep connections to AWS open`, at the start, with the `limit` that is `wanted`",
        "tests/reliability/test_descriptors.py::test_more_targets_than_descriptors",
    ),
    Row(
        "As many roles as walk at a time, and STS answers without end",
        "peak memory of the process at most 300 MB; the target beside them is up",
        "`target is down`, `reason=malformed_response`",
        "tests/reliability/test_memory.py::test_hostile_sts",
    ),
    Row(
        "AWS Organizations answers without end",
        '`discovery_failures_total{reason="malformed_response"}` grows; memory at most 300 MB; other targets are up',
        "“the answer is larger than 1 MiB”",
        "tests/reliability/test_memory.py::test_hostile_organizations",
    ),
    Row(
        "A list of ten million jobs",
        "`target_up` 0 after `poll.max_pages`; peak memory at most 300 MB; the target beside it is up",
        "`target is down`, `reason=runaway_pagination`",
        "tests/reliability/test_memory.py::test_ten_million_jobs",
    ),
    Row(
        "10,000 targets: a start, a reload of all of them, a SIGTERM in the midst of one",
        "each takes at most 3 s, the end at most 5 s; `/-/healthy` answers meanwhile",
        "`configuration reloaded`",
        "tests/reliability/test_many_targets.py::test_ten_thousand_targets",
    ),
    *(
        Row(
            f"As many targets as walk at a time, all at once answered with {answer}",
            "peak memory of the process at most 300 MB; the target beside them is up",
            "`target is down`, `reason=malformed_response`, where it is no list",
            f"tests/reliability/test_memory.py::test_hostile_targets_at_once[{answer}]",
        )
        for answer in (
            "a body without end",
            "a 500 without end",
            "a body of 2 GB, as its header says",
            "a job name of 4 MB",
            "a body that gzip unpacks to 64 MB",
            "lists in lists",
            "as many members as a page may have",
            "jobs that say as much as they can",
        )
    ),
)

ROWS = [*(fault.row for fault in FAULTS), *ALONE, *ELSEWHERE, *LIMITS]
