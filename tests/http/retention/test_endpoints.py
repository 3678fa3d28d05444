"""Rules, holds and the protocol over HTTP, and a worker that carries them out."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.http.conftest import Client, serving
from tests.http.directory.test_directory import violations
from tests.store.histories import NOW, Histories, Told
from utskick.domain.clock import utc_now
from utskick.engine.retention import RetentionRound
from utskick.store.database import Database
from utskick.store.history.statistics import Tallies

PATH = "/2281/configuration/retention"
ANNA = {"X_Sent_By": "anna01; type=adAccount"}


async def test_a_rule_is_set_read_changed_and_removed(client: Client) -> None:
    made = await client.call("PUT", f"{PATH}/SMS", {"days": 730, "decision": "KS 2026/123"}, **ANNA)
    assert (made.status, made.headers["Location"]) == (201, PATH)
    changed = await client.call(
        "PUT", f"{PATH}/SMS", {"preserve": True, "decision": "KS 2026/124"}, **ANNA
    )
    assert changed.status == 200
    assert (
        await client.call("PUT", f"{PATH}/%2A", {"days": 36500, "preserve": False, "decision": "d"})
    ).status == 201
    sms, rest = (await client.get(PATH)).json
    assert sms.pop("set")
    assert sms == {
        "messageType": "SMS",
        "preserve": True,
        "decision": "KS 2026/124",
        "source": "municipality",
        "setBy": "anna01",
    }
    assert (rest["messageType"], rest["days"], rest["setBy"]) == ("*", 36500, "everything")
    assert (await client.get("/2260/configuration/retention")).json == []
    assert (await client.call("DELETE", f"{PATH}/*")).status == 204
    assert (await client.call("DELETE", f"{PATH}/*")).status == 404
    assert [rule["messageType"] for rule in (await client.get(PATH)).json] == ["SMS"]


async def test_a_part_of_the_municipality_has_rules_of_its_own(client: Client) -> None:
    for query, days in (
        ("", 30),
        ("?department=Skola", 10),
        ("?organizationNumber=2120002411", 20),
    ):
        assert (
            await client.call("PUT", f"{PATH}/SMS{query}", {"days": days, "decision": "d"})
        ).status == 201
    assert (
        await client.call("PUT", f"{PATH}/SMS?department=Skola", {"days": 11, "decision": "d"})
    ).status == 200
    found = [
        (r.get("organizationNumber"), r.get("department"), r["days"])
        for r in (await client.get(PATH)).json
    ]
    assert found == [(None, None, 30), (None, "Skola", 11), ("2120002411", None, 20)]
    assert (await client.call("DELETE", f"{PATH}/SMS?department=Skola")).status == 204
    assert (await client.call("DELETE", f"{PATH}/SMS?department=Skola")).status == 404
    assert len((await client.get(PATH)).json) == 2
    assert (
        await client.call("PUT", f"{PATH}/SMS?organizationNumber=1", {"days": 1, "decision": "d"})
    ).status == 400


async def test_units_have_rules_in_the_settings(database: Database, tmp_path: Path) -> None:
    tables = {"2281": {"departments": {"Skola": {"retention": {"days": 9, "decision": "D 9"}}}}}
    async with serving(
        database, tmp_path, configuration=tables, retention={"days": 90, "decision": "D 1"}
    ) as client:
        found = [
            (r.get("department"), r["days"], r["source"]) for r in (await client.get(PATH)).json
        ]
        assert found == [(None, 90, "settings"), ("Skola", 9, "settings")]
        assert len((await client.get("/2260/configuration/retention")).json) == 1


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (PATH + "/SMS", {"days": 0}, {"days": 1, "decision": 1}),
        (PATH + "/SMS", {"days": 36_501, "decision": " "}, {"days": 1, "decision": 1}),
        (PATH + "/SMS", {"decision": "d"}, {"preserve": 1}),
        (PATH + "/SMS", {"days": 1, "preserve": True, "decision": "d"}, {"preserve": 1}),
        (PATH + "/SMS", {"days": 1, "decision": "x" * 256}, {"decision": 1}),
        (PATH + "/PIGEON", {"days": 1, "decision": "d"}, {"putRetentionRule.messageType": 1}),
        (
            "/9999/configuration/retention/x",
            {"days": 1, "decision": "d"},
            {"putRetentionRule.messageType": 1, "putRetentionRule.municipalityId": 1},
        ),
    ],
)
async def test_broken_rules_are_told_all_at_once(
    client: Client, path: str, body: Any, told: dict[str, int]
) -> None:
    found = violations(await client.call("PUT", path, body))
    assert {field: len(messages) for field, messages in found.items()} == told


async def test_rules_of_the_settings_apply_where_the_municipality_has_none(
    database: Database, tmp_path: Path
) -> None:
    retention = {
        "days": 90,
        "decision": "D 1",
        "types": {"LETTER": {"preserve": True, "decision": "D 2"}},
    }
    async with serving(database, tmp_path, retention=retention) as client:
        letter, rest = (await client.get(PATH)).json
        assert letter == {
            "messageType": "LETTER",
            "preserve": True,
            "decision": "D 2",
            "source": "settings",
        }
        assert rest == {"messageType": "*", "days": 90, "decision": "D 1", "source": "settings"}
        await client.call("PUT", f"{PATH}/LETTER", {"days": 10, "decision": "D 3"})
        assert [(r["messageType"], r["decision"]) for r in (await client.get(PATH)).json] == [
            ("LETTER", "D 3"),
            ("*", "D 1"),
        ]
        await client.call("PUT", f"{PATH}/*", {"preserve": True, "decision": "D 4"})
        assert [r["decision"] for r in (await client.get(PATH)).json] == ["D 3", "D 4"]


async def test_a_hold_is_placed_listed_and_lifted_and_stays_on_record(client: Client) -> None:
    party = str(uuid4())
    body = {"kind": "party", "id": party, "reason": "Begärd för tillsyn", "reference": "TR 2026/17"}
    made = await client.post("/2281/holds", body, **ANNA)
    assert made.status == 201
    assert made.headers["Location"] == f"/2281/holds/{made.json['id']}"
    found = (await client.get(made.headers["Location"])).json
    assert found == made.json
    assert {
        k: found[k] for k in ("kind", "subject", "reason", "reference", "active", "placedBy")
    } == {
        "kind": "party",
        "subject": party,
        "reason": body["reason"],
        "reference": "TR 2026/17",
        "active": True,
        "placedBy": "anna01",
    }
    message = (
        await client.post("/2281/sms", {"mobileNumber": "+46701740605", "message": "Hej"})
    ).json
    for kind, subject in (("message", message["messageId"]), ("batch", message["batchId"])):
        assert (
            await client.post("/2281/holds", {"kind": kind, "id": subject, "reason": "r"})
        ).status == 201
    assert (await client.call("DELETE", f"/2281/holds/{found['id']}", **ANNA)).status == 204
    assert (await client.call("DELETE", f"/2281/holds/{found['id']}")).status == 409
    assert (await client.call("DELETE", f"/2260/holds/{found['id']}")).status == 404
    assert (await client.get(f"/2260/holds/{found['id']}")).status == 404
    listed = (await client.get("/2281/holds?limit=2")).json
    assert [h["kind"] for h in listed["holds"]] == ["batch", "message"]
    [lifted] = (await client.get("/2281/holds?limit=2&page=2")).json["holds"]
    assert (lifted["active"], lifted["liftedBy"], lifted["subject"]) == (False, "anna01", party)
    assert (await client.get("/2260/holds")).json["_meta"]["totalRecords"] == 0


async def test_a_hold_needs_something_that_is_there(client: Client) -> None:
    assert violations(
        await client.post("/2281/holds", {"kind": "parcel", "id": "x", "reason": ""})
    ).keys() == {"kind", "id", "reason"}
    told = violations(
        await client.post("/2281/holds", {"kind": "batch", "id": str(uuid4()), "reason": "r"})
    )
    assert told == {"id": ["there is no batch with this id"]}


async def test_the_worker_removes_what_is_past_its_time_and_every_reading_call_still_answers(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path) as client:
        histories, party = Histories(database), uuid4()
        now = utc_now()
        old = await histories.batch(
            Told(days=40 + (NOW - now) / timedelta(days=1), party=party),
            kind="SMS",
            file="f",
            origin="Byggr",
        )
        young = (
            await client.post(
                "/2281/sms",
                {"mobileNumber": "+46701740605", "message": "Hej"},
                x_origin="Byggr",
                **ANNA,
            )
        ).json
        await database.pool.execute("UPDATE messages SET issuer = 'anna01'")
        await Tallies(database).keep_up()
        before = (await client.get("/2281/statistics")).json
        assert (
            await client.call("PUT", f"{PATH}/SMS", {"days": 30, "decision": "KS 1"})
        ).status == 201
        await RetentionRound(database, [], utc_now).round()
        assert await histories.orphans() == {}
        protocol = (await client.get(f"{PATH}/protocol")).json
        [line] = protocol["protocol"]
        assert line.pop("at")
        assert line.pop("oldest") == line.pop("newest")
        assert line == {
            "kind": "retention",
            "messageType": "SMS",
            "days": 30,
            "decision": "KS 1",
            "messages": 1,
            "deliveries": 1,
            "batches": 1,
            "files": 1,
            "entries": 0,
        }
        assert protocol["_meta"]["totalRecords"] == 1
        assert (await client.get("/2260/configuration/retention/protocol")).json["protocol"] == []
        assert (await client.get("/2281/statistics")).json == before
        assert (await client.get(f"/2281/conversation-history/{party}")).json == []
        for path in (
            f"status/batch/{old.id}",
            f"status/messages/{old.messages[0]}",
            f"messages/{old.messages[0]}",
        ):
            assert (await client.get(f"/2281/{path}")).status == 404, path
        assert [
            m["messageId"]
            for m in (await client.get("/2281/users/anna01/messages")).json["messages"]
        ] == [young["messageId"]]
        assert len((await client.get("/2281/events")).json["events"]) == len(
            (await client.get("/2281/events?origin=Byggr")).json["events"]
        )
        assert (await client.get(f"/2281/status/messages/{young['messageId']}")).status == 200


async def test_a_batch_of_which_a_part_is_gone_tells_of_the_rest(
    database: Database, client: Client
) -> None:
    histories, ago = Histories(database), (NOW - utc_now()) / timedelta(days=1)
    made = await histories.batch(
        Told(days=40 + ago), Told(days=1 + ago), Told(days=40 + ago), file="f"
    )
    await database.pool.execute("UPDATE batches SET issuer = 'anna01', origin = 'Byggr'")
    await database.pool.execute("UPDATE messages SET issuer = 'anna01'")
    await Tallies(database).keep_up()
    await client.call("PUT", f"{PATH}/*", {"days": 30, "decision": "KS 1"})
    await RetentionRound(database, [], utc_now).round()
    rest = str(made.messages[1])
    status = (await client.get(f"/2281/status/batch/{made.id}")).json
    assert ([m["messageId"] for m in status["messages"]], status["counts"]) == ([rest], {"sent": 1})
    [batch] = (await client.get("/2281/users/anna01/batches")).json["batches"] or [None]
    assert batch is None or batch["status"]["successful"] == 1
    assert [
        m["messageId"] for m in (await client.get("/2281/users/anna01/messages")).json["messages"]
    ] == [rest]
    assert len((await client.get(f"/2281/messages/{rest}")).json) == 1
    assert (await client.get(f"/2281/messages/{rest}/attachments?fileName=fil.txt")).text == "f"


async def test_a_worker_of_the_service_does_it_by_itself(
    database: Database, tmp_path: Path
) -> None:
    histories = Histories(database)
    await histories.batch(Told(days=400))
    async with serving(database, tmp_path, retention={"days": 30, "decision": "KS 1"}):
        async with asyncio.timeout(15):
            while await histories.messages():
                await asyncio.sleep(0.1)
