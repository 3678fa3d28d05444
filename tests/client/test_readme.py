"""Tests that the examples of the package's README work."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.http import tokens
from tests.http.conftest import Client
from utskick.store.database import Database

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"


async def test_the_first_block_sends_an_sms_in_a_few_lines(
    client: Client, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    block = re.search(r"```python\n(.*?)```", README.read_text(), re.S)
    assert block is not None
    lines = [line for line in block[1].splitlines() if line.strip()]
    assert len(lines) <= 6
    assert "http://127.0.0.1:8080" in block[1]
    await tokens.client_of(database, "skolappen", municipalities=["2281"], allowed=["sms:send"])
    text = (
        block[1]
        .replace("http://127.0.0.1:8080", client.running.api_url)
        .replace("ucs_…", tokens.SECRET)
    )
    code = compile(text, str(README), "exec")
    await asyncio.to_thread(exec, code, {})
    assert capsys.readouterr().out.endswith("SENT\n")
    assert len(await client.received("sms", "+46701740605")) == 1
