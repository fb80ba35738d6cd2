"""Whose credentials a request is signed with, and how long they are kept."""

import contextlib
import logging
import time
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl

import faults
import pytest
from bedrock.scene import (
    ASSUME,
    IN_ROLE,
    TARGET,
    Aws,
    failure,
    key_of,
    lent,
    names,
    reason,
    walk,
)
from botocore.credentials import Credentials
from faults import ACCOUNT, OTHER, ROLE, Service, job, page, sts_error

from exporter.bedrock.credentials import Signer
from exporter.errors import FailureReason
from exporter.simulator import Request, Response, World, access_key_id, answer, serve
from exporter.targets.target import AssumeRole
from exporter.work import within


def test_a_client_alone_signs_nothing(aws: Aws) -> None:
    """Without a walk's credentials a shared client makes no request, whatever the environment holds."""
    (operation,) = aws.clients(Service(page())).access(TARGET).bedrock().list_model_customization_jobs.args
    with pytest.raises(LookupError):
        operation()
    assert aws.requests == []


# Roles


def test_simulated_role(aws: Aws) -> None:
    """A target with a role sees the jobs of the role's account; when its credentials have expired it gets new ones."""
    now = time.time()
    world = World.demo(now)
    behind = 3400.0

    def respond(request: Request) -> Response:
        return answer(world, request, now - behind)

    reader = aws.reader(respond, IN_ROLE)
    for behind in (3400.0, -300.0):  # the first ones are good for an hour from then
        assert names(walk(reader)) == [job.name for job in world.jobs(OTHER, "us-east-1", now - behind)]


def test_role_is_asked_for_as_configured(aws: Aws) -> None:
    """AssumeRole names role, external id and session, in the target's region, with the credentials it starts from."""
    service = Service(page(), sts=lent())
    walk(aws.reader(service, replace(IN_ROLE, region="eu-central-1")))
    asked, listed = service.seen
    parameters = dict(parse_qsl(asked.body.decode()))
    assert (parameters["RoleArn"], parameters["ExternalId"]) == (ROLE, "exporter")
    assert parameters["RoleSessionName"] == "bedrock-customization-exporter"
    assert (key_of(asked), key_of(listed)) == (access_key_id(ACCOUNT), "ASIATEST")
    assert "/eu-central-1/sts/" in asked.headers["authorization"]


def test_assume_role_denied(aws: Aws) -> None:
    """A role that can't be assumed has a reason of its own, and is used as soon as it can."""
    with serve(World.demo(time.time())) as simulator:
        elsewhere = replace(IN_ROLE, assume_role=AssumeRole(f"arn:aws:iam::{OTHER}:role/admin"))
        assert reason(aws.reader(simulator.url, elsewhere)) is FailureReason.ASSUME_ROLE_DENIED
    replies = iter([sts_error(403, "AccessDenied")])
    reader = aws.reader(Service(page(job(1)), sts=lambda _: next(replies, lent())), IN_ROLE)
    assert reason(reader) is FailureReason.ASSUME_ROLE_DENIED
    assert names(walk(reader)) == ["job-1"]


def test_credentials_of_a_role_renew(aws: Aws) -> None:
    """They are kept while they are good, and renewed before they expire."""
    lives = iter([timedelta(minutes=5), timedelta(hours=1), timedelta(hours=1)])
    tokens = iter(["first", "second", "third"])
    service = Service(page(), sts=lambda _: faults.assumed(next(tokens), next(lives)))
    reader = aws.reader(service, IN_ROLE)
    for _ in range(4):
        walk(reader)
    assert [request.headers["x-amz-security-token"] for request in service.lists] == ["first", *["second"] * 3]
    assert service.sts_actions == [ASSUME, ASSUME]


def test_walks_go_on_while_a_renewal_fails(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    """While the old credentials are good, the list is read with these, and a renewal is tried once a walk."""
    caplog.set_level(logging.CRITICAL, "botocore")
    replies = iter([lent("old", minutes=12), *[sts_error(500, "InternalFailure")] * 2])
    service = Service(page(token="more"), page(), sts=lambda _: next(replies, lent("new")))
    reader = aws.reader(service, IN_ROLE, max_attempts=5)
    for _ in range(4):
        walk(reader, max_pages=2)
    tokens = [request.headers["x-amz-security-token"] for request in service.lists]
    assert tokens == ["old", "old", "old", "old", "new"]
    assert len(service.sts_actions) == 4


@pytest.mark.parametrize(
    ("sts", "expected", "says"),
    [
        (faults.body_of(b""), FailureReason.MALFORMED_RESPONSE, "check that AWS_ENDPOINT_URL_STS"),
        (faults.body_of(faults.HTML), FailureReason.MALFORMED_RESPONSE, "AssumeRole answered without"),
        (faults.body_of(b"<a><AssumeRoleResult/></a>"), FailureReason.MALFORMED_RESPONSE, "without 'Credentials'"),
        (
            faults.body_of(b"<a><b>" + b"<SecretAccessKey>hidden & </SecretAccessKey>"),
            FailureReason.MALFORMED_RESPONSE,
            "can't parse the answer",
        ),
        (lent("hidden\nhidden"), FailureReason.CREDENTIALS, "the session token holds a line feed"),
        (lent(minutes=-5), FailureReason.CREDENTIALS, "check the clock"),
        (sts_error(400, "ValidationError"), FailureReason.CREDENTIALS, "ValidationError"),
        (sts_error(503, "ServiceUnavailable"), FailureReason.SERVER_ERROR, "ServiceUnavailable"),
        (faults.truncated(), FailureReason.NETWORK, "closed before the end of the answer"),
    ],
)
def test_answers_of_sts(
    aws: Aws, sts: Response, expected: FailureReason, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever STS, or a proxy in its place, answers has its reason; nothing of it is shown but an error of AWS."""
    caplog.set_level(logging.CRITICAL, "botocore")
    service = Service(page(), sts=sts)
    failed = failure(aws.reader(service, IN_ROLE))
    assert (failed.reason, says in failed.message, "hidden" in failed.message) == (expected, True, False)
    assert service.lists == []


# How often they are asked for


class Source:
    """Credentials that count how often they are asked for."""

    asked = 0

    def get_frozen_credentials(self) -> object:
        self.asked += 1
        return Credentials("AKIA", "any")


class Expiring(Source):
    """Good for so many seconds from now."""

    seconds = 0.0

    def refresh_needed(self, refresh_in: float) -> bool:
        return self.seconds < refresh_in


@pytest.mark.parametrize(
    ("seconds", "deadline", "asked"),
    [(None, 45, 1), (None, None, 1), (3600, 45, 1), (100, 45, 4), (30, 45, 4), (3600, None, 4)],
)
def test_frozen_once_per_walk(seconds: float | None, deadline: float | None, asked: int) -> None:
    """Credentials are asked for once per walk if they outlive it by a minute, else for each request."""
    source = Source() if seconds is None else Expiring()
    if isinstance(source, Expiring):
        source.seconds = seconds or 0
    with within(deadline) if deadline else contextlib.nullcontext():
        signer = Signer(source, 1)
        for _ in range(3):
            assert signer.credentials().access_key == "AKIA"
    assert source.asked == asked
