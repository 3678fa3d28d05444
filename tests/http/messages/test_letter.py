"""POST /letter and /snail-mail: a digital mailbox where there is one, else paper, in a print batch
that is handed over once."""

from __future__ import annotations

import asyncio
import io
import random
from base64 import b64encode
from typing import Any
from uuid import uuid4

import pikepdf
import pytest

from tests.http.conftest import Client
from tests.http.pdf import encoded
from tests.http.pdf import letter as page
from utskick.domain.month import month_of
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.crypto.columns import Column
from utskick.store.database import Database

ADDRESS = {
    "firstName": "Nils",
    "lastName": "Ek",
    "address": "Storgatan 1",
    "zipCode": "852 30",
    "city": "Sundsvall",
}


async def citizen(
    client: Client, legal_id: str, *, at_home: bool = True, protected: bool = False
) -> str:
    """The party id of a person in the directory."""
    party = str(uuid4())
    address = {"address": "STORGATAN 2", "zipCode": "85230", "city": "SUNDSVALL"} if at_home else {}
    person = {
        "legalId": legal_id,
        "names": {"firstName": "ANNA", "lastName": "ÖBERG"},
        "protected": protected,
        **({"address": address} if address else {}),
    }
    made = await client.call("PUT", f"/2281/parties/{party}", person)
    assert made.status in (200, 201, 204), made.text
    return party


def attachment(mode: str = "ANY", name: str = "beslut.pdf", text: str = "Hej") -> dict[str, str]:
    return {
        "deliveryMode": mode,
        "contentType": "application/pdf",
        "content": encoded(text),
        "filename": name,
    }


def letter(*parties: str, **more: Any) -> dict[str, Any]:
    addresses = more.pop("addresses", None)
    party = {"partyIds": list(parties)} | ({"addresses": addresses} if addresses else {})
    said = {
        "subject": "Beslut",
        "contentType": "text/plain",
        "body": "Beslutet är bifogat.",
        "department": "SBK",
    }
    return {"party": party, **said, "attachments": [attachment()], **more}


def told(answer: Any) -> list[list[tuple[str, str]]]:
    assert answer.status == 201, answer.text
    return [
        [(d["messageType"], d["status"]) for d in m["deliveries"]] for m in answer.json["messages"]
    ]


async def test_digital_first_then_paper_and_plain_addresses_on_paper(client: Client) -> None:
    digital, paper = await citizen(client, number(11)), await citizen(client, number(12, "10"))
    answer = await client.post("/2281/letter", letter(digital, paper, addresses=[ADDRESS]))
    assert told(answer) == [
        [("DIGITAL_MAIL", "SENT")],
        [("DIGITAL_MAIL", "FAILED"), ("SNAIL_MAIL", "SENT")],
        [("SNAIL_MAIL", "SENT")],
    ]
    assert len(await client.received("digital_mail", number(11))) == 1
    printed = {entry["recipient"]: entry for entry in await client.all_received("snail_mail")}
    assert len(printed) == 2
    assert any("Nils Ek" in name for name in printed)
    assert any("Anna Öberg" in name and "852 30" in name for name in printed)
    keys = {entry["key"] for entry in printed.values()}
    assert keys == {m["deliveries"][-1]["deliveryId"] for m in answer.json["messages"][1:]}


async def test_the_answer_and_the_status_name_every_leg(client: Client) -> None:
    paper = await citizen(client, number(13, "10"))
    answer = await client.post("/2281/letter?async=true", letter(paper))
    [message] = answer.json["messages"]
    assert message["deliveries"][0]["messageType"] == "LETTER"
    known = await client.post("/2281/letter?async=true", letter(addresses=[ADDRESS]))
    assert known.json["messages"][0]["deliveries"][0]["messageType"] == "SNAIL_MAIL", (
        "an address has one way only"
    )
    batch = f"/2281/status/batch/{answer.json['batchId']}"
    found = await client.until(
        batch, lambda b: b["messages"][0]["deliveries"][-1]["lifecycle"] == "sent"
    )
    legs = found["messages"][0]["deliveries"]
    assert [leg["messageType"] for leg in legs] == ["DIGITAL_MAIL", "SNAIL_MAIL"]
    assert legs[0]["deliveryId"] == message["deliveries"][0]["deliveryId"]
    assert legs[0]["reason"]["code"] == "no-mailbox"
    story = (await client.get(f"/2281/status/delivery/{legs[1]['deliveryId']}")).json
    assert [event["status"] for event in story["events"]] == ["queued", "gathered", "sent"]


