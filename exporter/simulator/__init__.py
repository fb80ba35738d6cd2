"""An embedded Bedrock for demos, tests and benchmarks: real paths, query parameters and JSON, on loopback.

    with serve(World.demo(epoch=time.time())) as bedrock:
        client = boto3.client(
            "bedrock",
            endpoint_url=bedrock.url,
            region_name="us-east-1",
            aws_access_key_id=bedrock.access_key_id,
            aws_secret_access_key="any",
        )

`world` holds the jobs, `wire` their JSON, `api` the calls, and `server` the HTTP. Standard library only.
"""

import time
from collections.abc import Callable

from exporter.simulator.api import access_key_id, answer
from exporter.simulator.server import Request, Respond, Response, Server
from exporter.simulator.world import World

__all__ = ["Request", "Respond", "Response", "Server", "Simulator", "World", "access_key_id", "answer", "serve"]


class Simulator(Server):
    """A running simulator: `url` is its endpoint for Bedrock and STS, `access_key_id` that of the first account."""

    def __init__(self, world: World, respond: Respond, host: str, port: int) -> None:
        super().__init__(respond, host, port)
        self.access_key_id = access_key_id(next(iter(world.accounts)))


def serve(
    world: World,
    host: str = "127.0.0.1",
    port: int = 0,
    now: Callable[[], float] = time.time,
    respond: Respond | None = None,
) -> Simulator:
    """Serve `world` on `host:port` (0: a free port) in the background, as of the clock `now`, until closed.

    `respond` replaces the answers; to only add faults, call `answer(world, request, now())` for the rest.
    """
    return Simulator(world, respond or (lambda request: answer(world, request, now())), host, port)
