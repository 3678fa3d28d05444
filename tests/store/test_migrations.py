"""What is asked of a database before it is used."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import orjson
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from utskick.domain.errors import DatabaseFault
from utskick.domain.ids import new_id
from utskick.store import migrations
from utskick.store.database import Database
from utskick.store.migrations import upgrading


async def fresh(server: str, name: str) -> str:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return server.replace("/postgres?", f"/{name}?")


async def test_a_schema_is_made_once_and_then_left_alone(server: str) -> None:
    url = await fresh(server, "made_once")
    assert migrations.migrate(url) == (None, migrations.head())
    assert migrations.migrate(url) == (migrations.head(), migrations.head())


async def test_a_database_without_a_schema_says_what_to_do(server: str) -> None:
    url = await fresh(server, "bare")
    with pytest.raises(DatabaseFault, match="run `utskick migrate`"):
        await Database(url).open()


async def test_files_that_were_there_before_retention_are_known_to_be_in_use(server: str) -> None:
    url = await fresh(server, "before_retention")
    config = upgrading.config()
    with create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool
    ).connect() as connection:
        config.attributes["connection"] = connection
        before = ScriptDirectory.from_config(config).get_revision("0010")
        assert before is not None
        command.upgrade(config, str(before.down_revision))
        connection.commit()
    database, shared, own, recorded = (
        await asyncpg.connect(url),
        bytes(range(32)),
        bytes(32),
        bytes([7] * 32),
    )
    batch, message = new_id(), new_id()
    for digest in (shared, own, recorded):
        await database.execute("INSERT INTO attachments VALUES ('2281', $1, 1, 'x', now())", digest)
    named = [
        orjson.dumps([{"name": "a", "type": None, "digest": digest.hex()}])
        for digest in (shared, own, recorded)
    ]
    await database.execute(
        """
        INSERT INTO batches (id, municipality_id, channel, message_type, priority, recipients, content, attachments, created_at)
        VALUES ($1, '2281', 'sms', 'SMS', 'NORMAL', 1, '{}', $2, now())
        """,
        batch,
        named[0],
    )
    await database.execute(
        """
        INSERT INTO messages (id, municipality_id, batch_id, ordinal, at, content, attachments)
        VALUES ($1, '2281', $2, 0, now(), '{}', $3)
        """,
        message,
        batch,
        named[1],
    )
    await database.execute(
        """
        INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type, priority, status, destination, awaited,
            created_at, updated_at, expires_at, recorded_files)
        VALUES ($1, '2281', $2, $3, 'sms', 'SMS', 'NORMAL', 'sent', '', false, now(), now(), now(), $4)
        """,
        new_id(),
        batch,
        message,
        named[2],
    )
    migrations.migrate(url)
    rows = await database.fetch("SELECT owner, digest FROM attachment_uses")
    await database.close()
    assert {(row["owner"], row["digest"]) for row in rows} == {
        (batch, shared),
        (message, own),
        (message, recorded),
    }


async def test_a_newer_schema_is_refused_with_a_sentence(server: str) -> None:
    url = await fresh(server, "newer")
    migrations.migrate(url)
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(DatabaseFault, match="written by a newer Utskick"):
        await Database(url).open()
    with pytest.raises(DatabaseFault, match="written by a newer Utskick"):
        migrations.migrate(url)


async def test_a_database_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(DatabaseFault, match="cannot be used"):
        await Database("postgresql://nobody@127.0.0.1:9/nothing").open()


async def test_another_dialect_is_refused() -> None:
    with pytest.raises(DatabaseFault, match="postgresql://"):
        migrations.migrate("mysql://a@b/c")


def test_the_revisions_are_those_of_the_files_in_one_line() -> None:
    script = ScriptDirectory.from_config(upgrading.config())
    found = [revision.revision for revision in script.walk_revisions()]
    assert script.get_heads() == [migrations.head()]
    assert found == sorted(found, reverse=True)
    assert all(map(migrations.known, found))
    assert len(found) == len(list(Path(migrations.__file__).parent.glob("versions/[0-9]*.py")))
