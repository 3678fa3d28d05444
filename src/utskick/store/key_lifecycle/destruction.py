"""The end of a month: its key is destroyed, and nobody can read any more what was said in it, here
or in a copy of the tables."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from utskick.domain.audit import Action, AuditEntry
from utskick.domain.errors import NotAllowedHere, NotFound
from utskick.domain.message import Caller
from utskick.domain.month import Month, month_of, written
from utskick.store.administration.audit import keep
from utskick.store.crypto.columns import FORM
from utskick.store.database import Database
from utskick.store.key_lifecycle.reencryption import Resealing

_ON_THE_WAY: Final = ("queued", "sending", "deferred", "gathered")


class Destruction:
    """Of one month of a municipality. Status, statistics and events are left as they are."""

    def __init__(self, database: Database, municipality_id: str, month: Month) -> None:
        self._database = database
        self._municipality_id = municipality_id
        self._month = month

    async def check(self, now: datetime) -> int:
        """How many deliveries will become unreadable. Raises ``NotAllowedHere`` or ``NotFound``."""
        what, place = written(self._month), (self._municipality_id, written(self._month))
        if self._month >= month_of(now):
            raise NotAllowedHere(
                f"{what} is not over: only the key of a month that has ended can be destroyed"
            )
        found = await self._database.vault.rows.some([place])
        if not found or found[0].destroyed is not None:
            raise NotFound(
                f"{self._municipality_id} has no key of {what}"
                + (": it was destroyed before" if found else "")
            )
        if plain := await Resealing(self._database).left(self._municipality_id):
            raise NotAllowedHere(
                f"{plain} rows of {self._municipality_id} stand unsealed, and would stay readable: run `utskick vault reseal`"
            )
        row = await self._database.pool.fetchrow(
            """
            SELECT count(*) AS deliveries, count(*) FILTER (WHERE status = ANY($3::text[])) AS waiting FROM deliveries
            WHERE municipality_id = $1 AND substring(destination FROM 1 FOR 4) = $2
            """,
            self._municipality_id,
            FORM + self._month.to_bytes(3, "big"),
            list(_ON_THE_WAY),
            timeout=3600,
        )
        assert row is not None
        if row["waiting"]:
            raise NotAllowedHere(
                f"{row['waiting']} deliveries of {what} are still on their way, and could not be sent without their key"
            )
        return int(row["deliveries"])

    async def carry_out(self, issuer: str | None, now: datetime) -> bool:
        """For ever, and by whom stands in the audit trail. False: somebody else was quicker."""
        database, month = self._database, written(self._month)
        caller = Caller(self._municipality_id, issuer=issuer)
        async with database.transaction() as connection:
            done = await database.vault.rows.destroy(connection, (self._municipality_id, month))
            if done:
                await keep(
                    connection,
                    [
                        AuditEntry(
                            Action.ERASE, caller, now, {"operation": "destroyMonth", "month": month}
                        )
                    ],
                )
        if done:
            database.vault.forget(self._municipality_id, self._month)
            await database.vault.rows.clear()
        return done
