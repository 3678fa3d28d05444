"""The composition root: settings → database, channels, engine, HTTP app. The one file that knows everybody."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import BaseModel

from utskick import settings as settings_module
from utskick import speaking
from utskick.auth import access
from utskick.auth.kept_client import KeptClient
from utskick.auth.settings import AuthSection
from utskick.channels.register import CHANNELS
from utskick.directory.settings import DirectorySection
from utskick.domain.channel import Channel
from utskick.domain.clock import utc_now
from utskick.domain.errors import SettingsFault
from utskick.engine.intake import Intake
from utskick.engine.points import Points
from utskick.engine.progress import Progress
from utskick.engine.readiness import Readiness
from utskick.engine.retry import Policy
from utskick.engine.settlements import Settlements
from utskick.engine.worker import Worker, WorkerOptions
from utskick.http import api
from utskick.http.connections import Connection
from utskick.http.refusals import Refusals
from utskick.http.service import Service
from utskick.outgoing.webhooks import Receivers
from utskick.sandbox.place import HOST, Place
from utskick.sandbox.town import NOTICE, Town, furnish
from utskick.settings import Settings
from utskick.store import keyring, migrations
from utskick.store.conversations import Conversations
from utskick.store.database import Database
from utskick.store.embedded import Embedded
from utskick.store.history import History
from utskick.store.resolutions import Resolutions
from utskick.store.safe import Safe
from utskick.store.vault import Vault


def read_settings(path: Path | None, over: Mapping[str, Any] | None = None) -> Settings:
    """Raises ``SettingsFault`` with every fault."""
    sections: dict[str, type[BaseModel]] = {name: entry.section for name, entry in CHANNELS.items()}
    return settings_module.read(path, {**sections, "directory": DirectorySection, "auth": AuthSection}, over=over)


def policies_of(settings: Settings) -> dict[str, Policy]:
    unknown = settings.retry.keys() - CHANNELS.keys()
    if unknown:
        raise SettingsFault(f"retry: there is no channel named {', '.join(sorted(unknown))}")
    return {
        name: Policy(timedelta(seconds=r.first), timedelta(seconds=r.ceiling), timedelta(seconds=r.misconfigured))
        for name, r in settings.retry.items()
    }


def safe_of(settings: Settings) -> Safe:
    """What seals personal data: beside the embedded database with a key of its own. Raises ``SettingsFault``."""
    return keyring.safe_of(settings.vault, settings.data.folder.expanduser().absolute() if settings.database.url is None else None)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database: the one in the settings, or the embedded one, started and migrated."""
    embedded: Embedded | None = None
    if settings.database.url is None:
        embedded = Embedded(settings.data.folder)
        url = await asyncio.to_thread(embedded.start)
    else:
        url = settings.database.url.get_secret_value()
    database = Database(url, size=settings.database.connections, vault=Vault(await asyncio.to_thread(safe_of, settings)))
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
async def settling(settings: Settings, database: Database) -> AsyncIterator[Settlements]:
    """What synchronous calls wait at."""
    settlements = Settlements(database, settings.http.sync_waits)
    settlements.start()
    try:
        yield settlements
    finally:
        await settlements.close()


@asynccontextmanager
async def refusing(settings: Settings, database: Database) -> AsyncIterator[Refusals]:
    """What tells of refused calls; what it has counted is told on leaving."""
    refusals = Refusals(database, settings.municipalities, utc_now)
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


def worker_of(settings: Settings, database: Database, channels: Mapping[str, Channel], receivers: Receivers) -> Worker:
    options = WorkerOptions(settings.patience, settings.worker.poll, settings.worker.grace, receivers, speaking.rules_of(settings))
    return Worker(database, channels, utc_now, options=options, policies=policies_of(settings))


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    """The worker runs beside, as the task that is given; on leaving it stops gracefully."""
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        worker.stop()
        await task


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers. ``viewer_url``: None outside the sandbox. ``parts``: what ends only when something is wrong.

    ``client_file``: where the sandbox's own client is kept, for who has to fetch a token.
    """

    api_url: str
    viewer_url: str | None
    place: Place | None
    parts: tuple[asyncio.Task[None], ...]
    client_file: Path | None = None


def collect_rarely() -> None:
    """What was built at the start stays; the rest is looked through for cycles a hundred times more rarely than Python would.

    A third of the time of a delivery went into looking (bench/README.md): thousands of them wait at once, and none is garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@asynccontextmanager
