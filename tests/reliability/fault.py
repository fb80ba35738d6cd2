"""What a fault between the exporter and AWS is, and the kinds of it that recur."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faults import body_of

from exporter.errors import FailureReason
from exporter.simulator import Response
from reliability.injections import Inject, listing, with_jobs
from reliability.rows import Row
from reliability.scene import GOOD, running

FILE = "tests/reliability/test_aws.py"


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what users see.

    A fault with a reason fails every walk as long as it lasts; without one, walks stay good.

    Attributes:
        slug: the parameter of the test.
        name: as users would say it.
        inject: how.
        reason: what is counted.
        log: what the one log line says: a part of its `detail`. Empty where there is no line.
        also: what users see beyond what every fault of its kind shows; proven by `shows` and `gone`.
        region: of the target.
        service: whose endpoint of AWS it is led to.
        role: whether the target assumes a role.
        from_start: the fault is there when the exporter starts, and there is no good walk ahead of it.
        at_deadline: only the deadline of the walk ends it.
        malformed: jobs left out and counted in each walk.
        jobs: distinct jobs in the list while the fault is there, beyond those of the good list.
        gone: ids of jobs whose series end.
        shows: samples that are on the page meanwhile: (how it begins, a label, value).
        hides: what no sample may hold meanwhile.
        settings: of `poll` and `aws`, in the place of the test's own.
        attempts: requests for pages in each walk, where that is the point.
    """

    slug: str
    name: str
    inject: Inject
    reason: FailureReason | None = None
    log: str = ""
    also: str = ""
    region: str = "us-east-1"
    service: str = "bedrock"
    role: bool = False
    from_start: bool = False
    at_deadline: bool = False
    malformed: int = 0
    jobs: int = 0
    gone: tuple[str, ...] = ()
    shows: tuple[tuple[str, str, str], ...] = ()
    hides: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    attempts: int | None = None

    @property
    def row(self) -> Row:
        """The line in docs/reliability.md."""
        test = f"{FILE}::test_{'failing' if self.reason else 'harmless'}_fault[{self.slug}]"
        seen = log = ""
        if self.reason:
            seen = f'`target_up` 0, `target_walk_failures_total{{reason="{self.reason}"}}` grows'
            log = f"`target is down`, `reason={self.reason}`, “{self.log}”"
        elif self.malformed:
            grows = f"`target_malformed_jobs_total` grows by {self.malformed} a walk"
            seen = f"`target_up` 1, {grows}; what can't be read is left out"
            log = f"`malformed job left out`, “{self.log}”"
        else:
            seen = "`target_up` 1"
        return Row(self.name, "; ".join(filter(None, (seen, self.also))), log or "—", test)


R = FailureReason
NOT_JSON = "answered a 200 whose body is not JSON"
NO_LIST = "answered a 200 without the list modelCustomizationJobSummaries"
LOST = "check the network, DNS, the proxy and aws.endpoint_url"
DEADLINE = "poll.timeout"
TOO_MANY = json.dumps({"modelCustomizationJobSummaries": [running(number) for number in range(1001)]}).encode()
GOOD_BODY = json.dumps({"modelCustomizationJobSummaries": [each for part in GOOD for each in part]}).encode()
CUT_SHORT = b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"modelCustomizationJobSumm'
JOB = "bedrock_model_customization_job_"
ID = f"{88:012d}"
MINE = f'job_id="{ID}"'


def refusal(slug: str, name: str, answer: Response, reason: R, code: str) -> Fault:
    """AWS says no, with this code."""
    log = f"{code} from ListModelCustomizationJobs"
    return Fault(slug, name, listing(answer), reason, log)


def not_the_list(slug: str, name: str, body: bytes, log: str) -> Fault:
    """A 200 with a body that is no page."""
    return Fault(slug, name, listing(body_of(body)), R.MALFORMED_RESPONSE, log)


def lost(slug: str, name: str, inject: Inject) -> Fault:
    """No answer comes."""
    return Fault(slug, name, inject, R.NETWORK, LOST)


def too_large(slug: str, name: str, inject: Inject) -> Fault:
    """An answer without end."""
    log = "the answer is larger than 4 MiB; is a proxy or a wrong endpoint in between?"
    return Fault(slug, name, inject, R.MALFORMED_RESPONSE, log)


def held(slug: str, name: str, inject: Inject, **more: Any) -> Fault:
    """A walk that only its deadline ends."""
    settings = {"timeout": "1s", "read_timeout": "20s"}
    return Fault(slug, name, inject, R.TIMEOUT, DEADLINE, at_deadline=True, settings=settings, **more)


def bad_job(slug: str, name: str, log: str, **members: Any) -> Fault:
    """One job in the list is left out."""
    return Fault(slug, name, with_jobs(running(88) | members), log=log, malformed=1, hides=ID)


def odd_job(slug: str, name: str, also: str, *shows: tuple[str, str, str], **members: Any) -> Fault:
    """One job in the list is odd, and there all the same."""
    return Fault(slug, name, with_jobs(running(88) | members), also=also, jobs=1, shows=shows)
