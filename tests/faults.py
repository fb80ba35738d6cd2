"""A Bedrock and STS that answer as a test wishes: faulty responders for the simulator's server."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from exporter.simulator import Request, Respond, Response

ACCOUNT, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/bedrock-exporter"
LIST = "/model-customization-jobs"
HTML = b"<!DOCTYPE html><html><head><title>Proxy</title></head><body>Sign in to go on.</body></html>"
CORAL_UNKNOWN_OPERATION = b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}'


# Answers


def job(number: int, **members: Any) -> dict[str, Any]:
    """The summary of a job as the service writes it; `members` are put in, or taken out where they are None."""
    arn = f"arn:aws:bedrock:us-east-1:{ACCOUNT}"
    summary = {
        "jobArn": f"{arn}:model-customization-job/amazon.nova-lite-v1:0:300k/{number:012d}",
        "baseModelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:300k",
        "jobName": f"job-{number}",
        "status": "InProgress",
        "creationTime": "2026-01-01T00:00:00.000Z",
        "customizationType": "FINE_TUNING",
    }
    return {name: value for name, value in (summary | members).items() if value is not None}


def page(*summaries: object, token: object = None) -> Response:
    """A page of the list with these job summaries."""
    body = {"modelCustomizationJobSummaries": summaries} | ({} if token is None else {"nextToken": token})
    return body_of(json.dumps(body).encode())


def body_of(body: bytes | Iterable[bytes], status: int = 200, content_type: str = "application/json") -> Response:
    """An answer with this body."""
    return Response(status, body, {"Content-Type": content_type})


def error(status: int, code: str, message: str = "No.") -> Response:
    """An error of Bedrock."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return Response(status, json.dumps({"message": message}).encode(), headers)


def sts_error(status: int, code: str) -> Response:
    """An error of STS."""
    text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>No.</Message></Error></ErrorResponse>"
    return body_of(text.encode(), status, "text/xml")


def identity(account: str = ACCOUNT) -> Response:
    """What GetCallerIdentity answers to a user of this account."""
    result = f"<Arn>arn:aws:iam::{account}:user/test</Arn><UserId>AIDATEST</UserId><Account>{account}</Account>"
    return _sts("GetCallerIdentity", result)


def assumed(token: str, valid: timedelta) -> Response:
    """What AssumeRole answers: credentials with this session token that are good for so long from now."""
    expiration = (datetime.now(UTC) + valid).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _sts(
        "AssumeRole",
        f"<Credentials><AccessKeyId>ASIATEST</AccessKeyId><SecretAccessKey>any</SecretAccessKey>"
        f"<SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>",
    )


def _sts(action: str, result: str) -> Response:
    text = f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"
    return body_of(text.encode(), content_type="text/xml")


# Faults


def drop(_: Request) -> Response:
    """Close the connection before any header."""
    raise ConnectionAbortedError


def truncated(body: bytes = b'{"modelCustomizationJobSummaries": [') -> Response:
    """A body that ends before its Content-Length does."""
    return Response(200, [body], {"Content-Type": "application/json", "Content-Length": str(len(body) + 1000)})


class Stall:
    """Answers that take for ever, until `release`, so that no thread of a test outlives it.

    Attributes:
        reached: set as soon as a request has come this far.
    """

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._released = threading.Event()

    def silent(self, _: Request) -> Response:
        """Take the request and answer nothing."""
        self.reached.set()
        self._released.wait()
        raise ConnectionAbortedError

    def dripping(self, _: Request) -> Response:
        """Answer good headers at once and then a byte every 20 ms."""
        return Response(200, self._drops(), {"Content-Type": "application/json", "Content-Length": "1000000"})

    def _drops(self) -> Iterator[bytes]:
        while not self._released.wait(0.02):
            yield b" "
            self.reached.set()

    def release(self) -> None:
        """Let everybody go."""
        self._released.set()


class Service:
    """Answers List by each of `answers` in turn, the last one for ever, and STS by `sts`; remembers what it was asked.

    Attributes:
        seen: every request.
    """

    def __init__(self, *answers: Response | Respond, sts: Response | Respond | None = None) -> None:
        self._answers = answers
        self._sts = sts or identity()
        self.seen: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.seen.append(request)
        lists = len(self.lists)
        chosen = self._sts if request.path == "/" else self._answers[min(lists, len(self._answers)) - 1]
        return chosen if isinstance(chosen, Response) else chosen(request)

    @property
    def lists(self) -> list[Request]:
        """The requests for a page of the list."""
        return [request for request in self.seen if request.path == LIST]

    @property
    def sts_actions(self) -> list[str]:
        """What STS was asked for, in order."""
        return [action_of(request) for request in self.seen if request.path == "/"]


def action_of(request: Request) -> str:
    """The operation that a request to STS names."""
    return dict(parse_qsl(request.body.decode()))["Action"]


@contextlib.contextmanager
def closed_port(port: int = 0) -> Iterator[str]:
    """The URL of a port that refuses every connection, and that nobody else gets meanwhile."""
    with socket.socket() as bound:  # bound, but not listening
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
