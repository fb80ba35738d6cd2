"""What a target is, and what tells whether a reload has changed how it is reached."""

from dataclasses import replace

import pytest

from exporter.labels import UNKNOWN, account_of
from exporter.targets.target import AssumeRole, JobFilter, Target

TARGET = Target("targets[0]", "us-east-1", labels=(("team", "ml"),))


@pytest.mark.parametrize(
    ("arn", "account_id"),
    [
        ("arn:aws:iam::111122223333:role/path:a", "111122223333"),
        ("arn:aws:bedrock:us-east-1::foundation-model/a", None),
        ("arn:aws:iam::1111222233334:role/a", None),
        ("arn:aws:iam::\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661:role/a", None),
        ("111122223333", None),
        ("", None),
    ],
)
def test_the_account_is_the_fifth_part_of_an_arn(arn: str, account_id: str | None) -> None:
    """If it has 12 digits."""
    assert account_of(arn) == AssumeRole(arn).account_id == account_id


def test_every_series_has_the_account_the_region_and_the_targets_labels() -> None:
    """In this order."""
    labels = (("aws_account_id", UNKNOWN), ("aws_region", "us-east-1"), ("team", "ml"))

    assert TARGET.series_labels(UNKNOWN) == labels


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(TARGET, name="targets[1]", labels=(), discovered=True), True),
        (replace(TARGET, region="us-west-2"), False),
        (replace(TARGET, account_id="111122223333"), False),
        (replace(TARGET, assume_role=AssumeRole("arn:aws:iam::111122223333:role/a")), False),
        (replace(TARGET, profile="research"), False),
        (replace(TARGET, job_filter=JobFilter(name_contains="a")), False),
    ],
)
def test_names_and_labels_are_no_part_of_the_route(other: Target, same: bool) -> None:
    """A reload that changes nothing else keeps what is known of the target."""
    assert (other.route == TARGET.route) is same
