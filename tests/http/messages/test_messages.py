"""POST /messages: the person's contact settings decide which way each message goes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.http.conftest import Client

MESSAGE = "Din bok finns att hämta."


async def settle_on(client: Client, *channels: tuple[str, str, bool]) -> str:
    """The party id of somebody who wants to be reached by these: (method, destination,
    disabled)."""
    party = str(uuid4())
    named = [
        {"contactMethod": m, "alias": m, "destination": d, "disabled": off}
        for m, d, off in channels
    ]
    made = await client.post(
        "/2281/settings", {"partyId": party, "alias": "mina", "contactChannels": named}
    )
    assert made.status == 201, made.text
    return party


def message(party: str, **more: Any) -> dict[str, Any]:
    return {"party": {"partyId": party}, "subject": "Biblioteket", "message": MESSAGE, **more}


async def test_every_way_that_is_wanted_is_taken(client: Client) -> None:
    party = await settle_on(
        client,
        ("SMS", "+46701740605", False),
        ("EMAIL", "anna@example.se", False),
        ("SMS", "+46701740606", True),
    )
    answer = await client.post("/2281/messages", {"messages": [message(party)]})
    assert answer.status == 201, answer.text
    assert answer.headers["Location"] == f"/2281/status/batch/{answer.json['batchId']}"
    [told] = answer.json["messages"]
    assert sorted((d["messageType"], d["status"]) for d in told["deliveries"]) == [
        ("EMAIL", "SENT"),
        ("SMS", "SENT"),
    ]
    assert [r["text"] for r in await client.received("sms", "+46701740605")] == [MESSAGE]
    [mail] = await client.received("email", "anna@example.se")
    assert mail["subject"] == "Biblioteket"
    assert await client.received("sms", "+46701740606") == []


async def test_nobody_known_and_nobody_willing_are_told_as_such(client: Client) -> None:
    unwilling = await settle_on(client, ("SMS", "+46701740607", True))
    answer = await client.post(
        "/2281/messages", {"messages": [message(str(uuid4())), message(unwilling)]}
    )
    assert answer.status == 201
    told = [
        (d["messageType"], d["status"]) for m in answer.json["messages"] for d in m["deliveries"]
    ]
    assert told == [("MESSAGE", "NO_CONTACT_SETTINGS_FOUND"), ("MESSAGE", "NO_CONTACT_WANTED")]


async def test_each_message_says_its_own(client: Client) -> None:
    first, second = (
        await settle_on(client, ("SMS", "+46701740611", False)),
        await settle_on(client, ("SMS", "+46701740612", False)),
    )
    said = [
        message(first, message="Ett.", sender={"sms": {"name": "Kültür"}}),
        message(second, message="Två.", reference="rad 2"),
    ]
    answer = await client.post("/2281/messages", {"messages": said})
    assert answer.status == 201, answer.text
    assert [m.get("reference") for m in answer.json["messages"]] == [None, "rad 2"]
    assert [(r["text"], r["sender"]) for r in await client.received("sms", "+46701740611")] == [
        ("Ett.", "Kültür")
    ]
    assert [r["text"] for r in await client.received("sms", "+46701740612")] == ["Två."]


async def test_an_id_that_was_answered_stays_resolvable(client: Client) -> None:
    """Contract Q18: the placeholder of an asynchronous call tells where it was routed to."""
    party = await settle_on(client, ("SMS", "+46701740613", False))
    answer = await client.post("/2281/messages?async=true", {"messages": [message(party)]})
    [delivery] = answer.json["messages"][0]["deliveries"]
    assert delivery["messageType"] == "MESSAGE"
    assert "status" not in delivery
    await client.until(
        f"/2281/status/messages/{answer.json['messages'][0]['messageId']}",
        lambda m: m["deliveries"][0]["status"] == "SENT",
    )
    placeholder = (await client.get(f"/2281/status/delivery/{delivery['deliveryId']}")).json
    assert (placeholder["messageType"], placeholder["status"], placeholder["lifecycle"]) == (
        "MESSAGE",
        "SENT",
        "routed",
    )
    assert [leg["messageType"] for leg in placeholder["routedTo"]] == ["SMS"]
    batch = (await client.get(f"/2281/status/batch/{answer.json['batchId']}")).json
    assert [d["messageType"] for d in batch["messages"][0]["deliveries"]] == ["SMS"]


async def test_the_history_shows_what_went_by_which_way(client: Client) -> None:
    party = await settle_on(
        client, ("SMS", "+46701740614", False), ("EMAIL", "eva@example.se", False)
    )
    await client.post("/2281/messages", {"messages": [message(party)]})
    told = {
        entry["messageType"]: entry["content"]
        for entry in (await client.get(f"/2281/conversation-history/{party}")).json
    }
    assert told["SMS"]["mobileNumber"] == "+46701740614"
    assert told["EMAIL"]["emailAddress"] == "eva@example.se"
    assert told["EMAIL"]["sender"]["address"] == "noreply@utskick.example"
    assert "_legs" not in str(told)


async def test_a_way_that_fails_takes_no_other_with_it(client: Client) -> None:
    """Contract Q5: every recipient is processed; 201 with a status each."""
    party = await settle_on(
        client, ("EMAIL", "nils+refuse@example.se", False), ("SMS", "+46701740615", False)
    )
    answer = await client.post("/2281/messages", {"messages": [message(party)]})
    assert answer.status == 201
    told = {d["messageType"]: d["status"] for d in answer.json["messages"][0]["deliveries"]}
    assert told == {"EMAIL": "FAILED", "SMS": "SENT"}


async def test_what_no_way_can_carry_is_refused_at_the_door(client: Client) -> None:
    party = str(uuid4())
    said = [
        message(party, message="x" * 2000),
        message(party, sender={"sms": {"name": "Привет"}}),
        message("ingen"),
        {"party": {}},
    ]
    answer = await client.post("/2281/messages", {"messages": said[2:]})
    assert {v["field"]: v["message"] for v in answer.json["violations"]} == {
        "messages[0].party.partyId": "not a valid UUID",
        "messages[1].party.partyId": "not a valid UUID",
        "messages[1].message": "must not be blank",
    }
    answer = await client.post("/2281/messages", {"messages": said[:2]})
    assert answer.status == 400
    assert [v["field"] for v in answer.json["violations"]] == ["messages[1].sender"]
    answer = await client.post("/2281/messages", {"messages": []})
    assert answer.json["violations"] == [{"field": "messages", "message": "must not be empty"}]


async def test_a_text_too_long_for_one_way_is_no_fault_of_another(client: Client) -> None:
    party = await settle_on(
        client, ("EMAIL", "lang@example.se", False), ("SMS", "+46701740616", False)
    )
    answer = await client.post("/2281/messages", {"messages": [message(party, message="x" * 5000)]})
    assert answer.status == 201, answer.text
    told = {
        d["messageType"]: (d["status"], d.get("reason", {}).get("code"))
        for d in answer.json["messages"][0]["deliveries"]
    }
    assert told == {"EMAIL": ("SENT", None), "SMS": ("FAILED", "unfit")}
    assert await client.received("sms", "+46701740616") == []


async def test_two_identical_elements_are_one_message(client: Client) -> None:
    party = await settle_on(client, ("SMS", "+46701740605", False))
    twice = [message(party), message(party), message(party, message="En annan text.")]
    answer = await client.post("/2281/messages", {"messages": twice})
    assert answer.status == 201, answer.text
    ids = [m["messageId"] for m in answer.json["messages"]]
    assert ids[0] == ids[1] != ids[2]
    texts = [r["text"] for r in await client.received("sms", "+46701740605")]
    assert sorted(texts) == sorted([MESSAGE, "En annan text."])
