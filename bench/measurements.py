"""The measurements, one function each. Each compares with a limit that was measured in the same
run, alternating."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib
import uvloop

from bench import mail, moving, reading, stage
from bench.result import Result

ROUNDS = 3
SMS_COUNT, EMAIL_COUNT, GROWN = 20_000, 3_000, 1_000_000


def accept() -> list[Result]:
    """1: single POST /sms?async=true on 32 connections with an access token, durable, against the
    same app without storing."""
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
                _load(service, 1.0)
            rates = [(_load(real, 5.0), _load(empty, 5.0)) for _ in range(ROUNDS)]
    return [
        Result(
            "accept", _median(r for r, _ in rates), "requests/s", _median(e for _, e in rates), 0.55
        )
    ]


def _load(service: Mapping[str, Any], seconds: float) -> float:
    body = json.dumps(
        {
            "mobileNumber": "+46701740605",
            "message": "Skolan är stängd i dag.",
            "party": {"partyId": "01a20a9b-9a95-729e-a35a-61715f650d0b"},
        }
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.load",
            f"{service['api']}/2281/sms?async=true",
            "32",
            str(seconds),
            body,
            service["token"] or "",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=stage.HERE.parent,
    )
    told = json.loads(done.stdout)
    assert not told["bad"], f"{told['bad']} answers were not 201"
    return float(told["rate"])


def batch() -> list[Result]:
    """2: one POST /sms/batch of 100 000 recipients: seconds to the 201, and the process's peak
    memory."""
    seconds, memory = [], []
    for _ in range(ROUNDS):
        with (
            stage.folder() as data,
            stage.process(
                "service", "--no-work", environment=stage.settings(data / "d")
            ) as service,
        ):
            seconds.append(_post_batch(service["api"], 100_000))
            memory.append(stage.peak_memory(service["pid"]))
    return [
        Result("batch", _median(seconds), "s", 6.0, 1.0, under=True),
        Result("batch-memory", _median(memory), "MB", 600.0, 1.0, under=True),
    ]


def _post_batch(api: str, count: int, start: int = 0, kind: str = "sms") -> float:
    if kind == "sms":
        body: dict[str, Any] = {
            "message": "Skolan är stängd i dag.",
            "parties": [{"mobileNumber": f"+4672{i:07}"} for i in range(start, start + count)],
        }
    else:
        body = {
            "subject": "Skolan",
            "message": "Skolan är stängd i dag.",
            "parties": [{"emailAddress": f"a{i}@example.se"} for i in range(start, start + count)],
        }
    raw = json.dumps(body).encode()
    request = urllib.request.Request(
        f"{api}/2281/{kind}/batch", raw, {"Content-Type": "application/json"}
    )
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as answer:
        assert answer.status == 201
        answer.read(1)
        took = time.perf_counter() - begun
        answer.read()
    return took


def sms() -> list[Result]:
    """3: SMS end to end, against a bare loop posting the same bodies to the same gateway over as
    many connections."""
    with stage.process("gateway") as gateway:
        rates = [(_sms_rate(gateway["url"]), _bare_sms(gateway["url"])) for _ in range(ROUNDS)]
    return [
        Result(
            "sms", _median(r for r, _ in rates), "deliveries/s", _median(b for _, b in rates), 0.35
        )
    ]


def _sms_rate(url: str) -> float:
    with (
        stage.folder() as data,
        stage.process("service", environment=stage.settings(data / "d", gateway=url)) as service,
    ):
        return _drained(service, SMS_COUNT, "sms")


def _drained(service: dict[str, Any], count: int, kind: str) -> float:
    """Post a batch; deliveries a second, from its first attempt to its last settlement, by the
    database's own record."""
    database = service["database"]
    begun = stage.ask(database, "SELECT now() AS at")[0]["at"]
    _post_batch(service["api"], count, kind=kind)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if stage.ask(database, "SELECT count(*) AS n FROM pgqueuer")[0]["n"] == 0:
            break
    row = stage.ask(
        database,
        """
        SELECT count(*) AS n, extract(epoch FROM max(d.updated_at) - min(a.started_at)) AS took
        FROM attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE a.started_at >= $1 AND d.status = 'sent'
        """,
        begun,
    )[0]
    assert row["n"] == count, f"{row['n']} of {count} were sent"
    return count / float(row["took"])


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

            begun = time.perf_counter()
            await asyncio.gather(*(post() for _ in range(100)))
            return SMS_COUNT / (time.perf_counter() - begun)

    return uvloop.run(run())


