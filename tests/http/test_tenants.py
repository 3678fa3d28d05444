"""Two tenants in one database: PostgreSQL itself keeps a request to its own, also when a statement
forgets to say whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from tests.http.conftest import Client
from utskick.store.database import Database
from utskick.store.tenant import ROLE

OURS, THEIRS = "2281", "2260"


async def guarded(database: Database) -> list[str]:
    rows = await database.pool.fetch(
        """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attname = 'municipality_id' AND NOT a.attisdropped
            AND c.relname NOT LIKE 'vault_%'
        ORDER BY 1
        """
    )
    return [row["relname"] for row in rows]


async def test_every_table_with_a_municipality_is_guarded_and_no_other_is_open(
    database: Database,
) -> None:
    tables = await guarded(database)
    assert len(tables) > 20
    rows = await database.pool.fetch(
        "SELECT c.relname, c.relrowsecurity, EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS ruled,"
        " has_table_privilege($1, c.oid, 'SELECT') AS readable FROM pg_class c"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'",
        ROLE,
    )
    state = {row["relname"]: (row["relrowsecurity"], row["ruled"]) for row in rows}
    assert {name: state[name] for name in tables} == dict.fromkeys(tables, (True, True))
    assert {row["relname"] for row in rows if row["readable"]} - set(tables) == {"pgqueuer"}
    assert state["pgqueuer"] == (True, True)


async def test_without_a_where_nothing_of_the_other_is_seen_changed_or_made(
    client: Client, database: Database
) -> None:
    party = str(uuid4())
    await client.post(
        f"/{OURS}/sms",
        {
            "mobileNumber": "+46701740605",
            "message": "m",
            "party": {"partyId": party},
            "sendAt": later(),
        },
    )
    await client.call("PUT", f"/{OURS}/parties/{party}", {"legalId": "190001018100"})
    theirs, ours = database.of(THEIRS), database.of(OURS)
    for table in await guarded(database):  # keys of their own may be left of an earlier test
        assert (
            await theirs.fetchval(
                f"SELECT count(*) FROM {table} WHERE municipality_id <> $1", THEIRS
            )
            == 0
        ), table
    assert await theirs.fetchval("SELECT count(*) FROM pgqueuer") == 0
    assert await ours.fetchval("SELECT count(*) FROM messages") == 1
    for table in ("messages", "deliveries", "parties", "batches"):
        assert (
            await theirs.execute(f"UPDATE {table} SET municipality_id = municipality_id")
            == "UPDATE 0"
        ), table
        assert await theirs.execute(f"DELETE FROM {table}") == "DELETE 0", table
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await theirs.execute(
            "INSERT INTO watermarks (name, municipality_id, tx) VALUES ('x', $1, 1)", OURS
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await theirs.execute(
            "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'sms:bulk', $1, 'queued')",
            uuid4().bytes + b"2281",
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await theirs.fetch("SELECT * FROM clients")


async def test_a_connection_that_goes_from_hand_to_hand_is_bound_anew(database: Database) -> None:
    await database.pool.execute(
        "INSERT INTO watermarks (name, municipality_id, tx) VALUES ('x', $1, 1), ('x', $2, 2)",
        OURS,
        THEIRS,
    )
    for _ in range(30):
        assert [
            row["tx"] for row in await database.of(OURS).fetch("SELECT tx FROM watermarks")
        ] == [1]
        assert [
            row["tx"] for row in await database.of(THEIRS).fetch("SELECT tx FROM watermarks")
        ] == [2]
    assert await database.of("").fetch("SELECT tx FROM watermarks") == []


def later() -> str:
    return (datetime.now(UTC) + timedelta(days=30)).isoformat()
