"""The service as processes: the API with or without a worker, and the worker alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from utskick import settings as settings_module
from utskick.auth import setup as access
from utskick.auth.sandbox_client import KeptClient
from utskick.auth.settings import AuthSection
from utskick.bootstrap import channels as speaking
from utskick.bootstrap.listener import listen, server_of, stop_signal, stop_wanted
from utskick.bootstrap.worker import collect_rarely, worker_of, working
from utskick.channels.registry import CHANNELS
from utskick.directory.settings import DirectorySection
from utskick.domain.clock import utc_now
from utskick.domain.errors import SettingsFault
from utskick.engine.batch_progress import Progress
from utskick.engine.failpoints import Failpoints
from utskick.engine.intake import Intake
from utskick.engine.readiness import Readiness
from utskick.engine.sync_wait import SyncWaiters
from utskick.http.audit.denials import DenialLog
from utskick.http.context import ApiContext
from utskick.outgoing.webhooks import Receivers
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.server import NOTICE, Town, furnish
from utskick.settings import Settings
from utskick.store import migrations
from utskick.store.crypto import master_key as keyring
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database
from utskick.store.embedded import Embedded
from utskick.store.history.conversations import Conversations
from utskick.store.history.status import History
from utskick.store.messages.resolutions import Resolutions


def read_settings(path: Path | None, over: Mapping[str, Any] | None = None) -> Settings:
    """Raises ``SettingsFault`` with every fault."""
    sections: dict[str, type[BaseModel]] = {name: entry.section for name, entry in CHANNELS.items()}
    return settings_module.read(
        path, {**sections, "directory": DirectorySection, "auth": AuthSection}, over=over
    )


def cipher_of(settings: Settings) -> Cipher:
    """What seals personal data: beside the embedded database with a key of its own. Raises
    ``SettingsFault``."""
    return keyring.cipher_of(
        settings.vault,
        settings.data.folder.expanduser().absolute() if settings.database.url is None else None,
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database: the one in the settings, or the embedded one, started and migrated."""
    embedded: Embedded | None = None
    if settings.database.url is None:
        embedded = Embedded(settings.data.folder)
        url = await asyncio.to_thread(embedded.start)
    else:
        url = settings.database.url.get_secret_value()
    database = Database(
        url,
        size=settings.database.connections,
        vault=Vault(await asyncio.to_thread(cipher_of, settings)),
    )
    try:
        if embedded is not None:
            await asyncio.to_thread(migrations.migrate, url)
        await database.open()
        yield database
    finally:
        await database.close()
        if embedded is not None:
            await asyncio.to_thread(embedded.stop)


@asynccontextmanager
async def settling(settings: Settings, database: Database) -> AsyncIterator[SyncWaiters]:
    """What synchronous calls wait at."""
    settlements = SyncWaiters(database, settings.http.sync_waits)
    settlements.start()
    try:
        yield settlements
    finally:
        await settlements.close()


@asynccontextmanager
async def refusing(settings: Settings, database: Database) -> AsyncIterator[DenialLog]:
    """What tells of refused calls; what it has counted is told on leaving."""
    refusals = DenialLog(database, settings.municipalities, utc_now)
    try:
        yield refusals
    finally:
        await refusals.close()


@asynccontextmanager
async def receiving(settings: Settings) -> AsyncIterator[Receivers]:
    """What calls the receivers of webhooks."""
    receivers = Receivers(speaking.receivers_of(settings))
    try:
        yield receivers
    finally:
        await receivers.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers. ``viewer_url``: None outside the sandbox. ``parts``: what ends only
    when something is wrong.

    ``client_file``: where the sandbox's own client is kept, for who has to fetch a token.
    """

    api_url: str
    viewer_url: str | None
    place: SandboxAddresses | None
    parts: tuple[asyncio.Task[None], ...]
    client_file: Path | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the API is put together from."""

    database: Database
    speaks: speaking.Speaking
    receivers: Receivers
    progress: Progress
    history: History
    readiness: Readiness
    api_url: str


