"""Ill recipients and short outages: how long a healthy message waits for them."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

from bench import stage
from bench.mail import ORGANIZATION
from bench.result import Result
from utskick.domain.request_parts import EXAMPLE_PDF
from utskick.sandbox.digital_mail.citizens import number

_PDF = EXAMPLE_PDF
#: Seconds of the measurement, and background messages a second to each channel.
SECONDS, PACE = 60, 20
#: One in twenty in each of the ways.
SHARE = 20

#: Ways in which a recipient is ill, by channel: the last digit but one of the number, or the first
#: letter of the address.
SMS_WAYS = ("temporary", "full", "garbage", "drop")
EMAIL_WAYS = ("full", "throttle", "garbage", "drop")
MAIL_WAYS = ("temporary", "garbage", "drop")
#: Of invoices, push, Slack and web messages.
OTHER_WAYS = ("temporary", "throttle", "garbage", "drop")
#: The channels whose healthy messages are measured.
CHANNELS = ("sms", "email", "digital_mail", "digital_invoice", "push", "slack", "web_message")


def illness() -> list[Result]:
    """Send to recipients of whom 5 % are ill in each way, and one healthy HIGH message a second.

    Measures the time from acceptance to the attempt; the slowest but one of a hundred.
    """
    with _ill_service() as service:
        asyncio.run(_send(service))
        rows = stage.ask(
            service["database"],
            """
            SELECT d.channel, extract(epoch FROM min(a.started_at) - min(d.created_at)) AS took
            FROM messages m JOIN deliveries d ON d.message_id = m.id
            LEFT JOIN attempts a ON a.delivery_id = d.id
            WHERE m.reference = 'healthy' GROUP BY m.id, d.channel
            """,
        )
    results = []
    for channel in CHANNELS:
        times = sorted(
            float(row["took"]) if row["took"] is not None else math.inf
            for row in rows
            if row["channel"] == channel
        )
        assert len(times) >= SECONDS - 1, f"{len(times)} healthy messages by {channel}"
        slowest = times[math.ceil(0.99 * len(times)) - 1]
        results.append(
            Result(f"illness-{channel.replace('_', '-')}", slowest, "s", 1.0, 1.0, under=True)
        )
    return results


def _faults(provider: str, ways: Sequence[str], pattern: str) -> list[dict[str, Any]]:
    return [
        {"fault": fault, "provider": provider, "recipient": pattern.format(way)}
        for way, fault in enumerate(ways)
    ]


@contextmanager
def _ill_service() -> Iterator[dict[str, Any]]:
    """Start a service whose recipients are ill by their numbers and addresses."""
    sms = json.dumps(_faults("link", SMS_WAYS, "^.4672{}"))
    email = json.dumps(_faults("smtp", EMAIL_WAYS, "^ill{}-"))
    # One operator is down; at the other, people are ill by the last digits of their year of birth.
    down = {"fault": "temporary", "provider": "minmyndighetspost", "recipient": ""}
    mail = json.dumps([down, *_faults("kivra", MAIL_WAYS, "^190{}")])
    others = json.dumps(
        [
            *_faults("kivra", OTHER_WAYS, "^190{}"),
            *_faults("webpush", OTHER_WAYS, "^ill{}-"),
            *_faults("slack", OTHER_WAYS, "^ill{}-"),
            *_faults("open_e", OTHER_WAYS, "^9{}"),
        ]
    )
    with (
        stage.folder() as data,
        stage.process("gateway", environment={"BENCH_FAULTS": sms}) as gateway,
        stage.process("gateway", "smtp", environment={"BENCH_FAULTS": email}) as server,
        stage.process(
            "gateway", "mail", str(data / "mail"), environment={"BENCH_FAULTS": mail}
        ) as operators,
        stage.process(
            "gateway", "sandbox", str(data / "sandbox"), environment={"BENCH_FAULTS": others}
        ) as sandbox,
    ):
        environment = {
            **stage.settings(data / "d", gateway=gateway["url"], smtp=server["port"]),
            **{
                f"UTSKICK_{name.upper()}": json.dumps(section)
                for name, section in {
                    **{other: sandbox["sections"][other] for other in CHANNELS[3:]},
                    **operators["sections"],
                }.items()
            },
        }
        with stage.process("service", environment=environment) as service:
            yield {**service, "devices": sandbox["url"]}


async def _send(service: Mapping[str, Any]) -> None:
    async with aiohttp.ClientSession(
        f"{service['api']}", connector=aiohttp.TCPConnector(limit=64)
    ) as session:
        people = [number(serial) for serial in range(22_000, 22_000 + 2 * SHARE)]
        ill = [number(3_660 * way + serial) for way in range(3) for serial in range(8)]
        away = [number(serial, "15") for serial in range(18_500, 18_508)]
        parties = {legal_id: str(uuid4()) for legal_id in (*people, *ill, *away)}
        for legal_id, party in parties.items():
            async with session.put(f"/2281/parties/{party}", json={"legalId": legal_id}) as answer:
                assert answer.status < 300
        devices = {
            name: await _device(session, service["devices"], name)
            for name in ("well", *(f"ill{way}-{i}" for way in range(4) for i in range(8)))
        }
        sent: set[asyncio.Task[None]] = set()
        started = time.monotonic()
        for tick in range(SECONDS * PACE):
            await asyncio.sleep(max(0.0, started + tick / PACE - time.monotonic()))
            bodies = _background(tick, people, ill, away, parties)
            bodies += _others(tick, people, ill, parties, devices)
            if tick % PACE == 0:
                party = parties[people[tick // PACE % len(people)]]
                bodies += _healthy(tick, party, devices["well"])
            for path, body in bodies:
                task = asyncio.create_task(_post(session, path, body))
                sent.add(task)
                task.add_done_callback(sent.discard)
        await asyncio.gather(*sent)
        await asyncio.sleep(5)


async def _post(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> None:
    async with session.post(f"/2281/{path}?async=true", json=body) as answer:
        assert answer.status == 201, await answer.text()
        await answer.read()


def _background(
    tick: int,
    people: Sequence[str],
    ill: Sequence[str],
    away: Sequence[str],
    parties: Mapping[str, str],
) -> list[tuple[str, dict[str, Any]]]:
    """Return a message by each channel; four of twenty are ill, each in its own way."""
    way, serial = tick % SHARE, tick // SHARE
    healthy = way >= len(SMS_WAYS)
    if healthy:
        legal_id = people[tick % len(people)]
    else:
        legal_id = away[serial % 8] if way == 3 else ill[8 * way + serial % 8]
    return [
        ("sms", _sms(f"+4672{9 if healthy else way}{tick:06}")),
        ("email", _email(f"{'well' if healthy else f'ill{way}-{tick}'}@example.se")),
        (f"{ORGANIZATION}/digital-mail", _mail(parties[legal_id])),
    ]


def _others(
    tick: int,
    people: Sequence[str],
    ill: Sequence[str],
    parties: Mapping[str, str],
    devices: Mapping[str, str],
) -> list[tuple[str, dict[str, Any]]]:
    """Return an invoice, a push message, a Slack message and a web message."""
    way, serial = tick % SHARE, tick // SHARE
    if way >= len(OTHER_WAYS):
        name, case, legal_id = "well", f"1{tick}", people[tick % len(people)]
    else:
        name, case = f"ill{way}-{serial % 8}", f"9{way}{tick}"
        legal_id = ill[(8 * way + serial % 8) % len(ill)]
    return [
        ("digital-invoice", _invoice(parties[legal_id])),
        ("push", _push(devices[name])),
        ("slack", _slack(name)),
        ("webmessage", _web_message(case)),
    ]


async def _device(session: aiohttp.ClientSession, url: str, name: str) -> str:
    """Register a device of a new party, and return the party."""
    async with session.post(f"{url}/push/devices", json={"name": name}) as answer:
        made = await answer.json()
    party = str(uuid4())
    subscription = {
        "party": {"partyId": party},
        "webpush": {
            "endpoint": made["endpoint"],
            "keys": {"p256dh": made["p256dh"], "auth": made["auth"]},
        },
    }
    async with session.post("/2281/push/subscriptions", json=subscription) as answer:
        assert answer.status == 201, await answer.text()
    return party


def _healthy(tick: int, party: str, phone: str) -> list[tuple[str, dict[str, Any]]]:
    high = {"priority": "HIGH", "reference": "healthy"}
    return [
        ("sms", _sms(f"+46729{tick:06}") | high),
        ("email", _email(f"well{tick}@example.se") | high),
        (f"{ORGANIZATION}/digital-mail", _mail(party) | high),
        ("digital-invoice", _invoice(party) | _renamed(high)),
        ("push", _push(phone) | high),
        ("slack", _slack("well") | high),
        ("webmessage", _web_message(f"1{tick}") | high),
    ]


def _renamed(high: Mapping[str, str]) -> dict[str, str]:
    """Return the members for an invoice, whose ``reference`` is its own."""
    return {"priority": high["priority"], "messageReference": high["reference"]}


def _invoice(party: str) -> dict[str, Any]:
    return {
        "party": {"partyId": party},
        "type": "INVOICE",
        "subject": "Faktura",
        "details": {
            "amount": 100,
            "dueDate": "2035-01-31",
            "paymentReferenceType": "SE_OCR",
            "paymentReference": "12345674",
            "accountType": "BANKGIRO",
            "accountNumber": "5050-1055",
        },
        "files": [{"contentType": "application/pdf", "content": _PDF, "filename": "faktura.pdf"}],
    }


def _push(party: str) -> dict[str, Any]:
    return {"party": {"partyIds": [party]}, "title": "Vatten", "message": "Vattnet ska kokas."}


def _slack(channel: str) -> dict[str, Any]:
    return {"token": "xoxb-bench", "channel": channel, "message": "Vattnet ska kokas."}


def _web_message(case: str) -> dict[str, Any]:
    return {
        "party": {"externalReferences": [{"key": "flowInstanceId", "value": case}]},
        "message": "Vattnet ska kokas.",
    }


def _sms(recipient: str) -> dict[str, Any]:
    return {"mobileNumber": recipient, "message": "Vattnet ska kokas."}


def _email(recipient: str) -> dict[str, Any]:
    return {"emailAddress": recipient, "subject": "Vatten", "message": "Vattnet ska kokas."}


def _mail(party: str) -> dict[str, Any]:
    return {
        "party": {"partyIds": [party]},
        "subject": "Vatten",
        "contentType": "text/plain",
        "body": "Vattnet ska kokas.",
    }


def blip() -> list[Result]:
    """Answer 503 for one second at the only SMS account, with 50 calls in flight.

    Measures the time from the end of the outage to the tenth accepted SMS.
    """
    return [Result("blip", max(asyncio.run(_blip()) for _ in range(3)), "s", 2.0, 1.0, under=True)]


class _Gateway:
    """An SMS gateway like LINK's that answers 503 while ``is_ill``."""

    def __init__(self) -> None:
        self.is_ill = False
        self.accepted: list[float] = []

    async def answer(self, _request: web.Request) -> web.Response:
        ill = self.is_ill
        await asyncio.sleep(0.05)
        if ill:
            return web.Response(status=503)
        self.accepted.append(time.monotonic())
        return web.json_response({"messageId": uuid4().hex, "resultCode": 1005})


