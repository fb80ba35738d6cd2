"""The only room that knows boto3: sessions and roles, the pages of the list, wire JSON → jobs, exceptions → reasons."""

from exporter.bedrock.client import Sessions, TargetClient, default_region, known_regions
from exporter.bedrock.doctor import examine
from exporter.bedrock.errand import Errand
from exporter.bedrock.lifeline import Lifeline
from exporter.bedrock.organizations import list_accounts
from exporter.bedrock.wire import MalformedJobError, WirePage, parse_bygone, parse_job

__all__ = [
    "Errand",
    "Lifeline",
    "MalformedJobError",
    "Sessions",
    "TargetClient",
    "WirePage",
    "default_region",
    "examine",
    "known_regions",
    "list_accounts",
    "parse_bygone",
    "parse_job",
]
