"""Withdrawal: what a synchronous call stops waiting for is not sent any more.

What is known not to have been sent is cancelled. An attempt that is being made, or one in doubt,
leaves the delivery uncertain: nothing of it is ever sent after it was told to be cancelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from utskick.domain.outcome import Reason
from utskick.domain.status import Transition
from utskick.store.database import Database
from utskick.store.transitions import allowed, sources

CANCELLED: Final = Reason(
    "cancelled-unsettled", "it had not been sent when the caller stopped waiting, and will not be"
)
_IN_DOUBT: Final = Reason(
    "unsettled", "the provider had not answered when the caller stopped waiting"
)

#: ``began``: an attempt is being made. An earlier doubt keeps its own reason. No further channel
#: follows, and a late deferral of the attempt finds the delivery expired.
_THEN: Final = (
    "CASE WHEN d.status = 'sending' OR d.doubts > 0 THEN 'uncertain' ELSE 'cancelled' END"
)

#: Parameters: municipality, messages, batch, now, code and sentence of ``CANCELLED``, then of
#: ``_IN_DOUBT``.
_WITHDRAW: Final = f"""
    WITH open AS (
        SELECT d.id, d.status = 'sending' AS began, {_THEN} AS status
        FROM deliveries d
        WHERE d.batch_id = $3 AND d.message_id = ANY($2) AND d.municipality_id = $1
            AND d.status IN {sources(Transition.WITHDRAW)}
        FOR UPDATE),
    moved AS (
        UPDATE deliveries d
        SET status = open.status, next = '{{}}', updated_at = $4,
            expires_at = least(d.expires_at, $4), doubts = d.doubts + open.began::int,
            reason_code = CASE WHEN open.status = 'cancelled' THEN $5
                WHEN d.doubts > 0 THEN d.reason_code ELSE $7 END,
            reason = CASE WHEN open.status = 'cancelled' THEN $6
                WHEN d.doubts > 0 THEN d.reason ELSE $8 END,
            secret = CASE WHEN open.status = 'cancelled' THEN NULL ELSE d.secret END,
            frozen = CASE WHEN open.status = 'cancelled' THEN NULL ELSE d.frozen END
        FROM open
        WHERE d.id = open.id AND {allowed(Transition.WITHDRAW, "d.status", "open.status")}
        RETURNING d.id, d.municipality_id, d.attempts, d.status, d.account, d.reason_code,
            d.reason),
    noted AS (
        INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reason_code,
            reason, at)
        SELECT municipality_id, id, nullif(attempts, 0), status, account, reason_code, reason, $4
        FROM moved)
    SELECT count(*) FROM moved
"""  # noqa: S608


class Withdrawals:
    """Compare-and-set on what is not settled. Queue jobs that are left find nothing to do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def withdraw(
        self, municipality_id: str, batch_id: UUID, message_ids: Sequence[UUID], now: datetime
    ) -> None:
        """Withdraw the deliveries of these messages.

        Repeated until there is none: while one was being settled, its next may have been added.
        """
        async with self._database.of(municipality_id).transaction() as connection:
            while await connection.fetchval(
                _WITHDRAW,
                municipality_id,
                list(message_ids),
                batch_id,
                now,
                CANCELLED.code,
                CANCELLED.sentence,
                _IN_DOUBT.code,
                _IN_DOUBT.sentence,
            ):
                pass
