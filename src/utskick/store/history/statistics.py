"""Statistics: deliveries by outcome, day and sender, kept up to date from the events.

They always equal the count of the rows themselves. A tally holds the events up to a watermark; a
query adds what came after, and what is pending, from one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from utskick.domain.status import PENDING, Status
from utskick.store.database import REPORTING, Connection, Database
from utskick.store.history.status_words import visible_type, word
from utskick.store.messages.print_batches import HAND_OVER
from utskick.store.tenant import places
from utskick.store.transitions import listed

NAME: Final = "tallies"
#: Events that are counted at a time, unless one transaction wrote more.
_STRIDE: Final = 20_000
_PENDING: Final = listed(PENDING)
#: No word of the contract: letters that are counted as sent, too, and whose hand-over fails.
HAND_OVER_FAILS: Final = "HAND_OVER_FAILS"


@dataclass(frozen=True, slots=True)
class StatisticsFilter:
    """Which deliveries are counted.

    Days are Swedish and inclusive; None: all. ``types``: of the requests.
    """

    municipality_id: str
    since: date | None = None
    until: date | None = None
    types: Sequence[str] | None = None
    origin: str | None = None
    department: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """A number of deliveries of one kind.

    ``origin`` and ``department`` are "" where there was none; ``word``: the contract's, or
    ``HAND_OVER_FAILS``.
    """

    original_type: str
    message_type: str
    origin: str
    department: str
    word: str
    number: int


#: What is counted apart, of ``m`` a message and ``b`` its batch.
_KEYS: Final = """
    (m.at AT TIME ZONE 'Europe/Stockholm')::date AS day, b.message_type AS original_type,
        coalesce(m.origin, '') AS origin,
    coalesce(m.department, '') AS department
"""
_OF_DELIVERY: Final = f"""
    CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = d.message_id OFFSET 0) m
    JOIN LATERAL (
        SELECT * FROM batches WHERE id = d.batch_id AND municipality_id = d.municipality_id
        OFFSET 0) b ON b.message_type <> '{HAND_OVER}'
"""  # noqa: S608

#: Deliveries that are counted one word more (+1) or less (-1) by the events of $1 with {span}. The
#: previous word is that of the event before; before the first, a delivery was pending, which no
#: tally holds.
_CHANGES: Final = """
    SELECT {keys}, {visible} AS message_type, c.word, c.sign
    FROM (
        SELECT e.delivery_id, s.code, s.sign, {word} AS word
        FROM events e
        LEFT JOIN LATERAL (
            SELECT coalesce(p.became, p.status) AS status, p.reason_code FROM events p
            WHERE p.delivery_id = e.delivery_id AND p.municipality_id = $1 AND p.id < e.id
                ORDER BY p.id DESC LIMIT 1) p ON true
        CROSS JOIN LATERAL (VALUES (coalesce(e.became, e.status), e.reason_code, 1), (p.status,
            p.reason_code, -1)) AS s(status, code, sign)
        WHERE e.municipality_id = $1 AND {span} AND s.status IS NOT NULL
            AND s.status NOT IN {pending}) c
    CROSS JOIN LATERAL (SELECT * FROM deliveries WHERE id = c.delivery_id OFFSET 0) d {of_delivery}
    WHERE c.word IS NOT NULL AND d.municipality_id = $1
"""


def _changes(span: str) -> str:
    return _CHANGES.format(
        keys=_KEYS,
        visible=visible_type("d.message_type", "b.message_type", "c.code"),
        word=word("s.status", "s.code"),
        span=span,
        pending=_PENDING,
        of_delivery=_OF_DELIVERY,
    )


#: Pending deliveries: those with a job. Gathered ones are in the tallies. The ids are made before
#: they are joined (OFFSET 0): under row-level security, the expression that makes them may not be
#: part of an index lookup, and all deliveries were read instead.
_WAITING: Final = f"""
    SELECT {_KEYS}, d.message_type, 'PENDING' AS word, 1 AS sign
    FROM (
        SELECT encode(substring(payload FROM 1 FOR 16), 'hex')::uuid AS id FROM pgqueuer
        WHERE substring(payload FROM 17) = convert_to($1, 'UTF8') OFFSET 0) q
    JOIN deliveries d ON d.id = q.id AND d.municipality_id = $1
        AND d.status IN {_PENDING} {_OF_DELIVERY}
"""  # noqa: S608

#: Of the gathered letters, which the tallies count as sent: those of the print batches $8.
_HELD_UP: Final = f"""
    SELECT {_KEYS}, d.message_type, '{HAND_OVER_FAILS}' AS word, 1 AS sign
    FROM (SELECT * FROM deliveries WHERE print_batch = ANY($8::uuid[]) AND print_batch IS NOT NULL
        AND municipality_id = $1 AND status = '{Status.GATHERED}' OFFSET 0) d {_OF_DELIVERY}
