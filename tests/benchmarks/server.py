"""The Bedrock that the benchmark reads, in a process of its own: made to cost little, not to be clever.

A list is named and has as many jobs as asked for, the oldest first. The last hundredth of them, or as many as asked
for, are recent: of five, one runs and four ended within the last two weeks; the others ended long ago. Pages are
templates prepared beforehand, filled in once with the ids and the day, and by each request with the last modification
of what runs. Page tokens differ from walk to walk, as the opaque ones of the service do.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import secrets
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from multiprocessing.connection import Connection
from urllib.parse import parse_qsl

from exporter.simulator import Request, Response, Server

LIST_PATH = "/model-customization-jobs"
PAGE = 1000
"""Jobs on a page."""

_ACCOUNT = "111122223333"
_MODELS = ("amazon.nova-lite-v1:0:300k", "amazon.nova-micro-v1:0:128k", "meta.llama3-3-70b-instruct-v1:0:128k")
_TYPES = ("FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION", "REINFORCEMENT_FINE_TUNING")
_ENDINGS = ("Completed",) * 18 + ("Failed", "Stopped")
_MINUTES = (1, 3, 0, 2, 1, 120)  # from creation to the start and end of each step
_ID, _OLD, _RECENT, _NOW, _OWNER = b"@page@", b"@longago@", b"@lately@", b"@now@", b"@account@"
_ERA = 1200  # days back to the first page, one page a day


@contextmanager
def serving() -> Iterator[str]:
    """Run the server in a process of its own; gives its URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), name="bedrock", daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def choose(url: str, name: str, jobs: int, recent: int | None = None) -> None:
    """Have the server serve another list from now on: its name, a letter, makes its jobs differ."""
    query = f"name={name}&jobs={jobs}&recent={jobs // 100 if recent is None else recent}"
    with urllib.request.urlopen(urllib.request.Request(f"{url}/list?{query}", method="PUT")):
        pass


@dataclass(frozen=True)
class _List:
    name: str
    jobs: int
    recent: int

    def page(self, number: int, account: str) -> bytes:
        first = number * PAGE
        count = min(PAGE, self.jobs - first)
        recent = max(0, min(count, first + count - (self.jobs - self.recent)))
        summaries = _filled(
            self.name, number, count=count, recent=recent, account=account, today=datetime.now(UTC).date()
        )
        if recent:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            summaries = summaries.replace(_NOW, now.encode())
        more = first + count < self.jobs
        token = json.dumps(f"{secrets.token_urlsafe(96)}.{number + 1}" if more else None).encode()
        return b'{"modelCustomizationJobSummaries":[' + summaries + b'],"nextToken":' + token + b"}"


@lru_cache(128)
def _filled(name: str, number: int, *, count: int, recent: int, account: str, today: date) -> bytes:
    """The jobs of a page, but for what changes with every request.

    Pages of a list of up to 100,000 jobs are made once: the server must not take a processor from whom it serves.
    """
    return (
        _template(count, recent)
        .replace(_ID, f"{name}{number:05d}".encode())
        .replace(_OLD, _day(today, _ERA - number))
        .replace(_RECENT, _day(today, 1 + number % 12))
        .replace(_OWNER, account.encode())
    )


def _day(today: date, ago: int) -> bytes:
    return (today - timedelta(days=ago)).isoformat().encode()


@lru_cache
def _template(count: int, recent: int) -> bytes:
    """A page of jobs of which the last ones are recent, with places for what is filled in."""
    summaries = [_summary(index, recent=index >= count - recent) for index in range(count)]
    return json.dumps(summaries, separators=(",", ":"))[1:-1].encode()


def _summary(index: int, *, recent: bool) -> dict[str, object]:
    """One job with all nine timestamps; without an end if it runs."""
    runs = recent and index % 5 == 0
    status = "InProgress" if runs else _ENDINGS[index % len(_ENDINGS)]
    day = (_RECENT if recent else _OLD).decode()
    times = (
        f"{day}T{minute // 60:02d}:{minute % 60:02d}:{index % 60:02d}.{(index * 37 + minute) % 1000:03d}Z"
        for minute in accumulate(_MINUTES, initial=index)
    )
    created = last = next(times)
    details = {}
    for step in ("validationDetails", "dataProcessingDetails", "trainingDetails"):
        started, last = next(times), next(times)
        details[step] = {"status": "Completed", "creationTime": started, "lastModifiedTime": last}
    if runs:
        last = _NOW.decode()
    details["trainingDetails"] |= {"status": status, "lastModifiedTime": last}
    model = _MODELS[index % len(_MODELS)]
    key = f"{_ID.decode()}{index:06d}"
    summary: dict[str, object] = {
        "jobArn": f"arn:aws:bedrock:us-east-1:{_OWNER.decode()}:model-customization-job/{model}/{key}",
        "baseModelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model}",
        "jobName": f"support-intent-{key}",
        "status": status,
        "statusDetails": details,
        "lastModifiedTime": last,
        "creationTime": created,
        "customModelName": f"support-intent-{key}-model",
        "customizationType": _TYPES[index % len(_TYPES)],
    }
    if not runs:
        summary["endTime"] = last
    if status == "Completed":
        summary["customModelArn"] = f"arn:aws:bedrock:us-east-1:{_OWNER.decode()}:custom-model/{model}/{key}"
    return summary


class _Bedrock:
    """Lists the jobs of the chosen list for everybody, and lets everybody assume every role."""

    def __init__(self) -> None:
        self._list = _List("a", 0, 0)

    def __call__(self, request: Request) -> Response:
        if request.path == LIST_PATH:
            number = int(request.query.get("nextToken", "0").rpartition(".")[2])
            key = re.search(r"Credential=ASIA(\d{12})/", request.headers.get("authorization", ""))
            body = self._list.page(number, key[1] if key else _ACCOUNT)
            return Response(200, body, {"Content-Type": "application/json"})
        if request.method == "PUT":
            query = request.query
            self._list = _List(query["name"], int(query["jobs"]), int(query["recent"]))
            return Response(200)
        return Response(200, _sts(dict(parse_qsl(request.body.decode()))).encode(), {"Content-Type": "text/xml"})


def _sts(parameters: dict[str, str]) -> str:
    if parameters["Action"] == "GetCallerIdentity":
        return _xml("GetCallerIdentity", f"<Account>{_ACCOUNT}</Account>")
    expires = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat(timespec="seconds")
    return _xml(
        "AssumeRole",
        f"<Credentials><AccessKeyId>ASIA{parameters['RoleArn'].split(':')[4]}</AccessKeyId><SecretAccessKey>any</SecretAccessKey>"
        f"<SessionToken>any</SessionToken><Expiration>{expires}</Expiration></Credentials>",
    )


def _xml(action: str, result: str) -> str:
    return (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>any</RequestId></ResponseMetadata></{action}Response>"
    )


def _serve(parent: Connection) -> None:
    with Server(_Bedrock()) as server:
        parent.send(server.url)
        parent.poll(None)  # until the parent ends this process, or ends itself


def lead_to(url: str) -> None:
    """Lead every AWS client of this process and of its children to the server, and none to what the user has set up."""
    for name in [name for name in os.environ if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "AKIABENCHMARK",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_BEDROCK": url,
        "AWS_ENDPOINT_URL_STS": url,
    }
