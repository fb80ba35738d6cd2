"""The default region, and what is known about others."""

import pytest

from exporter.bedrock.regions import default_region, known_regions, lacks_bedrock


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, None),
        ({"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-west-2"}, "eu-west-1"),
    ],
    ids=str,
)
def test_default_region(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], region: str | None) -> None:
    """AWS_REGION's, then what botocore finds."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_region(None) == region


def test_default_region_of_a_profile_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"^The config profile \(missing\) could not be found$"):
        default_region("missing")


def test_known_regions() -> None:
    """They are those of all partitions."""
    assert {"us-east-1", "cn-north-1", "us-gov-west-1", "ap-east-1"} < known_regions()
    assert not any(region.endswith("-global") for region in known_regions())


@pytest.mark.parametrize(
    ("region", "lacks"), [("us-east-1", False), ("us-gov-west-1", False), ("ap-east-1", True), ("xx-new-1", False)]
)
def test_lacks_bedrock(region: str, lacks: bool) -> None:
    """A region is without Bedrock only if it is known itself."""
    assert lacks_bedrock(region) is lacks