"""  # noqa: S608

_COUNT: Final = f"""
    SELECT original_type, message_type, origin, department, word,
        sum(number)::bigint AS number FROM (
        SELECT day, original_type, message_type, origin, department, word, number
            FROM tallies WHERE municipality_id = $1
            AND ($2::date IS NULL OR day >= $2) AND ($3::date IS NULL OR day <= $3)
        UNION ALL SELECT day, original_type, message_type, origin, department, word, sign
        FROM ({_changes("e.tx >= $7")}) after
        UNION ALL SELECT day, original_type, message_type, origin, department, word, sign
            FROM ({_WAITING}) waiting
        UNION ALL SELECT day, original_type, message_type, origin, department, word, sign
            FROM ({_HELD_UP}) held_up) counted
    WHERE ($2::date IS NULL OR day >= $2) AND ($3::date IS NULL OR day <= $3)
        AND ($4::text[] IS NULL OR original_type = ANY($4))
        AND ($5::text IS NULL OR origin = $5) AND ($6::text IS NULL OR department = $6)
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(number) <> 0
    ORDER BY 1, 2, 3, 4, 5
"""  # noqa: S608

#: Tallies of one day and kind grow by the events of the transactions from $2 to $3 (exclusive).
_TAKE_IN: Final = f"""
    INSERT INTO tallies AS t (municipality_id, day, original_type, message_type, origin,
        department, word, number)
    SELECT $1, day, original_type, message_type, origin, department, word, sum(sign)
        FROM ({_changes("e.tx >= $2 AND e.tx < $3")}) counted
    GROUP BY day, original_type, message_type, origin, department, word HAVING sum(sign) <> 0
    ORDER BY day, original_type, message_type, origin, department, word
    ON CONFLICT (municipality_id, day, original_type, message_type, origin, department, word)
        DO UPDATE SET number = t.number + excluded.number
"""  # noqa: S608


class Tallies:
    """Reader and writer of statistics. Every statement is bound to a municipality."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(
        self, chosen: StatisticsFilter, failing: Sequence[UUID] = ()
    ) -> list[DeliveryCount]:
        """Return the numbers of deliveries. ``failing``: print batches whose hand-over fails."""
        types = list(chosen.types) if chosen.types is not None else None
        own = self._database.of(chosen.municipality_id)
        async with own.transaction("repeatable_read", readonly=True) as connection:
            await connection.execute(REPORTING)
            mark = await connection.fetchval(
                "SELECT tx FROM watermarks WHERE name = $2 AND municipality_id = $1",
                chosen.municipality_id,
                NAME,
            )
            rows = await connection.fetch(
                _COUNT,
                chosen.municipality_id,
                chosen.since,
                chosen.until,
                types,
                chosen.origin,
                chosen.department,
                mark or 0,
                list(failing),
            )
        return [DeliveryCount(*row) for row in rows]

    async def keep_up(self) -> None:
        """Count the events until now, of every municipality.

        Any number of workers may do it at once. Events that are written meanwhile are left for the
        next time: under load there would be no end of strides, each of a few events and of the same
        cost.
        """
        for row in await self._database.pool.fetch(places("events")):
            while await self._stride(row["municipality_id"]):
                pass

    async def _stride(self, municipality_id: str) -> bool:
        """Count some events. Returns whether there are more."""
        async with self._database.transaction() as connection:
            mark = await _marked(connection, municipality_id)
            if mark is None:
                return False
            rest, more = await _rest(connection, municipality_id, mark)
            if rest is None:
                return False
            await connection.execute(_TAKE_IN, municipality_id, mark, rest)
            await connection.execute(
                "UPDATE watermarks SET tx = $3 WHERE name = $2 AND municipality_id = $1",
                municipality_id,
                NAME,
                rest,
            )
            return more


async def _marked(connection: Connection, municipality_id: str) -> int | None:
    """Return the watermark, locked; None where another worker has it."""
    await connection.execute(
        "INSERT INTO watermarks (name, municipality_id, tx) VALUES ($2, $1, 0)"
        " ON CONFLICT DO NOTHING",
        municipality_id,
        NAME,
    )
    statement = (
        "SELECT tx FROM watermarks WHERE name = $2 AND municipality_id = $1 FOR UPDATE SKIP LOCKED"
    )
    row = await connection.fetchrow(statement, municipality_id, NAME)
    return row["tx"] if row else None


async def _rest(connection: Connection, municipality_id: str, mark: int) -> tuple[int | None, bool]:
    """Return the transaction (exclusive) to count up to, and whether that is only a part.

    None: there are no new events. Whole transactions, complete ones only.
    """
    row = await connection.fetchrow(
        """
        SELECT max(tx) + 1 AS rest, count(*) = $3 AS more FROM (
            SELECT tx FROM events WHERE municipality_id = $1 AND tx >= $2
                AND tx < utskick_complete_tx() ORDER BY tx LIMIT $3) s
        """,
        municipality_id,
        mark,
        _STRIDE,
    )
    return (row["rest"], row["more"]) if row else (None, False)
