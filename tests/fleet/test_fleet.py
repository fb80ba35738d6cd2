"""The fleet walks every target when it should. Time is virtual."""

import asyncio
import itertools
from dataclasses import replace

import pytest
from fleet.script import (
    EPOCH,
    FOREVER,
    Good,
    Script,
    Step,
    Stub,
    bad,
    reasons,
    watch,
)
from virtual_clock import run

from exporter.errors import FailureReason
from exporter.fleet.fleet import Fleet
from exporter.fleet.state import TargetState


@pytest.mark.parametrize(
    ("lengths", "starts"),
    [
        pytest.param([0], [0, 10, 20, 30, 40], id="no-time"),
        pytest.param([7], [0, 10, 20, 30, 40], id="between-starts-not-ends"),
        pytest.param([25, 1], [0, 30, 40], id="slow-skips-starts-and-keeps-the-phase"),
        pytest.param([20, 1], [0, 20, 30, 40], id="ends-at-a-start"),
        pytest.param([11], [0, 20, 40], id="always-slow"),
    ],
)
def test_walks_of_a_target_start_at_its_interval(lengths: list[float], starts: list[float]) -> None:
    """Starts are whole intervals apart, however long walks take, and never before the walk ahead has ended."""
    script = Script([Step(seconds) for seconds in lengths], timeout=60)
    watch(script, 45)

    assert script.starts["r0"] == starts
    assert script.most == 1


def test_first_walks_start_at_once_and_later_ones_are_spread() -> None:
    """All targets are known as soon as slots allow; from the second walk on they share the interval evenly."""
    script = Script(*[[Step()]] * 4)
    watch(script, 12)

    assert script.starts == {"r0": [0, 2.5], "r1": [0, 5], "r2": [0, 7.5], "r3": [0, 10]}


def test_slots_are_bounded_and_the_wait_for_one_is_not_part_of_the_walk() -> None:
    """First come, first served; a walk's deadline, and the time it is said to take, begin when it begins."""
    script = Script(*[[Step(8)]] * 5, interval=100, concurrency=2)
    (states,) = watch(script, 19)

    assert script.most == 2
    assert [script.starts[f"r{index}"] for index in range(5)] == [[0], [0], [8], [8], [16]]
    assert script.observed[:4] == [8] * 4
    assert script.delays == [0, 0, 8, 8, 16]
    assert [state.up for state in states] == [True] * 4 + [False]


@pytest.mark.parametrize(
    "trouble",
    [Step(FOREVER), Step(0, bad()), Step(0, RuntimeError("bug")), Step(0.5, Good(None, 1, ("job x",)))],
    ids=["hangs", "fails", "raises", "malformed"],
)
def test_one_bad_target_never_holds_up_another(trouble: Step) -> None:
    """Whatever one target does, the walks of the next one start and end on time."""
    script = Script([trouble], [Step(1)])
    (states,) = watch(script, 35)

    assert script.starts["r1"] == [0, 10, 20, 30]
    assert states[1].up


def test_unreachable_targets_leave_slots_to_the_others() -> None:
    """However many hang until their deadline, those that are well are walked on time, from the second round on."""
    script = Script(*[[Step(FOREVER)]] * 30, [Step(1)], [Step(1)], interval=60, timeout=20, concurrency=4)
    watch(script, 1000)

    for region in ("r30", "r31"):
        later = [start for start in script.starts[region] if start > 300]
        assert len(later) >= 11
        assert all(after - before <= 61 for before, after in itertools.pairwise(later))
    assert all(len(script.starts[f"r{index}"]) >= 3 for index in range(30))
    assert script.most == 4


def test_the_wall_clock_changes_no_schedule() -> None:
    """A clock that somebody sets back and forth is published as it is, and nothing waits by it."""
    clock = itertools.cycle([EPOCH, EPOCH - 1e9, EPOCH + 1e9])
    script = Script([Step(1)], stale_after=15)

    async def work() -> tuple[TargetState, ...]:
        fleet = script.fleet(now=lambda: next(clock))
        task = asyncio.create_task(fleet.run())
        await asyncio.sleep(35)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return fleet.states

    (state,) = run(work())
    assert script.starts["r0"] == [0, 10, 20, 30]
    assert state.shown is not None


def test_cancellation_ends_everything_at_once() -> None:
    """A cancelled fleet cuts its walks off and ends without publishing them."""
    script = Script([Step(FOREVER)], [Step()], [Step(FOREVER)], concurrency=1)
    (states,) = watch(script, 5)

    assert script.ends == {"r0": [5]}
    assert [state.last_walk for state in states] == [None, None, None]


def test_run_once_walks_every_target_once() -> None:
    """One walk each, within the same bounds, whatever the outcome."""
    script = Script([Step(3)], [Step(FOREVER)], [Step(2, bad())], [Step(1, ValueError())], concurrency=2)

    async def work() -> tuple[float, Fleet]:
        fleet = script.fleet()
        await fleet.run_once()
        return asyncio.get_running_loop().time(), fleet

    ended, fleet = run(work())
    assert ended == 9
    assert script.starts == {"r0": [0], "r1": [0], "r2": [3], "r3": [5]}
    assert reasons(fleet) == [None, FailureReason.TIMEOUT, FailureReason.NETWORK, FailureReason.INTERNAL]


# Regions without the service


def test_an_unsupported_region_is_walked_once_an_hour() -> None:
    """Nobody else is disturbed, and when the service comes there it is watched as any other."""
    unsupported = Step(1, bad(FailureReason.UNSUPPORTED_REGION))
    script = Script([unsupported, unsupported, Step(1)], [Step(1)])
    up, states = watch(script, 7225, (7180, lambda fleet: fleet.states[0].up))

    assert script.starts["r0"] == [0, 3595, 7195, 7205, 7215, 7225][: len(script.starts["r0"])]
    assert len(script.starts["r1"]) == 723
    assert not up
    assert states[0].up


def test_an_unsupported_region_is_tried_at_once_by_another_walker() -> None:
    """Another endpoint, say, came with the new configuration."""
    script = Script([Step(1, bad(FailureReason.UNSUPPORTED_REGION)), Step(1)])
    other = lambda target: Stub(script, target)  # noqa: E731
    watch(script, 45, (25, lambda fleet: fleet.reconcile(replace(script.desired(), new_walker=other))))

    assert script.starts["r0"] == [0, 25, 30, 40]
