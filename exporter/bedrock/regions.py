"""What botocore knows about regions, and its data."""

from __future__ import annotations

import os

import botocore.session
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader
from botocore.regions import EndpointResolver

from exporter.bedrock.descriptions import describe


class BuiltinLoader(Loader):
    """Loads only botocore's own data, nothing from ``~/.aws/models``: `--demo` must not read the user's files."""

    def __init__(self) -> None:
        super().__init__([self.BUILTIN_DATA_PATH], include_default_search_paths=False)

    @property
    def search_paths(self) -> list[str]:
        """Return a copy, because each boto3 session appends a path."""
        return list(self._search_paths)

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's
        """Every service that has a folder. botocore's version looks for a file in each folder at every start."""
        return sorted(entry.name for entry in os.scandir(self.BUILTIN_DATA_PATH) if entry.is_dir())


loader = BuiltinLoader()
"""Shared by the process because of its cache: loading the service models again costs 10 MB and 180 ms."""


def default_region(profile: str | None) -> str | None:
    """The region in the user's AWS configuration for the default credentials or a profile, if any.

    ``AWS_REGION`` comes first: botocore does not read it, but EKS, Lambda and the other SDKs use it.

    Raises:
        ValueError: the AWS configuration can't be read, or has no such profile.
    """
    if os.environ.get("AWS_REGION"):
        return os.environ["AWS_REGION"]
    try:
        region: str | None = botocore.session.Session(profile=profile).get_config_variable("region")
    except BotoCoreError as error:
        raise ValueError(describe(error)) from None
    return region


def known_regions() -> frozenset[str]:
    """The names of the regions of all AWS partitions that the installed botocore knows."""
    return frozenset(
        region
        for partition in loader.load_data("partitions")["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")  # the partition itself
    )


def is_endpoint_of(region: str, host: str) -> bool:
    """Whether a host is AWS's Bedrock endpoint in a region that botocore knows, FIPS and dual-stack included."""
    return any(
        region in partition["regions"] and host == f"{service}.{region}.{partition['outputs'][suffix]}"
        for partition in loader.load_data("partitions")["partitions"]
        for service in ("bedrock", "bedrock-fips")
        for suffix in ("dnsSuffix", "dualStackDnsSuffix")
    )


def lacks_bedrock(region: str) -> bool:
    """Whether botocore knows the region, but no Amazon Bedrock in it."""
    resolver = EndpointResolver(loader.load_data("endpoints"))
    return region in known_regions() and not any(
        region in resolver.get_available_endpoints("bedrock", partition)
        for partition in resolver.get_available_partitions()
    )
