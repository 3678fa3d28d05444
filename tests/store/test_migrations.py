"""What is asked of a database before it is used."""

from __future__ import annotations

import asyncpg
import pytest

from utskick.domain.errors import DatabaseFault
from utskick.store import migrations
from utskick.store.database import Database


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
