"""Statistics: every form of the contract, and always equal to the count of the rows themselves."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.http.conftest import Client
from tests.http.messages.test_letter import ADDRESS, attachment, citizen, letter
from tests.http.messages.test_messages import message, settle_on
from utskick.domain.clock import SWEDEN
from utskick.domain.delivery import Move
from utskick.domain.outcome import Reason
from utskick.domain.status import UNDELIVERABLE, Status, contract_status
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database
from utskick.store.history.statistics import StatisticsFilter, Tallies
from utskick.store.messages.attempts import Attempts, AttemptStart
from utskick.store.messages.deliveries import Deliveries
from utskick.store.messages.settlement import Settlement
from utskick.store.queue import Job, payload

SMS = {"mobileNumber": "+46701740605", "message": "Hej"}
NONE = {"sent": 0, "failed": 0, "notSent": 0, "pending": 0, "awaitingFeedback": 0}


def counter(**numbers: int) -> dict[str, int]:
    return {**NONE, **numbers}


Told = Counter[tuple[str, str, str, str, str]]


async def raw(connection: Any, municipality_id: str) -> Told:
    """The same count from the rows, one by one, with the rules of ``domain.status``."""
    rows = await connection.fetch(
        """
        SELECT b.message_type AS original, d.message_type, coalesce(m.origin, '') AS origin, coalesce(m.department, '') AS department,
            d.status, d.reason_code
        FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN batches b ON b.id = d.batch_id
        WHERE d.municipality_id = $1 AND d.status <> 'routed' AND b.message_type <> 'PRINT_BATCH'
        """,
        municipality_id,
    )
    told: Told = Counter()
    for row in rows:
        nowhere = (row["reason_code"] or "").startswith(UNDELIVERABLE)
        kind = row["original"] if nowhere else row["message_type"]
        told[
            row["original"],
            kind,
            row["origin"],
            row["department"],
            contract_status(Status(row["status"]), row["reason_code"]).value,
        ] += 1
    return told


class _Same:
    """A pool of one connection, and its transaction: what is counted in it is counted at the same
    moment."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self, *_isolation: Any, **_mode: Any) -> AsyncIterator[Any]:
        yield self._connection


