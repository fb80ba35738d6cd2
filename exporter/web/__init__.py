"""The HTTP side: routes, which are pure, and the server around them."""

from exporter.web.routes import Request, Response, Site, respond
from exporter.web.server import Address, ListenError, Server

__all__ = ["Address", "ListenError", "Request", "Response", "Server", "Site", "respond"]