@pytest.mark.parametrize("at_home", [False, True])
async def test_who_has_neither_mailbox_nor_usable_address_is_a_failed_letter(
    client: Client, at_home: bool
) -> None:
    """Contract L7; a protected identity is never printed from the register."""
    party = await citizen(client, number(14, "10"), at_home=at_home, protected=at_home)
    answer = await client.post("/2281/letter", letter(party))
    assert told(answer) == [[("DIGITAL_MAIL", "FAILED"), ("LETTER", "FAILED")]]
    code = answer.json["messages"][0]["deliveries"][1]["reason"]["code"]
    assert code == ("undeliverable-protected-identity" if at_home else "undeliverable-no-address")
    assert await client.all_received("snail_mail") == []


async def test_an_attachment_goes_only_the_way_that_it_may(client: Client) -> None:
    party = await citizen(client, number(15))
    files = [
        attachment("SNAIL_MAIL", "papper.pdf", "Papper"),
        attachment("DIGITAL_MAIL", "digital.pdf", "Digital"),
    ]
    assert told(await client.post("/2281/letter", letter(party, attachments=files))) == [
        [("DIGITAL_MAIL", "SENT")]
    ]
    [said] = (await client.get(f"/2281/conversation-history/{party}")).json
    assert [a["filename"] for a in said["content"]["attachments"]] == ["digital.pdf"]
    only = letter(party, attachments=[files[0]], addresses=[ADDRESS])
    assert told(await client.post("/2281/letter", only)) == [
        [("SNAIL_MAIL", "SENT")],
        [("SNAIL_MAIL", "SENT")],
    ]
    assert all("papper" in entry["text"] for entry in await client.all_received("snail_mail"))


async def test_an_address_for_what_may_only_go_digitally_is_a_failed_letter(client: Client) -> None:
    """Contract L5."""
    answer = await client.post(
        "/2281/letter", letter(addresses=[ADDRESS], attachments=[attachment("DIGITAL_MAIL")])
    )
    assert told(answer) == [[("LETTER", "FAILED")]]
    reason = answer.json["messages"][0]["deliveries"][0]["reason"]
    assert reason["message"] == "Only DIGITAL_MAIL delivery allowed and party id unset/address set"


async def printed(client: Client, count: int) -> list[dict[str, Any]]:
    """What the printing house has, which looks into its inbox from time to time."""
    found = await client.all_received("snail_mail")
    for _ in range(400):
        if len(found) >= count:
            break
        await asyncio.sleep(0.05)
        found = await client.all_received("snail_mail")
    return found


def large(mode: str, size: int, name: str = "ritning.pdf") -> dict[str, str]:
    """A PDF with a stream of noise that no page shows."""
    with pikepdf.open(io.BytesIO(page())) as pdf:
        pdf.Root.Noise = pdf.make_stream(random.Random(size).randbytes(size))
        written = io.BytesIO()
        pdf.save(written)
    content = b64encode(written.getvalue()).decode()
    return {**attachment(mode, name), "content": content}


