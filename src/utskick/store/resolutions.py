"""A person's decision on a delivery that is held in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from utskick.domain.channel import Priority
from utskick.domain.status import Status
from utskick.store import jobs
from utskick.store.database import Database


@dataclass(frozen=True, slots=True)
class Decision:
    """``choice``: send it once more, or leave it. ``expires``: how long a resend may take. ``actor``: who decided."""

    municipality_id: str
    delivery_id: UUID
    choice: Literal["resend", "give-up"]
    actor: str
    at: datetime
    expires: datetime


class Resolutions:
    """Compare-and-set on ``uncertain``; the decision is part of the delivery's story."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decide(self, decision: Decision) -> bool:
        """False: the delivery is not (or no longer) uncertain."""
        again = decision.choice == "resend"
        status = Status.QUEUED if again else Status.FAILED
        municipality_id, delivery_id, now = decision.municipality_id, decision.delivery_id, decision.at
        async with self._database.of(decision.municipality_id).transaction() as connection:
            row = await connection.fetchrow(
                """
                UPDATE deliveries SET status = $3, doubts = 0, tried = '{}', frozen = NULL, updated_at = $4,
                    expires_at = greatest(expires_at, $5),
                    reason_code = CASE WHEN $3 = 'failed' THEN 'given-up' END,
                    reason = CASE WHEN $3 = 'failed' THEN 'somebody decided not to send it again' END, provider_code = NULL
                WHERE municipality_id = $1 AND id = $2 AND status = 'uncertain' RETURNING channel, priority, attempts, account
                """,
                municipality_id, delivery_id, status.value, now, decision.expires,
            )  # fmt: skip
            if row is None:
                return False
            await connection.execute(
                """
                INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reason_code, reason, actor, at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                """,
                municipality_id, delivery_id, row["attempts"], status.value, row["account"],
                "resend" if again else "given-up",
                "somebody decided to send it again" if again else "somebody decided not to send it again",
                decision.actor, now,
            )  # fmt: skip
            if again:
                await jobs.enqueue(connection, [(row["channel"], Priority(row["priority"]), municipality_id, delivery_id, now)])
            return True
