"""A simulated Bedrock, its clock, and boto3 clients of it."""

from collections.abc import Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from simulator.scene import EPOCH, Clock

from exporter.simulator import Simulator, World, serve


@pytest.fixture(scope="module")
def world() -> World:
    return World.demo(EPOCH)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bedrock(world: World, clock: Clock) -> Iterator[Simulator]:
    with serve(world, now=clock) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def session() -> Any:
    return boto3.Session()


@pytest.fixture(scope="module")
def model() -> Any:
    return botocore.session.get_session().get_service_model("bedrock")


@pytest.fixture
def connect(bedrock: Simulator, session: Any) -> Iterator[Any]:
    """Make boto3 clients of the simulator, which are closed after the test."""
    clients = []

    def connect(service: str = "bedrock", region: str = "us-east-1", key: str = "", **extra: Any) -> Any:
        client = session.client(
            service,
            region_name=region,
            endpoint_url=bedrock.url,
            aws_access_key_id=key or bedrock.access_key_id,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, signature_version="v4"),
            **extra,
        )
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()
