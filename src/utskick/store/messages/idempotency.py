"""Idempotency keys: the first answer, kept for 24 hours.

It is written in the transaction that accepted the message.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from utskick.domain.errors import KeyReused, StillRunning
from utskick.domain.message import Key, NumberedRequest, Replay
from utskick.store.database import Connection, Database

KEPT = timedelta(hours=24)


class IdempotencyKeys:
    """Reader and writer of idempotency keys, one row for each municipality, client and key.

    The row and the accepted message become visible together, or not at all.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self, connection: Connection, numbered: NumberedRequest, key: Key
    ) -> Replay | UUID | None:
        """Reserve a key until the transaction ends.

        None: the key is new. Replay: the first answer. UUID: the mark of what was accepted and
        never answered (its process died while it waited). Raises ``KeyReused`` or ``StillRunning``.
        The vault has been made ``ready``.
        """
        municipality_id = numbered.caller.municipality_id
        free = await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))",
            f"{municipality_id}/{key.client}/{key.text}",
        )
        if not free:
            raise StillRunning(
                "a request with this Idempotency-Key is being accepted right now",
                headers={"Retry-After": "1"},
            )
        digest = self._database.vault.lasting(municipality_id).request(key.digest)
        since = numbered.created_at - KEPT
        row = await self._of_nobody(connection, municipality_id, key, digest, since)
        if row is None:
            added = await connection.fetchval(
                """
                INSERT INTO idempotency_keys AS k (municipality_id, client, key, digest, batch_id,
                    created_at) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (municipality_id, client, key) DO UPDATE SET digest = $4,
                    batch_id = $5, created_at = $6, status = NULL, answer = NULL
                    WHERE k.created_at < $7
                RETURNING true
                """,
                municipality_id,
                key.client,
                key.text,
                digest,
                numbered.mark,
                numbered.created_at,
                since,
            )
            if added:
                return None
            row = await connection.fetchrow(
                "SELECT digest, batch_id, status, headers, answer FROM idempotency_keys"
                " WHERE municipality_id = $1 AND client = $2 AND key = $3",
                municipality_id,
                key.client,
                key.text,
            )
        assert row is not None
        if row["digest"] != digest:
            raise KeyReused(
                "this Idempotency-Key was used for another request; use a new key for a new message"
            )
        if row["answer"] is None:
            batch_id: UUID = row["batch_id"]
            return batch_id
        return Replay(row["status"], zlib.decompress(row["answer"]), row["headers"] or {})

    async def answer(self, connection: Any, municipality_id: str, key: Key, replay: Replay) -> None:
        """Store the answer. Only the first one counts."""
        await connection.execute(
            """
            UPDATE idempotency_keys SET status = $3, headers = $4, answer = $5
            WHERE municipality_id = $1 AND key = $2 AND client IN ($6, '') AND digest = $7
                AND answer IS NULL
            """,
            municipality_id,
            key.text,
            replay.status,
            replay.headers,
            zlib.compress(replay.body, 1),
            key.client,
            self._database.vault.lasting(municipality_id).request(key.digest),
        )

    async def _of_nobody(
        self,
        connection: Connection,
        municipality_id: str,
        key: Key,
        digest: bytes,
        since: datetime,
    ) -> Any:
        """Return the row of the same request that no client is known of, for a client.

        It was sent without a token, or before keys belonged to clients: a client that repeats it
        after an upgrade must not send it twice.
        """
        if not key.client:
            return None
        return await connection.fetchrow(
            "SELECT digest, batch_id, status, headers, answer FROM idempotency_keys"
            " WHERE municipality_id = $1 AND client = '' AND key = $2 AND digest = $3"
            " AND created_at >= $4",
            municipality_id,
            key.text,
            digest,
            since,
        )

    async def forget(self, now: datetime) -> int:
        """Remove expired keys. Returns how many."""
        done: str = await self._database.pool.execute(
            "DELETE FROM idempotency_keys WHERE created_at < $1", now - KEPT
        )
        return int(done.split()[-1])
