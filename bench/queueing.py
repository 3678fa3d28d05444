"""Behaviour of the queue: priorities, bursts, and independence of database statistics."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

import aiohttp

from bench import stage
from bench.result import Result
from bench.throughput import (
    EMAIL_COUNT,
    ROUNDS,
    SMS_COUNT,
    drain_rate,
    median,
    post_batch,
    service_pair,
)


def priority() -> list[Result]:
    """Measure a single HIGH SMS, from POST to the provider's acceptance, during a large batch."""
    with stage.process("gateway") as gateway, stage.folder() as data:
        with stage.process(
            "service", environment=stage.settings(data / "d", gateway=gateway["url"])
        ) as service:
            post_batch(service["api"], 100_000)
            times = []
            for i in range(15):
                raw = json.dumps(
                    {
                        "mobileNumber": f"+46704{i:06}",
                        "message": "Vattnet ska kokas.",
                        "priority": "HIGH",
                    }
                ).encode()
                request = urllib.request.Request(
                    f"{service['api']}/2281/sms", raw, {"Content-Type": "application/json"}
                )
                started = time.perf_counter()
                with urllib.request.urlopen(request, timeout=60) as answer:
                    assert json.load(answer)["deliveries"][0]["status"] == "SENT"
                times.append(time.perf_counter() - started)
                time.sleep(0.3)
            waiting = stage.ask(service["database"], "SELECT count(*) AS n FROM pgqueuer")[0]["n"]
            assert waiting > 0, "the batch was over before the measurement"
            stage.ask(service["database"], "DELETE FROM pgqueuer")
    return [Result("priority", statistics.median(times), "s", 1.0, 1.0, under=True)]


def young() -> list[Result]:
    """Measure the last attempt after two bursts into an empty database without autovacuum.

    500 single SMS on 32 connections, and 3 000 more after 2 s; the slowest round counts.
    """
    with stage.process("gateway") as gateway:
        seconds = [_young(gateway["url"]) for _ in range(ROUNDS)]
    return [Result("young", max(seconds), "s", 3.0, 1.0, under=True)]


def _young(url: str) -> float:
    with (
        stage.folder() as data,
        stage.process("service", environment=stage.settings(data / "d", gateway=url)) as service,
    ):
        database, deadline = service["database"], time.monotonic() + 60
        _without_autovacuum(database)
        asyncio.run(_burst(service["api"], range(500)))
        time.sleep(2)
        asyncio.run(_burst(service["api"], range(500, 3500)))
        while time.monotonic() < deadline:
            if stage.ask(database, "SELECT count(*) AS n FROM pgqueuer")[0]["n"] == 0:
                break
            time.sleep(0.5)
        [row] = stage.ask(
            database,
            """
            SELECT count(*) AS n, extract(epoch FROM now() - b.at) AS waited,
                extract(epoch FROM max(a.started_at) - b.at) AS took
            FROM attempts a, (SELECT max(created_at) AS at FROM batches) b GROUP BY b.at
            """,
        )
        return float(row["took"] if row["n"] >= 3500 else row["waited"])


async def _burst(api: str, numbers: Iterable[int]) -> None:
    """Post an SMS to each number, over 32 connections."""
    waiting = iter(numbers)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32)) as session:

        async def post() -> None:
            for i in waiting:
                body = {"mobileNumber": f"+4672{i:07}", "message": "Skolan är stängd i dag."}
                async with session.post(f"{api}/2281/sms?async=true", json=body) as answer:
                    assert answer.status == 201
                    await answer.read()

        await asyncio.gather(*(post() for _ in range(32)))


def _without_autovacuum(database: str) -> None:
    """Disable autovacuum, so that tables have no statistics as before the first autoanalyze."""
    rows = stage.ask(database, "SELECT relname FROM pg_stat_user_tables")
    for row in rows:
        stage.ask(database, f"ALTER TABLE {row['relname']} SET (autovacuum_enabled = false)")


def analyzed() -> list[Result]:
    """Compare batches of SMS after ANALYZE of the empty queue with batches without.

    Also e-mail after a batch of SMS without statistics, compared with an empty database.
    """
    sent: dict[int, list[float]] = {0: [], 1: []}
    with stage.process("gateway") as gateway, stage.folder() as one, stage.folder() as other:
        with service_pair({0: one / "d", 1: other / "d"}, gateway=gateway["url"]) as services:
            for number in range(ROUNDS + 1):
                for row in (0, 1) if number % 2 else (1, 0):
                    if row:
                        stage.ask(services[row]["database"], "ANALYZE")
                    sent[row].append(drain_rate(services[row], SMS_COUNT, "sms"))
        with stage.process("gateway", "smtp") as server:
            providers = {"gateway": gateway["url"], "smtp": server["port"]}
            mails = [
                (_mail_rate(providers, SMS_COUNT), _mail_rate(providers, 0)) for _ in range(ROUNDS)
            ]
    after, empty = (median(rates) for rates in zip(*mails, strict=True))
    return [
        Result("analyzed", median(sent[1]), "deliveries/s", median(sent[0]), 0.9),
        Result("analyzed-email", after, "deliveries/s", empty, 0.9),
    ]


def _mail_rate(providers: Mapping[str, Any], before: int) -> float:
    """Return e-mails per second after a batch of SMS."""
    with (
        stage.folder() as data,
        stage.process("service", environment=stage.settings(data / "d", **providers)) as service,
    ):
        _without_autovacuum(service["database"])
        if before:
            drain_rate(service, before, "sms")
        return drain_rate(service, EMAIL_COUNT, "email")
