"""The audit log on disk: an entry is committed before the call that it records is answered.

The hash chain follows in the order of commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from utskick.domain.audit import BEGINNING, Action, AuditEntry, ChainLink, linked
from utskick.store.crypto.vault import Vault
from utskick.store.database import Connection, Database
from utskick.store.group_commit import GroupCommit
from utskick.store.tenant import places

#: Entries that are linked, or verified, at a time.
_STRIDE: Final = 5_000

#: An entry as an INSERT's columns, and their order in ``columns``.
COLUMNS: Final = "municipality_id, at, action, client, origin, request_id, subject, who"
#: issuer, address: of entries from before they were sealed in ``who``.
WHOLE: Final = f"id, tx, {COLUMNS}, issuer, address"


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first place where the chain is broken. ``number``: of the link."""

    number: int
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of verifying a chain.

    ``head``: the last valid link. ``waiting``: entries that are not linked yet. ``broken``: None
    where all of it is valid.
    """

    head: ChainLink
    waiting: int
    broken: ChainBreak | None


async def sealed(vault: Vault, entry: AuditEntry) -> AuditEntry:
    """Return the entry with user and address sealed. Never inside a transaction."""
    caller, at = entry.caller, entry.at
    if entry.who is not None or (caller.issuer is None and caller.address is None):
        return entry
    await vault.callers.ready(entry.municipality_id, at)
    who = vault.callers.seal(entry.municipality_id, at, caller.issuer, caller.address)
    return replace(entry, who=who)


def columns(entry: AuditEntry) -> tuple[Any, ...]:
    """Return an entry as the values of ``COLUMNS``. It has been ``sealed``."""
    caller = entry.caller
    assert entry.who is not None or caller.issuer is caller.address is None, "not sealed"
    return (
        caller.municipality_id,
        entry.at,
        entry.action.value,
        caller.client,
        caller.origin,
        caller.request_id,
        dict(entry.subject),
        entry.who,
    )


async def keep(connection: Connection | Any, entries: Sequence[AuditEntry]) -> None:
    """Write entries that have been ``sealed``, inside the caller's transaction."""
    await connection.execute(
        f"""
        INSERT INTO audit_entries ({COLUMNS})
        SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
            $6::text[], $7::jsonb[], $8::bytea[])
        """,  # noqa: S608
        *map(list, zip(*(columns(entry) for entry in entries), strict=True)),
    )