async def serving(settings: Settings, *, work: bool) -> AsyncIterator[Running]:
    """The API, with the sandbox where it is on, and with a worker in this process where ``work`` says so."""
    async with AsyncExitStack() as stack:
        listener = _listen(settings)
        stack.callback(listener.close)
        api_url = f"http://{settings.http.host}:{listener.getsockname()[1]}"
        database = await stack.enter_async_context(opened(settings))
        town: Town | None = None
        if speaking.in_sandbox(settings):
            town = Town(_place(settings, api_url))
            await town.start()
            stack.push_async_callback(town.close)
        speaks = await stack.enter_async_context(speaking.opened(settings, database, town.place if town else None))
        channels = speaks.channels
        calling = await stack.enter_async_context(receiving(settings))
        worker = worker_of(settings, database, channels, calling) if work else None
        parts = [await stack.enter_async_context(working(worker))] if worker is not None else []
        readiness = Readiness(database, channels, worker.paces if worker else {}, utc_now)
        history = History(database)
        progress = Progress(history, settings.http.streams)
        kept = await _kept_client(settings, database)
        service = Service(
            access=await stack.enter_async_context(access.opened(settings.section("auth"), database, api_url, utc_now)),
            database=database,
            channels=channels,
            intake=Intake(database, channels, utc_now, Points.from_environment()),
            settlements=await stack.enter_async_context(settling(settings, database)),
            receipts=speaks.receipts,
            history=history,
            progress=progress,
            conversations=Conversations(database),
            resolutions=Resolutions(database),
            directory=speaks.people.tables,
            keeps_contacts=speaks.people.keeps_contacts,
            configuration=speaks.watch,
            reach=speaking.reach_of(settings),
            receivers=calling,
            refusals=await stack.enter_async_context(refusing(settings, database)),
            retention=speaking.rules_of(settings),
            clock=utc_now,
            municipalities=settings.municipalities,
            default_municipality=settings.default_municipality,
            sync_wait=settings.http.sync_wait,
            rate=settings.http.rate,
            notice=NOTICE if town else None,
            ready=readiness.look,
        )
        server = _server_of(settings, service)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        collect_rarely()
        try:
            while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            yield Running(api_url, town.viewer_url if town else None, town.place if town else None, (task, *parts), kept)
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
        place = _place(settings, f"http://{settings.http.host}:{settings.http.port}") if speaking.in_sandbox(settings) else None
        if place is not None:
            await asyncio.to_thread(furnish, place)
        async with speaking.opened(settings, database, place) as speaks, receiving(settings) as calling:
            collect_rarely()
            async with working(worker_of(settings, database, speaks.channels, calling)) as worker:
                await stop_wanted(worker, signalled=signalled)


def stop_signal() -> asyncio.Event:
    """Set at SIGTERM or SIGINT. Asked for before anything is started, so that what has been started by then is also stopped."""
    loop, wanted = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, wanted.set)
    return wanted


async def stop_wanted(*parts: asyncio.Task[None], signalled: asyncio.Event | None = None) -> None:
    """Returns at SIGTERM or SIGINT, or when one of the parts has ended: a service that lacks one must not go on as if it did not."""
    wanted = signalled or stop_signal()
    for part in parts:
        part.add_done_callback(lambda _: wanted.set())
    await wanted.wait()


async def _kept_client(settings: Settings, database: Database) -> Path | None:
    """The sandbox's own client, beside the embedded database; a database of others' gets none, and elsewhere it is revoked."""
    if not settings.section("auth").embedded or settings.database.url is not None:
        return None
    client = KeptClient(database, tuple(CHANNELS), settings.municipalities, utc_now)
    if speaking.in_sandbox(settings):
        return await client.keep(settings.data.folder.expanduser().absolute())
    await client.drop()
    return None


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: ours stop the worker, too."""

    def capture_signals(self) -> Any:
        return nullcontext()


def _server_of(settings: Settings, service: Service) -> _Server:
    return _Server(
        uvicorn.Config(
            api.build(service), loop="none", http=Connection, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, backlog=2048, timeout_graceful_shutdown=int(settings.worker.grace) + 1,
        )
    )  # fmt: skip


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host in (HOST, "localhost", "::1")


def check_host(settings: Settings) -> None:
    """Who asks nobody for a token stays on loopback, and so does the sandbox. Raises ``SettingsFault``."""
    if is_loopback(settings.http.host):
        return
    if speaking.in_sandbox(settings):
        raise SettingsFault(f"http.host is {settings.http.host}, but the sandbox answers only on {HOST}: its providers know no logins")
    if settings.section("auth").mode == "off":
        raise SettingsFault(
            f'http.host is {settings.http.host}, and auth.mode is "off": whoever reaches this machine could send and read everything. '
            f'Set auth.mode = "embedded" or "external" (docs/how-to/manage-clients.md), or listen on {HOST}'
        )


def _place(settings: Settings, api_url: str) -> Place:
    ports = settings.sandbox
    folder = settings.data.folder.absolute() / "sandbox"
    return Place(ports.http_port, ports.smtp_port, folder, api_url, ports.https_port, ports.sftp_port)


def _listen(settings: Settings) -> socket.socket:
    check_host(settings)
    host, port = settings.http.host, settings.http.port
    try:
        found = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048, reuse_port=False
        )
    except OSError as fault:
        raise SettingsFault(f"cannot listen on {host}:{port}: {fault.strerror}; choose another with http.port") from fault
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by connections, where asyncio does not set it: 40 ms an answer
    found.setblocking(False)
    return found
