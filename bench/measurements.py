"""Measurements of throughput, each compared with a limit measured in the same run."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator

import aiohttp
import aiosmtplib
import uvloop

from bench import history_import, history_reads, illness, mail, queueing, stage
from bench.result import Result
from bench.throughput import (
    EMAIL_COUNT,
    ROUNDS,
    SMS_COUNT,
    drain_rate,
    load_rate,
    median,
    post_batch,
    service_pair,
)

GROWN = 1_000_000


def accept() -> list[Result]:
    """1: accept single SMS on 32 connections, compared with the same app without storing."""
    with stage.folder() as data, stage.folder() as bare:
        with (
            stage.process(
                "service", "--no-work", environment=stage.settings(data / "d", auth="embedded")
            ) as real,
            stage.process(
                "service",
                "--no-work",
                "--no-store",
                environment=stage.settings(bare / "d", auth="embedded"),
            ) as empty,
        ):
            for service in (real, empty):
                load_rate(service, 1.0)
            rates = [(load_rate(real, 5.0), load_rate(empty, 5.0)) for _ in range(ROUNDS)]
    return [
        Result(
            "accept", median(r for r, _ in rates), "requests/s", median(e for _, e in rates), 0.55
        )
    ]


def batch() -> list[Result]:
    """2: accept a batch of 100 000 recipients: seconds to the 201, and peak memory."""
    seconds, memory = [], []
    for _ in range(ROUNDS):
        with (
            stage.folder() as data,
            stage.process(
                "service", "--no-work", environment=stage.settings(data / "d")
            ) as service,
        ):
            seconds.append(post_batch(service["api"], 100_000))
            memory.append(stage.peak_memory(service["pid"]))
    return [
        Result("batch", median(seconds), "s", 6.0, 1.0, under=True),
        Result("batch-memory", median(memory), "MB", 600.0, 1.0, under=True),
    ]


def sms() -> list[Result]:
    """3: send SMS, compared with a bare loop posting the same bodies over as many connections."""
    with stage.process("gateway") as gateway:
        rates = [(_sms_rate(gateway["url"]), _bare_sms(gateway["url"])) for _ in range(ROUNDS)]
    return [
        Result(
            "sms", median(r for r, _ in rates), "deliveries/s", median(b for _, b in rates), 0.35
        )
    ]


def _sms_rate(url: str) -> float:
    with (
        stage.folder() as data,
        stage.process("service", environment=stage.settings(data / "d", gateway=url)) as service,
    ):
        return drain_rate(service, SMS_COUNT, "sms")


def _bare_sms(url: str) -> float:
    async def run() -> float:
        headers = {"Authorization": "Basic dXNlcjpzZWNyZXQ=", "Content-Type": "application/json"}
        numbers = iter(range(SMS_COUNT))
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100), headers=headers
        ) as session:

            async def post() -> None:
                for i in numbers:
                    body = json.dumps(
                        {
                            "platformId": "SMSC",
                            "platformPartnerId": "12345",
                            "useDeliveryReport": False,
                            "sourceTON": "ALPHANUMERIC",
                            "source": "Bench",
                            "destinationTON": "MSISDN",
                            "destination": f"+4673{i:07}",
                            "userData": "Skolan är stängd i dag.",
                            "refId": f"01a20a9b-9a95-729e-a35a-{i:012}",
                        }
                    ).encode()
                    async with session.post(f"{url}/link/sms/send", data=body) as answer:
                        assert answer.status == 200
                        await answer.read()

            started = time.perf_counter()
            await asyncio.gather(*(post() for _ in range(100)))
            return SMS_COUNT / (time.perf_counter() - started)

    return uvloop.run(run())


def email() -> list[Result]:
    """4: send e-mail, compared with a bare aiosmtplib loop that reuses its connections."""
    with stage.process("gateway", "smtp") as server:
        rates = [(_email_rate(server["port"]), _bare_email(server["port"])) for _ in range(ROUNDS)]
    return [
        Result(
            "email",
            median(r for r, _ in rates),
            "deliveries/s",
            median(b for _, b in rates),
            0.35,
        )
    ]


def _email_rate(port: int) -> float:
    with (
        stage.folder() as data,
        stage.process("service", environment=stage.settings(data / "d", smtp=port)) as service,
    ):
        return drain_rate(service, EMAIL_COUNT, "email")


def _bare_email(port: int) -> float:
    async def run() -> float:
        numbers = iter(range(EMAIL_COUNT))

        async def send() -> None:
            client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
            async with client:
                for i in numbers:
                    text = (
                        f"From: Bench <bench@example.se>\r\nTo: b{i}@example.se\r\nSubject: "
                        f"Skolan\r\nMessage-ID: <{i}@example.se>\r\n"
                        "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: "
                        "text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n\r\nSkolan ar stangd i dag.\r\n"
                    )
                    await client.sendmail("bench@example.se", [f"b{i}@example.se"], text)

        started = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(24)))
        return EMAIL_COUNT / (time.perf_counter() - started)

    return uvloop.run(run())


def growth() -> list[Result]:
    """5: accept and send SMS with 1 000 000 earlier deliveries, compared with none.

    Both services run, and are measured in many short alternating turns.
    """
    accepted: dict[int, list[float]] = {0: [], GROWN: []}
    sent: dict[int, list[float]] = {0: [], GROWN: []}
    with stage.process("gateway") as gateway, stage.folder() as full, stage.folder() as empty:
        folders = {0: empty / "d", GROWN: full / "d"}
        with stage.process(
            "service", "--no-work", environment=stage.settings(folders[GROWN])
        ) as service:
            grow(service["database"], GROWN)
        with service_pair(folders, "--no-work") as services:
            for service in services.values():
                load_rate(service, 1.0)
            for grown in _turns(2 * ROUNDS + 1):
                accepted[grown].append(load_rate(services[grown], 2.0))
            time.sleep(1)  # until the last requests of the load are handled
            for service in services.values():
                stage.ask(service["database"], "DELETE FROM pgqueuer")
        with service_pair(folders, gateway=gateway["url"]) as services:
            for grown in _turns(ROUNDS + 1):
                sent[grown].append(drain_rate(services[grown], SMS_COUNT, "sms"))
    return [
        Result("growth-accept", median(accepted[GROWN]), "requests/s", median(accepted[0]), 0.9),
        Result("growth-sms", median(sent[GROWN]), "deliveries/s", median(sent[0]), 0.9),
    ]


def _turns(rounds: int) -> Iterator[int]:
    for number in range(rounds):
        yield from (0, GROWN) if number % 2 else (GROWN, 0)


def grow(database: str, count: int) -> None:
    """Insert a number of settled deliveries in batches of 1 000, with attempts and events."""
    stage.ask(
        database,
        """
        WITH n AS MATERIALIZED (
            SELECT i, uuidv7(interval '-30 days') AS message,
                uuidv7(interval '-30 days') AS delivery,
                now() - interval '30 days' AS at,
                ('00000000-0000-7000-8000-' || lpad((i / 1000)::text, 12, '0'))::uuid AS batch
            FROM generate_series(1, $1) i),
        b AS (INSERT INTO batches (id, municipality_id, channel, message_type, priority,
                recipients, content, created_at)
            SELECT DISTINCT batch, '2281', 'sms', 'SMS', 'BULK', 1000, '{"message":"a"}'::bytea, at
            FROM n),
        m AS (INSERT INTO messages (id, municipality_id, batch_id, ordinal, party_key, at)
            SELECT message, '2281', batch, i % 1000, decode(md5(i::text), 'hex'), at FROM n),
        d AS (INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel,
                message_type, priority, status, destination, awaited, attempts, account,
                reference, created_at, updated_at, expires_at)
            SELECT delivery, '2281', batch, message, 'sms', 'SMS', 'BULK', 'sent', '+46701740605',
                false, 1, 'old', i::text, at, at, at FROM n)
        INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reference, at)
        SELECT '2281', delivery, 1, 'sent', 'old', i::text, at FROM n
        """,
        count,
    )
    stage.ask(
        database,
        "VACUUM ANALYZE",
        # Otherwise autovacuum would run during the measurement.
    )
    stage.ask(database, "CHECKPOINT")


ALL: dict[str, Callable[[], list[Result]]] = {
    "accept": accept,
    "batch": batch,
    "sms": sms,
    "email": email,
    "growth": growth,
    "priority": queueing.priority,
    "digital-mail": mail.digital_mail,
    "letters": mail.letters,
    "history": history_reads.history,
    "young": queueing.young,
    "analyzed": queueing.analyzed,
    "illness": illness.illness,
    "blip": illness.blip,
    "import": history_import.import_history,
}
