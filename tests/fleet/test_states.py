"""What the fleet knows of each target, and what it tells the log. Time is virtual."""

import itertools
import logging
from dataclasses import replace

import pytest
from fleet.script import FOREVER, OTHER, OWN, TWINS, Good, Look, Script, Step, bad, messages, reasons, watch

from exporter.errors import FailureReason, WalkError
from exporter.targets.target import Target


@pytest.fixture(autouse=True)
def _every_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "exporter")


# What is known


def test_ready_once_every_target_has_finished_a_walk() -> None:
    """Well or badly; and whatever comes later, it never becomes unready again."""
    script = Script([Step(1)], [Step(FOREVER)], [Step(2, bad())])
    more: Look = (20, lambda fleet: fleet.reconcile(script.desired([*script.targets, Target("new", "r0", OWN)])))
    script.steps[Target("new", "r0", OWN).route] = itertools.repeat(Step(FOREVER))
    looks: list[Look] = [(when, lambda fleet: fleet.ready) for when in (0.5, 5, 8.9, 9.1)]
    *seen, _, after, _ = watch(script, 45, *looks, more, (21, lambda fleet: fleet.ready))

    assert (seen, after) == ([False, False, False, True], True)


def test_not_ready_before_all_targets_are_known() -> None:
    """While the accounts of an organization have not been listed, there may be more."""
    script = Script([Step(1)])
    incomplete = replace(script.desired(), complete=False)
    seen = watch(
        script, 9,
        (0.5, lambda fleet: fleet.reconcile(incomplete)),
        (5, lambda fleet: fleet.ready),
        (6, lambda fleet: fleet.reconcile(script.desired())),
        (7, lambda fleet: fleet.ready),
    )  # fmt: skip

    assert (seen[1], seen[3]) == (False, True)


def test_stale_data_ends_exactly_then_and_a_good_walk_brings_it_back(caplog: pytest.LogCaptureFixture) -> None:
    """Jobs are shown until `stale_after` the end of the last good walk; what is known of the target stays."""
    script = Script([Step(2), Step(3), *[Step(1, bad())] * 4, Step(1)], stale_after=35)
    looks: list[Look] = [(when, lambda fleet: fleet.states[0]) for when in (47.9, 48.1, 62)]  # a good one ended at 13
    held, dropped, back, _ = watch(script, 65, *looks)

    assert held.shown is not None
    assert dropped == replace(held, stale=True)
    assert dropped.shown is None
    assert back.shown is not None
    assert messages(caplog) == [
        "target is up",
        "target is down",
        "no good walk within stale_after; the target's job series end",
        "target is up",
    ]


# Two that are one


def test_the_second_of_two_that_are_one_is_a_duplicate() -> None:
    """Whichever learns its account first: the first one of the configuration is watched, and the second says so."""
    script = Script([Step(0.5, bad()), Step(0.5, Good(OWN))], [Step(0.2, Good(OWN))], targets=TWINS, stale_after=45)
    early, late, states = watch(script, 35, (2, reasons), (6, reasons))

    assert early == [FailureReason.NETWORK, None]
    assert late == [None, FailureReason.DUPLICATE_TARGET]
    assert states[0].up
    assert states[1].shown is None
    assert states[1].failure.message == (
        f"second is account {OWN} in us-east-1, which first watches already; remove one of the two"
    )


def test_a_known_duplicate_is_never_walked_and_a_discovered_one_not_shown() -> None:
    """Configured accounts need no walk to be compared; nobody asked for an account of the organization twice."""
    targets = (Target("first", "r0", OWN), Target("second", "r0", OWN, profile="p"), Target("d", "r0", OWN))
    targets = (*targets[:2], replace(targets[2], profile="q", discovered=True))
    script = Script([Step(5)], [Step(5)], [Step(5)], targets=targets)
    (states,) = watch(script, 8)

    assert [state.target.name for state in states] == ["first", "second"]
    assert states[1].failure.reason is FailureReason.DUPLICATE_TARGET
    assert script.starts == {"r0": [0]}


