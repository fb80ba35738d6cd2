"""The only room that knows boto3: sessions and roles, the pages of the list, wire JSON → jobs, exceptions → reasons."""

from exporter.bedrock.client import Sessions, TargetClient, default_region
from exporter.bedrock.lifeline import Lifeline
from exporter.bedrock.wire import MalformedJobError, WirePage, parse_bygone, parse_job

__all__ = [
    "Lifeline",
    "MalformedJobError",
    "Sessions",
    "TargetClient",
    "WirePage",
    "default_region",
    "parse_bygone",
    "parse_job",
]
