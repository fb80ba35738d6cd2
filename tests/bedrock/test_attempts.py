"""What may pass is tried again, in pauses that end with the walk; what would fail again is not."""

import random

import faults
import pytest
from bedrock.scene import ASSUME, IN_ROLE, LIST, TARGET, Aws, lent, names, reason, walk
from botocore.exceptions import ReadTimeoutError
from faults import Service, error, job, page

from exporter import work
from exporter.bedrock import attempts
from exporter.bedrock.attempts import attempt
from exporter.bedrock.pages import TargetReader
from exporter.errors import FailureReason, WalkError
from exporter.simulator import Request, Respond, Response, access_key_id


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (error(429, "ThrottlingException"), 3),
        (error(500, "InternalServerException"), 3),
        (faults.body_of(faults.HTML, 503), 3),
        (faults.truncated(), 3),
        (faults.drop, 3),
        (error(403, "AccessDeniedException"), 1),
        (error(403, "ExpiredTokenException"), 1),
        (error(400, "ValidationException"), 1),
        (faults.body_of(faults.HTML), 1),
        (faults.body_of(b"x" * 5_000_000), 1),
    ],
)
def test_attempts(aws: Aws, fault: Response | Respond, tries: int) -> None:
    """max_attempts is the number of requests for one page, the first one included, and each is counted."""
    service = Service(page(job(1), token="a"), *[fault] * tries, page(job(2)))
    reader = aws.reader(service, max_attempts=3)
    with pytest.raises(WalkError):
        walk(reader)
    assert aws.requests == [LIST] * (1 + tries)
    assert len(aws.failures) in {tries, 0}  # a 200 that is not the list is a failed walk, not a failed request
    assert names(walk(reader)) == ["job-2"]


def test_a_page_that_is_throttled_once(aws: Aws) -> None:
    """It is asked for again, with the same token."""
    service = Service(page(job(1), token="a"), error(429, "ThrottlingException"), page(job(2)))
    assert names(walk(aws.reader(service, max_attempts=2))) == ["job-1", "job-2"]
    assert [request.query.get("nextToken") for request in service.seen] == [None, "a", "a"]
    assert aws.failures == [(LIST, FailureReason.THROTTLED)]


def test_attempts_at_a_role(aws: Aws) -> None:
    """AssumeRole has as many, and the list does not multiply them."""
    reader = aws.reader(Service(page(), sts=faults.sts_error(503, "ServiceUnavailable")), IN_ROLE, max_attempts=3)
    assert reason(reader) is FailureReason.SERVER_ERROR
    assert aws.requests == [ASSUME] * 3
    assert aws.failures == [(ASSUME, FailureReason.SERVER_ERROR)] * 3


def test_nine_accounts_that_fail_cost_others_no_attempt(aws: Aws) -> None:
    """Attempts are a walk's own: an account that fails once is read, whatever happens to those beside it."""
    good = iter([error(503, "ServiceUnavailable"), page(job(1))] * 20)

    def respond(request: Request) -> Response:
        is_good = access_key_id(faults.ACCOUNT) in request.headers["authorization"]
        return next(good) if is_good else error(503, "ServiceUnavailable")

    service = Service(respond, sts=lent())
    clients = aws.clients(service, max_attempts=3)
    for _ in range(20):
        for _ in range(9):
            assert reason(TargetReader(IN_ROLE, clients)) is FailureReason.SERVER_ERROR
        assert names(walk(TargetReader(TARGET, clients))) == ["job-1"]


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full jitter: from 0 to a limit that doubles, up to 20 s."""
    limits: list[tuple[float, float]] = []
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.5)

    def uniform(low: float, high: float) -> float:
        limits.append((low, high))
        return 0.0

    monkeypatch.setattr(random, "uniform", uniform)

    def fail() -> None:
        raise ReadTimeoutError(endpoint_url="any")

    with pytest.raises(ReadTimeoutError):
        attempt(fail, 8)
    assert limits == [(0, limit) for limit in (0.5, 1, 2, 4, 8, 16, 20, 20)]


def test_no_pause_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the next try would begin after it, what the last one raised is the outcome, at once."""
    monkeypatch.setattr(random, "uniform", lambda *_: 20.0)
    tries: list[None] = []

    def fail() -> None:
        tries.append(None)
        raise ReadTimeoutError(endpoint_url="any")

    with pytest.raises(ReadTimeoutError), work.within(19):
        attempt(fail, 5)
    assert len(tries) == 1
