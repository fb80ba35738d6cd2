"""Targets share clients and connections, and yet nobody uses another's credentials nor sees another's answer."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import faults
import pytest
from bedrock.scene import SETTINGS, TARGET, key_of, names, walk
from faults import error, job, page

from exporter.bedrock.clients import Clients
from exporter.bedrock.pages import TargetReader
from exporter.errors import FailureReason, WalkError
from exporter.simulator import Request, Response, Server
from exporter.targets.target import AssumeRole, JobFilter, Target

PROFILES = ("even", "odd")
ACCOUNTS = [f"{number:012d}" for number in range(100)]
THREADS, ROUNDS = 50, 3


def profile_of(account: str) -> str:
    return PROFILES[int(account) % 2]


def target(account: str) -> Target:
    """Each names itself in a filter, so that a request tells whose it is, whatever it is signed with.

    The last two accounts are those of the profiles themselves; all others are reached through a role.
    """
    role = AssumeRole(f"arn:aws:iam::{account}:role/exporter") if account in ACCOUNTS[:-2] else None
    job_filter = JobFilter(name_contains=account)
    return replace(TARGET, account_id=account, profile=profile_of(account), assume_role=role, job_filter=job_filter)


class Aws:
    """An AWS that looks at whose every request is, and that fails in a different way each time.

    Attributes:
        mistakes: requests with the credentials, or the page token, of another target.
        seen: how often each kind of answer was given.
    """

    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self.seen: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        return self._assume(request) if request.path == "/" else self._list(request)

    def _assume(self, request: Request) -> Response:
        account = dict(parse_qsl(request.body.decode()))["RoleArn"].split(":")[4]
        self._check(request, account, f"AKIA{profile_of(account)}")
        is_short = int(account) % 3 == 0  # then it is renewed for each request
        lent = faults.assumed(f"token{account}", timedelta(minutes=1) if is_short else timedelta(hours=1))
        assert isinstance(lent.body, bytes)
        self._count("short" if is_short else "long")
        return replace(lent, body=lent.body.replace(b"ASIATEST", f"ASIA{account}".encode()))

    def _list(self, request: Request) -> Response:
        account = request.query["nameContains"]
        has_role = account in ACCOUNTS[:-2]
        self._check(request, account, f"ASIA{account}" if has_role else f"AKIA{profile_of(account)}")
        if request.query.get("nextToken", account) != account:
            self.mistakes.append(f"{account} sent the token of {request.query['nextToken']}")
        with self._lock:
            self._requests[account] += 1
            turn = (self._requests[account] + int(account)) % 9
        match turn:
            case 0:
                self._count("unavailable")
                return error(503, "ServiceUnavailable")
            case 1:
                self._count("dropped")
                return faults.drop(request)
            case 2:
                self._count("too large")
                return Response(200, [f"{account} ".encode() * 1000], {"Content-Length": str(10**9)})
            case 3:
                self._count("dripping")
                return Response(200, drip(), {"Content-Length": "1000000"})
            case _:
                is_last = "nextToken" in request.query
                return page(job(turn, jobName=account), token=None if is_last else account)

    def _check(self, request: Request, account: str, key: str) -> None:
        if key_of(request) != key:
            self.mistakes.append(f"{account} signed with {key_of(request)}")

    def _count(self, kind: str) -> None:
        with self._lock:
            self.seen[kind] += 1


def drip() -> Iterator[bytes]:
    for _ in range(100):  # until the client has gone
        time.sleep(0.02)
        yield b" "


def test_nobody_uses_anothers_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """50 threads walk 100 identities, with renewals, retries, cuts and limits in between.

    On the wire, every request has the access key of its own target; and every answer reaches its own walk.
    """
    (tmp_path / "config").write_text(
        "".join(
            f"[profile {profile}]\naws_access_key_id = AKIA{profile}\naws_secret_access_key = any\n"
            for profile in PROFILES
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    aws = Aws()
    outcomes: Counter[str] = Counter()
    with Server(aws) as server:
        for service in ("BEDROCK", "STS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", server.url)
        clients = Clients(replace(SETTINGS, max_attempts=4), THREADS)
        readers = {account: TargetReader(target(account), clients) for account in ACCOUNTS}
        barrier = threading.Barrier(THREADS)

        def work(accounts: list[str]) -> None:
            barrier.wait()
            for account in accounts * ROUNDS:
                try:
                    assert names(walk(readers[account], seconds=1.0)) == [account] * 2
                    outcomes["good"] += 1
                except WalkError as failed:
                    outcomes[failed.reason] += 1

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, (ACCOUNTS[number::THREADS] for number in range(THREADS))))
    assert aws.mistakes == []
    assert set(outcomes) <= {"good", FailureReason.MALFORMED_RESPONSE, FailureReason.TIMEOUT, FailureReason.NETWORK}
    assert min(outcomes["good"], outcomes[FailureReason.MALFORMED_RESPONSE], outcomes[FailureReason.TIMEOUT]) >= 10
    assert set(aws.seen) == {"short", "long", "unavailable", "dropped", "too large", "dripping"}
    assert aws.seen["long"] < 98 < aws.seen["short"]  # asked for once, and again and again