async def test_what_is_too_large_for_a_mailbox_goes_on_paper_at_once(client: Client) -> None:
    """Whether it is one file or all of them together; and nobody's mailbox is asked for."""
    one, other = await citizen(client, number(31)), await citizen(client, number(32))
    for files in ([large("ANY", 1_700_000)], [large("ANY", 900_000, f"{n}.pdf") for n in "ab"]):
        answer = await client.post(
            "/2281/letter", letter(one, other, attachments=files, addresses=[ADDRESS])
        )
        assert told(answer) == [
            [("DIGITAL_MAIL", "FAILED"), ("SNAIL_MAIL", "SENT")],
            [("DIGITAL_MAIL", "FAILED"), ("SNAIL_MAIL", "SENT")],
            [("SNAIL_MAIL", "SENT")],
        ]
        for message in answer.json["messages"][:2]:
            reason = message["deliveries"][0]["reason"]
            assert reason["code"] == "too-large-for-mailbox"
            assert reason["message"].startswith(
                "Message is too big to be sent as a digital mail: its envelope would be "
            )
    assert await client.all_received("digital_mail") == []
    assert len(await printed(client, 6)) == 6


async def test_what_paper_carries_beside_it_does_not_make_a_mail_too_large(client: Client) -> None:
    party = await citizen(client, number(33))
    files = [attachment("ANY"), large("SNAIL_MAIL", 1_700_000)]
    assert told(await client.post("/2281/letter", letter(party, attachments=files))) == [
        [("DIGITAL_MAIL", "SENT")]
    ]


@pytest.mark.parametrize(
    "modes",
    [
        [("DIGITAL_MAIL", 1_700_000)],
        [("DIGITAL_MAIL", 1_700_000), ("SNAIL_MAIL", 10)],
        [("ANY", 1_700_000), ("DIGITAL_MAIL", 10)],  # paper would leave out the second
    ],
)
async def test_what_only_a_mailbox_may_carry_is_refused_when_it_is_too_large(
    client: Client, modes: list[tuple[str, int]]
) -> None:
    party = await citizen(client, number(34))
    files = [large(mode, size, f"{n}.pdf") for n, (mode, size) in enumerate(modes)]
    answer = await client.post("/2281/letter", letter(party, attachments=files))
    assert answer.status == 400
    [violation] = answer.json["violations"]
    assert violation["field"] == "attachments"
    assert "too big to be sent as a digital mail" in violation["message"]
    assert await client.all_received("snail_mail") == []


async def test_an_uncertain_digital_mail_is_never_followed_by_paper(client: Client) -> None:
    """Paper only when the digital attempt is known not to have arrived."""
    party = await citizen(
        client, number(16, "25")
    )  # the operator takes it and hangs up, once; it knows a repeat again
    answer = await client.post("/2281/letter?async=true", letter(party))
    message_id = answer.json["messages"][0]["messageId"]
    status = f"/2281/status/messages/{message_id}"
    found = await client.until(status, lambda m: m["deliveries"][-1]["status"] == "SENT", within=15)
    assert [d["messageType"] for d in found["deliveries"]] == ["DIGITAL_MAIL"]
    assert len(await client.received("digital_mail", number(16, "25"))) == 1


async def test_a_letter_to_nobody_or_to_half_an_address_is_refused(client: Client) -> None:
    answer = await client.post("/2281/letter", letter())
    assert answer.json["violations"][0]["field"] == "party"
    answer = await client.post(
        "/2281/letter",
        letter(
            addresses=[{"lastName": "Ek", "address": "Storgatan 1", "zipCode": "8523", "city": "X"}]
        ),
    )
    assert answer.json["violations"] == [
        {
            "field": "party.addresses[0].zipCode",
            "message": "must be a Swedish postal code of five digits",
        }
    ]
    files = [attachment("DIGITAL_MAIL"), {**attachment("SNAIL_MAIL"), "content": "AAAA"}]
    answer = await client.post("/2281/letter", letter(str(uuid4()), attachments=files))
    assert answer.status == 400
    assert {v["field"] for v in answer.json["violations"]} == {"attachments[1]"}


# -- snail mail ----------------------------------------


def snail(**more: Any) -> dict[str, Any]:
    file = {"contentType": "application/pdf", "content": encoded(), "filename": "brev.pdf"}
    return {"department": "SBK", "address": ADDRESS, "attachments": [file], **more}


