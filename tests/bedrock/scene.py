"""What the tests of exporter/bedrock share: targets, and readers of them on a server with such answers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import faults
import pytest
from faults import ACCOUNT, OTHER, ROLE

from exporter.bedrock.clients import Clients
from exporter.bedrock.pages import TargetReader
from exporter.bedrock.settings import AwsSettings
from exporter.bedrock.wire import JobPage
from exporter.errors import FailureReason, WalkError
from exporter.simulator import Request, Respond, Response, Server
from exporter.targets.target import AssumeRole, Target
from exporter.work import within

EPOCH = 1_790_000_000.0
SETTINGS = AwsSettings(endpoint_url=None, use_fips=None, connect_timeout=5, read_timeout=30, max_attempts=1)
TARGET = Target("targets[0]", "us-east-1", account_id=ACCOUNT)
ASKING = replace(TARGET, account_id=None)
IN_ROLE = Target("targets[1]", "us-east-1", account_id=OTHER, assume_role=AssumeRole(ROLE, external_id="exporter"))
LIST, WHO_AM_I, ASSUME = "ListModelCustomizationJobs", "GetCallerIdentity", "AssumeRole"


class Aws:
    """Clients of servers that answer as a test wishes.

    Attributes:
        requests: the operation of every request that left.
        failures: operation and reason of every one that failed.
    """

    def __init__(self, environment: pytest.MonkeyPatch, stack: contextlib.ExitStack) -> None:
        self.requests: list[str] = []
        self.failures: list[tuple[str, FailureReason]] = []
        self._environment = environment
        self._stack = stack

    def clients(self, to: Respond | str, **settings: Any) -> Clients:
        """Clients for Bedrock and STS on a server with such answers, or at a URL."""
        url = to if isinstance(to, str) else self._stack.enter_context(Server(to)).url
        for service in ("BEDROCK", "STS"):
            self._environment.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        return Clients(replace(SETTINGS, **settings), 8, self.requests.append, self._failed)

    def _failed(self, operation: str, reason: FailureReason) -> None:
        self.failures.append((operation, reason))

    def reader(self, to: Respond | str, target: Target = TARGET, **settings: Any) -> TargetReader:
        """Reads a target's list there."""
        return TargetReader(target, self.clients(to, **settings))


def walk(reader: TargetReader, *, max_pages: int = 100, now: float = EPOCH, seconds: float = 30) -> list[JobPage]:
    """All pages of a list, within a deadline as every walk has one."""
    with within(seconds):
        return list(reader.pages(max_pages, now))


def names(pages: list[JobPage]) -> list[str]:
    return [job.job_name for page in pages for job in page.jobs]


def failure(reader: TargetReader, **how: Any) -> WalkError:
    with pytest.raises(WalkError) as caught:
        walk(reader, **how)
    return caught.value


def reason(reader: TargetReader, **how: Any) -> FailureReason:
    return failure(reader, **how).reason


def key_of(request: Request) -> str:
    """The access key id that a request is signed with."""
    (key,) = re.findall(r"Credential=(\w+)/", request.headers["authorization"])
    return str(key)


def lent(token: str = "token", **valid: float) -> Response:
    """AssumeRole's answer: credentials for an hour, or as long as this."""
    return faults.assumed(token, timedelta(**(valid or {"hours": 1})))


@contextlib.contextmanager
def without_credentials(environment: pytest.MonkeyPatch) -> Iterator[None]:
    with environment.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        yield


def keys(profile: str, key: str) -> str:
    """A section of a credentials file with this access key."""
    return f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = any\n"
