"""The body of a page of `ListModelCustomizationJobs` → jobs. Pure.

A page is decoded straight into `Job` structs. If that fails or is in doubt, it is read leniently, job by job, so that
one bad job never costs the page. Both ways give the same result for a well-formed job.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import fields

from exporter.errors import FailureReason, WalkError
from exporter.jobs.job import LATEST, Job, StatusDetails, SubTask, Time

MAX_JOBS = 1000
"""The most jobs on a page: the API's limit of ``maxResults`` [model]."""

MAX_COMPLAINTS = 20
"""The most malformed jobs of a page that are described; all are counted."""

_MAX_PUNCTUATION = 50 * MAX_JOBS
"""The most commas and opening brackets in a page that is read leniently; the service sends about 30 a job. This limits
the memory of the decoded JSON: a few kB of brackets would become MBs of lists."""

_LIST = "modelCustomizationJobSummaries"
_KEY = f'"{_LIST}"'.encode()
_TIMES = frozenset({"creationTime", "lastModifiedTime", "endTime"})
_MEMBERS: dict[type[msgspec.Struct], list[str]] = {
    kind: [field.encode_name for field in fields(kind)] for kind in (Job, StatusDetails, SubTask)
}
_EPOCH = datetime.fromtimestamp(0, UTC)
_NO_SUBTASK = SubTask()
_NO_DETAILS = StatusDetails()


class JobPage(NamedTuple):
    """One page of the list.

    Attributes:
        jobs: the readable ones.
        next_token: for the next page; None on the last.
        malformed: the number of unreadable jobs.
        complaints: for the first few of them, the job, the field, and what is wrong.
    """

    jobs: Sequence[Job]
    next_token: str | None
    malformed: int = 0
    complaints: tuple[str, ...] = ()


class _Page(msgspec.Struct, gc=False, rename={"jobs": _LIST, "next_token": "nextToken"}):
    jobs: list[Job]
    next_token: str | None = None


_decoder = msgspec.json.Decoder(_Page)


def read_page(body: bytes) -> JobPage:
    """Read one page of the list.

    Args:
        body: of an answer with status 200.

    Raises:
        WalkError: it is not a page of the list. botocore would read a 200 with an empty body, a proxy's HTML, or JSON
            without the list as "no jobs"; here they are ``malformed_response``. The Coral framework's UnknownOperation
            answer, which has status 200, is ``unsupported_region``.
    """
    try:
        page = _decoder.decode(body)
    except (ValueError, RecursionError):
        return _read_leniently(body)
    # msgspec accepts any year and uses the last of two equal keys; an escape could hide the second one.
    if b"\\" in body or len(page.jobs) > MAX_JOBS or _has_list_twice(body) or _is_before_epoch(page.jobs):
        return _read_leniently(body)
    return JobPage(page.jobs, page.next_token or None)


def _has_list_twice(body: bytes) -> bool:
    """Whether the key of the list, spelt without escapes, occurs twice.

    A second key needs a second J, and most pages have none before their token. Searching for one byte takes a twentieth
    of the time of searching for the whole key, which would be a tenth of the time to read a page.
    """
    second = body.find(b"J", body.find(_KEY) + len(_KEY))
    return second >= 0 and body.find(_KEY, second - _KEY.index(b"J")) >= 0


def _is_before_epoch(jobs: Sequence[Job]) -> bool:
    """Whether any time of any job is before 1970. Checks nine times per job, so it is written for speed."""
    for job in jobs:
        details = job.status_details or _NO_DETAILS
        validation = details.validation_details or _NO_SUBTASK
        processing = details.data_processing_details or _NO_SUBTASK
        training = details.training_details or _NO_SUBTASK
        earliest = min(
            job.creation_time,
            job.last_modified_time or _EPOCH,
            job.end_time or _EPOCH,
            validation.creation_time or _EPOCH,
            validation.last_modified_time or _EPOCH,
            processing.creation_time or _EPOCH,
            processing.last_modified_time or _EPOCH,
            training.creation_time or _EPOCH,
            training.last_modified_time or _EPOCH,
        )
        if earliest < _EPOCH:
            return True
    return False


