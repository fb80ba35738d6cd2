"""The jobs of the simulated world can be foretold, and show everything that a job can be."""

import math
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest
from simulator.scene import EPOCH, HOUR, MINUTE, STATUSES, STEPS, TYPES, summaries

from exporter.simulator import World, wire
from exporter.simulator.world import LONG


def test_same_seed_same_world() -> None:
    """Two worlds of one seed and epoch are alike at any time; another seed gives another world."""
    for now in (EPOCH, EPOCH + 777, EPOCH + 5 * HOUR):
        first = summaries(World.demo(EPOCH), now)
        assert list(first.items()) == list(summaries(World.demo(EPOCH), now).items())
        assert first.keys().isdisjoint(summaries(World.demo(EPOCH, seed=2), now))


def test_order_of_questions_does_not_matter(world: World) -> None:
    """What a world says of a time doesn't depend on the times it was asked about before."""
    fresh = World.demo(EPOCH)
    late = summaries(fresh, EPOCH + 2 * HOUR)
    assert summaries(fresh, EPOCH + 60) == summaries(world, EPOCH + 60)
    assert summaries(world, EPOCH + 2 * HOUR) == late


def test_history_has_everything(world: World) -> None:
    """At the epoch there are some hundred jobs of four months, of every type, state and kind of base model."""
    jobs = summaries(world, EPOCH).values()
    assert 600 <= len(jobs) <= 900
    assert len({(job["jobArn"].split(":")[4], job["jobArn"].split(":")[3], job["jobName"]) for job in jobs}) == len(
        jobs
    )
    statuses = Counter(job["status"] for job in jobs)
    assert set(statuses) == STATUSES
    assert statuses["Completed"] > 0.8 * len(jobs)
    assert 0.02 < statuses["Failed"] / len(jobs) < 0.1
    assert {(job.get("customizationType"), job["status"]) for job in jobs} >= {
        (kind, status) for kind in TYPES for status in ("Completed", "Failed", "Stopped")
    }
    oldest = min(datetime.fromisoformat(job["creationTime"]).timestamp() for job in jobs)
    assert 110 <= (EPOCH - oldest) / 86400 <= 120
    assert any(":custom-model/" in job["baseModelArn"] for job in jobs)


def test_history_has_gaps(world: World) -> None:
    """Old jobs lack sub-tasks, some a type or a modification time, and their times come in three precisions."""
    jobs = summaries(world, EPOCH).values()
    for field in ("statusDetails", "customizationType", "lastModifiedTime"):
        assert 0 < sum(field not in job for job in jobs) < 50
    assert {len(job["creationTime"]) for job in jobs} == {len("2026-01-01T00:00:00Z") + extra for extra in (0, 4, 7)}
    assert all(len(job["creationTime"]) == 24 for job in jobs if "statusDetails" in job)


def test_running_jobs_have_peers(world: World) -> None:
    """Most running jobs have five completed peers: same account, region, base model and type, within 90 days."""
    peered = []
    for account, region in world.targets:
        jobs = [
            wire.summary(job, EPOCH) for job in world.jobs(account, region, EPOCH) if job.created > EPOCH - 90 * 86400
        ]
        done = Counter((j["baseModelArn"], j["customizationType"]) for j in jobs if j["status"] == "Completed")
        running = (j for j in jobs if j["status"] == "InProgress")
        peered += [done[j["baseModelArn"], j["customizationType"]] >= 5 for j in running]
    assert sum(peered) > 0.7 * len(peered) > 5


def test_lengths_follow_the_model(world: World) -> None:
    """Completed jobs take as long as their base model does in reality: Nova Micro an hour, images 4 to 5 hours."""
    jobs = [job for target in world.targets for job in world.jobs(*target, EPOCH) if job.status(EPOCH) == "Completed"]
    for model_id, kind, low, high in (
        ("amazon.nova-micro-v1:0:128k", "FINE_TUNING", 0.9, 1.5),
        ("amazon.nova-lite-v1:0:300k", "FINE_TUNING", 3.5, 4.8),
        ("amazon.titan-image-generator-v2:0", "FINE_TUNING", 4.0, 5.5),
        ("amazon.nova-2-lite-v1:0:256k", "REINFORCEMENT_FINE_TUNING", 4.0, 8.0),
    ):
        hours = [(j.ended - j.created) / HOUR for j in jobs if (j.model_id, j.customization_type) == (model_id, kind)]
        assert hours
        assert low < min(hours) <= max(hours) < high


def test_first_look(world: World) -> None:
    """At the epoch jobs run in each sub-task, one is Stopping, and one failed within the last ten minutes."""
    jobs = [job for target in world.targets for job in world.jobs(*target, EPOCH)]
    running = [job for job in jobs if job.status(EPOCH) == "InProgress"]
    stages = Counter(
        next((index for index, subtask in enumerate(job.subtasks(EPOCH)) if subtask.status == "InProgress"), None)
        for job in running
        if job.ended > EPOCH + 20 * MINUTE
    )
    assert all(stages[stage] for stage in (0, 1, 2))
    assert [job.status(EPOCH) for job in jobs].count("Stopping") == 1
    assert any(job.status(EPOCH) == "Failed" and job.ended > EPOCH - 10 * MINUTE for job in jobs)


