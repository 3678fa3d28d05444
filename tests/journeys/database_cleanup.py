"""What journeys stand on: one PostgreSQL and one door for all of them, both of which outlive the
workers that a journey kills."""

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
from tests.journeys.process import DOOR, Process
from tests.journeys.spawner import Nursery
from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.server import sections
from utskick.store import migrations
from utskick.store.embedded import Embedded


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


class Ground:
    """The database of one test process, and the address where the door stands."""

    def __init__(self) -> None:
        self.folder = open_folder("utskick-journey.")
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self._embedded = Embedded(self.folder / "var")
        self.url = self._embedded.start()
        migrations.migrate(self.url)
        self.port = free_port()
        self.door: Process | None = None
        self.nursery = Nursery()

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def close(self) -> None:
        if self.door is not None:
            await self.door.kill()
        await self.nursery.close()
        await asyncio.to_thread(self._embedded.stop)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def open_door(self, **more: str) -> Process:
        """The API without a worker; the one that stands, or a new one. Its accounts only tell it
        how messages are planned."""
        if self.door is None or not self.door.alive:
            found = sections(SandboxAddresses(9, 9, self.folder, self.api_url))
            somewhere = {name: found[name] for name in ("sms", "email")}
            self.door = await Process.start(
                self.nursery, DOOR, self.environment(somewhere, **more), self.logs
            )
        return self.door

    def environment(self, accounts: Mapping[str, Any], **more: str) -> dict[str, str]:
        """Of a process of the service. ``accounts``: a section for each channel; ``more``: settings
        by their names without UTSKICK_."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("UTSKICK_")
        }
        waits = {"first": 0.2, "ceiling": 1, "misconfigured": 1}
        told = {
            "DATABASE__URL": self.url,
            "VAULT__KEY": "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=",
            "DATABASE__CONNECTIONS": "6",
            "DATA__FOLDER": str(self.folder / "nothing-stands-here"),
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
        return inherited | {f"UTSKICK_{name}": value for name, value in told.items()}

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Rows of the database as it is now, past the service. Several statements with semicolons
        between them: none."""
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            if not values and ";" in statement:
                await connection.execute(statement, timeout=10)
                return []
            return list(await connection.fetch(statement, *values, timeout=10))
        finally:
            await connection.close(timeout=5)

    async def empty(self) -> None:
        """All but the keys, which the door has in memory."""
        named = await self.rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' AND tablename NOT LIKE 'vault%'"
        )
        # what a killed process had under way goes on in the server until it notices, and holds its
        # locks
        await self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        await self.rows(f"TRUNCATE {', '.join(row['tablename'] for row in named)}")

    async def restart_database(self) -> None:
        """As ``pg_ctl restart -m immediate``: SIGQUIT to the server, which drops all, and a start
        that has to recover."""
        server = int((self._embedded.data / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGQUIT)
        async with asyncio.timeout(20):
            while (self._embedded.data / "postmaster.pid").exists():
                await asyncio.sleep(0.02)
        again = Embedded(self.folder / "var")
        await asyncio.to_thread(again.start)
        await asyncio.to_thread(again.stop)  # leaves: the first one still holds the server
