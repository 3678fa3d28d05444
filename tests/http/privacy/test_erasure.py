"""A person is erased: nothing is left but what a rule preserves, a hold keeps or is on its way, and
that is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.http.conftest import Client
from tests.http.directory.test_directory import violations
from tests.http.people_in_full import PHONE, Person, known_in_full, needles, told_anywhere
from tests.store.histories import Histories, Told
from utskick.domain.clock import SWEDEN, utc_now
from utskick.store.database import Database

ANNA = {"X_Sent_By": "anna01; type=adAccount"}


async def erase(client: Client, party: str, query: str = "") -> Any:
    answer = await client.call("DELETE", f"/2281/parties/{party}{query}", **ANNA)
    assert answer.status == 200, answer.text
    return answer.json


async def reads(client: Client, person: Person) -> dict[str, int]:
    """How the calls that read something of the person answer."""
    paths = [f"status/messages/{one}" for one in person.messages.values()] + [
        f"messages/{one}" for one in person.messages.values()
    ]
    paths += [
        f"parties/{person.party}",
        f"settings/{person.setting}",
        *(f"status/batch/{one}" for one in person.batches.values()),
    ]
    return {path: (await client.get(f"/2281/{path}")).status for path in paths}


async def test_nothing_of_an_erased_person_is_left_in_any_table(
    client: Client, database: Database
) -> None:
    person = await known_in_full(client)
    assert len(await told_anywhere(database, *await needles(database, person))) > 20
    hold = (
        await client.post(
            "/2281/holds", {"kind": "party", "id": person.party, "reason": "Kanarie ska granskas"}
        )
    ).json["id"]
    assert (await client.call("DELETE", f"/2281/holds/{hold}", **ANNA)).status == 204
    mine = (
        await client.post(
            "/2281/holds", {"kind": "message", "id": person.messages["sms"], "reason": "Kanarie"}
        )
    ).json["id"]
    assert (await client.call("DELETE", f"/2281/holds/{mine}", **ANNA)).status == 204
    before = (await client.get("/2281/statistics")).json
    erased = await erase(client, person.party, "?reference=TR%202026/17")
    assert erased["kept"] == []
    assert erased["removed"] == {
        "messages": 7,
        "deliveries": 10,
        "batches": 4,
        "files": 1,
        "parties": 1,
        "contactSettings": 2,
        "delegates": 1,
        "devices": 1,
    }
    left = [one for one in await needles(database, person) if one != person.messages["sms"]]
    assert [
        one for one in await told_anywhere(database, *left) if not one.startswith("holds: ")
    ] == []
    assert await told_anywhere(database, person.party, "Kanarie") == []
    assert (await client.get("/2281/statistics")).json == before
    for message_id in person.others:
        assert (await client.get(f"/2281/messages/{message_id}")).status == 200
    assert (await client.get(f"/2281/parties/{person.other}")).status == 200
    assert (await client.get(f"/2281/settings/{person.agent}")).status == 200
    told = await reads(client, person)
    assert {path for path, status in told.items() if status == 200} == {
        f"status/batch/{person.batches[name]}" for name in ("letter", "messages", "snail-mail")
    }
    assert (await client.get(f"/2281/conversation-history/{person.party}")).json == []
    found = (await client.get(f"/2281/holds/{hold}")).json
    assert (found["liftedBy"], "subject" in found, "reason" in found) == ("anna01", False, False)
    protocol = (await client.get("/2281/configuration/retention/protocol")).json["protocol"]
    assert {(line["kind"], line["actor"], line["reference"]) for line in protocol} == {
        ("erasure", "anna01", "TR 2026/17")
    }
    assert [
        (sum(line[name] for line in protocol))
        for name in ("messages", "deliveries", "files", "entries")
    ] == [7, 10, 1, 5]
    assert (await client.call("DELETE", f"/2281/parties/{person.party}")).status == 404


async def test_what_is_kept_is_told_with_its_reason(client: Client, database: Database) -> None:
    person = await known_in_full(client)
    await client.call(
        "PUT", "/2281/configuration/retention/LETTER", {"preserve": True, "decision": "KS 2"}
    )
    await client.call(
        "PUT", "/2281/configuration/retention/EMAIL", {"days": 3650, "decision": "KS 3"}
    )
    held = {"kind": "message", "id": person.messages["sms"], "reason": "r", "reference": "TR 1"}
    assert (await client.post("/2281/holds", held)).status == 201
    later = (datetime.now(SWEDEN) + timedelta(days=1)).isoformat()
    waits = {
        "mobileNumber": PHONE,
        "message": "i morgon",
        "party": {"partyId": person.party},
        "sendAt": later,
    }
    waiting = (await client.post("/2281/sms?async=true", waits)).json
    erased = await erase(client, person.party)
    assert erased["kept"] == [
        {"what": "message", "count": 1, "reason": "hold", "reference": "TR 1"},
        {"what": "message", "count": 1, "reason": "on-its-way"},
        {"what": "message", "count": 1, "reason": "preserve", "decision": "KS 2"},
    ]
    assert (erased["removed"]["messages"], erased["removed"]["parties"]) == (5, 1)
    stays = {person.messages["sms"], person.messages["letter"], waiting["messageId"]}
    rows = await database.pool.fetch(
        "SELECT id FROM messages WHERE party_key = $1",
        await database.vault.index("2281", person.party),
    )
    assert {str(row["id"]) for row in rows} == stays
    again = await erase(client, person.party)
    assert (again["removed"]["messages"], again["kept"]) == (0, erased["kept"])


async def test_a_held_person_keeps_everything(client: Client, database: Database) -> None:
    person = await known_in_full(client)
    hold = (
        await client.post(
            "/2281/holds", {"kind": "party", "id": person.party, "reason": "r", "reference": "TR 1"}
        )
    ).json["id"]
    before = await told_anywhere(database, *await needles(database, person))
    erased = await erase(client, person.party)
    assert erased["kept"] == [
        {"what": "directory", "count": 5, "reason": "hold", "reference": "TR 1"},
        {"what": "message", "count": 7, "reason": "hold", "reference": "TR 1"},
    ]
    assert set(erased["removed"].values()) == {0}
    assert (
        await client.call("DELETE", f"/2281/parties/{person.party}?scope=directory")
    ).status == 409
    assert await told_anywhere(database, *await needles(database, person)) == before
    await client.call("DELETE", f"/2281/holds/{hold}")
    assert (
        await client.call("DELETE", f"/2281/parties/{person.party}?scope=directory")
    ).status == 204
    assert (await erase(client, person.party))["removed"]["messages"] == 7


async def test_the_directory_alone_can_be_forgotten(client: Client) -> None:
    person = await known_in_full(client)
    answer = await client.call("DELETE", f"/2281/parties/{person.party}?scope=directory")
    assert (answer.status, answer.text) == (204, "")
    told = await reads(client, person)
    assert [path for path, status in told.items() if status != 200] == [f"parties/{person.party}"]


async def test_another_municipality_erases_nobody_of_ours(
    client: Client, database: Database
) -> None:
    histories, theirs, party = Histories(database), Histories(database, "2260"), uuid4()
    await histories.batch(Told(party=party, days=1))
    assert (await client.call("DELETE", f"/2260/parties/{party}")).status == 404
    await theirs.batch(Told(party=party, days=1))
    answer = await client.call("DELETE", f"/2260/parties/{party}")
    assert answer.json["removed"]["messages"] == 1
    assert (len(await histories.messages()), len(await theirs.messages())) == (1, 0)


async def test_many_messages_are_erased_step_by_step_and_a_shared_file_stays(
    client: Client, database: Database
) -> None:
    histories, party = Histories(database), uuid4()
    for _ in range(3):
        await histories.batch(
            *[Told(party=party, file="egen") for _ in range(300)], Told(file="annan"), file="delad"
        )
    erased = await erase(client, str(party))
    assert (
        erased["removed"]["messages"],
        erased["removed"]["batches"],
        erased["removed"]["files"],
    ) == (900, 0, 1)
    assert len((await client.get("/2281/configuration/retention/protocol")).json["protocol"]) == 3
    assert await histories.files() == {"annan", "delad"}
    assert await histories.orphans() == {}


async def test_what_a_webhook_has_not_been_told_is_kept_until_it_has(
    client: Client, database: Database
) -> None:
    histories, party = Histories(database), uuid4()
    await database.pool.execute(
        """
        INSERT INTO webhooks (municipality_id, id, origin, url, statuses, secret, created_at, tx, event_id, due_at)
        VALUES ('2281', $1, 'Byggr', '', '{}', '', $2, 0, 0, $2)
        """,
        uuid4(),
        utc_now() + timedelta(days=365),
    )
    await histories.batch(Told(party=party), origin="Byggr")
    assert (await erase(client, str(party)))["kept"] == [
        {"what": "message", "count": 1, "reason": "untold"}
    ]
    await database.pool.execute("UPDATE webhooks SET tx = utskick_complete_tx()")
    assert (await erase(client, str(party)))["kept"] == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("scope=everything", "Failed to convert 'scope' with value: 'everything'"),
        ("reference=a%0Ab", None),
    ],
)
async def test_odd_queries_are_refused(client: Client, query: str, said: str | None) -> None:
    answer = await client.call("DELETE", f"/2281/parties/{uuid4()}?{query}")
    assert answer.status == 400
    if said is None:
        assert violations(answer).keys() == {"deleteParty.reference"}
    else:
        assert answer.json["detail"] == said
