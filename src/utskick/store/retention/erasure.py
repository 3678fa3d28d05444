"""Erasure of a person (GDPR article 17), in small steps.

Everything that no rule preserves, no hold keeps, and that is not pending. It may be interrupted and
repeated: each step is complete, and what it removed is in the log of retention.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from utskick.domain.audit import AuditEntry
from utskick.domain.errors import NotAllowedHere
from utskick.domain.retention import Kept, RetentionRule, Rules
from utskick.store.administration.audit import keep
from utskick.store.database import Connection, Database
from utskick.store.history.inbound import senders_of
from utskick.store.history.statistics import Tallies
from utskick.store.retention.holds import Holds
from utskick.store.retention.inbound import erase as erase_inbound
from utskick.store.retention.log import Cause, RetentionLogEntry, note
from utskick.store.retention.purge import JudgedMessage, Removal, RemovalCounts
from utskick.store.retention.rules import RetentionRules, lock
from utskick.store.retention.sweep import PATIENCE, STEP

#: How often deliveries that have just ended are tried again, and how long (s) before: until they
#: have been counted.
_LOOKS, _PAUSE = 4, 0.25


@dataclass(frozen=True, slots=True)
class ErasureOrder:
    """An order to erase a person. ``reference``: the case that it belongs to.

    ``key``: the keyed hash that the person's messages are found by; set by ``erase``.
    """

    municipality_id: str
    party_id: UUID
    actor: str
    reference: str | None
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class KeptItem:
    """Something that was kept.

    ``what``: message or directory. ``said``: the rule's decision, or what the hold refers to.
    """

    what: str
    reason: Kept
    said: str | None


@dataclass(slots=True)
class ErasureResult:
    """What is gone, and what is not.

    ``entries``: rows of the directory by their kind; ``recorded``: whether the audit entry has been
    written.
    """

    removed: RemovalCounts = field(default_factory=RemovalCounts)
    entries: dict[str, int] = field(default_factory=dict)
    kept: Counter[KeptItem] = field(default_factory=Counter)
    recorded: bool = False

    @property
    def found_nothing(self) -> bool:
        return self.removed.is_nothing and not self.kept


_Place = tuple[datetime, UUID]
_FIRST: Final[_Place] = (datetime(1, 1, 2, tzinfo=UTC), UUID(int=0))

#: A setting takes with it the virtual ones that it made, and all delegates on either side.
_ENTRIES: Final = """
    WITH RECURSIVE s AS (
        SELECT id FROM contact_settings WHERE municipality_id = $1 AND party_id = $2
        UNION SELECT c.id FROM contact_settings c JOIN s ON c.municipality_id = $1
            AND c.created_by_id = s.id)
    SELECT (SELECT count(*) FROM parties WHERE municipality_id = $1 AND party_id = $2) AS parties,
        (SELECT count(*) FROM s) AS "contactSettings",
        (SELECT count(*) FROM delegates d WHERE d.municipality_id = $1
            AND (d.principal_id IN (SELECT id FROM s) OR d.agent_id IN (SELECT id
                FROM s))) AS delegates,
        (SELECT count(*) FROM push_subscriptions WHERE municipality_id = $1
            AND party_id = $2) AS devices
