"""Processes of the measurements on loopback, with temporary data folders."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

HERE = Path(__file__).parent


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="utskick-bench."))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def process(
    program: str, *arguments: str, environment: Mapping[str, str] | None = None, wait: float = 60
) -> Iterator[dict[str, Any]]:
    """Start a program of this folder, yield the JSON line it prints when ready, and stop it."""
    child = subprocess.Popen(
        [sys.executable, "-m", f"bench.{program}", *arguments],
        stdout=subprocess.PIPE,
        cwd=HERE.parent,
        env={**os.environ, **(environment or {})},
    )
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise RuntimeError(f"{program} did not come up: exit {child.wait(wait)}")
        yield {**json.loads(line), "pid": child.pid}
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def settings(
    data: Path, *, gateway: str | None = None, smtp: int | None = None, auth: str = "off"
) -> dict[str, str]:
    """Return the environment of a service that uses the simulators; ``auth`` is auth.mode."""
    account = {
        "provider": "link",
        "url": f"{gateway or 'http://127.0.0.1:9'}/link",
        "username": "user",
        "password": "secret",
        "platform_id": "SMSC",
        "partner_id": "12345",
        "concurrency": 100,
        "delivery_reports": False,
    }
    mail = {
        "provider": "smtp",
        "host": "127.0.0.1",
        "port": smtp or 9,
        "security": "plain",
        "concurrency": 24,
        "messages_per_connection": 100000,
    }
    return {
        "UTSKICK_DATA__FOLDER": str(data),
        "UTSKICK_HTTP__PORT": "0",
        "UTSKICK_HTTP__RATE": "1000000",
        "UTSKICK_SANDBOX__ENABLED": "false",
        "UTSKICK_AUTH__MODE": auth,
        "UTSKICK_LOG__LEVEL": "warning",
        "UTSKICK_SMS": json.dumps({"sender": "Bench", "accounts": {"link": account}}),
        "UTSKICK_EMAIL": json.dumps(
            {"sender": {"name": "Bench", "address": "bench@example.se"}, "accounts": {"smtp": mail}}
        ),
    }


def environment() -> dict[str, str]:
    """Return the environment without the user's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("UTSKICK_")}


async def query(url: str, sql: str, *values: Any) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(sql, *values)
    finally:
        await connection.close()


def ask(url: str, sql: str, *values: Any) -> Any:
    return asyncio.run(query(url, sql, *values))


def peak_memory(pid: int) -> float:
    """Return the peak resident memory of a process in MB (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
