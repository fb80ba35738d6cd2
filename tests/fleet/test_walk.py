"""One walk takes every page or nothing, and knows whose jobs it read."""

from collections.abc import Iterator

import pytest
from jobs.make import job

from exporter.bedrock.wire import JobPage
from exporter.errors import FailureReason, WalkError
from exporter.fleet.state import Walked
from exporter.fleet.walk import MAX_COMPLAINTS, walk
from exporter.jobs.snapshot import Budget
from exporter.targets.target import Target

NOW = 1_790_000_000.0
OWN, OTHER = "111122223333", "444455556666"
CUT = WalkError(FailureReason.NETWORK, "cut")


class Pages:
    """Reads these pages; an error ends the list."""

    def __init__(self, *pages: JobPage | WalkError, account_id: str | None = None) -> None:
        self._pages = pages
        self.account_id = account_id

    def pages(self, max_pages: int, now: float) -> Iterator[JobPage]:
        assert (max_pages, now) == (9, NOW)
        for page in self._pages:
            if isinstance(page, WalkError):
                raise page
            yield page


def walked(reader: Pages, configured: str | None = None) -> Walked:
    target = Target("targets[0]", "us-east-1", configured)
    return walk(target, reader, budget=Budget(1e9, 100, 1e9), max_pages=9, now=NOW)


def arn(number: int, account: str = OWN) -> str:
    return f"arn:aws:bedrock:us-east-1:{account}:model-customization-job/m/{number:012d}"


def test_a_walk_brings_what_all_pages_hold() -> None:
    """A job that stands on two pages counts once, and what could not be read is counted and described."""
    first = JobPage([job(job_arn=arn(1)), job(job_arn=arn(2), job_name="b")], "t", 1, ("job x: broken",))
    jobs = [job(job_arn=arn(2), job_name="b"), job(job_arn=arn(3), job_name="c")]
    second = JobPage(jobs, None, 1, ("job y: broken",))
    seen = walked(Pages(first, second))

    assert (seen.pages, seen.jobs, seen.malformed) == (2, 3, 2)
    assert seen.complaints == ("job x: broken", "job y: broken")
    assert sum(seen.snapshot.jobs.values()) == 3
    assert b'job_id="000000000003"' in seen.text["bedrock_model_customization_job_info"].fixed


def test_complaints_are_bounded_and_counts_are_not() -> None:
    """A list of nothing but rubbish does not fill the log."""
    page = JobPage([], None, 15, tuple(f"job {number}" for number in range(15)))
    seen = walked(Pages(page, page))

    assert (seen.malformed, len(seen.complaints)) == (30, MAX_COMPLAINTS)


def test_a_walk_that_fails_half_way_brings_nothing() -> None:
    """Whatever the pages before held."""
    with pytest.raises(WalkError) as caught:
        walked(Pages(JobPage([job(job_arn=arn(1))], "t"), CUT))
    assert caught.value is CUT


@pytest.mark.parametrize(
    ("configured", "learnt", "listed", "account"),
    [
        pytest.param(OWN, OWN, arn(1), OWN, id="all-agree"),
        pytest.param(None, OWN, "no-arn", OWN, id="as-STS-says"),
        pytest.param(None, None, arn(1), OWN, id="as-the-jobs-say"),
        pytest.param(None, OTHER, arn(1), OWN, id="what-was-learnt-can-be-outdated"),
        pytest.param(None, None, "no-arn", None, id="nobody-knows"),
    ],
)
def test_whose_jobs_they_are(configured: str | None, learnt: str | None, listed: str, account: str | None) -> None:
    """The jobs' own ARNs come first: credentials may have changed since STS was asked."""
    assert walked(Pages(JobPage([job(job_arn=listed)], None), account_id=learnt), configured).account_id == account


def test_a_configured_account_can_be_contradicted() -> None:
    """Jobs of another account are never published under it."""
    with pytest.raises(WalkError, match=f"account_id is {OWN}, but the credentials list the jobs of {OTHER}") as caught:
        walked(Pages(JobPage([job(job_arn=arn(1, OTHER))], None), account_id=OWN), OWN)
    assert caught.value.reason is FailureReason.CREDENTIALS
