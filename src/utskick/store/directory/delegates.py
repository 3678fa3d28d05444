"""Delegates: who is notified of what another is notified of, and their filters.

Aliases and values are encrypted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg

from utskick.domain.audit import AuditEntry
from utskick.domain.contact_setting import Delegate, Filter, Operator, Rule
from utskick.store.administration.audit import keep
from utskick.store.crypto.cipher import Cipher
from utskick.store.database import Connection, Database

_PURPOSE: Final = "delegate"
_COLUMNS: Final = "id, principal_id, agent_id, created_at, modified_at"


class Delegated(StrEnum):
    """The result of adding a delegate.

    ``TAKEN``: the two are bound already. ``ORPHAN``: one of them does not exist.
    """

    CREATED = "created"
    TAKEN = "taken"
    ORPHAN = "orphan"


class Delegates:
    """Reader and writer of delegates, filters and rules.

    Every statement is bound to a municipality.
    """

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    # -- reading ----------------------------------------

    async def get(self, municipality_id: str, delegate_id: UUID) -> Delegate | None:
        found = await self._found(municipality_id, "id = ANY($2::uuid[])", [delegate_id])
        return found[0] if found else None

    async def of_principals(self, municipality_id: str, ids: Sequence[UUID]) -> list[Delegate]:
        return await self._found(municipality_id, "principal_id = ANY($2::uuid[])", ids)

    async def find(
        self, municipality_id: str, *, principal_id: UUID | None, agent_id: UUID | None
    ) -> list[Delegate]:
        """Return those of a principal, of an agent, or between the two."""
        condition = (
            "($2::uuid IS NULL OR principal_id = $2) AND ($3::uuid IS NULL OR agent_id = $3)"
        )
        return await self._found(municipality_id, condition, principal_id, agent_id)

    async def _found(self, municipality_id: str, condition: str, *values: Any) -> list[Delegate]:
        """Return delegates, oldest first. ``condition`` is one of those above."""
        async with self._database.of(municipality_id).acquire() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM delegates WHERE municipality_id = $1"  # noqa: S608
                f" AND {condition} ORDER BY created_at, id",
                municipality_id,
                *values,
            )
            filters = await self._filters(connection, municipality_id, [row["id"] for row in rows])
        return [
            Delegate(
                row["id"],
                row["principal_id"],
                row["agent_id"],
                tuple(filters[row["id"]]),
                row["created_at"],
                row["modified_at"],
            )
            for row in rows
        ]

    async def _filters(
        self, connection: Connection, municipality_id: str, delegate_ids: Sequence[UUID]
    ) -> dict[UUID, list[Filter]]:
        found: dict[UUID, list[Filter]] = defaultdict(list)
        if not delegate_ids:
            return found
        rows = await connection.fetch(
            """
            SELECT f.id, f.delegate_id, f.alias, f.channel, f.created_at, f.modified_at, r.names,
                r.operators, r.contents
            FROM delegate_filters f CROSS JOIN LATERAL (
                SELECT array_agg(attribute_name ORDER BY position) AS names,
                    array_agg(operator ORDER BY position) AS operators,
                    array_agg(attribute_value ORDER BY position) AS contents
                FROM filter_rules r WHERE r.municipality_id = $1 AND r.filter_id = f.id) AS r
            WHERE f.municipality_id = $1 AND f.delegate_id = ANY($2::uuid[])
                ORDER BY f.created_at, f.id
            """,
            municipality_id,
            delegate_ids,
        )
        for row in rows:
            found[row["delegate_id"]].append(self._filter(municipality_id, row))
        return found

    # -- writing ----------------------------------------

    async def create(self, delegate: Delegate, change: AuditEntry) -> Delegated:
        """Insert a delegate with its filters.

        Nothing is written unless the result is ``CREATED``.
        """
        municipality_id = change.municipality_id
        try:
            async with self._database.of(municipality_id).transaction() as connection:
                await connection.execute(
                    """
                    INSERT INTO delegates (municipality_id, id, principal_id, agent_id, created_at,
                        modified_at)
                    VALUES ($1, $2, $3, $4, $5, $6)
                    """,
                    municipality_id,
                    delegate.id,
                    delegate.principal_id,
                    delegate.agent_id,
                    delegate.created,
                    delegate.modified,
                )
                for each in delegate.filters:
                    await self._put(connection, municipality_id, delegate.id, each)
                await keep(connection, [change])
        except asyncpg.UniqueViolationError:
            return Delegated.TAKEN
        except asyncpg.ForeignKeyViolationError:
            return Delegated.ORPHAN
        return Delegated.CREATED

    async def delete(self, delegate_id: UUID, change: AuditEntry) -> bool:
        """Delete it with its filters. False: there was none."""
        async with self._database.of(change.municipality_id).transaction() as connection:
            done = await connection.execute(
                "DELETE FROM delegates WHERE municipality_id = $1 AND id = $2",
                change.municipality_id,
                delegate_id,
            )
            if done != "DELETE 1":
                return False
            await keep(connection, [change])
            return True

    async def put_filter(self, delegate_id: UUID, new: Filter, change: AuditEntry) -> bool:
        """Add or replace a filter. False: there is no such delegate."""
        municipality_id = change.municipality_id
        async with self._database.of(municipality_id).transaction() as connection:
            touched = await connection.execute(
                "UPDATE delegates SET modified_at = $3 WHERE municipality_id = $1 AND id = $2",
                municipality_id,
                delegate_id,
                new.modified,
            )
            if touched != "UPDATE 1":
                return False
            await self._put(connection, municipality_id, delegate_id, new)
            await keep(connection, [change])
            return True

    async def delete_filter(self, delegate_id: UUID, filter_id: UUID, change: AuditEntry) -> bool:
        """Delete a filter, with the last one the delegate.

        Without a filter everything would be delegated. False: there was none.
        """
        municipality_id = change.municipality_id
        async with self._database.of(municipality_id).transaction() as connection:
            await connection.execute(
                "SELECT FROM delegates WHERE municipality_id = $1 AND id = $2 FOR UPDATE",
                municipality_id,
                delegate_id,
            )
            done = await connection.execute(
                "DELETE FROM delegate_filters WHERE municipality_id = $1"
                " AND delegate_id = $2 AND id = $3",
                municipality_id,
                delegate_id,
                filter_id,
            )
            if done != "DELETE 1":
                return False
            await connection.execute(
                """
                DELETE FROM delegates d WHERE municipality_id = $1 AND id = $2 AND NOT EXISTS
                    (SELECT FROM delegate_filters f WHERE f.municipality_id = $1
                        AND f.delegate_id = d.id)
                """,
                municipality_id,
                delegate_id,
            )
            await keep(connection, [change])
            return True

    async def _put(
        self, connection: Connection, municipality_id: str, delegate_id: UUID, new: Filter
    ) -> None:
        await connection.execute(
            """
            INSERT INTO delegate_filters (municipality_id, id, delegate_id, alias, channel,
                created_at, modified_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (municipality_id, id) DO UPDATE SET alias = excluded.alias,
                channel = excluded.channel,
                modified_at = excluded.modified_at
            """,
            municipality_id,
            new.id,
            delegate_id,
            self._locked(municipality_id, new.alias),
            new.channel,
            new.created,
            new.modified,
        )
        await connection.execute(
            "DELETE FROM filter_rules WHERE municipality_id = $1 AND filter_id = $2",
            municipality_id,
            new.id,
        )
        await connection.executemany(
            """
            INSERT INTO filter_rules (municipality_id, filter_id, position, attribute_name,
                operator, attribute_value)
            VALUES ($1, $2, $3, $4, $5, $6)
            """,
            [
                (
                    municipality_id,
                    new.id,
                    n,
                    rule.attribute,
                    rule.operator.value,
                    self._locked(municipality_id, rule.value),
                )
                for n, rule in enumerate(new.rules)
            ],
        )

    # -- rows ----------------------------------------

    def _locked(self, municipality_id: str, text: str | None) -> bytes | None:
        return (
            None if text is None else self._cipher.encrypt(municipality_id, _PURPOSE, text.encode())
        )

    def _unlocked(self, municipality_id: str, sealed: bytes) -> str:
        return self._cipher.decrypt(municipality_id, _PURPOSE, sealed).decode()

    def _filter(self, municipality_id: str, row: Any) -> Filter:
        alias = self._unlocked(municipality_id, row["alias"]) if row["alias"] is not None else None
        rules = tuple(
            Rule(name, Operator(operator), self._unlocked(municipality_id, value))
            for name, operator, value in zip(
                row["names"] or (), row["operators"] or (), row["contents"] or (), strict=True
            )
        )
        return Filter(
            row["id"], alias, row["channel"], rules, row["created_at"], row["modified_at"]
        )
