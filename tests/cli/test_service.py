"""``utskick serve`` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import open_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    made = open_folder("utskick-serve.")
    yield made / "var"
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize(("command", "port"), [("serve", "0"), ("worker", "1")])
async def test_a_stop_while_it_starts_leaves_no_database_behind(folder: Path, command: str, port: str) -> None:
    ports = {f"UTSKICK_{name}": port for name in ("HTTP__PORT", *(f"SANDBOX__{n}_PORT" for n in ("HTTP", "SMTP", "HTTPS", "SFTP")))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "utskick", command, env={**os.environ, **ports, "UTSKICK_DATA__FOLDER": str(folder)}
    )
    postmaster = folder / "postgres" / "postmaster.pid"
    try:
        async with asyncio.timeout(30):
            while not postmaster.exists():
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        left = postmaster.exists()
        if left:
            os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
    assert not left
