"""The table of what goes wrong when details and tags of jobs are asked for; `test_details.py` proves every line."""

from collections.abc import Callable
from dataclasses import dataclass

from faults import HTML, Stall, body_of, drop, error

from exporter.simulator import Respond, Response
from reliability.rows import Row

FILE = "tests/reliability/test_details.py"


@dataclass(frozen=True)
class DetailFault:
    """What ``GetModelCustomizationJob`` or ``ListTagsForResource`` answers, while the list is good.

    Attributes:
        slug: the parameter of the test.
        name: as users would say it.
        answer: what the call meets, made with something that can stall.
        reason: what is counted.
        over: whether nobody asks about the job again.
    """

    slug: str
    name: str
    answer: Callable[[Stall], Response | Respond]
    reason: str
    over: bool = False

    @property
    def row(self) -> Row:
        """The line in docs/reliability.md."""
        after = "nobody asks about that job again" if self.over else "asked again, with growing pauses"
        seen = f'`target_up` 1; `target_detail_failures_total{{reason="{self.reason}"}}` grows; {after}'
        log = f"once, and not for each job: `no details of a job`, `reason={self.reason}`"
        return Row(self.name, seen, log, f"{FILE}::test_a_call_for_details_that_fails[{self.slug}]")


def always(answer: Response | Respond) -> Callable[[Stall], Response | Respond]:
    """This answer."""
    return lambda _: answer


FAULTS = (
    DetailFault("throttled", "429 to every call", always(error(429, "ThrottlingException")), "throttled"),
    DetailFault("error-500", "500 to every call", always(error(500, "InternalServerException")), "server_error"),
    DetailFault(
        "denied", "Neither call is allowed, the list is", always(error(403, "AccessDeniedException")), "access_denied"
    ),
    DetailFault(
        "gone", "The jobs have vanished", always(error(404, "ResourceNotFoundException")), "not_found", over=True
    ),
    DetailFault(
        "unknown-operation",
        "The region lists jobs, and knows no other operation",
        always(error(400, "ValidationException", "Unknown Operation")),
        "malformed_response",
    ),
    DetailFault("html", "A page of HTML, of a proxy", always(body_of(HTML, 200, "text/html")), "malformed_response"),
    DetailFault("too-large", "An answer of more than 1 MiB", always(body_of(b" " * (2 << 20))), "malformed_response"),
    DetailFault("dropped", "The connection ends before an answer", always(drop), "network"),
    DetailFault("silent", "No answer at all, for ever", lambda stall: stall.silent, "timeout"),
    DetailFault("drips", "A byte now and then, for ever", lambda stall: stall.dripping, "timeout"),
)

ROWS = [
    *(fault.row for fault in FAULTS),
    Row(
        "A call about a job never ends, and walks go on; the exporter is told to stop",
        "no walk and no scrape waits for it; the exporter ends within 5 s",
        "—",
        f"{FILE}::test_a_call_that_never_ends_holds_nothing_up",
    ),
    Row(
        "Metrics that are null, NaN or no numbers; a failure message of 900,000 characters, with control characters",
        "the losses are absent; the reason is there, the message in the log has 2,048 characters, all printable",
        "`job failed`, `reason=…`, `detail=…`",
        f"{FILE}::test_odd_details[NaN]",
    ),
]