@pytest.mark.parametrize(
    ("targets", "accounts"),
    [
        ((Target("a", "us-east-1"), Target("b", "us-west-2")), (OWN, OWN)),
        ((Target("a", "r0", OWN), Target("b", "r0", OTHER)), (OWN, OTHER)),
        (TWINS, (None, None)),
    ],
    ids=["another-region", "another-account", "both-unknown"],
)
def test_targets_that_differ_are_two(targets: tuple[Target, ...], accounts: tuple[str | None, str | None]) -> None:
    """One account in two regions, two accounts in one, or accounts that nobody knows."""
    script = Script(*[[Step(0, Good(account))] for account in accounts], targets=targets)
    seen, _ = watch(script, 15, (14, reasons))

    assert seen == [None, None]


def test_the_rest_of_two_that_were_one_is_watched_again() -> None:
    """A duplicate is none any more when the target ahead of it has gone."""
    script = Script([Step(0.5, Good(OWN))], [Step(0.5, Good(OWN))], targets=TWINS)
    _, seen, _ = watch(script, 30, (15, lambda f: f.reconcile(script.desired(TWINS[1:]))), (29, reasons))

    assert seen == [None]


# What is logged


def test_one_log_line_for_each_change(caplog: pytest.LogCaptureFixture) -> None:
    """A target that goes on as it was is silent; up, down, another reason and a new complaint are a line each."""
    denied, bug = bad(FailureReason.ACCESS_DENIED), ZeroDivisionError("a bug")
    known, more = ("job a",), ("job a", "job b")
    outcomes: list[Good | Exception] = [
        Good(OWN, 7), Good(OWN, 8, known), bad(), bad(), denied, denied, bug, Good(OWN, 9, more), Good(OWN, 9, more),
    ]  # fmt: skip
    script = Script([Step(0, outcome) for outcome in outcomes])
    (states,) = watch(script, 85)
    shown = ("jobs", "pages", "was", "reason", "detail")
    lines = [
        (record.levelname, record.getMessage(), {key: vars(record)[key] for key in shown if key in vars(record)})
        for record in caplog.records
    ]

    assert lines == [
        ("INFO", "target is up", {"jobs": 7, "pages": 1}),
        ("WARNING", "malformed job left out", {"detail": "job a"}),
        ("WARNING", "target is down", {"reason": "network", "detail": "it is network"}),
        ("WARNING", "target is down", {"reason": "access_denied", "detail": "it is access_denied"}),
        (
            "WARNING",
            "target is down",
            {"reason": "internal", "detail": "ZeroDivisionError, which is a bug; please report it"},
        ),
        ("INFO", "target is up", {"jobs": 9, "pages": 1, "was": "internal"}),
        ("WARNING", "malformed job left out", {"detail": "job b"}),
    ]
    assert {(vars(r)["target"], vars(r)["account"], vars(r)["region"]) for r in caplog.records} == {("t0", OWN, "r0")}
    assert ["traceback" in vars(record) for record in caplog.records] == [False] * 4 + [True] + [False] * 2
    assert states[0].malformed == 5


def test_another_cause_of_the_same_reason_is_told_once_in_15_minutes(caplog: pytest.LogCaptureFixture) -> None:
    """Numbers and ids in a message make no other cause; one that comes and goes is not told every time."""
    refused = [WalkError(FailureReason.NETWORK, f"refused, request {number}a{number}") for number in range(120)]
    reset = WalkError(FailureReason.NETWORK, "reset")
    outcomes: list[Exception] = [reset if number % 2 else refused[number] for number in range(92)]
    script = Script([Step(0, outcome) for outcome in [*outcomes, *refused[92:]]])
    watch(script, 1190)

    told = [(vars(record)["detail"], vars(record)["reason"]) for record in caplog.records]
    assert told == [("refused, request 0a0", "network"), ("reset", "network")]