"""


class Erasures:
    """Carries out erasures. Every statement is bound to a municipality.

    ``defaults``: the retention rules of the settings.
    """

    def __init__(
        self, database: Database, defaults: Collection[RetentionRule], step: int = STEP
    ) -> None:
        self._database = database
        self._rules = RetentionRules(database, defaults)
        self._holds = Holds(database)
        self._tallies = Tallies(database)
        self._step = step

    async def erase(self, order: ErasureOrder, change: AuditEntry) -> ErasureResult:
        """Erase the person.

        ``change`` is written with the first step that changes anything, or with the last one
        where all of it is kept. Raises ``NotAllowedHere`` where somebody writes to one of the
        person's batches for long.
        """
        erased = ErasureResult()
        key = await self._database.vault.index(order.municipality_id, str(order.party_id))
        order = replace(order, key=key)
        await self._inbound(order, erased, change)
        for look in range(_LOOKS):
            await self._tallies.keep_up()
            erased.kept = Counter()
            await self._messages(order, erased, change)
            if not any(why.reason is Kept.UNTOLD for why in erased.kept):
                break
            if look < _LOOKS - 1:
                await asyncio.sleep(_PAUSE)
        await self._directory(order, erased, change)
        return erased

    async def _inbound(
        self, order: ErasureOrder, erased: ErasureResult, change: AuditEntry
    ) -> None:
        """Delete what came from the person's numbers, which only the messages to them tell.

        Nothing where a hold on the person keeps it.
        """
        mid = order.municipality_id
        senders = await senders_of(self._database, mid, order.key)
        if not senders:
            return
        async with self._database.of(mid).transaction() as connection:
            await lock(connection, mid)
            if await self._holds.on_party(connection, mid, order.key) is not None:
                return
            rules = await self._rules.of(mid, connection)
            removed = await erase_inbound(connection, mid, senders, rules)
            if not removed.is_nothing:
                await note(connection, mid, RetentionLogEntry(change.at, _cause(order), removed))
                await _record(connection, erased, change)
            erased.removed += removed

    async def _messages(
        self, order: ErasureOrder, erased: ErasureResult, change: AuditEntry
    ) -> None:
        place: _Place | None = _FIRST
        try:
            while place is not None:
                async with self._database.of(order.municipality_id).transaction() as connection:
                    await lock(connection, order.municipality_id)
                    await connection.execute(PATIENCE)
                    place = await self._next(connection, order, (place, erased), change)
        except asyncpg.LockNotAvailableError as fault:
            raise NotAllowedHere(
                "one of the person's batches is being written to; try again, and it goes on from "
                "there"
            ) from fault

    async def _next(
        self,
        connection: Connection,
        order: ErasureOrder,
        at: tuple[_Place, ErasureResult],
        change: AuditEntry,
    ) -> _Place | None:
        """Take one step and return the place to continue from."""
        (place, erased), now = at, change.at
        rows = await connection.fetch(
            """
            SELECT id, at FROM messages
            WHERE municipality_id = $1 AND party_key = $2 AND (at, id) > ($3, $4)
            ORDER BY at, id LIMIT $5
            """,
            order.municipality_id,
            order.key,
            *place,
            self._step,
        )
        removal, rules = (
            Removal(connection, order.municipality_id, now),
            await self._rules.of(order.municipality_id, connection),
        )
        judged = await removal.judge([row["id"] for row in rows])
        going, kept = _sorted(judged, rules)
        kept[KeptItem("message", Kept.ON_ITS_WAY, None)] += len(rows) - len(
            judged
        )  # they are being written to
        erased.kept.update(+kept)
        removed = await removal.remove(going)
        if not removed.is_nothing:
            await note(
                connection, order.municipality_id, RetentionLogEntry(now, _cause(order), removed)
            )
            await _record(connection, erased, change)
        erased.removed += removed
        return (rows[-1]["at"], rows[-1]["id"]) if len(rows) == self._step else None

    async def _directory(
        self, order: ErasureOrder, erased: ErasureResult, change: AuditEntry
    ) -> None:
        """Delete the entry, contact settings with their dependents, and devices.

        No rule preserves any of it.
        """
        mid, party_id = order.municipality_id, order.party_id
        async with self._database.of(order.municipality_id).transaction() as connection:
            await lock(connection, mid)
            counts: dict[str, int] = dict((await _row(connection, mid, party_id)).items())
            held = await self._holds.on_party(connection, mid, order.key)
            if held is not None:
                erased.entries = dict.fromkeys(counts, 0)
                erased.kept.update(
                    +Counter({KeptItem("directory", Kept.HOLD, held or None): sum(counts.values())})
                )
                if not erased.found_nothing:
                    await _record(connection, erased, change)
                return
            for table in ("parties", "contact_settings", "push_subscriptions"):
                await connection.execute(
                    f"DELETE FROM {table} WHERE municipality_id = $1 AND party_id = $2",  # noqa: S608
                    mid,
                    party_id,
                )
            forgotten = await self._holds.forget(connection, mid, order.key)
            erased.entries = counts
            if gone := sum(counts.values()):
                await note(
                    connection,
                    mid,
                    RetentionLogEntry(change.at, _cause(order), RemovalCounts(entries=gone)),
                )
                erased.removed = replace(erased.removed, entries=gone)
            if forgotten or not erased.found_nothing:
                await _record(connection, erased, change)


async def _record(connection: Connection, erased: ErasureResult, change: AuditEntry) -> None:
    """Write the audit entry once."""
    if not erased.recorded:
        await keep(connection, [change])
        erased.recorded = True


async def _row(connection: Connection, municipality_id: str, party_id: UUID) -> Any:
    return await connection.fetchrow(_ENTRIES, municipality_id, party_id)


def _cause(order: ErasureOrder) -> Cause:
    return Cause("erasure", actor=order.actor, reference=order.reference)


def _sorted(
    judged: list[JudgedMessage], rules: Rules
) -> tuple[list[JudgedMessage], Counter[KeptItem]]:
    """Return what may go, and why the rest stays.

    A hold is named before a rule, a rule before what will end by itself.
    """
    going, kept = list[JudgedMessage](), Counter[KeptItem]()
    for message in judged:
        rule = rules.of(message.message_type, message.unit)
        if message.kept is Kept.HOLD:
            kept[KeptItem("message", Kept.HOLD, message.hold or None)] += 1
        elif rule is not None and rule.preserves:
            kept[KeptItem("message", Kept.PRESERVE, rule.decision)] += 1
        elif message.kept is not None:
            kept[KeptItem("message", message.kept, None)] += 1
        else:
            going.append(message)
    return going, kept
