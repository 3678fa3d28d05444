"""Where the sandbox's town stands: what channels need to find it, and what simulators need to build
it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SandboxAddresses:
    """Its ports (``https_port``: with client certificates), its folder (certificates, print
    batches), and where the API is."""

    http_port: int
    smtp_port: int
    folder: Path
    api_url: str
    https_port: int = 0
    sftp_port: int = 0


class Simulator(Protocol):
    """One provider's protocol, spoken for the citizens: writes what they receive into the ledger,
    and misbehaves on request."""

    def routes(self) -> list[web.RouteDef]:
        """On the town's HTTP port; none for a simulator with a port of its own."""
        ...

    async def start(self) -> None:
        """Opens ports of its own. Raises ``OSError`` where one is taken."""
        ...

    async def close(self) -> None: ...
