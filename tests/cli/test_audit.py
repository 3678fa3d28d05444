"""Tests of ``utskick audit``: the listed trail, and the exit status for a broken chain."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import asyncpg
import pytest

from tests.cli.conftest import Command
from tests.http.audit.test_audit import chained
from utskick.store.database import Database


async def test_an_intact_chain_is_listed_with_its_head_and_a_broken_one_with_the_link(
    database: Database, server: str, utskick: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UTSKICK_DATABASE__URL", server)
    monkeypatch.setenv("UTSKICK_VAULT__KEY", b64encode(bytes(32)).decode())
    monkeypatch.setenv("UTSKICK_MUNICIPALITIES", '["2281"]')
    audit = await chained(database, 5)
    head = (await audit.verify("2281")).head
    done = await asyncio.to_thread(utskick, "audit", "verify")
    assert (done.code, f"5:{head.digest.hex()}" in done.out, "intact" in done.out) == (
        0,
        True,
        True,
    )
    parsed = await asyncio.to_thread(utskick, "audit", "list", "--limit", "2", "--action", "send")
    assert (parsed.code, parsed.out.count("joe01doe")) == (0, 2)
    connection = await asyncpg.connect(server)
    await connection.execute(
        "ALTER TABLE audit_links DISABLE TRIGGER append_only; DELETE FROM audit_links WHERE "
        "number = 5"
    )
    await connection.execute("ALTER TABLE audit_links ENABLE TRIGGER append_only")
    await connection.close()
    cut = await asyncio.to_thread(
        utskick, "audit", "verify", "--expect", f"5:{head.digest.hex()}", "--municipality", "2281"
    )
    assert (cut.code, "broken at 5" in cut.out) == (1, True)
    assert (await asyncio.to_thread(utskick, "audit", "verify", "--expect", "x")).code == 1
