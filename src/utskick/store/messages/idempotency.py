"""Idempotency keys: the first answer, kept for 24 hours, in the transaction that accepted the
message."""

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
    """One row for each key and municipality. The row and the accepted message become visible
    together, or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self, connection: Connection, numbered: NumberedRequest, key: Key
    ) -> Replay | UUID | None:
        """None: the key is new, and now ours until the transaction ends. Replay: the first answer.
        UUID: the mark of what was accepted and never answered (its process died while it waited).
        Raises KeyReused or StillRunning.

        The vault has been made ``ready``.
        """
        municipality_id = numbered.caller.municipality_id
        free = await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))",
            f"{municipality_id}/{key.text}",
        )
        if not free:
            raise StillRunning(
                "a request with this Idempotency-Key is being accepted right now",
                headers={"Retry-After": "1"},
            )
        digest = self._database.vault.lasting(municipality_id).request(key.digest)
        added = await connection.fetchval(
            """
            INSERT INTO idempotency_keys AS k (municipality_id, key, digest, batch_id, created_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (municipality_id, key) DO UPDATE SET digest = $3, batch_id = $4, created_at = $5, status = NULL, answer = NULL
                WHERE k.created_at < $6
            RETURNING true
            """,
            municipality_id,
            key.text,
            digest,
            numbered.mark,
            numbered.created_at,
            numbered.created_at - KEPT,
        )
        if added:
            return None
        row = await connection.fetchrow(
            "SELECT digest, batch_id, status, headers, answer FROM idempotency_keys WHERE municipality_id = $1 AND key = $2",
            municipality_id,
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
        """Keep the answer. Only the first one counts."""
        await connection.execute(
            """
            UPDATE idempotency_keys SET status = $3, headers = $4, answer = $5
            WHERE municipality_id = $1 AND key = $2 AND answer IS NULL
            """,
            municipality_id,
            key.text,
            replay.status,
            replay.headers,
            zlib.compress(replay.body, 1),
        )

    async def forget(self, now: datetime) -> int:
        """Remove keys that are past their time. Returns how many."""
        done: str = await self._database.pool.execute(
            "DELETE FROM idempotency_keys WHERE created_at < $1", now - KEPT
        )
        return int(done.split()[-1])