def test_one_job_is_stuck(world: World) -> None:
    """One job has waited for its training for 30 hours at the epoch, and waits for ever."""
    for later in (0, 1 * HOUR, 72 * HOUR):
        now = EPOCH + later
        stuck = [
            job
            for target in world.targets
            for job in world.jobs(*target, now)
            if job.status(now) == "InProgress" and "InProgress" not in {subtask.status for subtask in job.subtasks(now)}
            if now - job.modified(now) > HOUR
        ]
        assert len(stuck) == 1
        assert [subtask.status for subtask in stuck[0].subtasks(now)] == ["Completed", "Completed", "NotStarted"]
        assert now - stuck[0].modified(now) == pytest.approx(30 * HOUR + later, abs=0.3 * HOUR)


def test_one_job_is_slow(world: World) -> None:
    """One job has been in training for more than twice as long as any of its peers took."""
    slow = []
    for target in world.targets:
        jobs = world.jobs(*target, EPOCH)
        for job in jobs:
            peers = [
                peer.ended - peer.created
                for peer in jobs
                if (peer.base_model_arn, peer.customization_type) == (job.base_model_arn, job.customization_type)
                if peer.status(EPOCH) == "Completed"
            ]
            trains = job.subtasks(EPOCH)[2].status == "InProgress"
            slow += [job.name] if trains and len(peers) >= 5 and EPOCH - job.created > 2 * max(peers) else []
    assert len(slow) == 1


# What changes


@pytest.mark.parametrize("hours", [6, 12, 24, 24.5, 25, 49, 24 * 7])
def test_long_jobs_are_replaced(world: World, hours: float) -> None:
    """A demo that has run for a day, or a week, still has every status and sub-task state, and long jobs under way."""
    now = EPOCH + hours * HOUR
    jobs = sorted((job for target in world.targets for job in world.jobs(*target, now)), key=lambda job: job.created)
    running = [job for job in jobs if job.status(now) == "InProgress"]

    assert {job.model_id for job in running if job.spans[-1][1] - job.created > 50 * MINUTE} >= {
        recipe.model_id for recipe in LONG
    }
    recent = [now - half_minute * MINUTE / 2 for half_minute in range(60)]
    assert {job.status(moment) for job in jobs[-100:] for moment in recent if moment >= job.created} == STATUSES
    states = {subtask.status for job in running for subtask in job.subtasks(now)}
    assert states == {"NotStarted", "InProgress", "Completed"}
    assert any(job.spans[-1][1] == math.inf for job in running)  # the one that is stuck


def test_a_list_only_ever_grows(world: World) -> None:
    """Jobs keep their places in the list while live and long ones come in."""
    for target in world.targets:
        before: list[str] = []
        for minutes in range(0, 36 * 60, 47):
            now = [job.arn for job in world.jobs(*target, EPOCH + minutes * MINUTE)]
            assert now[: len(before)] == before
            before = now


def test_half_an_hour(world: World) -> None:
    """New jobs start every minute or two, sub-tasks only advance, what has ended stays, and no job is lost."""
    before = summaries(world, EPOCH)
    starts = []
    for second in range(5, 30 * 60 + 1, 5):
        jobs = summaries(world, EPOCH + second)
        assert jobs.keys() >= before.keys()
        starts += [second] * len(jobs.keys() - before.keys())
        for arn, old in before.items():
            new = jobs[arn]
            if "endTime" in old:
                assert new == old
            assert STEPS[old["status"]] <= STEPS[new["status"]]
            changed = {name: value for name, value in new.items() if old.get(name) != value}
            assert not changed or new["lastModifiedTime"] > old["lastModifiedTime"]
            for name, subtask in old.get("statusDetails", {}).items():
                assert STEPS[subtask["status"]] <= STEPS[new["statusDetails"][name]["status"]]
        before = jobs
    assert all(gap <= 125 for gap in (later - earlier for earlier, later in pairwise(starts)))
    lived = [job for job in before.values() if datetime.fromisoformat(job["creationTime"]).timestamp() > EPOCH]
    assert len(lived) == len(starts) >= 15
    assert {job["status"] for job in lived} >= {"InProgress", "Completed", "Failed"}


def test_live_jobs_last_minutes(world: World) -> None:
    """A live job that completes takes 8 to 15 minutes, and most do complete; some are stopped, for about a minute."""
    long = {(recipe.model_id, recipe.customization_type) for recipe in LONG}
    new = [job for target in world.targets for job in world.jobs(*target, EPOCH + 10 * HOUR) if job.created > EPOCH]
    live = [job for job in new if (job.model_id, job.customization_type) not in long]
    outcomes = Counter(job.outcome for job in live)
    assert outcomes["Completed"] > len(live) / 2
    assert all(7.5 <= (job.ended - job.created) / MINUTE <= 15.5 for job in live if job.outcome == "Completed")
    assert all(45 <= job.ended - job.halted <= 75 for job in live if job.outcome == "Stopped")
    assert outcomes["Stopped"] > 10


@pytest.mark.parametrize("seed", range(5))
def test_failures_keep_coming(seed: int) -> None:
    """From the epoch on, any six minutes see a failure, and each has a message that tells which sub-task failed."""
    demo = World.demo(EPOCH, seed)
    until = EPOCH + 24 * HOUR
    failed = [job for target in demo.targets for job in demo.jobs(*target, until) if job.status(until) == "Failed"]
    ends = sorted(job.ended for job in failed if job.ended >= EPOCH - 6 * MINUTE)
    assert all(later - earlier < 6 * MINUTE for earlier, later in pairwise([EPOCH - 6 * MINUTE, *ends, until]))
    assert all([subtask.status for subtask in job.subtasks(until)].count("Failed") == 1 for job in failed)
    assert all(job.failure_message for job in failed)
