"""Addresses to listen on. Apart from the server, so that reading a flag does not import aiohttp."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; a host of None is every interface."""

    host: str | None
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``:9848``, ``host:9848`` or ``[::1]:9848``; ValueError for anything else."""
        match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:\[\]/]*)):(\d{1,5})", text, re.ASCII)
        if not match or int(match[3]) > 65535:
            raise ValueError(f"{text!r} is not an address such as :9848, 127.0.0.1:9848 or [::1]:9848")
        return cls(match[1] or match[2] or None, int(match[3]))

    def __str__(self) -> str:
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
