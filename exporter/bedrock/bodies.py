"""Handlers of botocore's ``before-parse`` event: they change what its parser sees of an answer."""

from __future__ import annotations

import json
import zlib
from typing import Any

from exporter.bedrock.transport import MAX_OTHER, MAX_PAGE, too_large
from exporter.errors import FailureReason, WalkError

_LONGEST_MESSAGE = 500


def decompress(response_dict: dict[str, Any], **_: object) -> None:
    """Decompress what a proxy has compressed, as botocore does not; under the same size limit."""
    if response_dict["headers"].get("content-encoding", "").lower() != "gzip":
        return
    limit = MAX_PAGE if response_dict["context"]["operation_name"] == "ListModelCustomizationJobs" else MAX_OTHER
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        body = inflater.decompress(response_dict["body"], limit + 1)
    except zlib.error:
        body = b""
    if len(body) > limit:
        raise too_large(limit)
    if not inflater.eof:
        raise WalkError(FailureReason.MALFORMED_RESPONSE, "the answer is not the gzip that its header says it is")
    response_dict["body"] = body


def keep(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take the body of a successful answer past the parser, as ``body`` in the result.

    The parser would reject a whole page for one bad timestamp, read a body without the list as an empty list, and cost
    many times more per job.
    """
    if response_dict["status_code"] < 300:
        customized_response_dict["body"] = response_dict["body"]
        response_dict["body"] = b"{}"
    else:
        response_dict["body"] = _plain_error(response_dict["body"])


def _plain_error(body: bytes) -> bytes:
    """An error answer reduced to the fields that the parser needs, as text.

    The parser fails at JSON that is not an object, at a numeric code, and at a page that is not UTF-8. That would lose
    the status, which says what is wrong.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = {"message": body[:_LONGEST_MESSAGE].decode(errors="replace")}
    members = answer.items() if isinstance(answer, dict) else ()
    return json.dumps(
        {
            name: text[:_LONGEST_MESSAGE]
            for name, text in members
            if name in {"message", "Message", "code", "Code", "__type"} and isinstance(text, str)
        }
    ).encode()
