"""POST /push and push as a contact method, down to the devices of the sandbox."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.http.conftest import Client


async def device(client: Client, name: str, party: str) -> None:
    """A device of the sandbox that takes push messages for a party."""
    made = await client.outside("POST", "/push/devices", {"name": name})
    keys = {"p256dh": made["p256dh"], "auth": made["auth"]}
    body: dict[str, Any] = {
        "party": {"partyId": party},
        "webpush": {"endpoint": made["endpoint"], "keys": keys},
    }
    answer = await client.post("/2281/push/subscriptions", body)
    assert answer.status == 201, answer.text


async def test_a_push_reaches_every_device_of_a_person(client: Client) -> None:
    party = str(uuid4())
    await device(client, "mobilen", party)
    await device(client, "plattan", party)
    answer = await client.post(
        "/2281/push",
        {"party": {"partyIds": [party, str(uuid4())]}, "title": "Sopor", "message": "I morgon."},
    )
    assert answer.status == 201, answer.text
    first, second = answer.json["messages"]
    assert [(d["messageType"], d["status"]) for d in first["deliveries"]] == [
        ("PUSH", "SENT"),
        ("PUSH", "SENT"),
    ]
    assert [(d["status"], d["reason"]["code"]) for d in second["deliveries"]] == [
        ("FAILED", "no-subscription")
    ]
    for name in ("mobilen", "plattan"):
        [received] = await client.received("push", name)
        assert (received["subject"], received["text"]) == ("Sopor", "I morgon.")


async def test_a_subscription_that_is_gone_is_removed(client: Client) -> None:
    party = str(uuid4())
    await device(client, "gone-telefon", party)
    answer = await client.post(
        "/2281/push", {"party": {"partyIds": [party]}, "title": "Sopor", "message": "I morgon."}
    )
    assert answer.status == 502
    assert (await client.get(f"/2281/push/subscriptions?partyId={party}")).json == []


async def test_push_is_a_way_that_people_can_choose(client: Client) -> None:
    party = str(uuid4())
    await device(client, "evas-telefon", party)
    setting = {
        "partyId": party,
        "alias": "mina",
        "contactChannels": [{"contactMethod": "PUSH", "alias": "appen"}],
    }
    assert (await client.post("/2281/settings", setting)).status == 201
    answer = await client.post(
        "/2281/messages",
        {"messages": [{"party": {"partyId": party}, "subject": "Bibblan", "message": "Hämta."}]},
    )
    assert [(d["messageType"], d["status"]) for d in answer.json["messages"][0]["deliveries"]] == [
        ("PUSH", "SENT")
    ]
    [received] = await client.received("push", "evas-telefon")
    assert received["subject"] == "Bibblan"
