"""Environment shared by all journeys of a test process: PostgreSQL, API process and spawner."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Mapping
from typing import Any

import asyncpg
import orjson

from tests.conftest import open_folder
from tests.journeys.process import API, Process
from tests.journeys.spawner import Spawner
from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.server import sections
from utskick.store import migrations
from utskick.store.embedded import Embedded


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


class JourneyEnvironment:
    """Database and API address of a test process, which outlive the workers that journeys kill."""

    def __init__(self) -> None:
        self.folder = open_folder("utskick-journey.")
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self._embedded = Embedded(self.folder / "var")
        self.url = self._embedded.start()
        migrations.migrate(self.url)
        self.port = free_port()
        self.api: Process | None = None
        self.spawner = Spawner()

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def close(self) -> None:
        if self.api is not None:
            await self.api.kill()
        await self.spawner.close()
        await asyncio.to_thread(self._embedded.stop)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def start_api(self, **more: str) -> Process:
        """Return the running API process without a worker, or start one.

        Its provider accounts are used for planning only.
        """
        if self.api is None or not self.api.alive:
            found = sections(SandboxAddresses(9, 9, self.folder, self.api_url))
            somewhere = {name: found[name] for name in ("sms", "email")}
            self.api = await Process.start(
                self.spawner, API, self.variables(somewhere, **more), self.logs
            )
        return self.api

    def variables(self, accounts: Mapping[str, Any], **more: str) -> dict[str, str]:
        """Return the environment of a process of the service.

        ``accounts``: settings section per channel; ``more``: settings without the prefix UTSKICK_.
        """
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("UTSKICK_")
        }
        waits = {"first": 0.2, "ceiling": 1, "misconfigured": 1}
        settings = {
            "DATABASE__URL": self.url,
            "VAULT__KEY": "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=",
            "DATABASE__CONNECTIONS": "6",
            "DATA__FOLDER": str(self.folder / "unused"),
            "HTTP__PORT": str(self.port),
            "SANDBOX__ENABLED": "false",
            "AUTH__MODE": "off",
            "WORKER__PATIENCE": "2",
            "WORKER__GRACE": "3",
            "WORKER__POLL": "0.5",
            "RETRY": orjson.dumps(dict.fromkeys(accounts, waits)).decode(),
            **{
                channel.upper(): orjson.dumps(section).decode()
                for channel, section in accounts.items()
            },
            **more,
        }
        return inherited | {f"UTSKICK_{name}": value for name, value in settings.items()}

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Query the database directly; several statements with semicolons return no rows."""
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            if not values and ";" in statement:
                await connection.execute(statement, timeout=10)
                return []
            return list(await connection.fetch(statement, *values, timeout=10))
        finally:
            await connection.close(timeout=5)

    async def empty(self) -> None:
        """Empty all tables except the keys, which the API process caches."""
        named = await self.rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> "
            "'alembic_version' AND tablename NOT LIKE 'vault%' AND tablename <> 'installation'"
        )
        # Transactions of a killed process continue in the server until it notices, and hold locks.
        await self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = "
            "'client backend' AND pid <> pg_backend_pid()"
        )
        await self.rows(
            f"SET session_replication_role = replica; TRUNCATE {', '.join(row['tablename'] for row in named)}"
        )

    async def restart_database(self) -> None:
        """Restart the server like ``pg_ctl restart -m immediate``, so that it must recover."""
        server = int((self._embedded.data / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGQUIT)
        async with asyncio.timeout(20):
            while (self._embedded.data / "postmaster.pid").exists():
                await asyncio.sleep(0.02)
        again = Embedded(self.folder / "var")
        await asyncio.to_thread(again.start)
        # disconnect, since the first instance keeps the server running
        await asyncio.to_thread(again.stop)
