"""The sandbox's own client: created at the first start, and stored for curl (``--config``)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from utskick.auth import scopes
from utskick.auth.client_registry import ClientPermissions, ClientRegistry
from utskick.auth.secret_digest import matches
from utskick.domain.clock import Clock
from utskick.domain.errors import NotFound, SettingsFault
from utskick.store.administration.clients import Client, Clients
from utskick.store.database import Database

NAME: Final = "sandbox"
FILE: Final = "sandbox-client"
_LINE: Final = re.compile(r'user = "([^":]+):([^"]+)"')


def read(path: Path) -> tuple[str, str] | None:
    """Read id and secret, None if there is no readable file."""
    try:
        match = _LINE.search(path.read_text())
    except (OSError, UnicodeDecodeError):
        return None
    return (match[1], match[2]) if match else None


class SandboxClient:
    """Client with all permissions, for a machine in sandbox mode; elsewhere it is revoked."""

    def __init__(
        self,
        database: Database,
        channels: Sequence[str],
        municipalities: Sequence[str],
        clock: Clock,
    ) -> None:
        self._clients = Clients(database)
        self._allowed = ClientPermissions(tuple(municipalities), tuple(scopes.every(channels)))
        self._registry = ClientRegistry(self._clients, self._allowed.scopes, municipalities, clock)

    async def ensure(self, folder: Path) -> Path:
        """Create or update the client, and return its file.

        The secret is kept unless file and database do not match.
        """
        path = folder / FILE
        client = await self._clients.get(NAME)
        if client is None:
            _write(path, await self._registry.create(NAME, self._allowed))
            return path
        await self._clients.allow(NAME, self._allowed.municipalities, self._allowed.scopes)
        if client.revoked_at is not None or not _is_current(client, read(path)):
            _write(path, await self._registry.rotate(NAME, timedelta()))
        return path

    async def revoke(self) -> None:
        """Revoke the client, if it exists."""
        with suppress(NotFound):
            await self._registry.revoke(NAME)


def _is_current(client: Client, stored: tuple[str, str] | None) -> bool:
    return (
        stored is not None
        and stored[0] == client.id
        and client.digest is not None
        and matches(client.digest, stored[1])
    )


def _write(path: Path, secret: str | None) -> None:
    """Write the file atomically, readable only by its owner."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(
                "# The sandbox's client, for curl --config. Made by utskick serve\n"
                f'user = "{NAME}:{secret}"\n'
            )
        partial.replace(path)
    except OSError as fault:
        raise SettingsFault(
            f"the sandbox's client cannot be stored at {path}: {fault.strerror}"
        ) from fault
