"""Storage checks of ``utskick check``: data folder, database and vault key."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from utskick import bootstrap
from utskick.cli.check_audit import audit_state
from utskick.cli.check_result import SECONDS, CheckResult, Grade
from utskick.domain.errors import DatabaseFault, SettingsFault
from utskick.settings import Settings
from utskick.store import migrations
from utskick.store.administration.health_checks import DatabaseInspection
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.master_key import FILE
from utskick.store.embedded import VERSION, Embedded, programs

_GIB: Final = 1024**3
#: Errors raised by a database that cannot be inspected.
UNUSABLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)


@asynccontextmanager
async def check_database(
    settings: Settings,
) -> AsyncIterator[tuple[list[CheckResult], DatabaseInspection | None]]:
    """Check the database, and yield the results with an inspection of it.

    The inspection is None if the database does not exist yet or cannot be read.
    """
    if settings.database.url is not None:
        async with _check_schema(settings.database.url.get_secret_value(), embedded=False) as (
            schema,
            inspection,
        ):
            yield schema, inspection
        return
    folder = settings.data.folder.absolute()
    if (result := _why_absent(folder)) is not None:
        yield (
            ([result] if result.grade is Grade.FAULT else [_check_disk_space(folder), result]),
            None,
        )
        return
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(_connected(folder))
        except DatabaseFault as fault:
            yield (
                [
                    _check_disk_space(folder),
                    CheckResult(
                        "database", Grade.FAULT, fault.detail, "see postgres.log in the data folder"
                    ),
                ],
                None,
            )
            return
        schema, inspection = await stack.enter_async_context(_check_schema(url, embedded=True))
        yield [_check_disk_space(folder), *schema], inspection


def _why_absent(folder: Path) -> CheckResult | None:
    """Return why there is no embedded database to connect to, or None if there is one."""
    try:
        programs()
    except DatabaseFault as fault:
        return CheckResult("database", Grade.FAULT, fault.detail, "see docs/how-to/install.md")
    version = folder / "postgres" / "PG_VERSION"
    try:
        exists = version.exists()
    except OSError as fault:
        return CheckResult(
            "data folder",
            Grade.FAULT,
            f"{folder}: {fault.strerror}",
            "run the command as the service's user",
        )
    if not exists:
        return CheckResult(
            "database", Grade.OK, f"{folder} holds no database yet; `utskick serve` creates it"
        )
    if (found := version.read_text().strip()) != str(VERSION):
        detail = f"{folder} was created by PostgreSQL {found}"
        return CheckResult(
            "database",
            Grade.FAULT,
            detail,
            f"this release includes PostgreSQL {VERSION}: run the release that created the folder",
        )
    return None


async def check_key(settings: Settings, inspection: DatabaseInspection | None) -> CheckResult:
    """Check the vault key; a missing key of the embedded database is reported, not created."""
    where, encrypted = (
        _key_source(settings),
        inspection is not None and await inspection.is_sealed(),
    )
    own = (
        None
        if settings.database.url is not None or settings.vault.named
        else settings.data.folder.expanduser().absolute() / FILE
    )
    if own is not None and not own.exists():
        if encrypted:
            todo = (
                f"restore the key from its copy to {own}: without it the messages cannot be "
                "decrypted"
            )
            return CheckResult(
                "vault key",
                Grade.FAULT,
                f"the database is encrypted, and its key is not at {own}",
                todo,
            )
        return CheckResult("vault key", Grade.OK, f"none yet; `utskick serve` creates one at {own}")
    try:
        cipher = await asyncio.to_thread(bootstrap.cipher_of, settings)
        opened = await inspection.open(cipher) if inspection is not None else None
    except Locked:
        todo = (
            "restore the key, or add it to vault.old_keys if it was rotated "
            "(docs/how-to/rotate-keys.md)"
        )
        return CheckResult(
            "vault key",
            Grade.FAULT,
            f"the key {where} is not the one that this database was encrypted with",
            todo,
        )
    except SettingsFault as fault:
        return CheckResult("vault key", Grade.FAULT, fault.detail, "correct [vault]")
    detail = f"{next(iter(cipher.apart))}, {where}"
    if opened is not None and opened.older:
        todo = "keep vault.old_keys until `utskick vault rewrap` has finished the rotation"
        return CheckResult(
            "vault key",
            Grade.WARNING,
            f"{detail}; {opened.older} of the vault's keys are wrapped by an older key only",
            todo,
        )
    if own is not None:
        return CheckResult(
            "vault key",
            Grade.OK,
            detail,
            "keep a copy of it apart from the backup of the database",
        )
    return CheckResult("vault key", Grade.OK, detail)


def _key_source(settings: Settings) -> str:
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
async def _connected(folder: Path) -> AsyncIterator[str]:
    """Yield the URL of the embedded server.

    A server that is already running is shared with the service; otherwise one is started for the
    duration of the check.
    """
    embedded = Embedded(folder)
    url = await asyncio.to_thread(embedded.start)
    try:
        yield url
    finally:
        await asyncio.to_thread(embedded.stop)


def _check_disk_space(folder: Path) -> CheckResult:
    exists = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(exists).free / _GIB
    if free < 1:
        return CheckResult(
            "data folder",
            Grade.WARNING,
            f"{folder}: {free:.1f} GiB free",
            "free some disk space: without it no message can be accepted",
        )
    return CheckResult("data folder", Grade.OK, f"{folder}: {free:.0f} GiB free")


@asynccontextmanager
async def _check_schema(
    url: str, *, embedded: bool
) -> AsyncIterator[tuple[list[CheckResult], DatabaseInspection | None]]:
    try:
        connection = await asyncpg.connect(url, timeout=SECONDS, command_timeout=SECONDS)
    except UNUSABLE as fault:
        yield [unusable_result(fault)], None
        return
    try:
        result = await _check_versions(connection, embedded=embedded)
        usable = result.grade is Grade.OK
        results = [result, await audit_state(connection)] if usable else [result]
        yield results, DatabaseInspection(connection) if usable else None
    finally:
        await connection.close(timeout=SECONDS)


async def _check_versions(connection: Any, *, embedded: bool) -> CheckResult:
    try:
        await connection.execute("SET default_transaction_read_only = on")
        server, revision = connection.get_server_version(), await _revision(connection)
        release = (await connection.fetchval("SHOW server_version")).split()[0]
    except UNUSABLE as fault:
        return unusable_result(fault)
    detail = f"PostgreSQL {release}{', embedded' if embedded else ''}, schema {revision or 'none'}"
    if server.major < migrations.OLDEST:
        return CheckResult(
            "database", Grade.FAULT, detail, f"PostgreSQL {migrations.OLDEST} or later is needed"
        )
    try:
        migrations.check(revision)
    except DatabaseFault as fault:
        if embedded and (revision is None or migrations.known(revision)):
            return CheckResult(
                "database",
                Grade.WARNING,
                detail,
                f"`utskick serve` migrates it to {migrations.head()} when it starts",
            )
        return CheckResult("database", Grade.FAULT, detail, fault.detail)
    return CheckResult("database", Grade.OK, detail)


def unusable_result(fault: Exception) -> CheckResult:
    detail = f"cannot be used: {fault or type(fault).__name__}"
    return CheckResult(
        "database",
        Grade.FAULT,
        detail,
        "check database.url, and that the server is running and accepts the login",
    )


async def _revision(connection: Any) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return found