async def test_letters_gather_until_their_batch_is_closed_and_are_handed_over_once(
    client: Client,
) -> None:
    batch = str(uuid4())
    deliveries = []
    for _ in range(3):
        answer = await client.post(f"/2281/snail-mail?batchId={batch}", snail())
        assert answer.status == 201, answer.text
        [delivery] = answer.json["deliveries"]
        assert (delivery["messageType"], delivery["status"], delivery["lifecycle"]) == (
            "SNAIL_MAIL",
            "SENT",
            "gathered",
        )
        deliveries.append(delivery["deliveryId"])
    assert await client.all_received("snail_mail") == []
    for _ in range(2):
        closed = await client.post(f"/2281/snail-mail/batch/{batch}")
        assert (closed.status, closed.text) == (200, "")
    status = f"/2281/status/batch/{batch}"
    found = await client.until(
        status, lambda b: all(m["deliveries"][0]["lifecycle"] == "sent" for m in b["messages"])
    )
    assert [m["deliveries"][0]["deliveryId"] for m in found["messages"]] == deliveries
    assert sorted(entry["key"] for entry in await client.all_received("snail_mail")) == sorted(
        deliveries
    )
    late = await client.post(f"/2281/snail-mail?batchId={batch}", snail())
    assert late.json["deliveries"][0]["lifecycle"] == "gathered"
    await client.post(f"/2281/snail-mail/batch/{batch}")
    await client.until(status, lambda b: b["messages"][-1]["deliveries"][0]["lifecycle"] == "sent")
    assert len(await client.all_received("snail_mail")) == 4


async def test_letters_from_text_and_cover_pages_are_printed(client: Client) -> None:
    batch = str(uuid4())
    without = {name: value for name, value in snail().items() if name != "attachments"}
    for body in (
        {**without, "text": "Välkommen!"},
        {**without, "text": "Välkommen!", "subject": "Kallelse", "coverPage": True},
        snail(coverPage=True),
        snail(text="Se bilagan."),
    ):
        answer = await client.post(f"/2281/snail-mail?batchId={batch}", body)
        assert answer.status == 201, answer.text
    await client.post(f"/2281/snail-mail/batch/{batch}")
    await client.until(
        f"/2281/status/batch/{batch}",
        lambda b: all(m["deliveries"][0]["lifecycle"] == "sent" for m in b["messages"]),
    )
    printed = await client.all_received("snail_mail")
    assert len(printed) == 4
    assert all(entry["size"] > 1000 for entry in printed)
    assert sorted(len(entry["text"].split(", ")) for entry in printed) == [1, 1, 2, 2]


async def test_a_batch_that_nobody_knows_cannot_be_closed_and_one_of_another_municipality_is_not_seen(
    client: Client,
) -> None:
    batch = str(uuid4())
    assert (await client.post(f"/2281/snail-mail/batch/{batch}")).status == 404
    await client.post(f"/2281/snail-mail?batchId={batch}", snail())
    assert (await client.post(f"/2262/snail-mail/batch/{batch}")).status == 404
    sms = (await client.post("/2281/sms", {"mobileNumber": "+46701740605", "message": "Hej"})).json
    taken = await client.post(f"/2281/snail-mail?batchId={sms['batchId']}", snail())
    assert (taken.status, taken.json["detail"]) == (
        409,
        "this batchId is taken; use a new UUID for a new batch",
    )
    missing = await client.post("/2281/snail-mail", snail())
    assert (missing.status, missing.json["detail"]) == (
        400,
        "Required parameter 'batchId' is not present.",
    )
    wrong = await client.post("/2281/snail-mail?batchId=1-1-1-1-1", snail())
    assert wrong.json["violations"] == [
        {"field": "addSnailMailToBatch.batchId", "message": "not a valid UUID"}
    ]


