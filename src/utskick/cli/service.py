"""``serve``, ``worker`` and ``migrate``: the processes of the service."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from shlex import quote
from typing import Any, Final

import orjson
import structlog
import typer
import uvloop
from rich.console import Console
from rich.panel import Panel

from utskick import bootstrap, logs
from utskick.auth.settings import AuthSection
from utskick.domain.errors import DatabaseFault
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.server import NOTICE, sections
from utskick.settings import Settings
from utskick.store import migrations

_SCHEMES: Final = ("postgresql://", "postgres://")
_FORM: Final = "must be postgresql://user:password@host:port/database, with % and @ percent-encoded"
log = structlog.get_logger(__name__)


def serve(
    settings: Settings, config: Path | None, workers: int, ready_file: Path | None = None
) -> None:
    """Run the service until SIGTERM or SIGINT.

    ``workers``: number of worker processes; with 0 the worker runs in this process. ``ready_file``:
    JSON file with the addresses, written once the service accepts requests.
    """
    logs.configure(settings.log.level, settings.log.format)
    if uvloop.run(_serve(settings, config, workers, ready_file)):
        raise typer.Exit(130)


async def _serve(
    settings: Settings, config: Path | None, workers: int, ready_file: Path | None
) -> bool:
    """Run the service; return whether Ctrl-C ended it."""
    signalled = bootstrap.stop_signal()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(bootstrap.serving(settings, work=workers == 0))
        if workers:
            processes = WorkerProcesses(settings, config, running.place, workers)
            stack.push_async_callback(processes.close)
            processes.start()
        _announce(running, settings)
        if ready_file is not None:
            _write_ready_file(running, ready_file)
        await bootstrap.stop_wanted(*running.parts, signalled=signalled)
        log.info("stopping", grace=settings.worker.grace)
    return signalled.interrupted


def _announce(running: bootstrap.Running, settings: Settings) -> None:
    lines = [
        f"[bold]API[/]            {running.api_url}",
        f"[bold]Swagger UI[/]     {running.api_url}/docs",
    ]
    if running.viewer_url:
        lines.append(
            f"[bold]Sandbox[/]        {running.viewer_url}   messages received by citizens"
        )
    lines.append(f"[bold]Database[/]       {_database(settings)}")
    auth = settings.section("auth")
    lines.append(f"[bold]Tokens[/]         {_token_endpoints(auth, running.api_url)}")
    if running.viewer_url:
        lines += ["", f"[bold yellow]{NOTICE}[/]"]
    lines += ["", "Stop with Ctrl-C; deliveries in progress are allowed to finish."]
    console = Console(stderr=True)
    console.print(Panel("\n".join(lines), title="Utskick", expand=False))
    if running.client_file is not None:
        console.print(
            _first_calls(running.api_url, running.client_file),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _database(settings: Settings) -> str:
    if settings.database.url:
        return "external"
    return f"embedded, in {settings.data.folder.absolute()}"


def _first_calls(api_url: str, client_file: Path) -> str:
    """Return commands to copy: fetch a token and send an SMS; the secret stays in its file."""
    here = Path.cwd()
    path = quote(
        str(client_file.relative_to(here) if client_file.is_relative_to(here) else client_file)
    )
    return "\n".join(
        [
            "From another terminal, fetch a token and send an SMS:",
            f"  TOKEN=$(curl -sK {path} {api_url}/oauth2/token"
            """ -d grant_type=client_credentials | cut -d'"' -f4)""",
            f'  curl {api_url}/2281/sms -H "Authorization: Bearer $TOKEN"'
            " -H 'Content-Type: application/json' \\",
            """       -d '{"mobileNumber": "+46701740605", "message": "Välkommen på måndag."}'""",
        ]
    )


def _token_endpoints(auth: AuthSection, api_url: str) -> str:
    endpoints = [f"{auth.issuer or api_url}/oauth2/token"] if auth.embedded else []
    places = [*endpoints, *(issuer.name for issuer in auth.issuers)]
    return ", ".join(places) or "[bold yellow]not required (auth.mode is off)[/]"


def _write_ready_file(running: bootstrap.Running, ready_file: Path) -> None:
    """Write the file atomically, since other processes read it as soon as it exists."""
    partial = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
    partial.write_bytes(
        orjson.dumps({"api": running.api_url, "viewer": running.viewer_url, "pid": os.getpid()})
    )
    partial.replace(ready_file)


class WorkerProcesses:
    """Supervisor of the worker processes; one that dies is replaced."""

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        addresses: SandboxAddresses | None,
        count: int,
    ) -> None:
        self._command = [
            sys.executable,
            "-m",
            "utskick",
            "worker",
            *(["--config", str(config)] if config else []),
        ]
        self._environment = {**os.environ, **_inherited(settings, addresses)}
        self._count = count
        self._grace = settings.worker.grace
        self._supervisors: list[asyncio.Task[None]] = []
        self._processes: set[asyncio.subprocess.Process] = set()
        self._closing = False

    def start(self) -> None:
        self._supervisors = [asyncio.create_task(self._supervise()) for _ in range(self._count)]

    async def _supervise(self) -> None:
        while not self._closing:
            process = await asyncio.create_subprocess_exec(*self._command, env=self._environment)
            self._processes.add(process)
            if self._closing:
                process.terminate()
            code = await process.wait()
            self._processes.discard(process)
            if not self._closing:
                log.error("worker-process-ended", code=code)
                await asyncio.sleep(1)

    async def close(self) -> None:
        """Stop all worker processes gracefully, and kill those that do not stop in time."""
        self._closing = True
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.terminate()
        _, unfinished = await asyncio.wait(self._supervisors, timeout=self._grace + 8)
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.kill()
        if unfinished:
            await asyncio.wait(unfinished, timeout=5)


def _inherited(settings: Settings, addresses: SandboxAddresses | None) -> dict[str, str]:
    """Return the environment of a worker: data folder and addresses of the simulators."""
    environment: dict[str, Any] = {"UTSKICK_DATA__FOLDER": str(settings.data.folder.absolute())}
    if addresses is not None:
        environment["UTSKICK_SANDBOX__ENABLED"] = "true"
        environment |= {
            f"UTSKICK_{name.upper()}": orjson.dumps(_merged(settings, name, section)).decode()
            for name, section in sections(addresses).items()
        }
    return environment


def _merged(settings: Settings, name: str, simulated: dict[str, Any]) -> dict[str, Any]:
    section = settings.section(name)
    given: dict[str, Any] = section.model_dump(mode="json", exclude_unset=True)
    return simulated | given if not section.accounts else given


def work(settings: Settings) -> None:
    logs.configure(settings.log.level, settings.log.format)
    uvloop.run(bootstrap.work(settings))


def _why(fault: BaseException | None) -> str:
    """Return the server's or the driver's own sentence, and its hint."""
    diagnosis = getattr(fault, "diag", None)
    hint = getattr(diagnosis, "message_hint", None)
    primary = getattr(diagnosis, "message_primary", None)
    sentence = primary or " ".join(str(fault).split()) or type(fault).__name__
    return f"the database cannot be migrated: {sentence}" + (f" ({hint})" if hint else "")


def migrate(settings: Settings, console: Console) -> None:
    """Migrate the schema of the database in the settings to this release."""
    if settings.database.url is None:
        raise DatabaseFault(
            "`utskick serve` migrates the embedded database itself; set database.url to "
            "migrate an external one"
        )
    url = settings.database.url.get_secret_value()
    if not url.startswith(_SCHEMES):
        raise DatabaseFault(f"database.url: {_FORM}")
    # As slow to import as migrations are, which alone use them.
    from psycopg import Error as PostgresError
    from psycopg import ProgrammingError
    from sqlalchemy.exc import DBAPIError

    try:
        before, after = migrations.migrate(url)
    except (ProgrammingError, UnicodeError, ValueError):  # their texts may quote the password
        raise DatabaseFault(f"database.url cannot be read: {_FORM}") from None
    except PostgresError as fault:
        raise DatabaseFault(_why(fault)) from None
    except DBAPIError as fault:
        raise DatabaseFault(_why(fault.orig)) from None
    console.print(
        f"schema {before or 'none'} → {after}"
        if before != after
        else f"schema {after}: already up to date"
    )
