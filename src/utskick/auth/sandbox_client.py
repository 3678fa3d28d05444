"""The sandbox's own client: made at the first start, kept in the data folder, in a form that curl
reads (``curl --config``)."""

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
from utskick.auth.secret_digest import is_of
from utskick.domain.clock import Clock
from utskick.domain.errors import NotFound, SettingsFault
from utskick.store.administration.clients import Client, Clients
from utskick.store.database import Database

NAME: Final = "sandbox"
FILE: Final = "sandbox-client"
_LINE: Final = re.compile(r'user = "([^":]+):([^"]+)"')


def read(path: Path) -> tuple[str, str] | None:
    """Id and secret; None where there is no such file that can be read."""
    try:
        found = _LINE.search(path.read_text())
    except (OSError, UnicodeDecodeError):
        return None
    return (found[1], found[2]) if found else None


class KeptClient:
    """It may everything, on a machine that nothing leaves: where the sandbox is off, it is
    revoked."""

    def __init__(
        self,
        database: Database,
        channels: Sequence[str],
        municipalities: Sequence[str],
        clock: Clock,
    ) -> None:
        self._clients = Clients(database)
        self._allowed = ClientPermissions(tuple(municipalities), tuple(scopes.every(channels)))
        self._register = ClientRegistry(self._clients, self._allowed.scopes, municipalities, clock)

    async def keep(self, folder: Path) -> Path:
        """The file. With the same secret as at the last start, and a new one where file and
        database do not belong together."""
        path = folder / FILE
        client = await self._clients.get(NAME)
        if client is None:
            _write(path, await self._register.create(NAME, self._allowed))
            return path
        await self._clients.allow(NAME, self._allowed.municipalities, self._allowed.scopes)
        if client.revoked_at is not None or not _fits(client, read(path)):
            _write(path, await self._register.rotate(NAME, timedelta()))
        return path

    async def drop(self) -> None:
        with suppress(NotFound):
            await self._register.revoke(NAME)


def _fits(client: Client, kept: tuple[str, str] | None) -> bool:
    return (
        kept is not None
        and kept[0] == client.id
        and client.digest is not None
        and is_of(client.digest, kept[1])
    )


def _write(path: Path, secret: str | None) -> None:
    """Whole or not at all, and readable by nobody else."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(
                f'# The sandbox\'s client, for curl --config. Made by utskick serve\nuser = "{NAME}:{secret}"\n'
            )
        partial.replace(path)
    except OSError as fault:
        raise SettingsFault(
            f"the sandbox's client cannot be kept at {path}: {fault.strerror}"
        ) from fault