def email() -> list[Result]:
    """4: e-mail end to end, against a bare aiosmtplib loop that reuses its connections."""
    with stage.process("gateway", "smtp") as server:
        rates = [(_email_rate(server["port"]), _bare_email(server["port"])) for _ in range(ROUNDS)]
    return [
        Result(
            "email",
            _median(r for r, _ in rates),
            "deliveries/s",
            _median(b for _, b in rates),
            0.35,
        )
    ]


def _email_rate(port: int) -> float:
    with (
        stage.folder() as data,
        stage.process("service", environment=stage.settings(data / "d", smtp=port)) as service,
    ):
        return _drained(service, EMAIL_COUNT, "email")


def _bare_email(port: int) -> float:
    async def run() -> float:
        numbers = iter(range(EMAIL_COUNT))

        async def send() -> None:
            client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
            async with client:
                for i in numbers:
                    text = (
                        f"From: Bench <bench@example.se>\r\nTo: b{i}@example.se\r\nSubject: Skolan\r\nMessage-ID: <{i}@example.se>\r\n"
                        "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 8bit\r\n\r\nSkolan ar stangd i dag.\r\n"
                    )
                    await client.sendmail("bench@example.se", [f"b{i}@example.se"], text)

        begun = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(24)))
        return EMAIL_COUNT / (time.perf_counter() - begun)

    return uvloop.run(run())


def growth() -> list[Result]:
    """5: 1 and 3 with 1 000 000 deliveries in history, against the same with none: both services
    up, many short turns, each first in turn."""
    accepted: dict[int, list[float]] = {0: [], GROWN: []}
    sent: dict[int, list[float]] = {0: [], GROWN: []}
    with stage.process("gateway") as gateway, stage.folder() as full, stage.folder() as empty:
        folders = {0: empty / "d", GROWN: full / "d"}
        with stage.process(
            "service", "--no-work", environment=stage.settings(folders[GROWN])
        ) as service:
            grow(service["database"], GROWN)
        with _pair(folders, "--no-work") as services:
            for service in services.values():
                _load(service, 1.0)
            for grown in _turns(2 * ROUNDS + 1):
                accepted[grown].append(_load(services[grown], 2.0))
            time.sleep(1)  # the last requests of the load
            for service in services.values():
                stage.ask(service["database"], "DELETE FROM pgqueuer")
        with _pair(folders, gateway=gateway["url"]) as services:
            for grown in _turns(ROUNDS + 1):
                sent[grown].append(_drained(services[grown], SMS_COUNT, "sms"))
    return [
        Result("growth-accept", _median(accepted[GROWN]), "requests/s", _median(accepted[0]), 0.9),
        Result("growth-sms", _median(sent[GROWN]), "deliveries/s", _median(sent[0]), 0.9),
    ]


@contextmanager
def _pair(
    folders: dict[int, Path], *arguments: str, gateway: str | None = None
) -> Iterator[dict[int, dict[str, Any]]]:
    with ExitStack() as stack:
        yield {
            grown: stack.enter_context(
                stage.process(
                    "service", *arguments, environment=stage.settings(data, gateway=gateway)
                )
            )
            for grown, data in folders.items()
        }


def _turns(rounds: int) -> Iterator[int]:
    for number in range(rounds):
        yield from (0, GROWN) if number % 2 else (GROWN, 0)


def grow(database: str, count: int) -> None:
    """A history of so many settled deliveries in batches of 1 000, with its attempts and events."""
    stage.ask(
        database,
        """
        WITH n AS MATERIALIZED (
            SELECT i, uuidv7(interval '-30 days') AS message, uuidv7(interval '-30 days') AS delivery, now() - interval '30 days' AS at,
                ('00000000-0000-7000-8000-' || lpad((i / 1000)::text, 12, '0'))::uuid AS batch FROM generate_series(1, $1) i),
        b AS (INSERT INTO batches (id, municipality_id, channel, message_type, priority, recipients, content, created_at)
            SELECT DISTINCT batch, '2281', 'sms', 'SMS', 'BULK', 1000, '{"message":"a"}'::bytea, at FROM n),
        m AS (INSERT INTO messages (id, municipality_id, batch_id, ordinal, party_key, at)
            SELECT message, '2281', batch, i % 1000, decode(md5(i::text), 'hex'), at FROM n),
        d AS (INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type, priority, status, destination,
                awaited, attempts, account, reference, created_at, updated_at, expires_at)
            SELECT delivery, '2281', batch, message, 'sms', 'SMS', 'BULK', 'sent', '+46701740605', false, 1, 'old', i::text, at, at, at FROM n)
        INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reference, at)
        SELECT '2281', delivery, 1, 'sent', 'old', i::text, at FROM n
        """,
        count,
    )
    stage.ask(
        database, "VACUUM ANALYZE"
    )  # now, so that autovacuum does not do it during the measurement
    stage.ask(database, "CHECKPOINT")