def _read_leniently(body: bytes) -> JobPage:
    page = _load(body)
    summaries = page.get(_LIST)
    if not isinstance(summaries, list):
        output = page.get("Output")
        if isinstance(output, dict) and str(output.get("__type")).endswith("UnknownOperationException"):
            raise WalkError(
                FailureReason.UNSUPPORTED_REGION,
                "the endpoint does not know the operation ListModelCustomizationJobs: the region lacks the feature",
            )
        raise _malformed(f"a 200 without the list {_LIST}", body)
    if len(summaries) > MAX_JOBS:
        raise _malformed(f"a 200 with {len(summaries)} jobs, where {MAX_JOBS} are the most", body)
    token = page.get("nextToken")
    if token is not None and not isinstance(token, str):
        raise _malformed("a nextToken that is not text", body)
    jobs: list[Job] = []
    complaints: list[str] = []
    for summary in summaries:
        try:
            jobs.append(_job(summary))
        except ValueError as error:
            complaints.append(f"{_name(summary)}: {error}")
    return JobPage(jobs, _clean(token or "") or None, len(complaints), tuple(complaints[:MAX_COMPLAINTS]))


def _load(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, accepting invalid UTF-8 and huge numbers."""
    if sum(map(body.count, (b",", b"[", b"{"))) > _MAX_PUNCTUATION:
        raise _malformed("a 200 with far more in it than a page of jobs", body)
    text = body.decode("utf-8-sig", "replace")
    try:
        page = json.loads(text, strict=False, parse_int=_parse_int, object_pairs_hook=_parse_object)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"a 200 whose body is not JSON ({error})", body) from None
    if not isinstance(page, dict):
        raise _malformed("a 200 whose JSON is not an object", body)
    if page.get(_LIST) is _TWICE:
        raise _malformed(f"a 200 with the list {_LIST} twice", body)
    return page


def _parse_int(digits: str) -> float:
    """Parse as a float: Python refuses very long integers, and no field needs every digit."""
    return int(digits) if len(digits) < 20 else float(digits)


_TWICE = object()


def _parse_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs) and [name for name, _ in pairs].count(_LIST) > 1:
        members[_LIST] = _TWICE
    return members


def _malformed(what: str, body: bytes) -> WalkError:
    return WalkError(
        FailureReason.MALFORMED_RESPONSE,
        f"ListModelCustomizationJobs answered {what}; it begins {body[:80]!r}; "
        "is a proxy or a wrong endpoint_url in between?",
    )


def _name(summary: object) -> str:
    """A malformed job's ARN, or else its name."""
    if isinstance(summary, dict):
        for name in (summary.get("jobArn"), summary.get("jobName")):
            if isinstance(name, str) and name:
                return f"job {_clean(name):.200}"
    return "a job"


def _job(summary: object) -> Job:
    """The job in a decoded summary; `ValueError` says which field is wrong."""
    if not isinstance(summary, dict):
        raise ValueError(f"{summary!r:.80} is not an object")
    members = _present(summary, Job, "")
    details = members.get("statusDetails")
    if isinstance(details, dict):
        members["statusDetails"] = {
            name: _present(subtask, SubTask, f"statusDetails.{name}.") if isinstance(subtask, dict) else subtask
            for name, subtask in _present(details, StatusDetails, "statusDetails.").items()
        }
    try:
        return msgspec.convert(members, Job)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$.")
        raise ValueError(f"{path.rstrip('`')}: {what}" if path else what) from None


def _present(members: dict[str, Any], kind: type[msgspec.Struct], path: str) -> dict[str, Any]:
    """The struct's members that have a value, with times as datetimes and text that UTF-8 can encode."""
    present: dict[str, Any] = {}
    for name in _MEMBERS[kind]:
        value = members.get(name)
        if name in _TIMES and value is not None:
            present[name] = _time(value)
            if present[name] is None:
                raise ValueError(f"{path}{name}: {value!r:.40} is not a time from 1970 to 9999")
        elif value is not None and value != "":
            present[name] = _clean(value) if isinstance(value, str) else value
    return present


def _time(value: object) -> datetime | None:
    """A time: in any format of msgspec's, any other ISO 8601 (UTC without a zone), or epoch seconds."""
    moment = None
    if isinstance(value, str):
        try:
            moment = msgspec.convert(value, Time)
        except ValueError:
            moment = _iso_time(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LATEST:
        moment = datetime.fromtimestamp(value, UTC)
    return moment if moment is not None and moment >= _EPOCH else None


def _iso_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _clean(text: str) -> str:
    """Text that UTF-8 can encode: a lone surrogate, which JSON can spell, becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
