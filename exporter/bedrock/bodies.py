"""What botocore's parser gets to see of an answer. Handlers of its ``before-parse`` event."""

from __future__ import annotations

import json
import zlib
from typing import Any

from exporter.bedrock.transport import MAX_OTHER, MAX_PAGE, too_large
from exporter.errors import FailureReason, WalkError

_LONGEST_MESSAGE = 500


def decompress(response_dict: dict[str, Any], **_: object) -> None:
    """Undo the gzip that a proxy has applied, which botocore does not; within the same limit of bytes."""
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
    """Pass the body of a good answer by the parser, as ``body`` in the result.

    The parser would fail the whole page for one bad timestamp, take a body without the list for an empty list, and cost
    many times as much per job.
    """
    if response_dict["status_code"] < 300:
        customized_response_dict["body"] = response_dict["body"]
        response_dict["body"] = b"{}"
    else:
        response_dict["body"] = _plain_error(response_dict["body"])


def _plain_error(body: bytes) -> bytes:
    """An error with nothing in it but what the parser looks for, as text.

    The parser fails at JSON that is no object, a code that is a number, and a page that is not UTF-8. Then the status
    would be lost, which says what is wrong.
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
