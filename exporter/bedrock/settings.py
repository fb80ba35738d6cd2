"""How to talk to AWS. Separate, so that importing it does not import boto3."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """How to talk to AWS. Times in seconds.

    Attributes:
        endpoint_url: replaces the service's own, as ``AWS_ENDPOINT_URL_BEDROCK`` does.
        use_fips: whether to use FIPS endpoints; None leaves it to ``AWS_USE_FIPS_ENDPOINT``.
        connect_timeout: to establish a connection.
        read_timeout: between two bytes of an answer.
        max_attempts: attempts per request, including the first.
    """

    endpoint_url: str | None
    use_fips: bool | None
    connect_timeout: float
    read_timeout: float
    max_attempts: int
