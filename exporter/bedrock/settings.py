"""How to talk to AWS. Separate, so that importing it does not import boto3."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """How to talk to AWS. Times in seconds.

    Attributes:
        endpoint_url: instead of the service's own; also from ``AWS_ENDPOINT_URL_BEDROCK``.
        use_fips: whether to use FIPS endpoints; None leaves it to ``AWS_USE_FIPS_ENDPOINT``.
        connect_timeout: for a connection to be established.
        read_timeout: between two bytes of an answer.
        max_attempts: attempts at one request, the first one included.
    """

    endpoint_url: str | None
    use_fips: bool | None
    connect_timeout: float
    read_timeout: float
    max_attempts: int
