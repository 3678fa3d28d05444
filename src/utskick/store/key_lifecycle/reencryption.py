"""What was written plain, before the vault had keys, is sealed: some hundred rows at a time, while
everything else goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from utskick.domain.month import Month, month_of
from utskick.store.crypto.columns import Column, month_in
from utskick.store.database import Database
from utskick.store.messages.attachments import sealed

_STRIDE: Final = 500
#: Seconds for looking through a whole table.
_PATIENCE: Final = 3600.0
_FIRST: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Table:
    """``plain``: which rows of ``t`` were written plain; ``at``: by whose month they are sealed, of
    ``b`` the batch."""

    name: str
    columns: dict[str, Column]
    plain: str
    at: str

    @property
    def rows(self) -> str:
        batch = (
            ""
            if self.name == "batches"
            else " JOIN batches b ON b.id = t.batch_id AND b.municipality_id = t.municipality_id"
        )
        return f"FROM {self.name} t{batch} WHERE {self.plain}"


def _is_plain(column: str) -> str:
    return f"substring(t.{column} FROM 1 FOR 1) <> '\\xf8'::bytea"


_TABLES: Final = (
    _Table(
        "batches",
        {"content": Column.CONTENT, "attachments": Column.FILES},
        f"NOT t.imported AND {_is_plain('content')}",
        "t.created_at",
    ),
    _Table(
        "messages",
        {"party": Column.PARTY, "content": Column.CONTENT, "attachments": Column.FILES},
        f"({_is_plain('party')} OR {_is_plain('content')})",
        "CASE WHEN b.imported THEN t.at ELSE b.created_at END",
    ),
    _Table(
        "deliveries",
        {
            "destination": Column.DESTINATION,
            "recorded": Column.RECORDED,
            "recorded_files": Column.FILES,
            "frozen": Column.FROZEN,
            "secret": Column.SECRET,
        },
        _is_plain("destination"),
        "CASE WHEN b.imported THEN t.created_at ELSE b.created_at END",
    ),
)


class Resealing:
    """May be stopped and run again at any time: what has been sealed is not looked at again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def left(self, municipality_id: str | None = None) -> int:
        """How many rows stand plain, of one municipality or of all."""
        statements = [
            f"SELECT count(*) AS n {t.rows} AND ($1::text IS NULL OR t.municipality_id = $1)"
            for t in _TABLES
        ]
        statements.append(
            "SELECT count(*) FROM attachments WHERE NOT sealed AND ($1::text IS NULL OR municipality_id = $1)"
        )
        whole = f"SELECT sum(n)::bigint FROM ({' UNION ALL '.join(statements)}) s"  # noqa: S608
        return int(await self._database.pool.fetchval(whole, municipality_id, timeout=_PATIENCE))

    async def run(self) -> AsyncIterator[int]:
        """How many have been done, stride after stride. A row that somebody changes meanwhile is
        left for the next run."""
        for table in _TABLES:
            last = _FIRST
            while rows := await self._page(table, last):
                last = rows[-1]["id"]
                yield await self._seal(table, rows)
        while await self._file():
            yield 1

    async def _page(self, table: _Table, last: UUID) -> list[Any]:
        keys = ", t.party_key" if table.name == "messages" else ""
        rows: list[Any] = await self._database.pool.fetch(
            f"""
            SELECT t.id, t.municipality_id, {table.at} AS moment, {", ".join(f"t.{name}" for name in table.columns)}{keys}
            {table.rows} AND t.id > $1 ORDER BY t.id LIMIT $2
            """,
            last,
            _STRIDE,
            timeout=_PATIENCE,
        )
        vault = self._database.vault
        await vault.at_hand(rows)
        for municipality_id in {row["municipality_id"] for row in rows}:
            await vault.ready(
                municipality_id,
                *{
                    month_of(row["moment"])
                    for row in rows
                    if row["municipality_id"] == municipality_id
                },
            )
        return rows

    async def _seal(self, table: _Table, rows: list[Any]) -> int:
        names = list(table.columns)
        new = [[self._sealed(row, name, table.columns[name]) for row in rows] for name in names]
        old = [[row[name] for row in rows] for name in names]
        sets, keys = [f"{name} = w.new_{name}" for name in names], list[Any]()
        if table.name == "messages":
            sets.append("party_key = coalesce(w.party_key, t.party_key)")
            keys.append([self._party_key(row) for row in rows])
        given = [
            *(f"old_{name}" for name in names),
            *(f"new_{name}" for name in names),
            *(["party_key"] if keys else []),
        ]
        done = await self._database.pool.execute(
            f"""
            UPDATE {table.name} t SET {", ".join(sets)}
            FROM unnest($1::text[], $2::uuid[], {", ".join(f"${n}::bytea[]" for n in range(3, 3 + len(given)))})
                AS w(municipality_id, id, {", ".join(given)})
            WHERE t.municipality_id = w.municipality_id AND t.id = w.id
                AND {" AND ".join(f"t.{name} IS NOT DISTINCT FROM w.old_{name}" for name in names)}
            """,  # noqa: S608
            [row["municipality_id"] for row in rows],
            [row["id"] for row in rows],
            *old,
            *new,
            *keys,
        )
        return int(done.split()[-1])

    def _sealed(self, row: Any, name: str, column: Column) -> bytes | None:
        value, municipality_id, vault = row[name], row["municipality_id"], self._database.vault
        if value is None or (
            month_in(value) is not None and column not in (Column.FROZEN, Column.SECRET)
        ):
            return value if value is None else bytes(value)
        month: Month = month_of(row["moment"])
        return vault.of(municipality_id, month).seal(
            column, vault.open(municipality_id, column, value)
        )

    def _party_key(self, row: Any) -> bytes | None:
        if row["party"] is None:
            return None
        vault, municipality_id = self._database.vault, row["municipality_id"]
        return vault.lasting(municipality_id).party(
            vault.open(municipality_id, Column.PARTY, row["party"]).decode()
        )

    async def _file(self) -> bool:
        """One, since they may be large. False: there is none left."""
        pool, vault = self._database.pool, self._database.vault
        row = await pool.fetchrow(
            "SELECT municipality_id, digest, size, data FROM attachments WHERE NOT sealed LIMIT 1"
        )
        if row is None:
            return False
        municipality_id, digest = row["municipality_id"], row["digest"]
        await vault.ready(municipality_id)
        lasting = vault.lasting(municipality_id)
        await pool.execute(
            """
            WITH gone AS (DELETE FROM attachments WHERE municipality_id = $1 AND digest = $2 RETURNING size, created_at),
            unused AS (DELETE FROM attachment_uses WHERE municipality_id = $1 AND digest = $2 RETURNING owner),
            used AS (
                INSERT INTO attachment_uses (municipality_id, digest, owner) SELECT $1, $3, owner FROM unused ON CONFLICT DO NOTHING)
            INSERT INTO attachments (municipality_id, digest, size, data, created_at, sealed)
            SELECT $1, $3, size, $4, created_at, true FROM gone ON CONFLICT (municipality_id, digest) DO NOTHING
            """,
            municipality_id,
            digest,
            lasting.file(digest),
            await sealed(lasting.file_key(digest, row["size"]), row["data"]),
        )
        return True
