"""Clients of the embedded issuer: systems that may fetch tokens.

They belong to no municipality: each has a list of those it may act for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from utskick.store.database import Database

Contract = Literal["open", "strict"]


@dataclass(frozen=True, slots=True)
class Client:
    """A client.

    ``digest``: of its secret, None where it has none. ``old_digest``: valid until ``old_until``.
    ``public_keys``: a JWK set. ``contract``: ``strict`` for exactly the contract's answers.
    """

    id: str
    municipalities: tuple[str, ...]
    scopes: tuple[str, ...]
    digest: str | None
    created_at: datetime
    old_digest: str | None = None
    old_until: datetime | None = None
    public_keys: Mapping[str, Any] | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    contract: Contract = "open"

    def digests(self, now: datetime) -> tuple[str, ...]:
        """Return the digests of the secrets that are valid at a time."""
        old = self.old_digest if self.old_until is not None and now < self.old_until else None
        return tuple(digest for digest in (self.digest, old) if digest is not None)


class Clients:
    """Reader and writer of clients. Each method is one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, client: Client) -> bool:
        """Add a client. False: there is, or was, one of that name; names are never reused."""
        done = await self._database.pool.execute(
            """
            INSERT INTO clients (id, municipalities, scopes, secret_digest, public_keys,
                created_at, contract) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (id) DO NOTHING
            """,
            client.id,
            client.municipalities,
            client.scopes,
            client.digest,
            client.public_keys,
            client.created_at,
            client.contract,
        )
        return done == "INSERT 0 1"

    async def get(self, client_id: str) -> Client | None:
        """Return a client, also one that has been revoked."""
        row = await self._database.pool.fetchrow(f"{_SELECT} WHERE id = $1", client_id)
        return _client(row) if row else None

    async def listed(self) -> list[Client]:
        """Return all clients, oldest first."""
        return [
            _client(row)
            for row in await self._database.pool.fetch(f"{_SELECT} ORDER BY created_at, id")
        ]

    async def replace_secret(self, client_id: str, digest: str, old_until: datetime) -> bool:
        """Set a new secret; the old one is valid until a time.

        False: there is no such client, or it has been revoked.
        """
        done = await self._database.pool.execute(
            """
            UPDATE clients SET old_secret_digest = secret_digest, old_secret_until = $3,
                secret_digest = $2
            WHERE id = $1 AND revoked_at IS NULL
            """,
            client_id,
            digest,
            old_until,
        )
        return done == "UPDATE 1"

    async def allow(
        self, client_id: str, municipalities: Sequence[str], scopes: Sequence[str]
    ) -> None:
        """Set scopes and municipalities. A revoked client is enabled, without a secret."""
        await self._database.pool.execute(
            """
            UPDATE clients SET municipalities = $2, scopes = $3, revoked_at = NULL,
                secret_digest = CASE WHEN revoked_at IS NULL THEN secret_digest END,
                old_secret_digest = CASE WHEN revoked_at IS NULL THEN old_secret_digest END
            WHERE id = $1
            """,
            client_id,
            municipalities,
            scopes,
        )

    async def set_contract(self, client_id: str, contract: Contract) -> bool:
        """Set the form of answers. False: there is no such client, or it has been revoked."""
        done = await self._database.pool.execute(
            "UPDATE clients SET contract = $2 WHERE id = $1 AND revoked_at IS NULL",
            client_id,
            contract,
        )
        return done == "UPDATE 1"

    async def revoke(self, client_id: str, now: datetime) -> bool:
        """Revoke a client, and the tokens that it has.

        False: there is no such client, or it was revoked before.
        """
        done = await self._database.pool.execute(
            "UPDATE clients SET revoked_at = $2, tokens_from = $2"
            " WHERE id = $1 AND revoked_at IS NULL",
            client_id,
            now,
        )
        return done == "UPDATE 1"

    async def tokens_from(self, since: datetime) -> dict[str, datetime]:
        """Return the clients that were revoked since then, and when.

        Also those that have been enabled again: their earlier tokens stay refused.
        """
        rows = await self._database.pool.fetch(
            "SELECT id, tokens_from FROM clients WHERE tokens_from > $1", since
        )
        return {row["id"]: row["tokens_from"] for row in rows}

    async def used(self, client_id: str, now: datetime, before: datetime) -> None:
        """Record that it fetched a token, where the last time was before ``before``."""
        await self._database.pool.execute(
            "UPDATE clients SET used_at = $2 WHERE id = $1 AND (used_at IS NULL OR used_at < $3)",
            client_id,
            now,
            before,
        )

    async def remember_assertion(
        self, client_id: str, digest: bytes, expires_at: datetime, now: datetime
    ) -> bool:
        """Record an assertion. False: it was used before.

        Expired ones are removed.
        """
        await self._database.pool.execute(
            "DELETE FROM client_assertions WHERE expires_at < $1", now
        )
        done = await self._database.pool.execute(
            "INSERT INTO client_assertions (client_id, digest, expires_at)"
            " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            client_id,
            digest,
            expires_at,
        )
        return done == "INSERT 0 1"


_SELECT = """
SELECT id, municipalities, scopes, secret_digest, old_secret_digest, old_secret_until, public_keys,
    created_at, revoked_at, used_at, contract
FROM clients
"""


def _client(row: Any) -> Client:
    return Client(
        row["id"],
        tuple(row["municipalities"]),
        tuple(row["scopes"]),
        row["secret_digest"],
        row["created_at"],
        row["old_secret_digest"],
        row["old_secret_until"],
        row["public_keys"],
        row["revoked_at"],
        row["used_at"],
        row["contract"],
    )
