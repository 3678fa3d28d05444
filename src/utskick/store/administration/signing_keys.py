"""Signing keys of the embedded issuer: shared by all processes, private halves encrypted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from utskick.store.database import Database

# any number of this application's: two processes must not make the next key at once
_LOCK: Final = 7_318_302_583


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key.

    ``private``: PKCS#8. ``public``: a JWK. ``signs_from``: until then it is only published.
    """

    id: str
    private: bytes
    public: Mapping[str, Any]
    created_at: datetime
    signs_from: datetime


#: Present keys → (keys to add, ids of those to remove).
Plan = Callable[[Sequence[SigningKey]], tuple[Sequence[SigningKey], Sequence[str]]]


class SigningKeys:
    """Reader and writer of signing keys. They belong to the service, not to a municipality."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self) -> list[SigningKey]:
        """Return the keys in the order in which they sign. Raises ``Locked``."""
        rows = await self._database.pool.fetch(_SELECT)
        return [self._key(row) for row in rows]

    async def replan(self, plan: Plan) -> list[SigningKey]:
        """Carry out a plan, one process at a time. Returns the keys after it."""
        async with self._database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            added, removed = plan([self._key(row) for row in await connection.fetch(_SELECT)])
            for key in added:
                await connection.execute(
                    "INSERT INTO signing_keys (id, sealed, public, created_at, signs_from) VALUES "
                    "($1, $2, $3, $4, $5)",
                    key.id,
                    self._database.vault.encrypt("", key.private),
                    key.public,
                    key.created_at,
                    key.signs_from,
                )
            await connection.execute(
                "DELETE FROM signing_keys WHERE id = ANY($1::text[])", list(removed)
            )
            return [self._key(row) for row in await connection.fetch(_SELECT)]

    def _key(self, row: Any) -> SigningKey:
        private = self._database.vault.decrypt("", row["sealed"])
        return SigningKey(row["id"], private, row["public"], row["created_at"], row["signs_from"])


_SELECT = (
    "SELECT id, sealed, public, created_at, signs_from FROM signing_keys ORDER BY signs_from, id"
)
