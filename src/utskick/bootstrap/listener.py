"""The listening socket, the HTTP server on it, and the signals that stop them."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import nullcontext
from typing import Any

import uvicorn

from utskick.bootstrap import channels as speaking
from utskick.domain.errors import SettingsFault
from utskick.http import app as api
from utskick.http.context import ApiContext
from utskick.http.wire.protocol import HttpConnection
from utskick.sandbox.addresses import HOST
from utskick.settings import Settings


def stop_signal() -> asyncio.Event:
    """Set at SIGTERM or SIGINT. Asked for before anything is started, so that what has been started
    by then is also stopped."""
    loop, wanted = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, wanted.set)
    return wanted


async def stop_wanted(*parts: asyncio.Task[None], signalled: asyncio.Event | None = None) -> None:
    """Returns at SIGTERM or SIGINT, or when one of the parts has ended: a service that lacks one
    must not go on as if it did not."""
    wanted = signalled or stop_signal()
    for part in parts:
        part.add_done_callback(lambda _: wanted.set())
    await wanted.wait()


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handlers: ours stop the worker, too."""

    def capture_signals(self) -> Any:
        return nullcontext()


def server_of(settings: Settings, service: ApiContext) -> HttpServer:
    return HttpServer(
        uvicorn.Config(
            api.build(service),
            loop="none",
            http=HttpConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=2048,
            timeout_graceful_shutdown=int(settings.worker.grace) + 1,
        )
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host in (HOST, "localhost", "::1")


def check_host(settings: Settings) -> None:
    """Who asks nobody for a token stays on loopback, and so does the sandbox. Raises
    ``SettingsFault``."""
    if is_loopback(settings.http.host):
        return
    if speaking.in_sandbox(settings):
        raise SettingsFault(
            f"http.host is {settings.http.host}, but the sandbox answers only on {HOST}: its providers know no logins"
        )
    if settings.section("auth").mode == "off":
        raise SettingsFault(
            f'http.host is {settings.http.host}, and auth.mode is "off": whoever reaches this machine could send and read everything. '
            f'Set auth.mode = "embedded" or "external" (docs/how-to/manage-clients.md), or listen on {HOST}'
        )


def listen(settings: Settings) -> socket.socket:
    check_host(settings)
    host, port = settings.http.host, settings.http.port
    try:
        found = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=2048,
            reuse_port=False,
        )
    except OSError as fault:
        raise SettingsFault(
            f"cannot listen on {host}:{port}: {fault.strerror}; choose another with http.port"
        ) from fault
    found.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # inherited by connections, where asyncio does not set it: 40 ms an answer
    found.setblocking(False)
    return found
