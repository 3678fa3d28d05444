"""A person's decision on a delivery that is held as uncertain.

``sent`` and ``not-sent`` settle the attempts in doubt: somebody has found out. ``resend`` leaves
them in doubt: what has been fixed stays fixed, and only the same account may send it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from utskick.domain.audit import AuditEntry
from utskick.domain.channel import Priority
from utskick.domain.delivery import Move
from utskick.domain.outcome import Reason
from utskick.domain.status import Status, Transition
from utskick.store import queue as jobs
from utskick.store.administration.audit import keep
from utskick.store.database import Database
from utskick.store.messages.follow_ups import Ending, end_letters
from utskick.store.messages.print_batches import HAND_OVER
from utskick.store.transitions import allowed

Choice = Literal["sent", "not-sent", "resend", "give-up"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person has found out or decided about a delivery.

    ``actor``: who decided. ``expires``: until when a further attempt is tried.
    """

    municipality_id: str
    delivery_id: UUID
    choice: Choice
    actor: str
    at: datetime
    expires: datetime


_AGAIN: Final = {
    "resend": Reason("resend", "somebody decided to send it again"),
    "not-sent": Reason("found-not-sent", "somebody found out that it had not been sent"),
}
_GIVEN_UP: Final = Reason(
    "given-up", "somebody decided not to send it again; an earlier attempt may have been accepted"
)
_ENDED: Final = {
    "sent": Move(
        Status.SENT, reason=Reason("found-sent", "somebody found out that it had been sent")
    ),
    "give-up": Move(Status.FAILED, reason=_GIVEN_UP),
}


class Resolutions:
    """Compare-and-set on ``uncertain``.

    The decision is recorded as an event of the delivery, and of the letters that it carries.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decide(self, decision: Decision, change: AuditEntry) -> bool:
        """Carry out the decision. False: the delivery is not (or no longer) uncertain."""
        carry_out = _send_again if decision.choice in _AGAIN else _end
        async with self._database.of(decision.municipality_id).transaction() as connection:
            decided = await carry_out(connection, decision)
            if decided:
                await keep(connection, [change])
            return decided


async def _send_again(connection: Any, decision: Decision) -> bool:
    """Queue the delivery again.

    Known not to have been sent, it starts anew; else the doubt stays, with what was fixed.
    """
    municipality_id, delivery_id, now = decision.municipality_id, decision.delivery_id, decision.at
    row = await connection.fetchrow(
        f"""
        UPDATE deliveries
        SET status = 'queued', tried = '{{}}', updated_at = $3,
            doubts = CASE WHEN $5 THEN 0 ELSE doubts END,
            frozen = CASE WHEN $5 THEN NULL ELSE frozen END,
            expires_at = greatest(expires_at, $4),
            reason_code = CASE WHEN $5 THEN NULL ELSE reason_code END,
            reason = CASE WHEN $5 THEN NULL ELSE reason END,
            provider_code = CASE WHEN $5 THEN NULL ELSE provider_code END
        WHERE municipality_id = $1 AND id = $2
            AND {allowed(Transition.RESOLVE, "status", "'queued'")}
        RETURNING channel, priority, attempts, account
        """,  # noqa: S608
        municipality_id,
        delivery_id,
        now,
        decision.expires,
        decision.choice == "not-sent",
    )
    if row is None:
        return False
    await _record(connection, decision, row, Status.QUEUED, _AGAIN[decision.choice])
    job = (row["channel"], Priority(row["priority"]), municipality_id, delivery_id, now)
    await jobs.enqueue(connection, [job])
    return True


async def _end(connection: Any, decision: Decision) -> bool:
    """End the delivery and erase what was kept for a further attempt.

    The letters of a hand-over end with it.
    """
    municipality_id, now = decision.municipality_id, decision.at
    move = _ENDED[decision.choice]
    assert move.reason is not None
    row = await connection.fetchrow(
        f"""
        UPDATE deliveries
        SET status = $6::text, doubts = 0, tried = '{{}}', frozen = NULL, secret = NULL,
            updated_at = $3, reason_code = $4, reason = $5, provider_code = NULL
        WHERE municipality_id = $1 AND id = $2
            AND {allowed(Transition.RESOLVE, "status", "$6::text")}
        RETURNING batch_id, message_type, attempts, account
        """,  # noqa: S608
        municipality_id,
        decision.delivery_id,
        now,
        move.reason.code,
        move.reason.sentence,
        move.status.value,
    )
    if row is None:
        return False
    await _record(connection, decision, row, move.status, move.reason)
    if row["message_type"] == HAND_OVER:
        await end_letters(
            connection,
            Ending(municipality_id, row["batch_id"], move, row["account"], now, decision.actor),
        )
    return True


async def _record(
    connection: Any, decision: Decision, row: Any, status: Status, reason: Reason
) -> None:
    await connection.execute(
        """
        INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reason_code,
            reason, actor, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        decision.municipality_id,
        decision.delivery_id,
        row["attempts"],
        status.value,
        row["account"],
        reason.code,
        reason.sentence,
        decision.actor,
        decision.at,
    )
