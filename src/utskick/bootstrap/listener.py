"""The listening socket, the HTTP server on it, and the signals that stop them."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from contextlib import nullcontext
from functools import partial
from typing import Any, Final

import structlog
import uvicorn

from utskick.bootstrap.simulation import in_sandbox
from utskick.bootstrap.transport import check_api, is_loopback
from utskick.domain.errors import SettingsFault
from utskick.http import app as api
from utskick.http.context import ApiContext
from utskick.http.wire.connections import ConnectionLimits
from utskick.http.wire.protocol import HttpConnection
from utskick.sandbox.addresses import HOST
from utskick.settings import Settings

log = structlog.get_logger(__name__)

#: Files of the process beside its connections: database, providers, listeners, logs.
OWN_FILES: Final = 512


class StopSignal(asyncio.Event):
    """Event of a signal that stops; ``interrupted``: the first of them was SIGINT (Ctrl-C)."""

    interrupted = False

    def receive(self, number: int) -> None:
        if not self.is_set():
            self.interrupted = number == signal.SIGINT
        self.set()


def stop_signal() -> StopSignal:
    """Return an event set at SIGTERM, SIGINT or SIGHUP.

    SIGHUP (a closed terminal, or a reload that does not exist) stops like SIGTERM: by default it
    would kill the process and leave its workers.

    Called before anything is started, so that a stop during the start is noticed.
    """
    loop, wanted = asyncio.get_running_loop(), StopSignal()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, wanted.receive, number)
    return wanted


async def stop_wanted(*parts: asyncio.Task[None], signalled: asyncio.Event | None = None) -> None:
    """Wait for a signal that stops, or until a part ends, without which the service must stop."""
    wanted = signalled or stop_signal()
    for part in parts:
        part.add_done_callback(lambda _: wanted.set())
    await wanted.wait()


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers, as ours stop the worker as well."""

    def capture_signals(self) -> Any:
        return nullcontext()


def limits_of(settings: Settings) -> ConnectionLimits:
    """Return the limits of connections, as many as the process may have files open.

    Raises its soft limit of open files as far as the hard one allows. Without a file for a new
    connection, the process would accept none at all.
    """
    wanted = settings.http.connections + OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            most = max(soft - OWN_FILES, soft // 2)
            log.warning(
                "few-open-files", limit=soft, connections=most, setting=settings.http.connections
            )
            return ConnectionLimits(most, min(settings.http.connections_per_address, most // 2))
    return ConnectionLimits(settings.http.connections, settings.http.connections_per_address)


def server_of(settings: Settings, service: ApiContext, limits: ConnectionLimits) -> HttpServer:
    """Build the HTTP server of the API."""
    return HttpServer(
        uvicorn.Config(
            api.build(service),
            loop="none",
            http=partial(HttpConnection, limits=limits),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # uvicorn would take any header's word from this machine
            backlog=2048,
            timeout_graceful_shutdown=int(settings.worker.grace) + 1,
        )
    )


def check_host(settings: Settings) -> None:
    """Require loopback in the sandbox, and with authentication off. Raises ``SettingsFault``."""
    if is_loopback(settings.http.host):
        return
    if in_sandbox(settings):
        raise SettingsFault(
            f"http.host is {settings.http.host}, but the sandbox may only listen on {HOST}: its"
            " simulated providers have no authentication"
        )
    if settings.section("auth").mode == "off":
        raise SettingsFault(
            f'http.host is {settings.http.host}, and auth.mode is "off": everybody who can reach '
            "this machine could send and read everything. Set auth.mode = "
            f'"embedded" or "external" (docs/how-to/manage-clients.md), or listen on {HOST}'
        )


def listen(settings: Settings) -> socket.socket:
    """Open the listening socket. Raises ``SettingsFault``."""
    check_host(settings)
    check_api(settings)
    host, port = settings.http.host, settings.http.port
    try:
        listener = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=2048,
            reuse_port=False,
        )
    except OSError as fault:
        raise SettingsFault(
            f"cannot listen on {host}:{port}: {fault.strerror}; choose another with http.port"
        ) from fault
    # Inherited by connections, for which asyncio does not set it here: saves 40 ms per response.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    return listener
