"""The service's JSON → jobs. Pure; tolerant of every optional field and time format that the service may send."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container
from datetime import UTC, datetime
from typing import Any, NamedTuple

from exporter.model import SUBTASKS, TERMINAL_STATUSES, UNKNOWN, FailureReason, Job, SubTask, WalkError

_SUMMARIES = "modelCustomizationJobSummaries"

_WIRE_SUBTASKS = (
    (SUBTASKS[0], "validationDetails"),
    (SUBTASKS[1], "dataProcessingDetails"),
    (SUBTASKS[2], "trainingDetails"),
)

_LATEST = 253402300800.0  # the year 10000: what datetime can't hold, nobody means


class WirePage(NamedTuple):
    """One page of the list.

    Attributes:
        body: as it came.
        next_token: for the next page; None on the last.
        fingerprint: the same for two pages that differ at most in their token; None if that can't be told cheaply.
        decoded: the job summaries, not looked at; None for a known page, which has not been decoded.
    """

    body: bytes
    next_token: str | None
    fingerprint: int | None
    decoded: list[Any] | None

    def summaries(self) -> list[Any]:
        """The job summaries, not looked at; raises `WalkError` as `decode_page`."""
        return decode_page(self.body)[0] if self.decoded is None else self.decoded


class MalformedJobError(ValueError):
    """A job summary that can't be read; the message names the job and the field."""


def parse_page(body: bytes, known: Container[int] = frozenset()) -> WirePage:
    """Read one page of ``ListModelCustomizationJobs``; its jobs are decoded unless the page is known.

    Most of a long list never changes, and decoding it is most of what a walk costs. But each answer has a fresh token,
    so what is compared is the rest.

    Args:
        body: the body of a response with status 200.
        known: fingerprints of pages that were decoded before.

    Raises:
        WalkError: as `decode_page`.
    """
    fingerprint, token = _fingerprint(body)
    if fingerprint is not None and fingerprint in known:
        return WirePage(body, token, fingerprint, None)
    summaries, decoded_token = decode_page(body)
    return WirePage(body, decoded_token, fingerprint if token == decoded_token else None, summaries)


def decode_page(body: bytes) -> tuple[list[Any], str | None]:
    """The job summaries of a page, not looked at, and its token.

    Raises:
        WalkError: it is not such a page. A 200 with an empty body, a proxy's HTML or JSON without the list would be
            "no jobs" to botocore; here it is ``malformed_response``, and the Coral framework's UnknownOperation
            answer, which comes with status 200, is ``unsupported_region``.
    """
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"a 200 whose body is not JSON ({error})", body) from error
    if not isinstance(page, dict):
        raise _malformed("a 200 whose JSON is not an object", body)
    summaries = page.get(_SUMMARIES)
    if not isinstance(summaries, list):
        if _is_unknown_operation(page):
            raise WalkError(
                FailureReason.UNSUPPORTED_REGION,
                "the endpoint does not know the operation ListModelCustomizationJobs: the region lacks the feature",
            )
        raise _malformed(f"a 200 without the list {_SUMMARIES}", body)
    token = page.get("nextToken")
    if token is not None and not isinstance(token, str):
        raise _malformed("a nextToken that is not text", body)
    return summaries, token or None


_TOKEN = re.compile(rb'"nextToken"\s*:\s*"([!#-\[\]-~]*)"')  # \S* in the service model; here without escapes


def _fingerprint(body: bytes) -> tuple[int | None, str | None]:
    """What the page is but for its token, and the token, without decoding it; (None, None) if there is any doubt.

    The key can't hide in a job's text, where its quotes would be escaped.
    """
    key = body.find(b'"nextToken"')
    if key < 0:
        return hash(body), None
    match = _TOKEN.match(body, key)
    if match is None or body.find(b'"nextToken"', match.end()) >= 0:
        return None, None
    return hash(body[: match.start(1)] + body[match.end(1) :]), match[1].decode() or None


def _malformed(what: str, body: bytes) -> WalkError:
    return WalkError(
        FailureReason.MALFORMED_RESPONSE,
        f"ListModelCustomizationJobs answered {what}; it begins {body[:80]!r}; "
        "is a proxy or a wrong endpoint_url in between?",
    )


def _is_unknown_operation(page: dict[str, Any]) -> bool:
    output = page.get("Output")
    return isinstance(output, dict) and str(output.get("__type", "")).endswith("UnknownOperationException")