class Audit:
    """The audit log. ``note`` returns when the entry is on disk, before a call is answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notes: GroupCommit[AuditEntry, None] = GroupCommit(self._keep)

    async def note(self, entry: AuditEntry) -> None:
        await self._notes.put(await sealed(self._database.vault, entry))

    async def _keep(self, group: Sequence[AuditEntry]) -> Sequence[None]:
        async with self._database.pool.acquire() as connection:
            await keep(connection, group)
        return [None] * len(group)

    # -- the chain ----------------------------------------

    async def link(self) -> None:
        """Link new entries into the chains of all municipalities.

        Any number of workers may do it at once.
        """
        for row in await self._database.pool.fetch(places("audit_entries")):
            while await self._stride(row["municipality_id"]) == _STRIDE:
                pass

    async def _stride(self, municipality_id: str) -> int:
        async with self._database.transaction() as connection:
            if not await connection.fetchval(
                "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 1))",
                f"audit {municipality_id}",
            ):
                return 0
            last = await connection.fetchrow(
                "SELECT number, digest, tx, entry_id FROM audit_links"
                " WHERE municipality_id = $1 ORDER BY number DESC LIMIT 1",
                municipality_id,
            )
            before = ChainLink(last["number"], last["digest"]) if last else BEGINNING
            place = (last["tx"], last["entry_id"]) if last else (0, 0)
            rows = await connection.fetch(
                f"""
                SELECT {WHOLE} FROM audit_entries
                WHERE municipality_id = $1 AND (tx, id) > ($2, $3)
                    AND tx < utskick_complete_tx() ORDER BY tx, id LIMIT $4
                """,  # noqa: S608
                municipality_id,
                *place,
                _STRIDE,
            )
            links = []
            for row in rows:
                before = linked(before, dict(row))
                links.append((municipality_id, before.number, row["tx"], row["id"], before.digest))
            await connection.copy_records_to_table(
                "audit_links",
                columns=("municipality_id", "number", "tx", "entry_id", "digest"),
                records=links,
            )
            return len(rows)

    async def verify(self, municipality_id: str, expected: ChainLink | None = None) -> Verified:
        """Verify the chain from its beginning.

        ``expected``: a link that was noted elsewhere, which must be in it.
        """
        walk = _ChainReader(self._database, municipality_id, expected)
        await walk.go()
        waiting = await self._database.pool.fetchval(
            "SELECT count(*) FROM audit_entries WHERE municipality_id = $1 AND (tx, id) > ($2, $3)",
            municipality_id,
            *walk.place,
        )
        return Verified(walk.head, waiting if walk.broken is None else 0, walk.broken)

    async def digest(self, municipality_id: str, number: int) -> bytes | None:
        """Return the digest of a link, None where there is none."""
        found: bytes | None = await self._database.pool.fetchval(
            "SELECT digest FROM audit_links WHERE municipality_id = $1 AND number = $2",
            municipality_id,
            number,
        )
        return found

    async def municipalities(self) -> list[str]:
        return [
            row["municipality_id"]
            for row in await self._database.pool.fetch(places("audit_entries"))
        ]

    async def last(
        self, municipality_id: str, limit: int, action: Action | None = None
    ) -> list[dict[str, Any]]:
        """Return the newest entries, newest first, with user and address in plain text."""
        rows = await self._database.pool.fetch(
            f"""
            SELECT {WHOLE} FROM audit_entries WHERE municipality_id = $1 AND ($2::text IS NULL
                OR action = $2)
            ORDER BY tx DESC, id DESC LIMIT $3
            """,  # noqa: S608
            municipality_id,
            action,
            limit,
        )
        return await self._database.vault.callers.opened(rows)


class _ChainReader:
    """Verification of links and entries, side by side."""

    def __init__(
        self, database: Database, municipality_id: str, expected: ChainLink | None
    ) -> None:
        self._database = database
        self._municipality_id = municipality_id
        self._expected = expected
        self.head = BEGINNING
        self.place = (0, 0)
        self.broken: ChainBreak | None = None

    async def go(self) -> None:
        while self.broken is None:
            links = await self._database.pool.fetch(
                "SELECT number, tx, entry_id, digest FROM audit_links"
                " WHERE municipality_id = $1 AND number > $2 ORDER BY number LIMIT $3",
                self._municipality_id,
                self.head.number,
                _STRIDE,
            )
            if not links:
                break
            entries = await self._database.pool.fetch(
                f"""
                SELECT {WHOLE} FROM audit_entries WHERE municipality_id = $1
                    AND (tx, id) > ($2, $3) AND (tx, id) <= ($4, $5)
                ORDER BY tx, id
                """,  # noqa: S608
                self._municipality_id,
                *self.place,
                links[-1]["tx"],
                links[-1]["entry_id"],
            )
            self._compare(links, entries)
        if (
            self.broken is None
            and self._expected is not None
            and self._expected.number > self.head.number
        ):
            self.broken = ChainBreak(
                self.head.number + 1,
                "the chain is shorter than it was: entries at its end have been taken out",
            )

    def _compare(self, links: Sequence[Any], entries: Sequence[Any]) -> None:
        rest = iter(entries)
        for link in links:
            number, place = self.head.number + 1, (link["tx"], link["entry_id"])
            if link["number"] != number:
                self.broken = ChainBreak(number, "the link is missing")
                return
            entry = next(rest, None)
            if entry is None or (entry["tx"], entry["id"]) > place:
                self.broken = ChainBreak(number, "its entry is missing")
                return
            if (entry["tx"], entry["id"]) < place:
                self.broken = ChainBreak(number, "an entry that was never linked stands before it")
                return
            found = linked(self.head, dict(entry))
            if found.digest != link["digest"]:
                self.broken = ChainBreak(number, "the entry, or its link, has been changed")
                return
            if (
                self._expected is not None
                and self._expected.number == number
                and self._expected.digest != found.digest
            ):
                self.broken = ChainBreak(
                    number, "it is another one than was noted: the chain has been written anew"
                )
                return
            self.head, self.place = found, place
