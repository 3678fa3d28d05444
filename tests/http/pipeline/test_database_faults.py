"""Faults of the database during a request: 503 with Retry-After, in time, whatever the fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.http.conftest import Client, serving
from utskick.store.database import Database

SMS = {"mobileNumber": "+46701740605", "message": "Din bok finns att hämta."}

#: SQLSTATEs (appendix A of PostgreSQL's manual) of a database that is away, full, blocked or read.
CODES = (
    "08006",
    "25006",
    "25P03",
    "28P01",
    "3D000",
    "40001",
    "40P01",
    "53100",
    "53200",
    "53300",
    "55P03",
    "57014",
    "57P01",
    "57P03",
    "58030",
)


@pytest.fixture
async def raising(database: Database) -> AsyncIterator[Database]:
    """Yield a database that raises the SQLSTATE in the setting ``test.code`` on every delivery."""
    await database.pool.execute(
        """
        CREATE FUNCTION test_raise() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE code text;
        BEGIN
            SELECT word INTO code FROM test_code;
            IF code IS NOT NULL THEN RAISE EXCEPTION 'a fault' USING ERRCODE = code; END IF;
            RETURN new;
        END $$;
        CREATE TABLE test_code (word text);
        CREATE TRIGGER test_raise BEFORE INSERT ON deliveries
            FOR EACH ROW EXECUTE FUNCTION test_raise()
        """
    )
    try:
        yield database
    finally:
        await database.pool.execute(
            """
            DROP TRIGGER test_raise ON deliveries;
            DROP TABLE test_code;
            DROP FUNCTION test_raise()
            """
        )


async def test_every_class_of_fault_is_503_with_retry_after(
    raising: Database, tmp_path: Path
) -> None:
    async with serving(raising, tmp_path, work=False, auth={"mode": "off"}) as client:
        for code in CODES:
            await raising.pool.execute("DELETE FROM test_code")
            await raising.pool.execute("INSERT INTO test_code VALUES ($1)", code)
            answer = await client.post("/2281/sms?async=true", SMS)
            assert (answer.status, answer.json["code"]) == (503, "unavailable"), code
            assert int(answer.headers["Retry-After"]) > 0, code
        await raising.pool.execute("DELETE FROM test_code")
        assert (await client.post("/2281/sms?async=true", SMS)).status == 201


async def timed(client: Client, path: str, body: Any = None) -> tuple[int, Any, float]:
    start = monotonic()
    answer = await client.call("POST" if body else "GET", path, body)
    return answer.status, answer, monotonic() - start


async def test_a_locked_table_makes_no_call_hang_and_health_says_down(
    database: Database, tmp_path: Path
) -> None:
    tables = {
        "http": {"port": 0, "sync_wait": 4, "database_timeout": 1},
        "auth": {"mode": "off"},
    }
    async with serving(database, tmp_path, work=False, **tables) as client:
        made = await client.post("/2281/sms?async=true", SMS)
        status = f"/2281/status/delivery/{made.json['deliveries'][0]['deliveryId']}"
        assert (await client.get("/health/ready")).status == 200
        async with database.transaction() as connection:
            await connection.execute("LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE")
            calls = [timed(client, "/2281/sms?async=true", SMS) for _ in range(40)]
            calls += [timed(client, status) for _ in range(10)]
            answers = await asyncio.wait_for(
                asyncio.gather(*calls, _down(client), _down(client)), 30
            )
            for found, answer, _ in answers[:-2]:
                assert found == 503, answer
                assert answer.json["code"] == "unavailable"
                assert int(answer.headers["Retry-After"]) > 0
            # The limit is one second: without it they would wait for the lock without end.
            assert max(seconds for *_, seconds in answers) < 10
        assert (await client.post("/2281/sms?async=true", SMS)).status == 201
        assert (await client.get(status)).status == 200
        await client.until("/health/ready", lambda found: found["status"] == "UP")


async def _down(client: Client) -> tuple[int, Any, float]:
    """Ask for the health until it is DOWN: a result holds for some seconds."""
    longest = 0.0
    while True:
        status, answer, seconds = await timed(client, "/health/ready")
        longest = max(longest, seconds)
        if status == 503:
            assert answer.json["components"]["database"]["reason"] in (
                "a table is locked",
                "no answer in time",
            )
            return status, answer, longest


async def test_a_database_that_can_only_be_read_is_down(database: Database, tmp_path: Path) -> None:
    name = await database.pool.fetchval("SELECT current_database()")
    async with serving(database, tmp_path, work=False, auth={"mode": "off"}) as client:
        await database.pool.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            await database.pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            answer = await client.get("/health/ready")
            while answer.json["components"]["database"].get("reason") != "read-only":
                await asyncio.sleep(0.05)  # sessions that end, and a result that holds for 5 s
                answer = await client.get("/health/ready")
            assert (answer.status, answer.json["status"]) == (503, "DOWN")
            refused = await client.post("/2281/sms?async=true", SMS)
            assert (refused.status, refused.json["code"]) == (503, "unavailable")
        finally:
            async with database.pool.acquire() as connection:
                await connection.execute(
                    f"BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; "
                    "COMMIT"
                )


async def test_an_outcome_that_the_database_refuses_is_kept_and_stops_no_neighbour(
    database: Database, tmp_path: Path
) -> None:
    """The refusal stands for any fault of our own in the statement: it is none of a connection."""
    await database.pool.execute(
        """
        CREATE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF new.municipality_id = '2260' AND new.status = 'sent' THEN
                RAISE EXCEPTION 'refused' USING ERRCODE = '22023';
            END IF;
            RETURN new;
        END $$;
        CREATE TRIGGER test_refuse BEFORE INSERT ON events
            FOR EACH ROW EXECUTE FUNCTION test_refuse()
        """
    )
    dropped = "DROP TRIGGER IF EXISTS test_refuse ON events; DROP FUNCTION IF EXISTS test_refuse()"
    try:
        async with serving(database, tmp_path) as client:
            ids = {}
            for place in ("2260", "2281", "2262"):
                answer = await client.post(f"/{place}/sms?async=true", SMS)
                ids[place] = answer.json["deliveries"][0]["deliveryId"]
            for place in ("2281", "2262"):
                await client.until(
                    f"/{place}/status/delivery/{ids[place]}",
                    lambda found: found["lifecycle"] in ("sent", "delivered"),
                )
            refused = f"/2260/status/delivery/{ids['2260']}"
            assert (await client.get(refused)).json["lifecycle"] == "sending"
            await database.pool.execute(dropped)
            found = await client.until(
                refused, lambda found: found["lifecycle"] in ("sent", "delivered"), within=20
            )
            assert "uncertain" not in [event["status"] for event in found["events"]]
            assert len(await client.all_received("sms")) == 3
    finally:
        await database.pool.execute(dropped)
