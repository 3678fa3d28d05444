"""Tests of ``utskick retention``: the table of rules, and immediate removal."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.conftest import clear
from tests.store.histories import NOW, Histories, Told
from utskick.domain.clock import utc_now
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database


def query_database(server: str, act: Callable[[Database], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        database = Database(server, vault=Vault(Cipher([bytes(32)])))
        await database.open()
        try:
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.fixture
def database_cli(server: str, utskick: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    ago = (NOW - utc_now()) / timedelta(days=1)

    async def fill(database: Database) -> None:
        await clear(database)
        histories = Histories(database)
        await histories.batch(
            Told(days=40 + ago), Told(days=10 + ago), Told(days=50 + ago, statuses=("uncertain",))
        )
        await histories.batch(Told(days=400 + ago), kind="LETTER")

    query_database(server, fill)
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(bytes(32)).decode())
    monkeypatch.setenv("UTSKICK_RETENTION__DAYS", "30")
    monkeypatch.setenv("UTSKICK_RETENTION__DECISION", "KS 1")
    monkeypatch.setenv(
        "UTSKICK_RETENTION__TYPES", '{"LETTER": {"preserve": true, "decision": "KS 2"}}'
    )
    monkeypatch.setenv("COLUMNS", "200")
    return utskick


def cells(out: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in out.splitlines()
        if line.startswith("│")
    ]


def test_overdue_messages_are_listed_and_then_removed(database_cli: Command, server: str) -> None:
    async def left(database: Database) -> int:
        return int(await database.pool.fetchval("SELECT count(*) FROM messages"))

    done = database_cli("retention", "run", "--dry-run")
    assert done.code == 0, done.out + done.err
    letter, sms = cells(done.out)
    assert letter[:5] == ["2281", "LETTER", "", "preserve", "KS 2"]
    assert sms[:6] == ["2281", "SMS", "", "30 days", "KS 1", "0"], "nothing has been counted yet"
    assert sms[8] == "1 in progress or uncertain, 1 not yet reported"
    assert query_database(server, left) == 4
    assert ["2281", "SMS", "1", "1", "0", "0"] in cells(database_cli("retention", "run").out)
    assert query_database(server, left) == 3
    assert cells(database_cli("retention", "status").out)[1][5:] == [
        "0",
        "",
        "",
        "1 in progress or uncertain",
    ]


def test_invalid_retention_settings_are_reported(
    database_cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UTSKICK_RETENTION__DECISION")
    monkeypatch.setenv(
        "UTSKICK_RETENTION__TYPES", '{"LETTER": {"days": 1, "preserve": true, "decision": "KS 2"}}'
    )
    done = database_cli("retention", "status")
    assert done.code == 1
    assert "set days, or preserve = true" in done.err
    monkeypatch.setenv("UTSKICK_RETENTION__TYPES", '{"PIGEON": {"days": 1, "decision": "KS 2"}}')
    assert "decision must be set with days" in database_cli("retention", "status").err
    monkeypatch.setenv("UTSKICK_RETENTION__DECISION", "KS 1")
    assert "no message type is named PIGEON" in database_cli("retention", "status").err