async def both(database: Database, municipality_id: str = "2281") -> tuple[Told, Told]:
    """The tallies and the raw count of one moment."""
    async with (
        database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        found = await Tallies(SimpleNamespace(of=lambda _: _Same(connection))).count(
            StatisticsFilter(municipality_id)
        )  # type: ignore[arg-type]
        told = Counter(
            {
                (t.original_type, t.message_type, t.origin, t.department, t.word): t.number
                for t in found
            }
        )
        return told, await raw(connection, municipality_id)


async def in_doubt(client: Client, database: Database) -> str:
    """The id of a delivery whose attempt got no answer."""
    later = (datetime.now(SWEDEN) + timedelta(days=1)).isoformat()
    sent = (await client.post("/2281/sms?async=true", {**SMS, "sendAt": later})).json["deliveries"][
        0
    ]["deliveryId"]
    [row] = await database.pool.fetch(
        "SELECT id FROM pgqueuer WHERE payload = $1", payload("2281", UUID(sent))
    )
    job, now = Job(row["id"], "sms:normal", "2281", UUID(sent)), datetime.now(SWEDEN)
    loaded, _ = await Deliveries(database).load([job])
    delivery, attempts = loaded[job.delivery_id].delivery, Attempts(database)
    assert await attempts.begin(AttemptStart(delivery, "link", uuid4(), "test", now))
    move = Move(Status.UNCERTAIN, reason=Reason("no-answer", "no answer came"), doubt=True)
    assert await attempts.settle(Settlement(delivery.begun("link"), 1, move, job.id, "link", now))
    return sent


async def test_tallies_are_the_count_of_the_rows_at_every_moment(
    client: Client, database: Database
) -> None:
    chance = random.Random(7)
    tallies = Tallies(database)
    digital, paper, homeless = (
        await citizen(client, number(11)),
        await citizen(client, number(12, "10")),
        await citizen(client, number(13, "10"), at_home=False),
    )
    willing = await settle_on(
        client, ("SMS", "+46701740605", False), ("EMAIL", "anna@example.se", False)
    )
    unwilling = await settle_on(client, ("SMS", "+46701740607", True))
    requests: list[tuple[str, dict[str, Any]]] = [
        (
            "sms",
            {
                **SMS,
                "mobileNumber": f"+467000000{end:02}",
                "department": chance.choice(["Skola", "Vård", ""]),
            },
        )
        for end in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
    ]
    requests += [
        ("email", {"emailAddress": "a@example.se", "subject": "s", "message": "m"}),
        (
            "sms/batch",
            {"message": "Hej", "parties": [{"mobileNumber": f"+4670111{n:04}"} for n in range(30)]},
        ),
        ("letter", letter(digital, paper, homeless, addresses=[ADDRESS])),
        ("letter", letter(homeless, attachments=[attachment("DIGITAL_MAIL")])),
        ("messages", {"messages": [message(willing), message(unwilling), message(str(uuid4()))]}),
        (
            f"snail-mail?batchId={uuid4()}",
            {"department": "SBK", "address": ADDRESS, "attachments": [attachment()]},
        ),
    ]
    chance.shuffle(requests)
    await in_doubt(client, database)
    for path, body in requests:
        at_once = "" if path.startswith("snail-mail") else "?async=true"
        answer = await client.post(
            f"/2281/{path}{at_once}", body, x_origin=chance.choice(["Lärplattform", "Ärenden"])
        )
        assert answer.status == 201, answer.text
        if chance.random() < 0.5:
            await tallies.keep_up()
        found, rows = await both(database)
        assert found == rows
    while any(key[4] == "PENDING" and key[1] != "SMS" and key[1] != "SNAIL_MAIL" for key in rows):
        await tallies.keep_up()
        found, rows = await both(database)
        assert found == rows
    words = {key[4] for key in rows}
    assert words >= {
        "SENT",
        "FAILED",
        "AWAITING_FEEDBACK",
        "NO_CONTACT_WANTED",
        "NO_CONTACT_SETTINGS_FOUND",
        "PENDING",
    }
    kept = await database.pool.fetchval(
        "SELECT sum(number) FROM tallies WHERE municipality_id = '2281'"
    )
    assert kept >= 40, "what was told has been taken in"
    assert await both(database, "2260") == ({}, {})


async def test_a_resend_and_a_late_report_change_what_was_tallied(
    client: Client, database: Database
) -> None:
    delivery = await in_doubt(client, database)
    tallies = Tallies(database)
    await tallies.keep_up()
    assert (await client.get("/2281/statistics")).json == {"SMS": counter(awaitingFeedback=1)}
    await client.post(f"/2281/deliveries/{delivery}/resolve", {"decision": "give-up"})
    assert (await client.get("/2281/statistics")).json == {"SMS": counter(failed=1)}
    await tallies.keep_up()
    await tallies.keep_up()
    assert (await client.get("/2281/statistics")).json == {"SMS": counter(failed=1)}


async def test_a_round_of_tallies_ends_though_more_is_told_meanwhile(database: Database) -> None:
    async def tell() -> None:
        while True:
            await database.pool.execute(
                "INSERT INTO events (municipality_id, delivery_id, status, at) VALUES ('2281', gen_random_uuid(), 'sent', now())"
            )

    telling = [asyncio.create_task(tell()) for _ in range(3)]
    try:
        async with asyncio.timeout(3):
            for _ in range(3):
                await asyncio.sleep(0.05)
                await Tallies(database).keep_up()
    finally:
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)


async def test_statistics_by_type_with_what_the_peer_leaves_out(client: Client) -> None:
    digital, nowhere = (
        await citizen(client, number(11)),
        await citizen(client, number(13, "10"), at_home=False),
    )
    willing = await settle_on(client, ("SMS", "+46701740605", False))
    await client.post("/2281/sms", SMS)
    await client.post("/2281/sms", {**SMS, "mobileNumber": "+46700000003"})
    await client.post("/2281/messages", {"messages": [message(willing), message(str(uuid4()))]})
    await client.post("/2281/letter", letter(digital, nowhere))
    found = (await client.get("/2281/statistics")).json
    assert found["SMS"] == counter(sent=1, notSent=1)
    assert found["MESSAGE"] == {"SMS": counter(sent=1), "UNDELIVERABLE": 1}
    assert found["LETTER"] == {"DIGITAL_MAIL": counter(sent=1, failed=1), "UNDELIVERABLE": 1}
    assert (await client.get("/2281/statistics?messageType=SMS")).json == {
        "SMS": counter(sent=1, notSent=1)
    }
    assert (await client.get("/2281/statistics?messageType=EMAIL")).json == {}
    assert (await client.get("/2260/statistics")).json == {}
    assert (await client.get("/2281/statistics/delivery-status?origin=x&department=y")).json == {
        "ORIGIN": "x",
        "DEPARTMENT": "y",
    }
    told = (await client.get("/2281/statistics/delivery-status")).json
    assert (told["SMS"], told["DIGITAL_MAIL"]) == (
        counter(sent=1, notSent=1),
        counter(sent=1, failed=1),
    )