def priority() -> list[Result]:
    """Under a batch of 100 000, the time from POST to the provider's acceptance of a single HIGH
    SMS (median of 15)."""
    with stage.process("gateway") as gateway, stage.folder() as data:
        with stage.process(
            "service", environment=stage.settings(data / "d", gateway=gateway["url"])
        ) as service:
            _post_batch(service["api"], 100_000)
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
                begun = time.perf_counter()
                with urllib.request.urlopen(request, timeout=60) as answer:
                    assert json.load(answer)["deliveries"][0]["status"] == "SENT"
                times.append(time.perf_counter() - begun)
                time.sleep(0.3)
            waiting = stage.ask(service["database"], "SELECT count(*) AS n FROM pgqueuer")[0]["n"]
            assert waiting > 0, "the batch was over before the measurement"
            stage.ask(service["database"], "DELETE FROM pgqueuer")
    return [Result("priority", statistics.median(times), "s", 1.0, 1.0, under=True)]


def young() -> list[Result]:
    """An empty folder, 500 single SMS on 32 connections, 2 s later 3 000 more: seconds from the
    last acceptance to the last attempt, in the slowest of the rounds. No autovacuum comes."""
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
    """A request for each number, over 32 connections."""
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
    """Leave the tables without statistics, as before the first autoanalyze."""
    rows = stage.ask(database, "SELECT relname FROM pg_stat_user_tables")
    for row in rows:
        stage.ask(database, f"ALTER TABLE {row['relname']} SET (autovacuum_enabled = false)")


def analyzed() -> list[Result]:
    """A batch of SMS after an ANALYZE of the empty queue, against one without: both services up,
    in turns. And e-mail after a batch of SMS, before any statistics, against an empty folder."""
    sent: dict[int, list[float]] = {0: [], 1: []}
    with stage.process("gateway") as gateway, stage.folder() as one, stage.folder() as other:
        with _pair({0: one / "d", 1: other / "d"}, gateway=gateway["url"]) as services:
            for number in range(ROUNDS + 1):
                for told in (0, 1) if number % 2 else (1, 0):
                    if told:
                        stage.ask(services[told]["database"], "ANALYZE")
                    sent[told].append(_drained(services[told], SMS_COUNT, "sms"))
        with stage.process("gateway", "smtp") as server:
            place = {"gateway": gateway["url"], "smtp": server["port"]}
            mails = [(_mail_rate(place, SMS_COUNT), _mail_rate(place, 0)) for _ in range(ROUNDS)]
    after, empty = (_median(rates) for rates in zip(*mails, strict=True))
    return [
        Result("analyzed", _median(sent[1]), "deliveries/s", _median(sent[0]), 0.9),
        Result("analyzed-email", after, "deliveries/s", empty, 0.9),
    ]


def _mail_rate(place: Mapping[str, Any], before: int) -> float:
    """E-mails a second after a batch of so many SMS."""
    with (
        stage.folder() as data,
        stage.process("service", environment=stage.settings(data / "d", **place)) as service,
    ):
        _without_autovacuum(service["database"])
        if before:
            _drained(service, before, "sms")
        return _drained(service, EMAIL_COUNT, "email")


def _median(values: Any) -> float:
    return statistics.median(list(values))


ALL: dict[str, Callable[[], list[Result]]] = {
    "accept": accept,
    "batch": batch,
    "sms": sms,
    "email": email,
    "growth": growth,
    "priority": priority,
    "digital-mail": mail.digital_mail,
    "letters": mail.letters,
    "history": reading.history,
    "young": young,
    "analyzed": analyzed,
    "import": moving.moving_in,
}
