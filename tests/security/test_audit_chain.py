"""The audit log against who has its database: owner, signed heads, exports, missing trails."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import orjson
import pytest

from tests.cli.conftest import Command, utskick  # noqa: F401
from tests.http.audit.test_audit import chained
from utskick.cli.check_audit import audit_state
from utskick.cli.check_result import Grade
from utskick.domain.audit_heads import ExportFault, verify_export
from utskick.store import migrations
from utskick.store.administration.audit import Audit
from utskick.store.administration.audit_heads import AuditHeads, AuditKeys, exported
from utskick.store.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABLES = ("audit_entries", "audit_heads", "audit_links")


@pytest.fixture
async def login(server: str) -> AsyncIterator[str]:
    """A database of its own, migrated by a login that may create roles and is no superuser."""
    host = parse_qs(urlsplit(server).query)["host"][0]
    owner = await asyncpg.connect(server)
    await owner.execute("CREATE ROLE ordinary LOGIN CREATEROLE; GRANT utskick_requests TO ordinary")
    await owner.execute("GRANT utskick_audit TO ordinary WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    await owner.execute("CREATE DATABASE of_ordinary OWNER ordinary")
    url = f"postgresql://ordinary@/of_ordinary?host={host}"
    await asyncio.to_thread(migrations.migrate, url)
    yield url
    await owner.execute("DROP DATABASE of_ordinary WITH (FORCE)")
    await owner.execute("DROP ROLE ordinary")
    await owner.close()


async def test_the_services_login_can_add_to_the_log_and_nothing_else(login: str) -> None:
    connection = await asyncpg.connect(login)
    owners = await connection.fetch(
        "SELECT relowner::regrole::text AS owner FROM pg_class WHERE relname = ANY($1::text[])",
        TABLES,
    )
    assert [row["owner"] for row in owners] == ["utskick_audit"] * 3
    insert = (
        "INSERT INTO audit_entries (municipality_id, at, action, subject) "
        "VALUES ('2281', now(), 'send', '{}')"
    )
    await connection.execute(insert)
    assert await connection.fetchval("SELECT count(*) FROM audit_entries") == 1
    for role in ("RESET ROLE", "SET ROLE utskick_requests"):
        await connection.execute(role)
        for table in TABLES:
            for statement in (
                f"TRUNCATE {table}",
                f"DELETE FROM {table}",
                f"UPDATE {table} SET municipality_id = '2260'",
                f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
    await connection.close()


async def test_even_a_superuser_does_not_empty_it_by_mistake(database: Database) -> None:
    await chained(database, 1)
    for table in TABLES:
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await database.pool.execute(f"TRUNCATE {table}")


async def test_heads_are_signed_once_a_day(database: Database) -> None:
    audit, heads = await chained(database, 3), AuditHeads(database)
    assert await asyncio.gather(heads.sign(NOW), AuditHeads(database).sign(NOW)) in (
        [1, 1],
        [1, 0],
        [0, 1],
    )
    [head] = await heads.of("2281")
    assert head.link == (await audit.verify("2281")).head
    assert await heads.sign(NOW + timedelta(hours=5)) == 0
    assert await heads.sign(NOW + timedelta(days=1)) == 1
    assert await heads.forged("2281") is None
    assert len(await AuditKeys(database).public()) == 1


async def lines_of(database: Database, after: int = 0) -> list[bytes]:
    return [line async for line in exported(database, "2281", after)]


async def test_an_export_is_verified_without_the_database(database: Database) -> None:
    audit = await chained(database, 5)
    await AuditHeads(database).sign(NOW)
    [public] = (await AuditKeys(database).public()).values()
    lines = await lines_of(database)
    found = verify_export(lines, public)
    head = (await audit.verify("2281")).head
    assert (found.municipality_id, found.first.number, found.last, found.heads) == (
        "2281",
        0,
        head,
        1,
    )
    entry = orjson.loads(lines[1])
    assert (entry["issuer"], entry["address"]) == ("joe01doe", "127.0.0.1")
    assert verify_export(await lines_of(database, 3), public).first.number == 3


async def test_an_export_that_was_changed_is_refused(database: Database) -> None:
    await chained(database, 4)
    await AuditHeads(database).sign(NOW)
    keys = AuditKeys(database)
    [public] = (await keys.public()).values()
    lines = await lines_of(database)
    changed = {
        "cut off": lines[:-1],
        "a line less": [*lines[:2], *lines[3:]],
        "another order": [lines[0], lines[2], lines[1], *lines[3:]],
        "another user": [lines[0], lines[1].replace(b"joe01doe", b"eva01eva"), *lines[2:]],
        "another subject": [lines[0], lines[1].replace(b'"n":0', b'"n":7'), *lines[2:]],
        "nothing": [],
        "no JSON": [b"hej\n", *lines[1:]],
        "of another kind": [b'{"type":"end"}\n', *lines[1:]],
    }
    for wrong in changed.values():
        with pytest.raises(ExportFault):
            verify_export(wrong, public)
    with pytest.raises(ExportFault, match="this key"):
        verify_export(lines, bytes(31) + b"\1")


@pytest.fixture
def command(
    server: str,
    utskick: Command,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Command:
    """The command line, with the tests' database in its environment."""
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(bytes(32)).decode())
    monkeypatch.setenv("UTSKICK_MUNICIPALITIES", '["2281"]')
    return utskick


