"""Synchronous calls whose outcome is not known in time: final answers, or messages sent later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.http.conftest import Client, serving
from tests.http.messages.test_digital_mail import mail
from tests.http.messages.test_letter import citizen, letter
from tests.http.messages.test_uncertain import faults
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database

LEGAL_ID = number(31, "60")
SYNC_WAIT = 1.2


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[Client]:
    """A service that waits for a short time, at providers that may be silent for longer."""
    http = {"port": 0, "sync_wait": SYNC_WAIT}
    async with serving(database, tmp_path, http=http) as found:
        yield found


def always(fault: str, **more: Any) -> dict[str, Any]:
    return {"fault": fault, "provider": "kivra", "recipient": LEGAL_ID, "times": None, **more}


async def test_a_digital_mail_that_is_not_sent_in_time_is_cancelled_and_a_502(
    client: Client,
) -> None:
    party = await citizen(client, LEGAL_ID)
    await faults(client, always("temporary"))
    answer = await client.post("/2281/2120002411/digital-mail", mail(party))
    assert answer.status == 502
    status = f"/2281/status/delivery/{answer.json['deliveryId']}"
    told = (await client.get(status)).json
    assert (told["status"], told["lifecycle"]) in (
        ("NOT_SENT", "cancelled"),
        ("NOT_SENT", "expired"),  # its time had run out a moment before
    )
    await faults(client)  # the operator is well again
    later = await client.post("/2281/2120002411/digital-mail?async=true", mail(party))
    other = later.json["messages"][0]["deliveries"][0]["deliveryId"]
    await client.until(f"/2281/status/delivery/{other}", lambda d: d["status"] == "SENT", within=20)
    assert (await client.get(status)).json["lifecycle"] == told["lifecycle"]
    assert len(await client.received("digital_mail", LEGAL_ID)) == 1


async def test_a_call_that_is_still_unanswered_is_in_doubt_and_settled_by_the_late_answer(
    client: Client,
) -> None:
    party = await citizen(client, LEGAL_ID)
    await faults(client, always("timeout", times=1, seconds=60))
    answer = await client.post("/2281/2120002411/digital-mail", mail(party))
    if answer.status == 502:  # on a busy machine: the call was never made, and is not made later
        assert await client.received("digital_mail", LEGAL_ID) == []
        return
    [message] = answer.json["messages"]
    [delivery] = message["deliveries"]
    assert (delivery["status"], delivery["lifecycle"]) == ("AWAITING_FEEDBACK", "uncertain")
    assert delivery["reason"]["code"] == "unsettled"
    assert len(await client.received("digital_mail", LEGAL_ID)) == 1


async def test_what_a_letter_was_answered_stays_so(client: Client) -> None:
    """Whichever way was being tried when the wait ended."""
    party = await citizen(client, LEGAL_ID)
    await faults(client, always("temporary"))
    answer = await client.post("/2281/letter", letter(party))
    assert answer.status == 201
    [message] = answer.json["messages"]
    told = {d["deliveryId"]: d["status"] for d in message["deliveries"]}
    assert "PENDING" not in told.values()
    await faults(client)
    found = (await client.get(f"/2281/status/messages/{message['messageId']}")).json
    assert {d["deliveryId"]: d["status"] for d in found["deliveries"]} == told


async def test_an_asynchronous_call_goes_on(client: Client) -> None:
    party = await citizen(client, LEGAL_ID)
    await faults(client, always("temporary", times=2))
    answer = await client.post("/2281/2120002411/digital-mail?async=true", mail(party))
    delivery_id = answer.json["messages"][0]["deliveries"][0]["deliveryId"]
    await client.until(
        f"/2281/status/delivery/{delivery_id}", lambda d: d["status"] == "SENT", within=20
    )


async def test_a_message_that_is_to_be_sent_later_is_not_cancelled(client: Client) -> None:
    party = await citizen(client, LEGAL_ID)
    later = mail(party) | {"sendAt": "2026-12-24T15:00:00+01:00"}
    answer = await client.post("/2281/2120002411/digital-mail", later)
    assert answer.status == 201
    assert answer.json["messages"][0]["deliveries"][0]["status"] == "PENDING"


async def test_a_unit_may_let_its_messages_go_on(client: Client) -> None:
    put = await client.call("PUT", "/2281/configuration/digital_mail", {"unsettled": "continue"})
    assert put.status in (200, 201), put.text
    party = await citizen(client, LEGAL_ID)
    await faults(client, always("temporary", times=4))
    answer = await client.post("/2281/2120002411/digital-mail", mail(party))
    assert answer.status == 201
    [delivery] = answer.json["messages"][0]["deliveries"]
    assert delivery["status"] == "PENDING"
    await client.until(
        f"/2281/status/delivery/{delivery['deliveryId']}",
        lambda d: d["status"] == "SENT",
        within=20,
    )


async def test_a_repeated_call_gets_the_same_final_answer(client: Client) -> None:
    party = await citizen(client, LEGAL_ID)
    await faults(client, always("temporary"))
    key = str(uuid4())
    first = await client.post("/2281/2120002411/digital-mail", mail(party), Idempotency_Key=key)
    again = await client.post("/2281/2120002411/digital-mail", mail(party), Idempotency_Key=key)
    assert (first.status, again.status) == (502, 502)
    assert again.json == first.json


async def test_an_sms_goes_on(client: Client) -> None:
    answer = await client.post("/2281/sms", {"mobileNumber": "+46700000005", "message": "Hej"})
    assert answer.status == 201
    assert answer.json["deliveries"][0]["status"] == "PENDING"