async def test_two_municipalities_may_name_their_batches_alike(client: Client) -> None:
    batch = str(uuid4())
    own: dict[str, str] = {}
    for municipality_id in ("2281", "2262"):
        answer = await client.post(f"/{municipality_id}/snail-mail?batchId={batch}", snail())
        assert (answer.status, answer.json["batchId"]) == (201, batch)
        own[municipality_id] = answer.json["deliveries"][0]["deliveryId"]
    await client.post(f"/2281/snail-mail/batch/{batch}")
    await client.until(
        f"/2281/status/batch/{batch}",
        lambda b: b["messages"][0]["deliveries"][0]["lifecycle"] == "sent",
    )
    other = (await client.get(f"/2262/status/batch/{batch}")).json
    assert [
        (m["deliveries"][0]["deliveryId"], m["deliveries"][0]["lifecycle"])
        for m in other["messages"]
    ] == [(own["2262"], "gathered")]
    assert [entry["key"] for entry in await printed(client, 1)] == [own["2281"]]
    await client.post(f"/2262/snail-mail/batch/{batch}")
    await client.until(
        f"/2262/status/batch/{batch}",
        lambda b: b["messages"][0]["deliveries"][0]["lifecycle"] == "sent",
    )
    assert [entry["key"] for entry in await printed(client, 2)] == list(own.values())


async def test_a_letter_posted_twice_with_one_key_is_printed_once(client: Client) -> None:
    """Also at the same time, and into a batch whose id is the caller's own."""
    batch = str(uuid4())
    other = await client.post(f"/2281/snail-mail?batchId={batch}", snail())
    calls = [
        client.post(f"/2281/snail-mail?batchId={batch}", snail(), Idempotency_Key="rad-1")
        for _ in range(4)
    ]
    answers = [answer for answer in await asyncio.gather(*calls) if answer.status != 409]
    answers.append(
        await client.post(f"/2281/snail-mail?batchId={batch}", snail(), Idempotency_Key="rad-1")
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["messageId"] for answer in answers}) == 1
    assert answers[0].json["messageId"] != other.json["messageId"]
    await client.post(f"/2281/snail-mail/batch/{batch}")
    await client.until(
        f"/2281/status/batch/{batch}",
        lambda b: all(m["deliveries"][0]["lifecycle"] == "sent" for m in b["messages"]),
    )
    assert len(await client.all_received("snail_mail")) == 2


async def doubtful(client: Client, database: Database) -> tuple[str, str]:
    """Two letters of a batch whose hand-over is held in doubt. The ids of the batch and of the
    hand-over."""
    faults, batch = f"{client.running.viewer_url}/faults", str(uuid4())
    await client._session.post(
        faults,
        json={"provider": "print_house", "fault": "temporary", "recipient": "", "times": None},
    )
    for _ in range(2):
        await client.post(f"/2281/snail-mail?batchId={batch}", snail())
    await client.post(f"/2281/snail-mail/batch/{batch}")
    async with asyncio.timeout(8):
        while (hand_over := await database.pool.fetchval(_DOUBT)) is None:
            await asyncio.sleep(0.05)
    await database.pool.execute(
        "DELETE FROM pgqueuer WHERE substring(payload FROM 1 FOR 16) = uuid_send($1)", hand_over
    )
    await client._session.delete(faults)
    return batch, str(hand_over)


#: As after three uncertain attempts; the printing house was full at each of those until now.
_DOUBT = """
UPDATE deliveries SET status = 'uncertain', reason_code = 'no-answer' WHERE message_type = 'PRINT_BATCH' AND status = 'deferred'
RETURNING id
"""


