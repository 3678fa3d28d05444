"""Deliveries with an attempt in doubt: nothing follows, and nobody is told that it was not sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Client
from tests.http.messages.test_letter import citizen, letter
from utskick.sandbox.digital_mail.citizens import number

LEGAL_ID = number(31, "50")  # Kivra as mailbox operator; nothing about it is magic
MAIL = {"subject": "Beslut", "message": "Beslutet är fattat."}


async def faults(client: Client, *rules: dict[str, Any]) -> None:
    """Replace the fault script; without rules, the providers are well again."""
    url = f"{client.running.viewer_url}/faults"
    await client._session.delete(url, raise_for_status=True)
    if rules:
        await client._session.post(url, json=list(rules), raise_for_status=True)


async def accepted_and_then(client: Client, provider: str, recipient: str, then: str) -> None:
    """The first attempt is accepted without an answer, each later one gets the fault."""
    await faults(
        client,
        {"fault": "drop", "provider": provider, "recipient": recipient},
        {"fault": then, "provider": provider, "recipient": recipient, "times": None},
    )


async def test_an_email_that_is_refused_after_a_lost_answer_stays_uncertain(
    client: Client,
) -> None:
    address = "doubt.one@example.com"
    await accepted_and_then(client, "smtp", "doubt.one", "refuse")
    sent = (await client.post("/2281/email?async=true", {**MAIL, "emailAddress": address})).json
    path = f"/2281/status/delivery/{sent['deliveries'][0]['deliveryId']}"
    found = await client.until(path, lambda d: d["status"] != "PENDING")
    assert (found["status"], found["attempts"]) == ("AWAITING_FEEDBACK", 2)
    assert found["reason"]["code"] == "connection-lost"
    last = found["events"][-1]
    assert (last["status"], last["became"]) == ("failed", "uncertain")
    assert last["reason"]["code"] == "unknown-recipient"
    assert len(await client.received("email", address)) == 1


async def test_no_other_account_sends_what_is_in_doubt(client: Client) -> None:
    address = "doubt.two@example.com"
    await accepted_and_then(client, "smtp", "doubt.two", "temporary")
    sent = (await client.post("/2281/email?async=true", {**MAIL, "emailAddress": address})).json
    path = f"/2281/status/delivery/{sent['deliveries'][0]['deliveryId']}"
    found = await client.until(path, lambda d: d["attempts"] >= 4)
    providers = {e["provider"] for e in found["events"] if e["status"] == "sending"}
    assert providers == {"sandbox"}
    assert len(await client.received("email", address)) == 1


@pytest.mark.parametrize("then", ["refuse", "temporary"])
async def test_a_letter_with_a_lost_answer_is_never_printed_as_well(
    client: Client, then: str
) -> None:
    """The digital copy was accepted; refused, or deferred until its time ran out, on the resend."""
    party = await citizen(client, LEGAL_ID)
    await accepted_and_then(client, "kivra", LEGAL_ID, then)
    sent = (await client.post("/2281/letter?async=true", letter(party))).json
    message_id = sent["messages"][0]["messageId"]
    status = f"/2281/status/messages/{message_id}"
    attempts = 2 if then == "refuse" else 3
    found = await client.until(
        status, lambda m: m["deliveries"][-1].get("attempts", 0) >= attempts, within=15
    )
    delivery_id = found["deliveries"][-1]["deliveryId"]
    if then == "temporary":
        await faults(
            client, {"fault": "refuse", "provider": "kivra", "recipient": LEGAL_ID, "times": None}
        )
    found = await client.until(
        status, lambda m: m["deliveries"][-1]["status"] == "AWAITING_FEEDBACK", within=15
    )
    assert [d["messageType"] for d in found["deliveries"]] == ["DIGITAL_MAIL"]
    # A person has it sent again, and it is refused again: the first attempt is still in doubt.
    path = f"/2281/deliveries/{delivery_id}/resolve"
    assert (await client.post(path, {"decision": "resend"})).status == 200
    found = await client.until(
        status, lambda m: m["deliveries"][-1]["status"] == "AWAITING_FEEDBACK", within=15
    )
    assert [d["messageType"] for d in found["deliveries"]] == ["DIGITAL_MAIL"]
    # Somebody finds out that it did not arrive (here it is not so): now paper follows.
    assert (await client.post(path, {"decision": "not-sent"})).status == 200
    await client.until(status, lambda m: len(m["deliveries"]) == 2, within=15)


async def test_a_person_who_has_found_out_settles_a_delivery(client: Client) -> None:
    party = await citizen(client, LEGAL_ID)
    await accepted_and_then(client, "kivra", LEGAL_ID, "refuse")
    sent = (await client.post("/2281/letter?async=true", letter(party))).json
    status = f"/2281/status/messages/{sent['messages'][0]['messageId']}"
    found = await client.until(
        status, lambda m: m["deliveries"][-1]["status"] == "AWAITING_FEEDBACK", within=15
    )
    delivery_id = found["deliveries"][-1]["deliveryId"]
    answer = await client.post(f"/2281/deliveries/{delivery_id}/resolve", {"decision": "sent"})
    assert (answer.json["status"], answer.json["reason"]["code"]) == ("SENT", "found-sent")
    found = (await client.get(status)).json
    assert [d["messageType"] for d in found["deliveries"]] == ["DIGITAL_MAIL"]
