"""Shards split the targets between them, and few move when their number changes."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import pytest

from exporter.targets.shard import Shard
from exporter.targets.shard import owner as owner_of
from exporter.targets.target import AssumeRole, Target

REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "ap-south-1", "eu-west-3")
FLEET = tuple(
    Target(
        "any", region, account_id=f"{account:012}", assume_role=AssumeRole(f"arn:aws:iam::{account:012}:role/exporter")
    )
    for account in range(1000)
    for region in REGIONS
)


def owner(target: Target, total: int) -> int:
    """The one shard that has the target."""
    (index,) = (index for index in range(total) if Shard(index, total).owns(target))
    return index


def test_each_of_5000_targets_belongs_to_one_of_4_shards_with_equal_shares() -> None:
    """No shard has a tenth more than its share."""
    share = Counter(owner(target, 4) for target in FLEET)

    assert share.total() == len(FLEET) == 5000
    assert set(share) == {0, 1, 2, 3}
    assert all(abs(count - 1250) < 125 for count in share.values())


def test_a_fifth_shard_moves_only_what_it_gets() -> None:
    """About a fifth of the targets, all of them to the new shard; and back again when it goes."""
    moves = Counter((owner(target, 4), owner(target, 5)) for target in FLEET)
    moved = {pair: count for pair, count in moves.items() if pair[0] != pair[1]}

    assert {to for _, to in moved} == {4}
    assert abs(sum(moved.values()) - 1000) < 100


def test_only_the_identity_of_a_target_counts() -> None:
    """Not its place in the file, labels or role: two targets of one account and region meet in one shard."""
    other = Target("other", FLEET[7].region, FLEET[7].account_id, profile="training", labels=(("team", "a"),))

    assert owner(other, 50) == owner(FLEET[7], 50)


def test_shards_stay_as_they_are_from_version_to_version() -> None:
    """Another hash would move most targets at an upgrade: these are pinned, by account, profile and neither."""
    assert [owner(target, 4) for target in FLEET[:10]] == [2, 0, 1, 0, 3, 0, 0, 2, 3, 0]
    assert [owner(Target("any", region, profile="research"), 4) for region in REGIONS] == [2, 2, 0, 0, 1]
    assert [owner(Target("any", region), 4) for region in REGIONS] == [2, 3, 0, 1, 2]


# What docs/kubernetes.md says of 200 targets.

PAGE = Path(__file__).parents[2] / "docs" / "kubernetes.md"


def fleets() -> Iterator[list[Target]]:
    """100 fleets of 200 targets: 100 accounts, two regions."""
    numbers = random.Random(17)
    for _ in range(100):
        accounts = [f"{numbers.randrange(10**12):012}" for _ in range(100)]
        yield [Target("any", region, account_id=account) for account in accounts for region in REGIONS[:2]]


def unevenness(total: int) -> tuple[float, float]:
    """How many times its share the fullest shard has: median and 95th percentile over the fleets."""
    fullest = [max(Counter(owner_of(target, total) for target in fleet).values()) * total / 200 for fleet in fleets()]
    cuts = quantiles(fullest, n=20)
    return cuts[9], cuts[18]


def rollout(fleet: list[Target], before: int, after: int) -> tuple[int, int]:
    """The most targets with two pods, and the most with none, while the number of shards is changed.

    Pods that are no longer wanted go first, and new ones come first. Then each of the others in turn, from the last
    one on, goes, and comes back with the new number.
    """
    owners = [(owner_of(target, before), owner_of(target, after)) for target in fleet]
    twice = nowhere = 0
    kept = min(before, after)
    for replaced in range(kept, -1, -1):  # from here on, pods have the new number
        for away in {replaced - 1, None}:
            pods = Counter((old < replaced and old != away) + (new >= replaced) for old, new in owners)
            twice, nowhere = max(twice, pods[2]), max(nowhere, pods[0])
    return twice, nowhere


@pytest.mark.parametrize("total", [5, 7, 20])
def test_docs_say_how_uneven_shards_are(total: int) -> None:
    median, worst = unevenness(total)
    assert f"| {total} | {median:.2f} | {worst:.2f} |" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("before", "after"), [(5, 7), (7, 5)])
def test_docs_say_what_a_change_of_their_number_does(before: int, after: int) -> None:
    twice, nowhere = map(max, zip(*(rollout(fleet, before, after) for fleet in fleets()), strict=True))
    assert f"| {before} \N{RIGHTWARDS ARROW} {after} | {twice} | {nowhere} |" in PAGE.read_text(encoding="utf-8")
