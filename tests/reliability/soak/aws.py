"""The Bedrock and the STS of the soak."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qsl

from exporter.simulator import Request, Response, Server

OWN, OTHER = "111122223333", "444455556666"

CREDENTIALS_LAST = 4.0
"""Seconds that the credentials of a role are good for."""

RENEWED = CREDENTIALS_LAST / 2
"""Seconds after which botocore renews them: it does so from a quarter of an hour ahead of the end that it is told."""


_LIVES = 8.0
"""Seconds that a job is in the list; it runs for half of them."""
_EACH = 0.5
"""Seconds from one job of a target to the next."""
_OLD = 100
"""Jobs on each of the two pages that never change."""

_NAMES = ("plain", "düsseldorf", 'say "hi"', "back\\slash", "\U0001f600", "a\tb", "100%", "long-" + "x" * 58)
_KINDS = ("FINE_TUNING", "DISTILLATION", "NEW_TO_US")


class Aws:
    """Answers as the service does, but for one request in twenty. Its state is counters only."""

    def __init__(self) -> None:
        self._random = random.Random(3)
        self._lock = threading.Lock()
        self._old = {
            account: [
                [_summary(f"{account}:us-east-1", number, 0.0, 0.0) for number in range(page, page + _OLD)]
                for page in (0, _OLD)
            ]
            for account in (OWN, OTHER)
        }
        self.counts: Counter[str] = Counter()
        self.calm = False

    def __call__(self, request: Request) -> Response:
        if request.path == "/counts":
            return Response(200, json.dumps(self.counts).encode())
        if request.path == "/calm":
            self.calm = True
            return Response(200)
        sts = request.path == "/"
        with self._lock:
            self.counts["requests"] += 1
            chance = 1.0 if self.calm else self._random.random()
        for name, share in _STS_FAULTS if sts else _FAULTS:
            chance -= share
            if chance < 0:
                self.counts[f"fault: {name}"] += 1
                return self._fault(name)
        return self._sts(request) if sts else self._page(request)

    def _fault(self, name: str) -> Response:  # noqa: PLR0911 - a table
        match name:
            case "429":
                return _error(429, "ThrottlingException")
            case "500":
                return _error(500, "InternalServerException")
            case "403":
                return _error(403, "AccessDeniedException")
            case "HTML":
                return Response(200, b"<html>Sign in to the proxy</html>", {"Content-Type": "text/html"})
            case "torn JSON":
                return Response(200, b'{"modelCustomizationJobSummaries": [{"jobArn": "arn' + b"x" * 50_000)
            case "token loop":
                return _list([], token="loop")
            case "malformed jobs":
                return _list([None, {"jobName": "no ARN"}, {"jobArn": f"arn:{self._random.random()}", "jobName": None}])
            case "torn body":
                return Response(200, [b'{"modelCust' + b" " * 50_000], {"Content-Length": "100000"})
            case "dripping":
                return Response(200, _drip(), {"Content-Length": "100000"})
            case "silence":
                time.sleep(1.2)
        raise ConnectionAbortedError

    def _sts(self, request: Request) -> Response:
        asked = dict(parse_qsl(request.body.decode()))
        self.counts[asked["Action"]] += 1
        if asked["Action"] == "GetCallerIdentity":
            return _xml(asked["Action"], f"<Account>{OWN}</Account>")
        if OTHER not in asked["RoleArn"]:
            text = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>No.</Message></Error></ErrorResponse>"
            return Response(403, text, {"Content-Type": "text/xml"})
        ends = time.time() + CREDENTIALS_LAST
        return _xml(
            asked["Action"],
            "<Credentials><AccessKeyId>ASIASOAK</AccessKeyId><SecretAccessKey>any</SecretAccessKey>"
            f"<SessionToken>{ends:.3f}</SessionToken>"
            f"<Expiration>{_iso(time.time() + 900 + RENEWED)}</Expiration></Credentials>",
        )

    def _page(self, request: Request) -> Response:
        self.counts["pages"] += 1
        now = time.time()
        token = request.headers.get("x-amz-security-token")
        if token is not None and now > float(token):
            self.counts["expired credentials used"] += 1
            return _error(403, "ExpiredTokenException")
        scope = re.search(r"Credential=\w+/\d+/([\w-]+)/", request.headers["authorization"])
        region = scope[1] if scope else "?"
        asked = request.query.get("nextToken", "0")
        if asked == "loop":
            return self._fault("token loop")
        number = int(asked.partition(".")[0])
        account = OWN if token is None else OTHER
        if number < len(self._old[account]):
            return _list(self._old[account][number], token=f"{number + 1}.{self._random.random()}")
        first = int((now - _LIVES) / _EACH) + 1
        return _list(
            [_summary(f"{account}:{region}", each, each * _EACH, now) for each in range(first, int(now / _EACH) + 1)]
        )


_FAULTS = (
    ("429", 0.008),
    ("500", 0.006),
    ("403", 0.004),
    ("HTML", 0.004),
    ("torn JSON", 0.004),
    ("token loop", 0.004),
    ("malformed jobs", 0.01),
    ("torn body", 0.004),
    ("closed before headers", 0.004),
    ("dripping", 0.001),
    ("silence", 0.001),
)
_STS_FAULTS = (("429", 0.02), ("500", 0.02), ("HTML", 0.02), ("closed before headers", 0.02), ("silence", 0.005))


def _summary(place: str, number: int, created: float, now: float) -> dict[str, Any]:
    """A job of the list at `now`; one of long ago if it was created at 0."""
    account, _, region = place.partition(":")
    arn = f"arn:aws:bedrock:{region}:{account}"
    model = f"amazon.nova-lite-v{number % 3}:0:300k"
    created, now = created or time.time() - 300 * 86400, now or time.time()
    age = now - created
    step = _LIVES / 8
    status = "InProgress" if age < 4 * step else ("Completed", "Completed", "Failed", "Stopped", "Lost")[number % 5]
    starts = [created + step, created + 2 * step, created + 3 * step]
    details = {
        name: {"status": "NotStarted"}
        if start > now
        else {
            "status": "InProgress" if now < start + step else "Completed",
            "creationTime": _iso(start),
            "lastModifiedTime": _iso(min(now, start + step)),
        }
        for name, start in zip(("validationDetails", "dataProcessingDetails", "trainingDetails"), starts, strict=True)
    }
    summary: dict[str, Any] = {
        "jobArn": f"{arn}:model-customization-job/{model}/{number:012d}",
        "baseModelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model}",
        "jobName": f"{_NAMES[number % len(_NAMES)]}-{number}",
        "status": status,
        "statusDetails": details,
        "creationTime": _iso(created),
        "lastModifiedTime": _iso(min(now, created + 4 * step)),
        "customizationType": _KINDS[number % len(_KINDS)],
    }
    if status != "InProgress":
        summary["endTime"] = _iso(created + 4 * step)
    return summary


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _list(summaries: list[Any], token: str | None = None) -> Response:
    body = json.dumps({"modelCustomizationJobSummaries": summaries, "nextToken": token}).encode()
    return Response(200, body, {"Content-Type": "application/json"})


def _error(status: int, code: str) -> Response:
    return Response(status, b'{"message": "No."}', {"Content-Type": "application/json", "x-amzn-ErrorType": code})


def _xml(action: str, result: str) -> Response:
    text = f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"
    return Response(200, text.encode(), {"Content-Type": "text/xml"})


def _drip() -> Iterator[bytes]:
    for _ in range(40):
        yield b" "
        time.sleep(0.05)


def serve_aws(parent: Connection) -> None:
    """Serve, and tell the URL, until the parent ends this process."""
    with Server(Aws()) as server:
        parent.send(server.url)
        parent.poll(None)  # or ends itself