async def test_letters_end_with_a_hand_over_that_a_person_gives_up(
    client: Client, database: Database
) -> None:
    batch, hand_over = await doubtful(client, database)
    other = str(uuid4())
    await client.post(f"/2281/snail-mail?batchId={other}", snail())
    before = (await client.get(f"/2281/status/batch/{batch}")).json
    assert {m["deliveries"][0]["lifecycle"] for m in before["messages"]} == {"gathered"}
    who = {"X_Sent_By": "joe01doe; type=adAccount"}
    assert (
        await client.post(f"/2281/deliveries/{hand_over}/resolve", {"decision": "give-up"}, **who)
    ).json["status"] == "FAILED"
    found = (await client.get(f"/2281/status/batch/{batch}")).json
    letters = [m["deliveries"][0] for m in found["messages"]]
    assert [(each["status"], each["lifecycle"], each["reason"]["code"]) for each in letters] == [
        ("FAILED", "failed", "given-up")
    ] * 2
    for each in letters:
        last = (await client.get(f"/2281/status/delivery/{each['deliveryId']}")).json["events"][-1]
        assert (last["status"], last["actor"], last["provider"]) == (
            "failed",
            "joe01doe",
            "print_house",
        )
    told = (await client.get("/2281/events?limit=1000")).json["events"]
    assert sorted(e["deliveryId"] for e in told if e["lifecycle"] == "failed") == sorted(
        each["deliveryId"] for each in letters
    )
    left = (await client.get(f"/2281/status/batch/{other}")).json
    assert left["messages"][0]["deliveries"][0]["lifecycle"] == "gathered", (
        "another batch has nothing to do with it"
    )
    assert await client.all_received("snail_mail") == []


async def test_letters_end_with_a_hand_over_that_a_person_has_made_again(
    client: Client, database: Database
) -> None:
    batch, hand_over = await doubtful(client, database)
    assert (
        await client.post(f"/2281/deliveries/{hand_over}/resolve", {"decision": "resend"})
    ).json["lifecycle"] in ("queued", "sending", "sent")
    status = f"/2281/status/batch/{batch}"
    await client.until(
        status, lambda b: all(m["deliveries"][0]["lifecycle"] == "sent" for m in b["messages"])
    )
    assert len(await client.all_received("snail_mail")) == 2


async def test_who_waits_for_a_letter_hears_that_its_hand_over_was_given_up(
    client: Client, database: Database
) -> None:
    faults = f"{client.running.viewer_url}/faults"
    await client._session.post(
        faults,
        json={"provider": "print_house", "fault": "temporary", "recipient": "", "times": None},
    )
    waiting = asyncio.create_task(client.post("/2281/letter", letter(addresses=[ADDRESS])))
    async with asyncio.timeout(8):
        while (hand_over := await database.pool.fetchval(_DOUBT)) is None:
            await asyncio.sleep(0.05)
    assert not waiting.done()
    await client.post(f"/2281/deliveries/{hand_over}/resolve", {"decision": "give-up"})
    async with asyncio.timeout(2):
        assert told(await waiting) == [[("SNAIL_MAIL", "FAILED")]]


async def test_a_letter_that_cannot_be_printed_any_more_fails_alone(
    client: Client, database: Database
) -> None:
    batch, kept = str(uuid4()), []
    for _ in range(3):
        made = await client.post(f"/2281/snail-mail?batchId={batch}", snail())
        assert made.json["deliveries"][0]["lifecycle"] == "gathered"
        kept.append(made.json["deliveries"][0]["deliveryId"])
    created = await database.pool.fetchval(
        "SELECT created_at FROM deliveries WHERE id = $1::uuid", kept[1]
    )
    await database.vault.ready("2281", month_of(created))
    key = database.vault.of("2281", month_of(created))
    await database.pool.execute(
        "UPDATE deliveries SET frozen = $2 WHERE id = $1::uuid",
        kept[1],
        key.encrypt(Column.FROZEN, b"no address"),
    )
    await client.post(f"/2281/snail-mail/batch/{batch}")
    for delivery, lifecycle in zip(kept, ("sent", "failed", "sent"), strict=True):
        found = await client.until(
            f"/2281/status/delivery/{delivery}", lambda d, word=lifecycle: d["lifecycle"] == word
        )
        code = (found.get("reason") or {}).get("code")
        assert code == ("unprintable-letter" if lifecycle == "failed" else None)
    assert len(await client.all_received("snail_mail")) == 2