async def altered(database: Database, *statements: str) -> None:
    """By somebody who may do everything to the database."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


async def test_verify_covers_what_is_served_and_an_empty_trail_is_a_finding(
    database: Database,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UTSKICK_MUNICIPALITIES", '["2281", "2260"]')
    empty = await asyncio.to_thread(command, "audit", "verify")
    assert (empty.code, empty.out.count("empty")) == (1, 2)
    await chained(database, 2)
    half = await asyncio.to_thread(command, "audit", "verify")
    assert (half.code, half.out.count("empty"), half.out.count("intact")) == (1, 1, 1)


async def test_what_was_removed_with_its_links_does_not_fit_the_signed_head(
    database: Database,
    command: Command,
) -> None:
    await chained(database, 4)
    await AuditHeads(database).sign(NOW)
    assert (await asyncio.to_thread(command, "audit", "verify")).code == 0
    await altered(database, "DELETE FROM audit_entries", "DELETE FROM audit_links")
    gone = await asyncio.to_thread(command, "audit", "verify")
    assert (gone.code, "written" in gone.out) == (1, True)
    await altered(database, "UPDATE audit_heads SET number = 0, digest = ''")
    forged = await asyncio.to_thread(command, "audit", "verify")
    assert (forged.code, "signature" in forged.out) == (1, True)


async def test_the_commands_export_and_verify(
    database: Database,
    command: Command,
    tmp_path: Path,
) -> None:
    await chained(database, 3)
    file = tmp_path / "audit.jsonl"
    printed = (await asyncio.to_thread(command, "audit", "key")).out.strip()
    done = await asyncio.to_thread(command, "audit", "export", "--output", str(file))
    assert done.code == 0, done.out
    key = ("--key", printed)
    valid = await asyncio.to_thread(command, "audit", "verify-export", str(file), *key)
    assert (valid.code, valid.out.split(":")[0]) == (0, "valid"), valid.out
    head = (await Audit(database).verify("2281")).head
    assert f"{head.number}:{head.digest.hex()}" in "".join(valid.out.split())
    file.write_bytes(file.read_bytes().replace(b"joe01doe", b"eva01eva", 1))
    wrong = await asyncio.to_thread(command, "audit", "verify-export", str(file), *key)
    assert (wrong.code, wrong.out.split(":")[0]) == (1, "not valid")
    odd = await asyncio.to_thread(command, "audit", "verify-export", str(file), "--key", "hej")
    assert odd.code == 1


async def test_check_says_whose_the_log_is_and_what_to_do(login: str, server: str) -> None:
    connection = await asyncpg.connect(login)
    assert (await audit_state(connection)).grade is Grade.WARNING, "it may create roles"
    owner = await asyncpg.connect(server)
    await owner.execute("ALTER ROLE ordinary NOCREATEROLE; REVOKE utskick_audit FROM ordinary")
    found = await audit_state(connection)
    assert found.grade is Grade.OK, found
    host, name = parse_qs(urlsplit(server).query)["host"][0], "of_ordinary"
    there = await asyncpg.connect(f"postgresql://postgres@/{name}?host={host}")
    assert "superuser" in (await audit_state(there)).detail
    for table in TABLES:
        await there.execute(f"ALTER TABLE {table} OWNER TO ordinary")
    found = await audit_state(connection)
    assert (found.grade, "utskick_protect_audit('ordinary')" in found.todo) == (
        Grade.WARNING,
        True,
    )
    await there.execute("SELECT utskick_protect_audit('ordinary')")
    assert (await audit_state(connection)).grade is Grade.OK
    for each in (connection, owner, there):
        await each.close()
