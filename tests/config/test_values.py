"""Durations, and the patterns of values, whatever they are fed."""

import contextlib
import time

import pytest

from exporter.config.config import Config, ConfigError
from exporter.config.duration import parse_duration
from exporter.config.resolve import load


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("45s", 45),
        ("15m", 900),
        ("1h30m", 5400),
        ("14d", 1_209_600),
        ("2w", 1_209_600),
        ("1.5h", 5400),
        ("0s", 0),
        ("1w2d3h4m5s6ms", 788_645.006),
        ("36500d", 3_153_600_000),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """A duration is one or more numbers with a unit each."""
    assert parse_duration(text) == seconds


NOT_A_DURATION = "is not a duration such as 45s, 15m, 1h30m or 14d"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        *((value, NOT_A_DURATION) for value in ("", "5", "s", "5 s", "-5s", "+5s", "5S", "5s ", "5s\n", "1e3s", ".5s")),
        *((value, NOT_A_DURATION) for value in ("\u0665s", "1y", "1s" * 7, 5, 5.0, None)),
        ("36501d", "is more than 36500d"),
        ("9" * 400 + "s", "is more than 36500d"),
    ],
)
def test_what_is_not_a_duration_is_refused(value: object, fault: str) -> None:
    """Nothing is guessed: no unit, no sign, no space, no other script's digits, nothing over a century."""
    with pytest.raises(ValueError, match="is ") as caught:
        parse_duration(value)

    assert str(caught.value) == f"{value!r} {fault}"


def load_plainly(text: str) -> Config:
    return load(text, file="f", environ={"A": "-"}, default_region=lambda _: "us-east-1", known_regions={"us-east-1"})


@pytest.mark.parametrize(
    "text",
    [
        "poll: {interval: 10s, timeout: 1s, stale_after: 11s, concurrency: 1, max_pages: 1}",
        "poll: {concurrency: 256}",
        "job_series: {retain: 0s, max_jobs: 0}",
        "aws: {connect_timeout: 100ms, read_timeout: 100ms, max_attempts: 1}",
        "aws: {max_attempts: 20}",
        "targets: [{filter: {created_after: 1970-01-01, name_contains: a}}]",
        "targets: [{filter: {created_after: 9999-12-31T23:59:59, name_contains: " + "a" * 63 + "}}]",
        "targets: [{assume_role: {role_arn: 'arn:aws:iam::111122223333:role/a', external_id: " + "a" * 1224 + "}}]",
        "discovery: {organizations: {role_name: " + "a" * 64 + ", refresh: 5m, session_name: aa}}",
    ],
)
def test_the_bounds_themselves_are_good(text: str) -> None:
    """The least and the most that each value may be."""
    assert isinstance(load_plainly(text), Config)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        *(
            (f"aws: {{endpoint_url: '{url}'}}", f"aws.endpoint_url: '{url}' is not an http or https URL")
            for url in ("http://", "https://:80", "http://a:0", "http://a:x", "http://a b", "http://[", "ftp://a", "a")
        ),
        ("poll: {timeout: 999ms}", "poll.timeout: '999ms' is less than 1s"),
        ("poll: {concurrency: 0}", "poll.concurrency: 0 is less than 1"),
        ("aws: {read_timeout: 99ms}", "aws.read_timeout: '99ms' is less than 100ms"),
        (
            "targets: [{filter: {created_after: 9999-12-31T23:59:59-01:00}}]",
            "targets[0].filter.created_after: 9999-12-31T23:59:59-01:00 is not a date from 1970 to 9999",
        ),
        (
            "targets: [{assume_role: {role_arn: 'arn:aws:iam::111122223333:role/a', external_id: " + "a" * 1225 + "}}]",
            f"targets[0].assume_role.external_id: '{'a' * 57}...{'a' * 58}' is too long; the maximum length is 1224",
        ),
    ],
)
def test_what_is_beyond_a_bound_is_refused(text: str, fault: str) -> None:
    """What the example files leave out."""
    with pytest.raises(ConfigError) as caught:
        load_plainly(text)

    assert caught.value.faults == [f"f:1: {fault}"]


TAKEN = (
    *("endpoint", "node", "pod", "container", "namespace", "service", "prometheus"),  # Prometheus and its operator
    *("severity", "alertname", "alertstate"),
    *("exported_namespace", "exported_team"),  # what Prometheus renames
)


@pytest.mark.parametrize("name", TAKEN)
def test_labels_that_would_be_lost_are_refused(name: str) -> None:
    """Prometheus or an alert sets a label of this name: a target's own would be renamed or replaced."""
    with pytest.raises(ConfigError) as caught:
        load_plainly(f"targets: [{{labels: {{{name}: x}}}}]")

    (fault,) = caught.value.faults
    assert fault.startswith(f"f:1: targets[0].labels.{name}: ")
    assert fault.endswith("is a label that the exporter, Prometheus or an alert sets itself; choose another name")


PLACES = (
    "targets: [{regions: ['…']}]",
    "targets: [{account_id: '…'}]",
    "targets: [{labels: {'…': x}}]",
    "targets: [{assume_role: {role_arn: '…'}}]",
    "targets: [{assume_role: {role_arn: 'arn:aws:iam::111122223333:role/…'}}]",
    "targets: [{assume_role: {external_id: '…'}}]",
    "targets: [{assume_role: {session_name: '…'}}]",
    "targets: [{filter: {name_contains: '…'}}]",
    "targets: [{filter: {created_after: '…'}}]",
    "targets: [{filter: {created_within: '…'}}]",
    "aws: {endpoint_url: '…'}",
    "aws: {endpoint_url: 'https://…'}",
    "aws: {extra_regions: ['…']}",
    "discovery: {organizations: {role_name: '…'}}",
    "discovery: {organizations: {organizational_units: ['…']}}",
)
NASTY = (
    "a",
    "a-",
    "-",
    "a/",
    "a+/",
    "1",
    "1s",
    "1.",
    "1ms1",
    "ou-0000",
    "us-east-",
    "a:",
    "[",
    "2026-01-",
    "$",
    "${A}",
)


@pytest.mark.parametrize("place", PLACES)
def test_every_pattern_takes_time_linear_in_the_text(place: str) -> None:
    """100,000 characters that nearly fit are judged in milliseconds."""
    start = time.process_time()
    for piece in NASTY:
        text = place.replace("…", piece * (100_000 // len(piece)) + "!")
        with contextlib.suppress(ConfigError):
            load_plainly(text)

    assert time.process_time() - start < 5
