"""What `/config` shows of a configuration."""

import yaml

from exporter.config.effective import MAX_TARGETS, effective
from exporter.config.resolve import load

FULL = """\
poll: {interval: 2m}
targets:
  - regions: [us-east-1]
    labels: {team: research}
    assume_role: {role_arn: "arn:aws:iam::111122223333:role/bedrock-exporter", external_id: "${ID}"}
aws: {endpoint_url: "https://me:pass-word@proxy.example/bedrock?key=${ID}"}
details: {enabled: true}
"""


def shown(text: str) -> str:
    environ = {"ID": "s3cret-s3cret"}
    return effective(load(text, file="config.yaml", environ=environ, default_region=lambda _: None))


def test_everything_in_use_without_secrets() -> None:
    """Every section is there, defaults included; external ids and what a URL says of users are not."""
    text = shown(FULL)
    document = yaml.safe_load(text)

    assert "s3cret" not in text
    assert "pass-word" not in text
    assert document["poll"]["interval"] == 120
    assert document["job_series"]["max_jobs"] == 1000
    assert document["details"]["enabled"] is True
    assert document["targets"][0]["assume_role"] == {
        "role_arn": "arn:aws:iam::111122223333:role/bedrock-exporter",
        "external_id": "(removed)",
        "session_name": "bedrock-customization-exporter",
    }
    assert document["aws"]["endpoint_url"].endswith("@proxy.example/bedrock?(removed)")


def test_an_empty_file_shows_the_defaults() -> None:
    """One target, and how often it is walked."""
    text = shown("targets: [{regions: [us-east-1]}]")
    assert yaml.safe_load(text)["poll"]["interval"] == 60


def test_a_long_list_is_bounded() -> None:
    """The number of targets that are left out is told."""
    roles = "".join(
        f"  - {{regions: [us-east-1], assume_role: {{role_arn: 'arn:aws:iam::{10**11 + n}:role/x'}}}}\n"
        for n in range(MAX_TARGETS + 7)
    )
    text = shown(f"targets:\n{roles}")
    assert text.startswith("# 7 more targets are left out\n")
    assert len(yaml.safe_load(text)["targets"]) == MAX_TARGETS
