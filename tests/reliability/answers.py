"""Answers that don't come, don't end, or are not what they should be."""

import gzip

import faults
from faults import ACCOUNT, HTML, body_of, error, page

from exporter.simulator import Response
from reliability.fault import (
    CUT_SHORT,
    GOOD_BODY,
    JOB,
    MINE,
    NO_LIST,
    NOT_JSON,
    TOO_MANY,
    Fault,
    R,
    bad_job,
    held,
    lost,
    not_the_list,
    odd_job,
    too_large,
)
from reliability.injections import (
    below_http,
    clock_off,
    dripping,
    endless,
    list_of,
    listing,
    nameless,
    refusing,
    silent,
    silent_sts,
    stalling,
    sts,
    together,
    with_jobs,
)
from reliability.scene import GOOD, at, pages, running

ANSWERS = (
    # The network
    lost("dns", "DNS fails", nameless),
    lost("refused", "The connection is refused", refusing),
    lost("reset-before-headers", "The connection is reset before the headers", below_http(b"")),
    lost("reset-in-body", "The connection is reset in mid-body", below_http(CUT_SHORT)),
    lost("closed-before-headers", "The connection is closed before the headers", listing(faults.drop)),
    lost("closed-in-body", "The connection is closed in mid-body", listing(faults.truncated())),
    Fault(
        "silent",
        "Headers that never come",
        stalling(silent),
        R.TIMEOUT,
        "Read timeout on endpoint URL",
        settings={"read_timeout": "1s"},
    ),
    held(
        "silent-to-the-deadline",
        "Headers that never come, and `aws.read_timeout` beyond `poll.timeout`",
        stalling(silent),
    ),
    held(
        "dripping-headers",
        "Headers that come a byte a second",
        below_http(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a", pause=1),
    ),
    held("dripping-body", "A body that comes a byte a second", stalling(dripping)),
    held("sts-silent", "STS says nothing when a role's credentials have to be renewed", silent_sts, role=True),
    # Answers without end
    lost(
        "endless-header",
        "A header that never ends, at full speed",
        below_http(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 99),
    ),
    too_large(
        "endless-interim",
        "`100 Continue` again and again, at full speed",
        below_http(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99),
    ),
    too_large("endless-body", "A body that never ends, at full speed", listing(endless)),
    too_large(
        "huge-body",
        "A body of 2 GB, as its header says",
        listing(Response(200, [b"{"], {"Content-Length": "2000000000"})),
    ),
    too_large(
        "gzip-bomb",
        "16 kB that gzip unpacks to 16 MB",
        listing(Response(200, gzip.compress(bytes(2**24)), {"Content-Encoding": "gzip"})),
    ),
    Fault(
        "sts-endless",
        "STS answers without end when a role's credentials have to be renewed",
        sts(endless),
        R.MALFORMED_RESPONSE,
        "the answer is larger than 1 MiB",
        role=True,
    ),
    Fault(
        "gzip",
        "A proxy that packs answers with gzip, though nobody asked for it",
        listing(Response(200, gzip.compress(GOOD_BODY), {"Content-Encoding": "gzip"}), all_pages=True),
        also="it is unpacked",
        shows=(("bedrock_exporter_target_walk_pages", "", "1"),),
    ),
    # A 200 that is not the list
    not_the_list(
        "truncated-json", "JSON that breaks off", b'{"modelCustomizationJobSummaries": [{"jobArn": ', NOT_JSON
    ),
    not_the_list("html", "HTML with 200, of a proxy", HTML, NOT_JSON),
    not_the_list("empty-body", "An empty body with 200", b"", NOT_JSON),
    not_the_list("empty-object", "`{}` with 200", b"{}", NO_LIST),
    not_the_list("list-null", "The list is null", b'{"modelCustomizationJobSummaries": null}', NO_LIST),
    not_the_list(
        "list-twice",
        "The list is there twice",
        b'{"modelCustomizationJobSummaries": [], "modelCustomizationJobSummaries": []}',
        "answered a 200 with the list modelCustomizationJobSummaries twice",
    ),
    not_the_list(
        "too-many-jobs", "A page of 1,001 jobs", TOO_MANY, "answered a 200 with 1001 jobs, where 1000 are the most"
    ),
    *(
        Fault(
            f"status-{status}",
            f"The list, but with status {status}, of a proxy",
            listing(body_of(GOOD_BODY, status)),
            R.MALFORMED_RESPONSE,
            f"answered with status {status}",
        )
        for status in (203, 206)
    ),
    # Pages
    Fault(
        "token-loop",
        "A page token that leads to itself",
        listing(page(running(77), token="a"), all_pages=True),
        R.RUNAWAY_PAGINATION,
        "the list repeated a page token after 1 pages",
        attempts=2,
    ),
    Fault(
        "too-many-pages",
        "More pages than `poll.max_pages`",
        listing(list_of(19), all_pages=True),
        R.RUNAWAY_PAGINATION,
        "the list has more than 20 pages; raise poll.max_pages",
        settings={"max_pages": "20"},
        attempts=20,
    ),
    Fault(
        "max-pages",
        "As many pages as `poll.max_pages`",
        listing(list_of(18), all_pages=True),
        also="`target_walk_pages` and every count are exact",
        settings={"max_pages": "20"},
        attempts=20,
        jobs=18,
        shows=(
            ("bedrock_exporter_target_walk_pages", "", "20"),
            ("bedrock_model_customization_jobs", 'status="Stopped",customization_type="FINE_TUNING"', "18"),
        ),
    ),
    Fault(
        "repeated-jobs",
        "A page that repeats jobs of the page before",
        listing(pages((*GOOD[:1], (*GOOD[0], *GOOD[1]))), all_pages=True),
        also="each job counts once",
        shows=(("bedrock_model_customization_jobs", 'status="InProgress",customization_type="FINE_TUNING"', "2"),),
    ),
    Fault(
        "shrinking-list",
        "A list that shrinks",
        listing(pages(GOOD[1:]), all_pages=True),
        also="the counts follow, and the series of the jobs that are gone end",
        jobs=-3,
        gone=tuple(f"{number:012d}" for number in (1, 2, 3)),
        shows=(
            ("bedrock_exporter_target_walk_pages", "", "1"),
            ("bedrock_model_customization_jobs", 'status="Failed",customization_type="FINE_TUNING"', "0"),
        ),
    ),
    Fault(
        "empty-list",
        "A list without jobs, as AWS writes it",
        listing(page(), all_pages=True),
        also="it is believed: every count is 0, and the series of the jobs end",
        jobs=-5,
        gone=tuple(f"{number:012d}" for number in (1, 2, 3, 4, 5)),
        shows=(
            ("bedrock_exporter_target_walk_pages", "", "1"),
            ("bedrock_model_customization_jobs", 'status="InProgress",customization_type="FINE_TUNING"', "0"),
        ),
    ),
    # Jobs
    Fault(
        "no-arn",
        "A job without ARN",
        with_jobs({name: value for name, value in running(88).items() if name != "jobArn"}),
        log="job job-88: Object missing required field `jobArn`",
        malformed=1,
        hides="job-88",
    ),
    bad_job(
        "text-time", "A time that is some text", "creationTime: 'yesterday' is not a time", creationTime="yesterday"
    ),
    bad_job(
        "time-out-of-range",
        "A time out of range",
        "lastModifiedTime: 1790000000000000 is not a time",
        lastModifiedTime=1_790_000_000_000_000,
    ),
    Fault(
        "not-a-job",
        "A job that is null, a number or a list",
        with_jobs(None, 7, []),
        log="a job: None is not an object",
        malformed=3,
        also="one log line for each",
    ),
    odd_job(
        "number-time",
        "A time that is a number",
        "it is read as Unix seconds",
        (JOB + "created_timestamp_seconds", MINE, "1789999000.5"),
        creationTime=1_789_999_000.5,
    ),
    Fault(
        "null-modified",
        "A time that is null where it may be missing",
        with_jobs(running(88) | {"lastModifiedTime": None, "endTime": None}),
        also="the job has no series about that time",
        jobs=1,
        shows=((JOB + "info", MINE, "1"),),
        hides=f'{JOB}last_modified_timestamp_seconds{{aws_account_id="{ACCOUNT}",aws_region="us-east-1",{MINE}',
    ),
    odd_job(
        "unknown-status",
        "A status that is new to us",
        "it passes through as it is",
        (JOB + "status", f'{MINE},job_name="job-88",customization_type="FINE_TUNING",status="Paused"', "1"),
        ("bedrock_model_customization_jobs", 'status="Paused",customization_type="FINE_TUNING"', "1"),
        status="Paused",
    ),
    odd_job(
        "unknown-type",
        "A customization type that is new to us",
        "it passes through as it is",
        (JOB + "info", f'{MINE},job_name="job-88",customization_type="QUANTIZATION"', "1"),
        ("bedrock_model_customization_jobs", 'status="InProgress",customization_type="QUANTIZATION"', "1"),
        customizationType="QUANTIZATION",
    ),
    # Clocks
    odd_job(
        "aws-clock-ahead",
        "AWS's clock an hour ahead of ours",
        "what grows stays 0 until our clock is there; nothing is negative",
        (JOB + "duration_seconds", MINE, "0.000"),
        (JOB + "time_since_last_modified_seconds", MINE, "0.000"),
        creationTime=at(3600),
        lastModifiedTime=at(3660),
    ),
    odd_job(
        "aws-clock-behind",
        "AWS's clock an hour behind ours",
        "what grows is an hour too much; walks go on",
        (JOB + "created_timestamp_seconds", MINE, "1789996400.0"),
        creationTime=at(-3600),
        lastModifiedTime=at(-3600),
    ),
    Fault(
        "our-clock-ahead",
        "Our clock jumps an hour ahead",
        clock_off(3600),
        also="what grows jumps with it; the snapshot stays, and walks go on",
        shows=(("bedrock_exporter_target_last_walk_timestamp_seconds", "", "@now"),),
    ),
    Fault(
        "our-clock-ahead-meanwhile",
        "Our clock is a year ahead while walks fail half-way, and is then corrected",
        together(clock_off(365 * 86400), listing(error(500, "InternalServerException"))),
        R.SERVER_ERROR,
        "InternalServerException",
        also="nothing is lost: the next good walk shows every job, those that ended before it too",
    ),
    Fault(
        "our-clock-behind",
        "Our clock jumps an hour back",
        clock_off(-3600),
        also="what grows jumps with it and is never below 0; the snapshot stays, and walks go on",
        shows=(
            ("bedrock_exporter_target_last_walk_timestamp_seconds", "", "@now"),
            (JOB + "duration_seconds", f'job_id="{1:012d}"', "0.000"),
        ),
    ),
)