async def _context(stack: AsyncExitStack, settings: Settings, p: _Parts) -> ApiContext:
    """Open what only the API needs, and hand all of it to the endpoints."""
    return ApiContext(
        access=await stack.enter_async_context(
            access.opened(settings.section("auth"), p.database, p.api_url, utc_now)
        ),
        database=p.database,
        channels=p.speaks.channels,
        intake=Intake(p.database, p.speaks.channels, utc_now, Failpoints.from_environment()),
        settlements=await stack.enter_async_context(settling(settings, p.database)),
        receipts=p.speaks.receipts,
        history=p.history,
        progress=p.progress,
        conversations=Conversations(p.database),
        resolutions=Resolutions(p.database),
        directory=p.speaks.people.tables,
        keeps_contacts=p.speaks.people.keeps_contacts,
        configuration=p.speaks.watch,
        reach=speaking.reach_of(settings),
        receivers=p.receivers,
        refusals=await stack.enter_async_context(refusing(settings, p.database)),
        retention=speaking.rules_of(settings),
        clock=utc_now,
        municipalities=settings.municipalities,
        default_municipality=settings.default_municipality,
        sync_wait=settings.http.sync_wait,
        rate=settings.http.rate,
        notice=NOTICE if speaking.in_sandbox(settings) else None,
        ready=p.readiness.look,
    )


@asynccontextmanager
async def serving(settings: Settings, *, work: bool) -> AsyncIterator[Running]:
    """The API, with the sandbox where it is on, and with a worker in this process where ``work``
    says so."""
    async with AsyncExitStack() as stack:
        listener = listen(settings)
        stack.callback(listener.close)
        api_url = f"http://{settings.http.host}:{listener.getsockname()[1]}"
        database = await stack.enter_async_context(opened(settings))
        town: Town | None = None
        if speaking.in_sandbox(settings):
            town = Town(_place(settings, api_url))
            await town.start()
            stack.push_async_callback(town.close)
        speaks = await stack.enter_async_context(
            speaking.opened(settings, database, town.place if town else None)
        )
        channels = speaks.channels
        calling = await stack.enter_async_context(receiving(settings))
        worker = worker_of(settings, database, channels, calling) if work else None
        parts = [await stack.enter_async_context(working(worker))] if worker is not None else []
        readiness = Readiness(database, channels, worker.limits if worker else {}, utc_now)
        history = History(database)
        progress = Progress(history, settings.http.streams)
        kept = await _kept_client(settings, database)
        service = await _context(
            stack,
            settings,
            _Parts(database, speaks, calling, progress, history, readiness, api_url),
        )
        server = server_of(settings, service)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        collect_rarely()
        try:
            while not server.started and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            yield Running(
                api_url,
                town.viewer_url if town else None,
                town.place if town else None,
                (task, *parts),
                kept,
            )
        finally:
            progress.close()  # first: uvicorn waits for answers that are not at their end
            server.should_exit = True
            await task


async def work(settings: Settings) -> None:
    """A worker process: until SIGTERM or SIGINT."""
    signalled = stop_signal()
    async with opened(settings) as database:
        if speaking.in_sandbox(settings) and 0 in settings.sandbox.ports:
            raise SettingsFault(
                "a worker cannot find a sandbox on any free port: set sandbox.http_port, smtp_port, https_port and sftp_port"
            )
        place = (
            _place(settings, f"http://{settings.http.host}:{settings.http.port}")
            if speaking.in_sandbox(settings)
            else None
        )
        if place is not None:
            await asyncio.to_thread(furnish, place)
        async with (
            speaking.opened(settings, database, place) as speaks,
            receiving(settings) as calling,
        ):
            collect_rarely()
            async with working(worker_of(settings, database, speaks.channels, calling)) as worker:
                await stop_wanted(worker, signalled=signalled)


async def _kept_client(settings: Settings, database: Database) -> Path | None:
    """The sandbox's own client, beside the embedded database; a database of others' gets none, and
    elsewhere it is revoked."""
    if not settings.section("auth").embedded or settings.database.url is not None:
        return None
    client = KeptClient(database, tuple(CHANNELS), settings.municipalities, utc_now)
    if speaking.in_sandbox(settings):
        return await client.keep(settings.data.folder.expanduser().absolute())
    await client.drop()
    return None


def _place(settings: Settings, api_url: str) -> SandboxAddresses:
    ports = settings.sandbox
    folder = settings.data.folder.absolute() / "sandbox"
    return SandboxAddresses(
        ports.http_port, ports.smtp_port, folder, api_url, ports.https_port, ports.sftp_port
    )
