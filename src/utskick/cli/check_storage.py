"""What ``utskick check`` finds under the service: the data folder, the database, and the key of its
vault."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from utskick import bootstrap
from utskick.cli.check_result import SECONDS, Finding, Grade
from utskick.domain.errors import DatabaseFault, SettingsFault
from utskick.settings import Settings
from utskick.store import migrations
from utskick.store.administration.health_checks import DatabaseInspection
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.master_key import FILE
from utskick.store.embedded import VERSION, Embedded

_GIB: Final = 1024**3
#: What a database may answer that cannot be looked into.
UNUSABLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)


@asynccontextmanager
async def database(
    settings: Settings,
) -> AsyncIterator[tuple[list[Finding], DatabaseInspection | None]]:
    """What is found of it, and what can be looked up in it: None where nothing can (yet)."""
    if settings.database.url is not None:
        async with _schema(settings.database.url.get_secret_value(), embedded=False) as (
            told,
            inspection,
        ):
            yield [told], inspection
        return
    folder = settings.data.folder.absolute()
    if (finding := _absent(folder)) is not None:
        yield ([finding] if finding.grade is Grade.FAULT else [_space(folder), finding]), None
        return
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(_joined(folder))
        except DatabaseFault as fault:
            yield (
                [
                    _space(folder),
                    Finding(
                        "database", Grade.FAULT, fault.detail, "see postgres.log in the data folder"
                    ),
                ],
                None,
            )
            return
        told, inspection = await stack.enter_async_context(_schema(url, embedded=True))
        yield [_space(folder), told], inspection


def _absent(folder: Path) -> Finding | None:
    """Why there is no embedded database that could be joined; None: there is one."""
    version = folder / "postgres" / "PG_VERSION"
    try:
        there = version.exists()
    except OSError as fault:
        return Finding(
            "data folder",
            Grade.FAULT,
            f"{folder}: {fault.strerror}",
            "run as the user that the service runs as",
        )
    if not there:
        return Finding(
            "database", Grade.OK, f"{folder} holds no database yet; `utskick serve` makes it"
        )
    if (found := version.read_text().strip()) != str(VERSION):
        said = f"{folder} was made by PostgreSQL {found}"
        return Finding(
            "database",
            Grade.FAULT,
            said,
            f"this release carries {VERSION}: run the release that made it",
        )
    return None


async def key(settings: Settings, inspection: DatabaseInspection | None) -> Finding:
    """Beside the embedded database it is made when it is needed, and not by a look."""
    where, sealed = _source(settings), inspection is not None and await inspection.is_sealed()
    own = (
        None
        if settings.database.url is not None or settings.vault.named
        else settings.data.folder.expanduser().absolute() / FILE
    )
    if own is not None and not own.exists():
        if sealed:
            todo = f"restore it from its copy to {own}: without it nobody can read what was said"
            return Finding(
                "vault key",
                Grade.FAULT,
                f"the database is sealed, and its key is not at {own}",
                todo,
            )
        return Finding("vault key", Grade.OK, f"none yet; `utskick serve` makes one at {own}")
    try:
        safe = await asyncio.to_thread(bootstrap.safe_of, settings)
        opened = await inspection.open(safe) if inspection is not None else None
    except Locked:
        todo = "restore the key, or name it in vault.old_keys when it was replaced on purpose (docs/how-to/rotate-keys.md)"
        return Finding(
            "vault key",
            Grade.FAULT,
            f"the one {where} is not the one that this database was sealed with",
            todo,
        )
    except SettingsFault as fault:
        return Finding("vault key", Grade.FAULT, fault.detail, "mend [vault]")
    said = f"{next(iter(safe.apart))}, {where}"
    if opened is not None and opened.older:
        todo = "vault.old_keys must stay; `utskick vault rewrap` ends the change"
        return Finding(
            "vault key",
            Grade.WARNING,
            f"{said}; {opened.older} of the vault's keys are wrapped by an older one alone",
            todo,
        )
    if own is not None:
        return Finding(
            "vault key",
            Grade.OK,
            said,
            "keep a copy of it elsewhere than the backup of the database",
        )
    return Finding("vault key", Grade.OK, said)


def _source(settings: Settings) -> str:
    vault = settings.vault
    if vault.key is not None:
        return "in vault.key"
    if vault.key_file is not None:
        return f"in {vault.key_file}"
    return (
        f"of {vault.key_command[0]}"
        if vault.key_command
        else f"in {settings.data.folder.expanduser().absolute() / FILE}"
    )


@asynccontextmanager
async def _joined(folder: Path) -> AsyncIterator[str]:
    """The embedded server: the one that runs, shared with the service; else started for the
    moment."""
    embedded = Embedded(folder)
    url = await asyncio.to_thread(embedded.start)
    try:
        yield url
    finally:
        await asyncio.to_thread(embedded.stop)


def _space(folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / _GIB
    if free < 1:
        return Finding(
            "data folder",
            Grade.WARNING,
            f"{folder}: {free:.1f} GiB free",
            "free some space: without it nothing can be accepted",
        )
    return Finding("data folder", Grade.OK, f"{folder}: {free:.0f} GiB free")


@asynccontextmanager
async def _schema(
    url: str, *, embedded: bool
) -> AsyncIterator[tuple[Finding, DatabaseInspection | None]]:
    try:
        connection = await asyncpg.connect(url, timeout=SECONDS, command_timeout=SECONDS)
    except UNUSABLE as fault:
        yield unusable(fault), None
        return
    try:
        finding = await _versions(connection, embedded=embedded)
        yield finding, DatabaseInspection(connection) if finding.grade is Grade.OK else None
    finally:
        await connection.close(timeout=SECONDS)


async def _versions(connection: Any, *, embedded: bool) -> Finding:
    try:
        await connection.execute("SET default_transaction_read_only = on")
        server, revision = connection.get_server_version(), await _revision(connection)
    except UNUSABLE as fault:
        return unusable(fault)
    said = f"PostgreSQL {server.major}.{server.minor}{', embedded' if embedded else ''}, schema {revision or 'none'}"
    if server.major < migrations.OLDEST:
        return Finding(
            "database", Grade.FAULT, said, f"PostgreSQL {migrations.OLDEST} or later is needed"
        )
    try:
        migrations.check(revision)
    except DatabaseFault as fault:
        if embedded and (revision is None or migrations.known(revision)):
            return Finding(
                "database",
                Grade.WARNING,
                said,
                f"`utskick serve` brings it to {migrations.head()} when it starts",
            )
        return Finding("database", Grade.FAULT, said, fault.detail)
    return Finding("database", Grade.OK, said)


def unusable(fault: Exception) -> Finding:
    said = f"cannot be used: {fault or type(fault).__name__}"
    return Finding(
        "database", Grade.FAULT, said, "check database.url, and that the server runs and lets us in"
    )


async def _revision(connection: Any) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return found
