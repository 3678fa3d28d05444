"""Addresses of the sandbox, and the protocol that all simulators implement."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SandboxAddresses:
    """Ports and folder of the sandbox, and the address of the API.

    ``https_port`` requires client certificates; ``folder`` holds certificates and print batches.
    """

    http_port: int
    smtp_port: int
    folder: Path
    api_url: str
    https_port: int = 0
    sftp_port: int = 0


class Simulator(Protocol):
    """Simulator of a provider: adds received messages to the ledger, and simulates faults."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes on the sandbox's HTTP port; empty if the simulator has its own port."""
        ...

    async def start(self) -> None:
        """Open the simulator's own ports; raise ``OSError`` if a port is in use."""
        ...

    async def close(self) -> None: ...
