"""What ``utskick check`` reads of the database, on a connection that cannot write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from utskick.store.administration.configuration import Rows, read_all
from utskick.store.crypto.cipher import Cipher, Locked
from utskick.store.crypto.key_rows import VaultKeys
from utskick.store.crypto.vault import Vault


@dataclass(frozen=True, slots=True)
class Opened:
    """The settings' keys.

    ``key``: the name of the first. ``older``: how many data keys only others wrap.
    """

    key: str
    older: int


@dataclass(frozen=True, slots=True)
class SigningKeyState:
    """A signing key of the embedded issuer.

    ``locked``: its private half cannot be decrypted; known only where the vault was opened.
    """

    signs_from: datetime
    locked: bool


class DatabaseInspection:
    """Reads a database of this release's schema.

    ``connection``: a read-only session.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._vault: Vault | None = None

    async def is_sealed(self) -> bool:
        """Return whether there are data keys: without the key that wraps them nothing opens."""
        return bool(await VaultKeys(self._connection).of_people())

    async def open(self, cipher: Cipher) -> Opened | None:
        """Open the vault. Raises ``Locked``.

        None: something has to be written first, as the service does when it starts.
        """
        vault = Vault(cipher)
        try:
            await vault.open_with(self._connection)
        except asyncpg.ReadOnlySQLTransactionError:
            return None
        self._vault = vault
        return Opened(vault.ring[0], len(await vault.rows.unwrapped_by(vault.ring[0])))

    async def signers(self) -> list[SigningKeyState]:
        """Return the signing keys in the order in which they sign."""
        rows = await self._connection.fetch(
            "SELECT sealed, signs_from FROM signing_keys ORDER BY signs_from, id"
        )
        return [SigningKeyState(row["signs_from"], self._is_locked(row["sealed"])) for row in rows]

    def _is_locked(self, sealed: bytes) -> bool:
        try:
            if self._vault is not None:
                self._vault.decrypt("", sealed)
        except Locked:
            return True
        return False

    async def units(self) -> Rows:
        """Return the configuration of units. Empty where the vault was not opened."""
        return await read_all(self._connection, self._vault) if self._vault is not None else Rows()

    async def clients(self) -> list[str]:
        """Return the clients that may fetch tokens."""
        rows = await self._connection.fetch(
            "SELECT id FROM clients WHERE revoked_at IS NULL ORDER BY id"
        )
        return [row["id"] for row in rows]
