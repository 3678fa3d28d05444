"""Processes of the service: the API with or without a worker, and the worker alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from utskick import settings as settings_module
from utskick.auth import setup as access
from utskick.auth.sandbox_client import SandboxClient
from utskick.auth.settings import AuthSection
from utskick.bootstrap import channels as channel_setup
from utskick.bootstrap.listener import limits_of, listen, server_of, stop_signal, stop_wanted
from utskick.bootstrap.simulation import check_simulated, in_sandbox
from utskick.bootstrap.transport import check_database_link
from utskick.bootstrap.worker import collect_rarely, syslog_of, worker_of, working
from utskick.channels.registry import CHANNELS, TYPES
from utskick.directory.settings import DirectorySection
from utskick.domain.clock import utc_now
from utskick.domain.errors import DatabaseFault, SettingsFault
from utskick.engine.batch_progress import Progress
from utskick.engine.bounded_health import BoundedHealth
from utskick.engine.failpoints import Failpoints
from utskick.engine.intake import Intake
from utskick.engine.provider_checks import ProviderChecks
from utskick.engine.readiness import Readiness
from utskick.engine.sync_wait import SyncWaiters
from utskick.http.audit.denials import DenialLog
from utskick.http.context import ApiContext, Publisher
from utskick.http.operation import Operation
from utskick.http.wire.forwarded import TrustedProxies
from utskick.http.wire.memory import MemoryBudget
from utskick.outgoing.webhooks import WebhookClient
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.server import NOTICE, SandboxServer, create_files
from utskick.settings import Settings
from utskick.store import migrations
from utskick.store.administration.circuits import Circuits
from utskick.store.administration.storage_probe import StorageProbe
from utskick.store.crypto import master_key as keyring
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import FAULTS, PASSING, Database
from utskick.store.embedded import Embedded
from utskick.store.embedded_watch import EmbeddedWatch
from utskick.store.history.conversations import Conversations
from utskick.store.history.hand_overs import HandOvers
from utskick.store.history.status import History
from utskick.store.messages.resolutions import Resolutions
from utskick.store.messages.withdrawals import Withdrawals
from utskick.store.restore.guard import RestoreGuard
from utskick.store.restore.identity import MarkerFile
from utskick.store.restore.journal import AcceptanceJournal
from utskick.store.restore.verdict import AfterPromotion


def read_settings(path: Path | None, over: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings with all sections. Raises ``SettingsFault`` with every fault."""
    sections: dict[str, type[BaseModel]] = {name: entry.section for name, entry in CHANNELS.items()}
    sections |= {
        "directory": DirectorySection,
        "auth": AuthSection,
        "retention": channel_setup.RetentionOfTypes,
    }
    return settings_module.read(path, sections, over=over)


def cipher_of(settings: Settings) -> Cipher:
    """Return the cipher of personal data, with a generated key for the embedded database.

    Raises ``SettingsFault``.
    """
    return keyring.cipher_of(
        settings.vault,
        settings.data.folder.expanduser().absolute() if settings.database.url is None else None,
    )


@asynccontextmanager
async def opened(settings: Settings, guard: RestoreGuard | None = None) -> AsyncIterator[Database]:
    """Open the configured database, or start and migrate the embedded one.

    ``guard``: for processes that accept or send messages; those also wait for locks no longer than
    ``http.database_timeout``.
    """
    if guard is not None:
        check_database_link(settings)
    embedded: Embedded | None = None
    tasks: list[asyncio.Task[None]] = []
    if settings.database.url is None:
        embedded = Embedded(settings.data.folder)
        url = await asyncio.to_thread(embedded.start)
    else:
        url = settings.database.url.get_secret_value()
    database = Database(
        url,
        size=settings.database.connections,
        vault=Vault(await asyncio.to_thread(cipher_of, settings)),
        limit=settings.http.database_timeout if guard is not None else None,
        guard=guard,
    )
    try:
        if embedded is not None:
            await asyncio.to_thread(migrations.migrate, url)
            tasks.append(asyncio.create_task(EmbeddedWatch(embedded).run()))
        await database.open()
        tasks.append(asyncio.create_task(database.keep_time()))
        if guard is not None:
            tasks.append(asyncio.create_task(guard.run(database.pool, PASSING)))
        yield database
    except FAULTS as fault:  # while the service starts; later each part handles its own
        raise DatabaseFault(
            f"the database cannot be used: {type(fault).__name__}: {fault}"
        ) from fault
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await database.close()
        if embedded is not None:
            await asyncio.to_thread(embedded.stop)


