"""One request with millions of faults: its answer is short, its cost is bounded, and others are
served meanwhile."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.http.conftest import Client, serving
from utskick.store.database import Database

NUMBER = "must be a valid MSISDN (example: +46701740605). Regular expression: ^\\+[1-9][\\d]{3,14}$"
#: Megabytes that a request of 25 MB may take beside its body.
MOST_MEMORY = 600


FAULTS = [
    (f"parties[{i}].{member}", message)
    for i in range(34)
    for member, message in (
        ("partyId", "not a valid UUID"),
        ("mobileNumber", NUMBER),
        ("reference", "must be 1-64 printable characters"),
    )
]


def parties(one: bytes, count: int) -> bytes:
    return b'{"message":"m","parties":[' + one + (b"," + one) * (count - 1) + b"]}"


class Others:
    """Calls of somebody else, one after the other."""

    def __init__(self, client: Client, session: aiohttp.ClientSession) -> None:
        self.seconds: list[float] = []
        self._client = client
        self._session = session

    async def call(self) -> None:
        while True:
            start = time.perf_counter()
            url = f"{self._client.running.api_url}/health/live"
            async with self._session.get(url) as answer:
                assert answer.status == 200
            self.seconds.append(time.perf_counter() - start)
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("one", "count", "told"),
    [
        (b"{}", 8_000_000, [("parties", "size must be between 1 and 100000")]),
        (
            b"{}",
            100_000,
            [
                *((f"parties[{i}].mobileNumber", NUMBER) for i in range(100)),
                ("parties", "… and 99 900 more"),
            ],
        ),
        (
            b'{"mobileNumber":"x","partyId":"x","reference":""}',
            100_000,
            [*FAULTS[:100], ("parties", "… and 299 900 more")],
        ),
    ],
    ids=["8 000 000 empty", "100 000 empty", "300 000 faults"],
)
async def test_a_batch_of_faults_is_answered_shortly_and_others_are_served(
    database: Database, tmp_path: Path, one: bytes, count: int, told: list[tuple[str, str]]
) -> None:
    body = parties(one, count)
    async with (
        serving(database, tmp_path, work=False) as client,
        aiohttp.ClientSession() as session,
    ):
        others = Others(client, session)
        url = f"{client.running.api_url}/2281/sms/batch"
        headers = {**client.bearer, "Content-Type": "application/json", "x-origin": "t"}
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        calling = asyncio.create_task(others.call())
        start = time.perf_counter()
        async with session.post(url, data=body, headers=headers) as answer:
            raw = await answer.read()
        took = time.perf_counter() - start
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    problem: dict[str, Any] = orjson.loads(raw)
    assert answer.status == 400
    assert [(v["field"], v["message"]) for v in problem["violations"]] == told
    assert len(raw) < 20_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert grown < MOST_MEMORY, f"{grown} MB"
    assert len(others.seconds) >= 3
    # As a part of the whole, since other processes slow both: a validation at one go takes all.
    assert max(others.seconds) < max(0.1, took / 2)
