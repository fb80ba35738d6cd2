"""The region of a target that names none, and regions that nobody knows."""

from collections.abc import Collection, Mapping

import pytest

from exporter.config.config import ConfigError
from exporter.config.resolve import DefaultRegion, load


def faults_of(
    text: str,
    default_region: DefaultRegion,
    environ: Mapping[str, str] = {},
    known_regions: Collection[str] = ("us-east-1", "us-west-2", "eu-west-1"),
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, file="config.yaml", environ=environ, default_region=default_region, known_regions=known_regions)
    return caught.value.faults


NEWER = "If it is newer than this exporter, add it to aws.extra_regions"


@pytest.mark.parametrize(
    ("region", "environ", "fault"),
    [
        pytest.param(None, {}, "neither AWS_REGION nor the AWS configuration has one", id="none"),
        pytest.param(
            "us-east-1 ",
            {"AWS_REGION": "us-east-1 "},
            f"the environment variable AWS_REGION has 'us-east-1 ', which is not an AWS region; did you mean "
            f"'us-east-1'? {NEWER}",
            id="blank",
        ),
        pytest.param(
            "'us-west-2'",
            {"AWS_DEFAULT_REGION": "'us-west-2'"},
            f"the environment variable AWS_DEFAULT_REGION has \"'us-west-2'\", which is not an AWS region; did you "
            f"mean 'us-west-2'? {NEWER}",
            id="quoted",
        ),
        pytest.param(
            "us-east-1a",
            {"AWS_REGION": ""},
            f"the AWS configuration has 'us-east-1a', which is not an AWS region; did you mean 'us-east-1'? {NEWER}",
            id="zone",
        ),
        pytest.param(
            "US-EAST-1",
            {},
            f"the AWS configuration has 'US-EAST-1', which is not an AWS region; did you mean 'us-east-1'? {NEWER}",
            id="upper-case",
        ),
    ],
)
def test_a_default_region_is_checked_as_any_other(region: str | None, environ: dict[str, str], fault: str) -> None:
    """A region that does not stand in the file gets the same message, with where it comes from."""
    found = faults_of("", lambda _: region, environ)

    assert found == [f"config.yaml: targets.regions: no region is given, and {fault}"]


def test_the_region_of_a_profile_is_checked_too() -> None:
    """The message names the profile and stands at the section that leaves the region to it."""
    text = "targets:\n- regions: [us-east-1]\n- profile: ${COUNT}\ndiscovery: {organizations: {role_name: a}}"
    found = faults_of(text, {"2": "us_east_1", None: "mars"}.get, {"COUNT": "2"}, known_regions=())
    form = "not an AWS region name such as us-east-1"

    assert [fault.partition("no region is given, and ")[::2] for fault in found] == [
        ("config.yaml:3: targets[1].regions: ", f"the profile '${{COUNT}}' has 'us_east_1', which is {form}"),
        ("config.yaml:4: discovery.organizations.regions: ", f"the AWS configuration has 'mars', which is {form}"),
    ]


@pytest.mark.parametrize("parts", [20, 10_000])
def test_long_names_are_not_proposed(parts: int) -> None:
    """They would make a long message, and comparing them takes the square of their length: minutes."""
    region = f"us-{'east-' * parts}"
    text = f"aws: {{extra_regions: [{region}1]}}\ntargets: [{{regions: [{region}2]}}]\n? {'poll' * 20_000}\n"
    newer = NEWER[0].lower() + NEWER[1:]

    assert [fault.rpartition("'")[2] for fault in faults_of(text, lambda _: None)] == [
        f" is not an AWS region; {newer}",
        ": unknown key; the keys here are poll, targets, discovery, job_series, baseline_window, details, aws",
    ]


UNREADABLE = "the AWS configuration can't be read: Unable to parse config file: ~/.aws/config"


def test_an_aws_configuration_that_cannot_be_read_is_a_fault() -> None:
    """Even without `targets`, and beside other faults; but not where an unknown key may be a typo of `targets`."""

    def broken(_: str | None) -> str | None:
        raise ValueError("Unable to parse config file:\n  ~/.aws/config")

    assert faults_of("poll: {a: 1}", broken) == [
        f"config.yaml: targets.regions: no region is given, and {UNREADABLE}",
        "config.yaml:1: poll.a: unknown key; the keys here are interval, timeout, stale_after, concurrency, max_pages",
    ]
    assert faults_of("target: {}", broken) == ["config.yaml:1: target: unknown key; did you mean 'targets'?"]


def test_the_default_region_is_asked_for_once_per_profile() -> None:
    """Each answer costs botocore a session."""
    asked: list[str | None] = []

    def ask(profile: str | None) -> str:
        asked.append(profile)
        return "us-east-1"

    accounts = "".join(f"- {{account_id: '{number:012}', profile: p{number % 2}}}\n" for number in range(20))
    load(f"targets:\n{accounts}", file="f", environ={}, default_region=ask)

    assert asked == ["p0", "p1"]


def test_any_region_is_good_where_none_are_known() -> None:
    """Without known regions only the form is checked."""
    text = "targets: [regions: [mars-north-1]]"
    loaded = load(text, file="f", environ={}, default_region=lambda _: None)

    assert [target.region for target in loaded.targets] == ["mars-north-1"]
