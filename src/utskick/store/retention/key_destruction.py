"""Crypto-shredding: the key of a month that has ended is destroyed.

What was written in that month can then be read by nobody, neither here nor in a copy of the tables
(docs/explanation/vault.md).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from utskick.domain.audit import Action, AuditEntry
from utskick.domain.errors import NotAllowedHere, NotFound
from utskick.domain.message import Caller
from utskick.domain.month import Month, month_of, written
from utskick.domain.status import PENDING, Status
from utskick.store.administration.audit import keep, sealed
from utskick.store.database import Database

#: Without its key, a delivery of these statuses could not be sent.
_UNSENT: Final = PENDING | {Status.GATHERED}


class KeyDestruction:
    """Destruction of the key of one month of a municipality.

    Statuses, statistics and events stay as they are. ``switched``: whether the WAL was switched
    after it.
    """

    def __init__(self, database: Database, municipality_id: str, month: Month) -> None:
        self._database = database
        self._municipality_id = municipality_id
        self._month = month
        self.switched = False

    async def check(self, now: datetime) -> int:
        """Return how many deliveries will become unreadable.

        Raises ``NotAllowedHere`` or ``NotFound``.
        """
        month, place = written(self._month), (self._municipality_id, written(self._month))
        if self._month >= month_of(now):
            raise NotAllowedHere(
                f"{month} is not over: only the key of a month that has ended can be destroyed"
            )
        found = await self._database.vault.rows.some([place])
        if not found or found[0].destroyed is not None:
            raise NotFound(
                f"{self._municipality_id} has no key of {month}"
                + (": it was destroyed before" if found else "")
            )
        row = await self._database.pool.fetchrow(
            """
            SELECT count(*) AS deliveries,
                count(*) FILTER (WHERE status = ANY($3::text[])) AS pending
            FROM deliveries
            WHERE municipality_id = $1 AND substring(destination FROM 2 FOR 3) = $2
            """,
            self._municipality_id,
            self._month.to_bytes(3, "big"),
            [status.value for status in _UNSENT],
            timeout=3600,
        )
        assert row is not None
        if row["pending"]:
            raise NotAllowedHere(
                f"{row['pending']} deliveries of {month} are still on their way, and could not be "
                "sent without their key"
            )
        return int(row["deliveries"])

    async def carry_out(self, issuer: str | None, now: datetime) -> bool:
        """Destroy the key for good; an audit entry names the issuer.

        False: another process had destroyed it.
        """
        database, month = self._database, written(self._month)
        caller = Caller(self._municipality_id, issuer=issuer)
        subject = {"operation": "destroyMonth", "month": month}
        entry = await sealed(database.vault, AuditEntry(Action.ERASE, caller, now, subject))
        async with database.transaction() as connection:
            done = await database.vault.rows.destroy(connection, (self._municipality_id, month))
            if done:
                await keep(connection, [entry])
        if done:
            database.vault.forget(self._municipality_id, self._month)
            self.switched = await database.vault.rows.clear()
        return done
