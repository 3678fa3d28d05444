"""``utskick check``: looks at everything the service needs, changes nothing, and says what to do."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import asyncpg
from rich.markup import escape
from rich.table import Table

from utskick import app
from utskick.channels.register import CHANNELS, SPOKEN
from utskick.directory.nobody import NOBODY
from utskick.domain.channel import Channel
from utskick.domain.errors import DatabaseFault, SettingsFault, UtskickError
from utskick.settings import Settings
from utskick.store import migrations
from utskick.store.embedded import VERSION, Embedded

_GIB: Final = 1024**3
_SECONDS: Final = 10


class Grade(StrEnum):
    """How a finding is: nothing to do, worth knowing, or in the way of the service."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """``todo``: what somebody should do about it, empty where nothing."""

    what: str
    grade: Grade
    said: str
    todo: str = ""


async def examine(config: Path | None) -> list[Finding]:
    """Everything, in the order in which the service would need it."""
    where = str(config) if config else "the environment and the defaults"
    try:
        settings = app.read_settings(config)
        app.policies_of(settings)
    except SettingsFault as fault:
        return [Finding("settings", Grade.FAULT, fault.detail, "mend the settings, then check again")]
    findings = [Finding("settings", Grade.OK, f"read from {where}")]
    findings += await _database(settings)
    findings.append(_key(settings))
    findings.append(_sandbox(settings))
    for name in SPOKEN:
        findings += await _channel(name, settings)
    findings.append(_domains(settings))
    return findings


# -- database -------------------------------------------------------------------------------------------------------------


async def _database(settings: Settings) -> list[Finding]:
    if settings.database.url is not None:
        return [await _schema(settings.database.url.get_secret_value(), embedded=False)]
    folder = settings.data.folder.absolute()
    version = folder / "postgres" / "PG_VERSION"
    try:
        there = version.exists()
    except OSError as fault:
        return [Finding("data folder", Grade.FAULT, f"{folder}: {fault.strerror}", "run as the user that the service runs as")]
    if not there:
        said = f"{folder} holds no database yet; `utskick serve` makes it"
        return [_space(folder), Finding("database", Grade.OK, said)]
    if (found := version.read_text().strip()) != str(VERSION):
        said = f"{folder} was made by PostgreSQL {found}"
        return [Finding("database", Grade.FAULT, said, f"this release carries {VERSION}: run the release that made it")]
    try:
        async with _joined(folder) as url:
            return [_space(folder), await _schema(url, embedded=True)]
    except DatabaseFault as fault:
        return [_space(folder), Finding("database", Grade.FAULT, fault.detail, "see postgres.log in the data folder")]


def _key(settings: Settings) -> Finding:
    """Beside the embedded database it is made when it is needed, and not by a look."""
    if settings.database.url is None and not settings.vault.named:
        said = f"of its own, in {settings.data.folder.absolute()}"
        return Finding("vault key", Grade.OK, f"{said}; a copy of it belongs elsewhere than the backup of the database")
    try:
        app.safe_of(settings)
    except SettingsFault as fault:
        return Finding("vault key", Grade.FAULT, fault.detail, "mend [vault]")
    return Finding("vault key", Grade.OK, "from the settings")


@asynccontextmanager
async def _joined(folder: Path) -> AsyncIterator[str]:
    """The embedded server: the one that runs, shared with the service; else started for the moment."""
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
            "data folder", Grade.WARNING, f"{folder}: {free:.1f} GiB free", "free some space: without it nothing can be accepted"
        )
    return Finding("data folder", Grade.OK, f"{folder}: {free:.0f} GiB free")


async def _schema(url: str, *, embedded: bool) -> Finding:
    try:
        connection = await asyncpg.connect(url, timeout=_SECONDS, command_timeout=_SECONDS)
        try:
            server = connection.get_server_version()
            revision = await _revision(connection)
        finally:
            await connection.close(timeout=_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as fault:
        said = f"cannot be used: {fault or type(fault).__name__}"
        return Finding("database", Grade.FAULT, said, "check database.url, and that the server runs and lets us in")
    said = f"PostgreSQL {server.major}.{server.minor}{', embedded' if embedded else ''}, schema {revision or 'none'}"
    if server.major < migrations.OLDEST:
        return Finding("database", Grade.FAULT, said, f"PostgreSQL {migrations.OLDEST} or later is needed")
    try:
        migrations.check(revision)
    except DatabaseFault as fault:
        if embedded and (revision is None or migrations.known(revision)):
            return Finding("database", Grade.WARNING, said, f"`utskick serve` brings it to {migrations.head()} when it starts")
        return Finding("database", Grade.FAULT, said, fault.detail)
    return Finding("database", Grade.OK, said)


async def _revision(connection: Any) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return found


# -- channels -------------------------------------------------------------------------------------------------------------


def _sandbox(settings: Settings) -> Finding:
    if not app.in_sandbox(settings):
        return Finding("sandbox", Grade.OK, "off: messages go out")
    simulated = [name for name in SPOKEN if not settings.section(name).accounts]
    if not simulated:
        return Finding("sandbox", Grade.OK, "on, but every channel has accounts of its own: messages go out")
    said = f"on: {', '.join(simulated)} simulated, nothing leaves the machine"
    return Finding("sandbox", Grade.WARNING, said, "add provider accounts to the settings when messages are to go out")


async def _channel(name: str, settings: Settings) -> list[Finding]:
    section = settings.section(name)
    if not section.accounts:
        if app.in_sandbox(settings):
            return [Finding(name, Grade.OK, "the sandbox is its provider")]
        return [Finding(name, Grade.WARNING, "no provider account: its calls are answered with 501", f"add [{name}.accounts.…]")]
    try:
        channel = CHANNELS[name].build(section, NOBODY)
    except (UtskickError, OSError) as fault:
        return [Finding(name, Grade.FAULT, str(fault), f"mend [{name}]")]
    return await _look(channel)


async def _look(channel: Channel) -> list[Finding]:
    try:
        async with asyncio.timeout(3 * _SECONDS), app.started({channel.name: channel}):
            found = await channel.look()
    except TimeoutError:
        return [Finding(channel.name, Grade.FAULT, "its providers did not answer in time", "check addresses, firewall and proxy")]
    return [
        Finding(
            f"{channel.name} / {health.account}",
            Grade.FAULT if not health.ok else Grade.WARNING if health.warns else Grade.OK,
            health.sentence,
            "" if health.ok else f"check [{channel.name}.accounts.{health.account}], the firewall and the provider's own status",
        )
        for health in found
    ]


def _domains(settings: Settings) -> Finding:
    """Where none are named, everybody may send from every domain."""
    if settings.section("email").domains is not None:
        return Finding("sender domains", Grade.OK, "e-mail is sent from the domains of the settings only")
    return Finding("sender domains", Grade.WARNING, "e-mail may be sent from any domain", 'name them: [email] domains = ["example.se"]')


_COLOURS: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAULT: "bold red"}


def drawn(findings: list[Finding]) -> Table:
    table = Table()
    table.add_column("what", no_wrap=True)
    table.add_column("how", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.grade]
        table.add_row(escape(finding.what), f"[{colour}]{finding.grade}[/]", escape(finding.said), escape(finding.todo))
    return table
