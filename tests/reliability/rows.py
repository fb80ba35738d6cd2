"""What docs/reliability.md says about one fault."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table of faults in docs/reliability.md.

    Attributes:
        fault: what goes wrong, as users would say it.
        seen: what they see meanwhile: metric, status, answer.
        log: the log line, or "—" where there is none.
        test: the test that proves it, from the root of the project as `tests/reliability/test_aws.py::test[param]`.
    """

    fault: str
    seen: str
    log: str
    test: str
