"""Why a job failed, as its message tells."""

from pathlib import Path

import pytest
import yaml

from exporter.jobs.failures import MAX_REASONS, OTHER, REASONS, classify

DATA = Path(__file__).parents[1] / "data" / "failure-messages.yaml"
COLLECTED = yaml.safe_load(DATA.read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", COLLECTED, ids=lambda entry: entry["message"][:60])
def test_every_collected_message_has_its_reason(entry: dict[str, str]) -> None:
    """What public sources quote is classified right, in any case."""
    assert entry["source"].startswith("https://")
    assert classify(entry["message"]) == entry["reason"]
    assert classify(entry["message"].upper()) == entry["reason"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", OTHER),
        ("something else", OTHER),
        ("AccessDenied on kms:Decrypt of the S3 object", "kms_access"),
        ("Service quota of concurrent jobs exceeded", "quota"),
        ("The hyperparameter epochCount must be from 1 to 5", "hyperparameters"),
        ("x" * 1_000_000, OTHER),
    ],
    ids=["none", "unknown", "kms-before-s3", "quota-before-limits", "hyperparameters", "a-megabyte"],
)
def test_the_table_is_ordered(message: str, reason: str) -> None:
    """What is more specific goes first."""
    assert classify(message) == reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Unable to parse Amazon S3 file: kms-quota.jsonl. Data files must conform to JSONL format.", "data_format"),
        ("Maximum input token count 4097 exceeds limit of 4096 in s3://hyperparameter-runs/a", "data_limits"),
        ("Could not validate GetObject permissions to access S3 bucket: kms-logs at key license terms", "s3_access"),
        ("Input size exceeded in file a.jsonl for record starting with: our usage policy", "data_limits"),
        ("Encountered an unexpected error when processing s3://throttled/a.jsonl", "internal_error"),
    ],
    ids=["file", "object", "bucket", "record", "uri"],
)
def test_what_users_have_named_decides_nothing(message: str, reason: str) -> None:
    """Names of buckets, objects and files, and quoted records, are not AWS's words."""
    assert classify(message) == reason


def test_own_reasons_go_ahead_of_the_table() -> None:
    """Plain text, in any case: what would be a pattern elsewhere is only text."""
    own = (("LICENSE (a+)+$", "licence"), ("Internal", "again"))

    assert classify("Encountered an internal error", own) == "again"
    assert classify("no license (A+)+$ here; internal", own) == "licence"
    assert classify("Unable to parse", own) == "data_format"


def test_reasons_are_bounded() -> None:
    """Each is a label value."""
    assert len(set(REASONS)) == len(REASONS) < MAX_REASONS
