"""A reload changes what is watched, and nothing that stays. Time is virtual."""

import logging
from dataclasses import replace

import pytest
from fleet.script import FOREVER, OWN, TWINS, Good, Script, Step, bad, messages, reasons, watch

from exporter.errors import FailureReason


@pytest.fixture(autouse=True)
def _every_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "exporter")


def test_a_target_that_stays_keeps_its_state_and_rhythm() -> None:
    """It has another name, other labels and another place in the file: its jobs get the labels, the rest stays."""
    script = Script([Step(1, Good(OWN, 7))], [Step(1)])
    first, second = script.targets
    moved = replace(first, name="moved", labels=(("team", "a"),))
    before, _, after, _ = watch(
        script, 28,
        (4, lambda fleet: fleet.states[0]),
        (5, lambda fleet: fleet.reconcile(script.desired([second, moved]))),
        (5.5, lambda fleet: fleet.states),
    )  # fmt: skip

    assert after[1] == replace(before, target=moved, good=replace(before.good, target=moved))
    assert script.starts == {"r0": [0, 5, 15, 25], "r1": [0, 10, 20]}


def test_a_walk_under_way_at_a_reload_ends_with_the_new_labels() -> None:
    """What it publishes carries the labels of now, not of its start."""
    script = Script([Step(3)])
    labelled = replace(script.targets[0], labels=(("team", "a"),))
    *_, states = watch(script, 5, (1, lambda fleet: fleet.reconcile(script.desired([labelled]))))

    assert states[0].shown.target == labelled


def test_a_target_that_comes_is_walked_at_once_and_one_that_goes_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is left of one that has gone: its walk ends, its state too, and its data never turns stale."""
    script = Script([Step(1), Step(FOREVER)], [Step(1)], stale_after=30)
    gone, came = script.targets
    *_, states = watch(script, 60, (12, lambda fleet: fleet.reconcile(script.desired([came]))), targets=[gone])

    assert script.ends["r0"] == [1, 12]
    assert script.starts["r1"] == [12, 22, 32, 42, 52]
    assert [state.target for state in states] == [came]
    assert messages(caplog) == ["target is up", "target is up"]


@pytest.mark.parametrize(
    ("length", "interval", "starts"),
    [
        pytest.param(1, 30, [0, 10, 40], id="longer"),
        pytest.param(1, 4, [0, 10, 14, 18, 22, 26, 30, 34, 38, 42], id="shorter"),
        pytest.param(8, 30, [0, 10, 40], id="while-a-walk-is-under-way"),
    ],
)
def test_another_interval_counts_from_the_last_start(length: float, interval: float, starts: list[float]) -> None:
    """A target waits no longer than the new interval says, and no walk is cut off."""
    script = Script([Step(length)])
    watch(script, 45, (12, lambda fleet: fleet.reconcile(script.desired(interval=interval))))

    assert script.starts["r0"] == starts


@pytest.mark.parametrize(("stale_after", "gone"), [(50, 52), (20, 22), (5, 10)], ids=["later", "sooner", "already"])
def test_another_stale_after_counts_from_the_last_good_walk(stale_after: float, gone: float) -> None:
    """Also for what is known already."""
    script = Script([Step(2), Step(1, bad())], stale_after=30)
    _, before, after, _ = watch(
        script, 60,
        (10, lambda fleet: fleet.reconcile(script.desired(stale_after=stale_after))),
        (gone - 0.1 if gone > 10 else 10, lambda fleet: fleet.states[0].shown is not None),
        (gone + 0.1, lambda fleet: fleet.states[0].shown is not None),
    )  # fmt: skip

    assert (before, after) == (True, False)


def test_another_concurrency_and_another_timeout() -> None:
    """They hold for the walks that begin from then on."""
    script = Script(*[[Step(8)]] * 3, interval=20, timeout=18, concurrency=1)
    before, _, _ = watch(
        script, 100,
        (39, lambda _: script.most),
        (40, lambda fleet: fleet.reconcile(script.desired(concurrency=3, timeout=5))),
    )  # fmt: skip

    assert (before, script.most) == (1, 2)
    assert script.ends["r0"][-1] - script.starts["r0"][-1] == 5


def test_what_was_learnt_of_accounts_holds_after_a_reload() -> None:
    """A duplicate stays one; it is not shown until the first one has been walked again."""
    script = Script([Step(0.5, Good(OWN))], [Step(0.5, Good(OWN))], targets=TWINS, interval=100)
    first, second = TWINS
    moved = replace(first, labels=(("team", "a"),))
    later = replace(second, labels=(("team", "b"),))
    _, seen, _ = watch(script, 160, (60, lambda f: f.reconcile(script.desired([moved, later]))), (120, reasons))

    assert script.starts["us-east-1"].count(100) == 1  # the second one; the first one was due at 50
    assert seen == [None, FailureReason.DUPLICATE_TARGET]
