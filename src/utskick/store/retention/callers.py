"""Retention of users and addresses in the audit log: by decision, the key of their month ends.

Entries, links and heads stay as they are, and the chain is valid: it is over the sealed values.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from utskick.domain.month import month_of, parse_month
from utskick.domain.retention import AUDIT, RetentionRule
from utskick.domain.unit import Unit
from utskick.store.crypto.key_rows import CALLERS
from utskick.store.database import Database
from utskick.store.retention.log import Cause, RetentionLogEntry, note
from utskick.store.retention.purge import RemovalCounts


class CallerRetention:
    """Destroys the keys of callers that are older than the rule of their municipality says.

    ``defaults``: the rules of the settings; those for ``AUDIT`` count, and no rule for all others.
    """

    def __init__(self, database: Database, defaults: Collection[RetentionRule]) -> None:
        self._database = database
        self._rules = {rule.unit: rule for rule in defaults if rule.message_type == AUDIT}

    async def step(self, now: datetime) -> int:
        """Destroy what is due. Returns how many keys."""
        if not self._rules:
            return 0
        rows = await self._database.pool.fetch(
            "SELECT municipality_id, period FROM vault_keys WHERE period LIKE $1"
            " AND destroyed_at IS NULL ORDER BY municipality_id, period",
            f"{CALLERS}%",
        )
        done = 0
        for row in rows:
            municipality_id, period = row["municipality_id"], row["period"]
            rule = self._rules.get(Unit(municipality_id)) or self._rules.get(None)
            month = parse_month(period.removeprefix(CALLERS))
            if rule is None or rule.preserves or month is None:
                continue
            if month < month_of(rule.cutoff(now)):
                done += await self._destroy(municipality_id, period, rule, now)
        if done:
            await self._database.vault.rows.clear()
        return done

    async def _destroy(
        self, municipality_id: str, period: str, rule: RetentionRule, now: datetime
    ) -> bool:
        async with self._database.transaction() as connection:
            keys = self._database.vault.rows
            if not await keys.destroy(connection, (municipality_id, period)):
                return False
            cause = Cause("retention", f"{AUDIT} {period}", rule.days, rule.decision)
            await note(connection, municipality_id, RetentionLogEntry(now, cause, RemovalCounts()))
            return True
