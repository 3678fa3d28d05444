"""Tests of ``utskick serve`` as a separate process."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import open_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    made = open_folder("utskick-serve.")
    yield made / "var"
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize(
    ("command", "port", "stop"),
    [
        ("serve", "0", signal.SIGTERM),
        ("serve", "0", signal.SIGHUP),
        ("worker", "1", signal.SIGTERM),
        ("worker", "1", signal.SIGHUP),
    ],
)
async def test_a_stop_while_it_starts_leaves_no_database_behind(
    folder: Path, command: str, port: str, stop: signal.Signals
) -> None:
    ports = {
        f"UTSKICK_{name}": port
        for name in (
            "HTTP__PORT",
            *(f"SANDBOX__{n}_PORT" for n in ("HTTP", "SMTP", "HTTPS", "SFTP")),
        )
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "utskick",
        command,
        env={**os.environ, **ports, "UTSKICK_DATA__FOLDER": str(folder)},
    )
    postmaster = folder / "postgres" / "postmaster.pid"
    try:
        async with asyncio.timeout(30):
            while not postmaster.exists():
                await asyncio.sleep(0.01)
            process.send_signal(stop)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        left = postmaster.exists()
        if left:
            os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
    assert not left


async def test_a_stop_is_not_held_up_by_those_who_watch(folder: Path) -> None:
    names = ("HTTP__PORT", *(f"SANDBOX__{n}_PORT" for n in ("HTTP", "SMTP", "HTTPS", "SFTP")))
    environment = {
        **os.environ,
        **{f"UTSKICK_{name}": "0" for name in names},
        "UTSKICK_DATA__FOLDER": str(folder),
    }
    ready = folder.parent / "ready.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "utskick",
        "serve",
        "--ready-file",
        str(ready),
        env={**environment, "UTSKICK_WORKER__GRACE": "30", "UTSKICK_AUTH__MODE": "off"},
    )
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while not ready.exists():
                await asyncio.sleep(0.02)
            api = json.loads(ready.read_text())["api"]
            body = {
                "message": "Hej",
                "parties": [{"mobileNumber": "+46701740605"}],
                "sendAt": (datetime.now() + timedelta(days=1)).isoformat(),
            }
            async with session.post(
                f"{api}/2281/sms/batch", json=body, raise_for_status=True
            ) as accepted:
                batch_id = (await accepted.json())["batchId"]
            async with session.get(
                f"{api}/2281/status/batch/{batch_id}/events?follow=true", raise_for_status=True
            ) as watching:
                assert await watching.content.readline() == b"id: 1\r\n"
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                await watching.content.read()
                assert await process.wait() == 0
                assert time.monotonic() - began < 20  # much less than the grace period
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