async def test_departments_stand_in_order_with_what_has_none_last(client: Client) -> None:
    digital = await citizen(client, number(11))
    for origin, department in (
        ("Ärenden", "Vård/Omsorg"),
        ("", "SBK"),
        ("Ärenden", "Barn"),
        ("Bygg", "SBK"),
    ):
        headers = {"x_origin": origin} if origin else {}
        assert (
            await client.post("/2281/letter", letter(digital, department=department), **headers)
        ).status == 201
    found = (await client.get("/2281/statistics/departments")).json
    assert [
        (o["ORIGIN"], [d["DEPARTMENT"] for d in o["DEPARTMENT_STATISTICS"]]) for o in found
    ] == [("Bygg", ["SBK"]), ("Ärenden", ["Barn", "Vård/Omsorg"]), ("Other", ["SBK"])]
    assert found[0]["DEPARTMENT_STATISTICS"][0] == {
        "DEPARTMENT": "SBK",
        "DIGITAL_MAIL": counter(sent=1),
    }
    [one] = (await client.get("/2281/statistics/departments?origin=Bygg")).json
    assert one["ORIGIN"] == "Bygg"
    assert [
        o["ORIGIN"]
        for o in (await client.get("/2281/statistics/departments/V%C3%A5rd/Omsorg")).json
    ] == ["Ärenden"]
    assert (await client.get("/2281/statistics/departments/Other")).json == []


async def test_days_are_swedish_and_inclusive(client: Client, database: Database) -> None:
    await client.post("/2281/sms", SMS)
    midnight = datetime(2026, 3, 1, tzinfo=SWEDEN)
    sent = {"SMS": counter(sent=1)}

    async def said_at(moment: datetime) -> None:
        await database.pool.execute("UPDATE messages SET at = $1", moment)
        await database.pool.execute("TRUNCATE tallies, watermarks")

    await said_at(midnight)
    for days, expected in (
        ("from=2026-03-01&to=2026-03-01", sent),
        ("to=2026-02-28", {}),
        ("from=2026-03-02", {}),
        ("", sent),
    ):
        assert (await client.get(f"/2281/statistics?{days}")).json == expected, days
    await said_at(midnight - timedelta(microseconds=1))
    assert (await client.get("/2281/statistics?to=2026-02-28")).json == sent


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("statistics?messageType=PIGEON", "Failed to convert 'messageType' with value: 'PIGEON'"),
        ("statistics?from=2026-13-01", "Failed to convert 'from' with value: '2026-13-01'"),
    ],
)
async def test_what_cannot_be_read_is_named(client: Client, path: str, said: str) -> None:
    answer = await client.get(f"/2281/{path}")
    assert (answer.status, answer.json["detail"]) == (400, said)


@pytest.mark.parametrize(
    ("path", "violation"),
    [
        (
            "/2281/statistics?from=2026-03-02&to=2026-03-01",
            ("getStatistics.from", "must not be after to"),
        ),
        ("/9999/statistics", ("getStatistics.municipalityId", "not a valid municipality ID")),
        (
            "/2281/statistics/delivery-status?department=",
            (
                "getStatisticsByDepartment.department",
                "text is not null or not empty or has starting or trailing spaces",
            ),
        ),
    ],
)
async def test_a_broken_rule_is_a_violation(
    client: Client, path: str, violation: tuple[str, str]
) -> None:
    answer = await client.get(path)
    assert answer.status == 400
    assert [(v["field"], v["message"]) for v in answer.json["violations"]] == [violation]
