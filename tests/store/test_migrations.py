"""The schema of a database is made once, added to, and checked before the database is used."""

from __future__ import annotations

import asyncio
from functools import partial
from hashlib import sha256
from pathlib import Path

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from utskick.domain.errors import DatabaseFault
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


@pytest.mark.parametrize("revision", ["0001", "0014"])
async def test_a_schema_of_a_pre_release_is_refused_with_a_sentence(
    server: str, revision: str
) -> None:
    url = await fresh(server, "pre_release")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
    await connection.execute("INSERT INTO alembic_version VALUES ($1)", revision)
    await connection.close()
    for refused in (Database(url).open, partial(asyncio.to_thread, migrations.migrate, url)):
        with pytest.raises(DatabaseFault, match=r"pre-release .* empty database or data folder"):
            await refused()


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


#: SHA-256 over revision 0100 and the files of ``migrations/schema``.
FROZEN = "ef8727bdfc20f9f07f6d377be45dd0ff229712804f3402eb038caac7a3e8f08a"


def test_the_schema_of_the_first_release_does_not_change() -> None:
    folder = Path(migrations.__file__).parent
    files = [folder / "versions" / "0100_schema.py", *sorted(folder.glob("schema/*"))]
    found = sha256(b"\0".join(b"%s\0%s" % (f.name.encode(), f.read_bytes()) for f in files))
    assert found.hexdigest() == FROZEN, (
        "revision 0100 is frozen: databases have been made from it. Add a revision instead, "
        "migrations/versions/0101_<noun>.py with its own SQL (see utskick.store.migrations)"
    )