def marker_of(settings: Settings) -> MarkerFile:
    """Return what this node saw last of its database."""
    return MarkerFile(settings.data.folder.expanduser().absolute() / "database-seen.json")


def journal_of(settings: Settings) -> AcceptanceJournal:
    """Return what this node accepted."""
    return AcceptanceJournal(settings.data.folder.expanduser().absolute())


def guard_of(settings: Settings) -> RestoreGuard:
    """Build the guard that notices a restored database."""
    return RestoreGuard(marker_of(settings), AfterPromotion(settings.database.after_promotion))


@asynccontextmanager
async def settling(settings: Settings, database: Database) -> AsyncIterator[SyncWaiters]:
    """Run the waiters of synchronous calls."""
    settlements = SyncWaiters(database, settings.http.sync_waits)
    settlements.start()
    try:
        yield settlements
    finally:
        await settlements.close()


@asynccontextmanager
async def refusing(settings: Settings, database: Database) -> AsyncIterator[DenialLog]:
    """Run the log of denied calls, which writes its remaining counts on leaving."""
    refusals = DenialLog(database, settings.municipalities, database.clock)
    try:
        yield refusals
    finally:
        await refusals.close()


@asynccontextmanager
async def receiving(settings: Settings) -> AsyncIterator[WebhookClient]:
    """Run the webhook client."""
    receivers = WebhookClient(channel_setup.webhook_policy(settings))
    try:
        yield receivers
    finally:
        await receivers.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A running service.

    ``client_file``: where the sandbox's own client is kept, for who has to fetch a token.
    ``operations``: those of the API.
    """

    api_url: str
    viewer_url: str | None
    place: SandboxAddresses | None
    parts: tuple[asyncio.Task[None], ...]
    client_file: Path | None = None
    operations: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parts:
    """Parts of the API."""

    database: Database
    setup: channel_setup.ChannelSetup
    receivers: WebhookClient
    progress: Progress
    history: History
    health: BoundedHealth
    memory: MemoryBudget
    api_url: str


async def _context(stack: AsyncExitStack, settings: Settings, p: _Parts) -> ApiContext:
    """Open the parts that only the API needs, and build the context of its endpoints."""
    journal = journal_of(settings)
    stack.callback(journal.close)
    auth = settings.section("auth")
    if in_sandbox(settings):
        auth = auth.in_sandbox()
    return ApiContext(
        access=await stack.enter_async_context(access.opened(auth, p.database, p.api_url, utc_now)),
        database=p.database,
        channels=p.setup.channels,
        message_types=tuple(TYPES),
        intake=Intake(
            p.database,
            p.setup.channels,
            p.database.clock,
            Failpoints.from_environment(),
            journal.note,
        ),
        settlements=await stack.enter_async_context(settling(settings, p.database)),
        receipts=p.setup.receipts,
        history=p.history,
        progress=p.progress,
        conversations=Conversations(p.database),
        circuits=Circuits(p.database),
        hand_overs=HandOvers(p.database),
        resolutions=Resolutions(p.database),
        withdrawals=Withdrawals(p.database),
        directory=p.setup.people.tables,
        keeps_contacts=p.setup.people.keeps_contacts,
        configuration=p.setup.watch,
        reach=channel_setup.provider_policy(settings),
        receivers=p.receivers,
        refusals=await stack.enter_async_context(refusing(settings, p.database)),
        retention=channel_setup.rules_of(settings),
        clock=p.database.clock,
        municipalities=settings.municipalities,
        default_municipality=settings.default_municipality,
        sync_wait=settings.http.sync_wait,
        rate=settings.http.rate,
        proxies=TrustedProxies(settings.http.trusted_proxies, settings.http.forwarded_header),
        publisher=_publisher(settings, p.api_url),
        notice=NOTICE if in_sandbox(settings) else None,
        ready=p.health.look,
        memory=p.memory,
    )


def _health(
    database: Database, readiness: Readiness, parts: dict[str, Callable[[], dict[str, Any] | None]]
) -> BoundedHealth:
    parts = {"clock": database.clock.health, **parts}
    return BoundedHealth(readiness.look, StorageProbe(database), parts)


def _publisher(settings: Settings, api_url: str) -> Publisher:
    http = settings.http
    url = (http.public_url or settings.section("auth").issuer or api_url).rstrip("/")
    return Publisher(
        url, http.contact_name, http.contact_url, http.contact_email, http.terms, http.docs
    )


@asynccontextmanager
async def serving(settings: Settings, *, work: bool) -> AsyncIterator[Running]:
    """Run the API, with the sandbox if it is on, and with a worker if ``work`` is true."""
    async with AsyncExitStack() as stack:
        check_simulated(settings)
        listener = listen(settings)
        stack.callback(listener.close)
        api_url = f"http://{settings.http.host}:{listener.getsockname()[1]}"
        guard = guard_of(settings)
        database = await stack.enter_async_context(opened(settings, guard))
        sandbox: SandboxServer | None = None
        if in_sandbox(settings):
            sandbox = SandboxServer(_place(settings, api_url))
            await sandbox.start()
            stack.push_async_callback(sandbox.close)
        setup = await stack.enter_async_context(
            channel_setup.opened(
                settings, database, sandbox.addresses if sandbox else None, sends=work
            )
        )
        channels = setup.channels
        webhooks = await stack.enter_async_context(receiving(settings))
        checks = ProviderChecks(channels, database.clock) if work else None
        parts = []
        if checks is not None:
            worker = worker_of(settings, database, channels, webhooks, checks)
            parts.append(
                await stack.enter_async_context(working(worker, syslog_of(settings, database)))
            )
        limits, memory = limits_of(settings), MemoryBudget(settings.http.memory)
        readiness = Readiness(database, channels, checks, database.clock)
        limited = {"connections": limits.health, "memory": memory.health}
        health = _health(database, readiness, {"restore": guard.health, **limited})
        history = History(database)
        progress = Progress(history, settings.http.streams)
        client_file = await _sandbox_client(settings, database)
        service = await _context(
            stack,
            settings,
            _Parts(database, setup, webhooks, progress, history, health, memory, api_url),
        )
        server = server_of(settings, service, limits)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        collect_rarely()
        try:
            while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn has no event)
                await asyncio.sleep(0.01)
            yield Running(
                api_url,
                sandbox.viewer_url if sandbox else None,
                sandbox.addresses if sandbox else None,
                (task, *parts),
                client_file,
                server.config.app.state.operations,  # type: ignore[union-attr]
            )
        finally:
            progress.close()  # before the server, which waits for open responses
            server.should_exit = True
            await task


async def work(settings: Settings) -> bool:
    """Run a worker process until SIGTERM or SIGINT; return whether it was SIGINT."""
    check_simulated(settings)
    signalled = stop_signal()
    async with opened(settings, guard_of(settings)) as database:
        if in_sandbox(settings) and 0 in settings.sandbox.ports:
            raise SettingsFault(
                "a worker cannot find a sandbox on arbitrary free ports: set sandbox.http_port,"
                " smtp_port, https_port and sftp_port"
            )
        place = (
            _place(settings, f"http://{settings.http.host}:{settings.http.port}")
            if in_sandbox(settings)
            else None
        )
        if place is not None:
            await asyncio.to_thread(create_files, place)
        async with (
            channel_setup.opened(settings, database, place) as setup,
            receiving(settings) as webhooks,
        ):
            collect_rarely()
            checks = ProviderChecks(setup.channels, database.clock)
            worker = worker_of(settings, database, setup.channels, webhooks, checks)
            async with working(worker, syslog_of(settings, database)) as running:
                await stop_wanted(running, signalled=signalled)
    return signalled.interrupted


async def _sandbox_client(settings: Settings, database: Database) -> Path | None:
    """Ensure the sandbox client of an embedded database, or revoke it outside the sandbox.

    An external database gets none.
    """
    if not settings.section("auth").embedded or settings.database.url is not None:
        return None
    client = SandboxClient(database, tuple(CHANNELS), settings.municipalities, utc_now)
    if in_sandbox(settings):
        return await client.ensure(settings.data.folder.expanduser().absolute())
    await client.revoke()
    return None


def _place(settings: Settings, api_url: str) -> SandboxAddresses:
    ports = settings.sandbox
    folder = settings.data.folder.absolute() / "sandbox"
    return SandboxAddresses(
        ports.http_port, ports.smtp_port, folder, api_url, ports.https_port, ports.sftp_port
    )
