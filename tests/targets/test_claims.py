"""One target watches an account in a region, whatever is learnt in whatever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.targets.claims import Claims, identity
from exporter.targets.target import AssumeRole, Target

A, B = "111122223333", "444455556666"
FIRST, SECOND, THIRD = TARGETS = tuple(Target(f"targets[{n}]", "us-east-1", profile=f"p{n}") for n in range(3))
ELSEWHERE = Target("targets[3]", "us-west-2", profile="p3")


@pytest.mark.parametrize(
    ("target", "learnt", "key"),
    [
        (Target("a", "us-east-1"), None, ("", "us-east-1")),
        (Target("a", "us-east-1", profile="research"), None, ("research", "us-east-1")),
        (Target("a", "us-east-1", A, profile="research"), None, (A, "us-east-1")),
        (Target("a", "us-east-1", A, AssumeRole(f"arn:aws:iam::{A}:role/a")), None, (A, "us-east-1")),
        (Target("a", "us-west-2", A, profile="research"), B, (B, "us-west-2")),
    ],
)
def test_what_is_learnt_counts_before_what_is_configured(
    target: Target, learnt: str | None, key: tuple[str, str]
) -> None:
    """Account id, else profile, else the default credentials; and the region."""
    assert identity(target, learnt) == key


def test_the_first_in_order_owns_an_account() -> None:
    """Not the first to come: one that is earlier in the order takes over, and the later one gets it back."""
    claims = Claims([*TARGETS, ELSEWHERE])

    assert claims.owner(FIRST, A) is None
    assert claims.claim(SECOND, A) is SECOND
    assert claims.claim(ELSEWHERE, A) is ELSEWHERE
    assert claims.claim(THIRD, A) is SECOND
    assert claims.owner(FIRST, A) is SECOND
    assert claims.claim(FIRST, A) is FIRST
    assert claims.claim(SECOND, A) is FIRST
    assert claims.claim(FIRST, B) is FIRST
    assert claims.claim(THIRD, A) is SECOND
    assert claims.claim(SECOND, None) is SECOND
    assert claims.claim(THIRD, A) is THIRD


def test_of_two_equal_targets_the_first_one_counts() -> None:
    """As where a file lists a region twice."""
    one, other = Target("targets[0]", "us-east-1"), Target("targets[0]", "us-east-1")
    claims = Claims([one, other])

    assert claims.claim(one, None) is one
    assert claims.claim(other, None) is one


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([A, B, None]))))
def test_the_owner_is_the_first_whose_last_claim_it_is(steps: list[tuple[int, str | None]]) -> None:
    """Whatever the claims and their order."""
    claims = Claims(TARGETS)
    last: dict[int, tuple[str, str]] = {}
    for number, account_id in steps:
        last[number] = identity(TARGETS[number], account_id)
        expected = TARGETS[min(other for other, key in last.items() if key == last[number])]

        assert claims.claim(TARGETS[number], account_id) is expected
        assert claims.owner(TARGETS[number], account_id) is expected
