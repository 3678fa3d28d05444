"""TCP connections to peers of other protocols than HTTP, to addresses that have been checked."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from utskick.outgoing.address_guard import AddressPolicy


async def dial(host: str, port: int, reach: AddressPolicy | None) -> socket.socket:
    """Connect to the first address of a name that accepts.

    ``reach``: policy for the addresses, None for peers that the operator has set. Raises
    ``OSError`` and ``ForbiddenAddress``.
    """
    loop = asyncio.get_running_loop()
    fault: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in await _resolved(host, port, reach):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
        except OSError as refused:
            sock.close()
            fault = refused
        except BaseException:
            sock.close()
            raise
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise fault


async def _resolved(host: str, port: int, reach: AddressPolicy | None) -> list[Any]:
    loop = asyncio.get_running_loop()
    if reach is None:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [
        info
        for address in await reach.addresses(host, port)
        for info in await loop.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    ]
