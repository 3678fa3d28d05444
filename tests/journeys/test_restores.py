"""Journey: a backup is restored while messages were being sent, and nothing is sent twice.

The steps are those of docs/how-to/back-up-and-restore.md.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests.conftest import open_folder
from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, Stage, eventually, numbers, sms_to
from utskick.domain.channel import Priority
from utskick.domain.clock import utc_now
from utskick.domain.errors import DatabaseFault
from utskick.domain.ids import new_id
from utskick.store import migrations
from utskick.store.database import Database
from utskick.store.embedded import Embedded
from utskick.store.queue import enqueue
from utskick.store.restore.guard import RestoreGuard
from utskick.store.restore.identity import MarkerFile

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-restores"),
]

COUNT = 120


class Cluster:
    """A PostgreSQL of its own, which archives its log as the guide says."""

    def __init__(self) -> None:
        self.folder = open_folder("utskick-restore.")
        self._server = Embedded(self.folder / "var")
        self.url = self._server.start()
        self.data = self.folder / "var" / "postgres"
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        self._programs = Path(os.readlink(f"/proc/{pid}/exe")).parent
        self._socket = self.url.partition("host=")[2]
        self._archive = self.folder / "var" / "archive"

    def set_up(self) -> None:
        self._archive.mkdir()
        self._own(self._archive)
        self._server.stop()
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(
                "wal_level = replica\nmax_wal_senders = 4\narchive_mode = on\n"
                f"archive_command = 'cp %p {self._archive}/%f'\n"
            )
        self._server.start()
        migrations.migrate(self.url)

    def _own(self, path: Path) -> None:
        """Give files to the user that the server runs as."""
        owner = self.data.parent.stat()
        for each in (path, *path.rglob("*")):
            os.chown(each, owner.st_uid, owner.st_gid)

    async def run(self, program: str, *arguments: str | Path) -> None:
        process = await asyncio.create_subprocess_exec(
            self._programs / program,
            "-h",
            self._socket,
            "-U",
            "postgres",
            *map(str, arguments),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, errors.decode()

    async def rows(self, statement: str, *values: Any, url: str | None = None) -> list[Any]:
        connection = await asyncpg.connect(url or self.url, timeout=10)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def standby(self) -> Embedded:
        """Start a standby that follows this cluster, synchronously from now on."""
        folder = self.folder / "standby"
        folder.mkdir()
        await self.run(
            "pg_basebackup", "--pgdata", folder / "postgres", "--write-recovery-conf", "-c", "fast"
        )
        (folder / "postgres").chmod(0o700)
        self._own(folder)
        found = Embedded(folder)
        await asyncio.to_thread(found.start)
        await self.rows("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await self.rows("SELECT pg_reload_conf()")

        async def synchronous() -> bool:
            return bool(
                await self.rows("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'")
            )

        await eventually(synchronous, "the standby confirms every commit", 30)
        return found

    def stop(self) -> None:
        self._server.stop()

    async def recover(self, base: Path, moment: str) -> None:
        """Replace the cluster by a base backup, and recover it to a point in time."""
        await asyncio.to_thread(self._server.stop)
        shutil.rmtree(self.data)
        shutil.copytree(base, self.data)
        self.data.chmod(0o700)
        (self.data / "recovery.signal").touch()
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"restore_command = 'cp {self._archive}/%f %p'\n"
                f"recovery_target_time = '{moment}'\nrecovery_target_action = promote\n"
            )
        self._own(self.data)
        await asyncio.to_thread(self._server.start)

        async def promoted() -> bool:
            return not (await self.rows("SELECT pg_is_in_recovery() AS is"))[0]["is"]

        await eventually(promoted, "the server has been promoted", 30)

    def close(self) -> None:
        self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    found = await asyncio.to_thread(Cluster)
    try:
        await asyncio.to_thread(found.set_up)
        yield found
    finally:
        await asyncio.to_thread(found.close)


class Node:
    """A machine with the API and a worker, whose folder outlives them."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self._folder = stage, folder
        self.processes: list[Any] = []

    def _settings(self, url: str) -> dict[str, str]:
        return {"DATABASE__URL": url, "DATA__FOLDER": str(self._folder)}

    async def start(self, url: str) -> None:
        self.processes = [
            await self.stage.api(**self._settings(url)),
            await self.stage.worker(**self._settings(url)),
        ]

    async def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            await process.exit_status(30)

    async def utskick(self, url: str, *arguments: str) -> tuple[int, str]:
        """Run a command on this machine."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "utskick",
            *arguments,
            env=self.stage.environment.variables(self.stage.accounts(), **self._settings(url))
            | {"COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def health(self) -> dict[str, Any]:
        answer = await self.stage.call("GET", "/health/ready")
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.body["components"].get("restore", {})
        return found

    async def wait_for_health(self, status: str | None) -> dict[str, Any]:
        async def there() -> bool:
            return (await self.health()).get("status") == status

        await eventually(there, f"the health of the restore is {status}", 20)
        return await self.health()


def copies(stage: Stage) -> list[str]:
    return [entry.recipient for entry in stage.providers.entries()]


async def sent_since_the_backup(stage: Stage, begun: int) -> None:
    """Wait until much more than at the backup was sent, while much still waits."""
    await stage.providers.wait_for_messages(begun + 30)


async def expect_new_messages_only(stage: Stage, before: list[str]) -> None:
    """Post new messages, and expect that they and no others are sent."""
    new = numbers(5, 7)
    for number in new:
        answer = await stage.post("sms?async=true", sms_to(number))
        assert answer.status == 201, answer
        await stage.wait_for_lifecycle(answer.delivery_id, "sent", 20)
    assert sorted(copies(stage)) == sorted(before + new)


async def slow_stage(set_up: SetUp) -> Stage:
    return await set_up(
        ProviderBehaviour(response_delay=0.1), AccountSettings(settings={"delivery_reports": False})
    )


async def test_after_a_dump_is_restored_nothing_is_sent_twice_until_a_person_decides(
    set_up: SetUp, cluster: Cluster
) -> None:
    stage = await slow_stage(set_up)
    node = Node(stage, cluster.folder / "node")
    try:
        await node.start(cluster.url)
        await stage.batch("sms", numbers(COUNT))
        await stage.providers.wait_for_messages(10)
        dump = cluster.folder / "dump"
        await cluster.run("pg_dump", "--format=custom", "--file", dump, "postgres")
        begun = len(copies(stage))
        lost = await stage.call("POST", "sms?async=true", sms_to(numbers(1, 6)[0]))
        await sent_since_the_backup(stage, begun)
        await node.stop()
        before = copies(stage)

        await cluster.run("createdb", "restored")
        await cluster.run("pg_restore", "--dbname=restored", dump)
        url = cluster.url.replace("/postgres?", "/restored?")
        status, text = await node.utskick(url, "restore-check")
        assert status == 1
        assert "copied or restored" in text

        stage.providers.response_delay = 0
        await node.start(url)
        held = await node.wait_for_health("HELD")
        assert "restored into another" in held["reason"]
        await expect_new_messages_only(stage, before)

        listed = cluster.folder / "lost.csv"
        status, text = await node.utskick(url, "restore-check", "--lost", str(listed))
        assert status == 1
        assert "is unknown to the database" in text
        assert "accepted by this node, unknown to the database" in text
        [_, row] = listed.read_text().splitlines()
        assert row.split(",")[1:] == ["2281", "sms", lost.body["batchId"], "1"]
        status, text = await node.utskick(url, "release", "--before", "2100-01-01")
        assert status == 0
        assert "Nothing was released" in text
        wanted = ("release", "--before", "2100-01-01", "--as", "unknown", "--yes")
        status, text = await node.utskick(url, *wanted)
        assert status == 1
        assert "--reason is missing" in text
        status, text = await node.utskick(url, *wanted, "--reason", "rehearsal")
        assert status == 0, text
        await node.wait_for_health(None)
        verdict = await stage.compare()
        assert verdict.unreported_duplicates == verdict.reported_duplicates == verdict.lost == []
        assert verdict.held, "what had been sent is uncertain, not queued"
        assert not await cluster.rows(
            "SELECT FROM deliveries WHERE status IN ('queued', 'sending', 'deferred')", url=url
        )
        [entry] = await cluster.rows(
            "SELECT subject FROM audit_entries WHERE origin = 'utskick release'", url=url
        )
        assert '"rehearsal"' in entry["subject"]
        status, text = await node.utskick(url, "restore-check")
        assert (status, "Nothing is held." in text) == (0, True)
    finally:
        await stage.stop_api()


@pytest.mark.parametrize("same_node", [True, False], ids=["same-node", "new-node"])
async def test_after_a_recovery_to_a_point_in_time_nothing_is_sent_twice(
    set_up: SetUp, cluster: Cluster, same_node: bool
) -> None:
    stage = await slow_stage(set_up)
    node = Node(stage, cluster.folder / "node")
    base = cluster.folder / "base"
    try:
        await cluster.run("pg_basebackup", "--pgdata", base, "--checkpoint=fast")
        await node.start(cluster.url)
        await stage.batch("sms", numbers(COUNT))
        await stage.providers.wait_for_messages(10)
        [row] = await cluster.rows("SELECT clock_timestamp()::text AS moment")
        await sent_since_the_backup(stage, len(copies(stage)))
        await node.stop()
        before = copies(stage)
        await cluster.rows("SELECT pg_switch_wal()")
        await cluster.recover(base, row["moment"])

        stage.providers.response_delay = 0
        if not same_node:
            node = Node(stage, cluster.folder / "other-node")
        await node.start(cluster.url)
        await node.wait_for_health("HELD")
        await expect_new_messages_only(stage, before)
        status, text = await node.utskick(
            cluster.url, "release", "--before", "2100-01-01", "--as", "send", "-y", "--reason", "x"
        )
        assert status == 0, text
        await node.wait_for_health(None)

        async def settled() -> bool:
            return not await cluster.rows(
                "SELECT FROM deliveries WHERE status IN ('queued', 'sending', 'deferred')"
            )

        await eventually(settled, "everything has settled", 30)
        assert set(copies(stage)) == {*numbers(COUNT), *numbers(5, 7)}
    finally:
        await stage.stop_api()


async def opened(url: str, marker: Path | None) -> RestoreGuard:
    """Connect as a node does, and disconnect."""
    guard = RestoreGuard(MarkerFile(marker))
    database = Database(url, size=2, guard=guard)
    await database.open()
    try:
        await guard.tick(database.pool)
    finally:
        await database.close()
    return guard


async def test_a_failover_to_a_standby_that_has_everything_holds_nothing(cluster: Cluster) -> None:
    seen = cluster.folder / "database-seen.json"
    standby = await cluster.standby()
    try:
        await opened(cluster.url, seen)
        with pytest.raises(DatabaseFault, match="standby"):
            await opened(standby.url, seen)
        await asyncio.to_thread(cluster.stop)
        await cluster.rows("SELECT pg_promote()", url=standby.url)
        job = ("sms", Priority.NORMAL, "2281", new_id(), utc_now())
        connection = await asyncpg.connect(standby.url)
        await enqueue(connection, [job])
        await connection.close()
        assert (await opened(standby.url, seen)).health() is None
        assert (await opened(standby.url, seen)).health() is None
        await cluster.rows("UPDATE installation SET timeline = 1", url=standby.url)
        held = (await opened(standby.url, None)).health()
        assert held is not None, "a node that had not seen it cannot know what is missing"
        assert held["status"] == "HELD"
    finally:
        await asyncio.to_thread(standby.stop)