def parse_job(summary: Any, has_use_for_subtasks: Callable[[Job], bool] = lambda _: True) -> Job:  # noqa: ANN401
    """Turn one job summary into a `Job`.

    Args:
        summary: whatever the JSON holds.
        has_use_for_subtasks: asked of the job without them; they are two thirds of the work, and a job that ended long
            ago is only counted.

    Needed are ``jobArn``, ``jobName``, ``status`` and ``creationTime``. Everything else may be missing or null, but
    what is there must be of its type: a value that can't be read is never guessed.

    Raises:
        MalformedJobError: the summary can't be read.
    """
    if not isinstance(summary, dict):
        raise MalformedJobError(f"a job summary is {summary!r:.80}, not an object")
    arn = summary.get("jobArn")
    if not isinstance(arn, str) or not arn:
        raise MalformedJobError(f"job {summary.get('jobName')!r:.80}: jobArn is {arn!r:.80}, not an ARN")
    try:
        job = Job(
            arn=_clean(arn),
            name=_text(summary, "jobName"),
            status=_text(summary, "status"),
            customization_type=_optional_text(summary, "customizationType") or UNKNOWN,
            base_model=base_model(_optional_text(summary, "baseModelArn")),
            custom_model_name=_optional_text(summary, "customModelName"),
            created=_created(summary),
            last_modified=_time(summary, "lastModifiedTime"),
            end_time=_time(summary, "endTime"),
            subtasks=(),
        )
        details = summary.get("statusDetails")
        return job._replace(subtasks=_subtasks(details)) if details is not None and has_use_for_subtasks(job) else job
    except ValueError as error:
        raise MalformedJobError(f"job {_clean(arn):.200}: {error}") from error


def parse_bygone(summary: Any, before: float) -> tuple[str, str, str] | None:  # noqa: ANN401
    """ARN, status and customization type of a job that ended before a moment (Unix seconds); None for any other.

    Such a job is only counted, and a long list is mostly these: this costs a fraction of `parse_job`, and no `Job`
    is made. None is also for whatever is not plain enough to be sure of, so that `parse_job` has the last word on it;
    but times that are not needed for the count are not read here.
    """
    if not isinstance(summary, dict):
        return None
    end, status = summary.get("endTime"), summary.get("status")
    if not (isinstance(end, str) and isinstance(status, str) and status in TERMINAL_STATUSES):
        return None
    arn, name, kind = summary.get("jobArn"), summary.get("jobName"), summary.get("customizationType", UNKNOWN)
    if not (isinstance(arn, str) and isinstance(name, str) and isinstance(kind, str) and arn and name and kind):
        return None
    if not (arn.isascii() and kind.isascii()) or not isinstance(summary.get("creationTime"), str):
        return None
    try:
        ended = parse_time(end)
    except ValueError:  # parse_job says what is wrong with it
        return None
    return (arn, status, kind) if ended is not None and ended < before else None


def parse_time(value: Any) -> float | None:  # noqa: ANN401 - whatever the JSON holds
    """A time of the wire as Unix seconds; None for null.

    Takes ISO 8601 with 0 to 6 fraction digits, with ``Z``, an offset, or no zone (then UTC), and epoch numbers.

    Raises:
        ValueError: it is no such time.
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value!r:.40} is no time") from error
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    elif value is None:
        return None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = value
    else:
        raise ValueError(f"{value!r:.40} is no time")
    if 0 <= seconds < _LATEST:
        return float(seconds)
    raise ValueError(f"{value!r:.40} is no time: out of range")


def base_model(arn: str) -> str:
    """The part of a base model's ARN that names the model.

    ``arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-text-lite-v1:0:4k`` gives
    ``amazon.titan-text-lite-v1:0:4k``; a custom model's keeps its id, as in ``amazon.nova-lite-v1:0/abcdefabcdef``.
    """
    return arn.partition("/")[2] or arn or UNKNOWN


def _time(holder: dict[str, Any], key: str) -> float | None:
    """The time at a key, None if there is none."""
    try:
        return parse_time(holder.get(key))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _created(summary: dict[str, Any]) -> float:
    created = _time(summary, "creationTime")
    if created is None:
        raise ValueError("creationTime is missing")
    return created


def _subtasks(details: Any) -> tuple[SubTask, ...]:  # noqa: ANN401 - whatever the JSON holds
    if not isinstance(details, dict):
        raise ValueError(f"statusDetails is {details!r:.40}, not an object")
    subtasks = []
    for name, key in _WIRE_SUBTASKS:
        detail = details.get(key)
        if detail is None:
            continue
        if not isinstance(detail, dict):
            raise ValueError(f"{key} is {detail!r:.40}, not an object")
        try:
            status = _optional_text(detail, "status")
            started, modified = _time(detail, "creationTime"), _time(detail, "lastModifiedTime")
        except ValueError as error:
            raise ValueError(f"{key}.{error}") from error
        if status:
            # Whether the service gives a time to one that has not started is not known; a start it is not.
            subtasks.append(SubTask(name, status, None if status == "NotStarted" else started, modified))
    return tuple(subtasks)


def _text(holder: dict[str, Any], key: str) -> str:
    text = _optional_text(holder, key)
    if not text:
        raise ValueError(f"{key} is missing")
    return text


def _optional_text(holder: dict[str, Any], key: str) -> str:
    """The text at a key, empty if there is none."""
    value = holder.get(key)
    if isinstance(value, str):
        return value if value.isascii() else _clean(value)
    if value is None:
        return ""
    raise ValueError(f"{key} is {value!r:.40}, not text")


def _clean(text: str) -> str:
    """Text that UTF-8 can carry: JSON can spell half a surrogate pair, which becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