async def _blip() -> float:
    gateway = _Gateway()
    application = web.Application()
    application.add_routes([web.post("/link/sms/send", gateway.answer)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        return await _outage(gateway, url)
    finally:
        await runner.cleanup()


async def _outage(gateway: _Gateway, url: str) -> float:
    with stage.folder() as data:
        service = stage.process("service", environment=stage.settings(data / "d", gateway=url))
        started = await asyncio.to_thread(service.__enter__)
        try:
            async with aiohttp.ClientSession(
                started["api"], connector=aiohttp.TCPConnector(limit=64)
            ) as session:
                sending = asyncio.create_task(_stream(session))
                while len(gateway.accepted) < 200:
                    await asyncio.sleep(0.05)
                gateway.is_ill = True
                await asyncio.sleep(1)
                gateway.is_ill = False
                end, before = time.monotonic(), len(gateway.accepted)
                while len(gateway.accepted) < before + 10:
                    assert time.monotonic() < end + 120, "traffic did not come back"
                    await asyncio.sleep(0.02)
                sending.cancel()
                return gateway.accepted[before + 9] - end
        finally:
            await asyncio.to_thread(service.__exit__, None, None, None)


async def _stream(session: aiohttp.ClientSession) -> None:
    """Post some hundred SMS a second on 16 connections."""

    async def post(lane: int) -> None:
        count = 0
        while True:
            await _post(session, "sms", _sms(f"+4672{lane:02}{count:05}"))
            count += 1
            await asyncio.sleep(0.03)

    await asyncio.gather(*(post(lane) for lane in range(16)))
