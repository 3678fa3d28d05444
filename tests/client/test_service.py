"""Tests of both clients against a real service, by every channel."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

import utskick_client as uc
from tests.client.conftest import Make
from tests.http.conftest import Client
from tests.http.pdf import letter
from utskick.sandbox.digital_mail.citizens import number

PDF = letter()
#: Where only the bodies differ, one of the clients suffices.
one = pytest.mark.parametrize("make", ["async"], indirect=True)
HOME = uc.Address(
    first_name="Nils", last_name="Ek", address="Storgatan 1", zip_code="852 30", city="Sundsvall"
)
ORGANIZATION = "2120002411"


async def test_an_sms_is_sent_once_under_its_key_and_read_back(client: Client, make: Make) -> None:
    utskick, party = (
        make(client.running.api_url, token=client.token, origin="Skolappen", sent_by="joe01doe"),
        str(uuid4()),
    )
    sms = uc.Sms(
        "+46701740605", "Hej å ä ö", party=uc.Party(party), reference="ärende 7", department="Skola"
    )
    sent = await utskick.call("send_sms", sms)
    again = await utskick.call("send_sms", sms, uc.SendOptions(key=sent.key))
    assert (sent.replayed, again.replayed, again.message_id) == (False, True, sent.message_id)
    [delivery] = sent.deliveries
    assert (delivery.status, delivery.message_type, sent.sms.segments, sent.reference) == (
        "SENT",
        "SMS",
        1,
        "ärende 7",
    )
    assert len(await client.received("sms", "+46701740605")) == 1

    story = await utskick.call("delivery_status", delivery.delivery_id)
    assert [event.status for event in story.events][:3] == ["queued", "sending", "sent"]
    assert (story.settled, story.batch_id) == (True, sent.batch_id)
    assert (await utskick.call("message_status", sent.message_id)).deliveries[
        0
    ].delivery_id == delivery.delivery_id
    [entry] = await utskick.call(
        "conversation_history", party, uc.Days(date.today() - timedelta(days=1))
    )
    assert (entry.content["message"], entry.message_id, entry.raw["lifecycle"]) == (
        "Hej å ä ö",
        sent.message_id,
        entry.lifecycle,
    )


async def test_a_batch_is_watched_until_it_has_settled(client: Client, make: Make) -> None:
    utskick = make(client.running.api_url, token=client.token)
    crowd = [uc.SmsRecipient(f"+46700201{n:03d}", reference=f"rad {n}") for n in range(120, 140)]
    batch = await utskick.call("send_sms_batch", uc.SmsBatch("Hej", crowd))
    assert [message.reference for message in batch.messages] == [
        recipient.reference for recipient in crowd
    ]
    seen = [progress async for progress in utskick.iterate("watch_batch", batch.batch_id)]
    assert all(progress.total == 20 for progress in seen)
    assert seen[-1].done
    status = await utskick.call("batch_status", batch.batch_id, messages=False)
    assert (status.total, status.unsettled, status.messages) == (20, 0, ())
    assert len((await utskick.call("batch_status", batch.batch_id)).messages) == 20


async def test_an_email_with_a_page_and_files_is_read_back_unchanged(
    client: Client, make: Make
) -> None:
    utskick = make(client.running.api_url, token=client.token, sent_by="anna01")
    name, data = 'Å "b"/c.pdf', bytes(range(256)) * 400
    email = uc.Email(
        "anna@example.se",
        "Hälsning",
        message="Hej",
        html_message="<p>Hej <b>på</b> dig",
        sender=uc.EmailSender("Skolan", "skolan@example.se"),
        attachments=[uc.EmailAttachment(name, data, "application/pdf")],
        headers={"Auto-Submitted": ["auto-generated"]},
    )
    sent = await utskick.call("send_email", email)
    [copy] = await client.received("email", "anna@example.se")
    assert (copy["subject"], copy["text"].strip()) == ("Hälsning", "Hej")
    found = await utskick.call("attachment", sent.message_id, name)
    assert (found.content, found.content_type, found.name) == (data, "application/pdf", name)
    assert (
        b"".join(
            [piece async for piece in utskick.iterate("attachment_chunks", sent.message_id, name)]
        )
        == data
    )
    [whole] = await utskick.call("message_history", sent.message_id)
    [head] = await utskick.call("message_metadata", sent.message_id)
    assert "content" in whole.content["attachments"][0]
    assert "content" not in head.content["attachments"][0]
    with pytest.raises(uc.Refused) as missing:
        await utskick.call("attachment", sent.message_id, "annan.pdf")
    assert (missing.value.status, missing.value.delivery_id) == (404, None)

    many = await utskick.call(
        "send_email_batch",
        uc.EmailBatch("s", [uc.EmailRecipient(f"b{n}@example.se") for n in range(3)], message="m"),
    )
    batches = [batch async for batch in utskick.iterate("all_user_batches", "anna01", limit=1)]
    assert [batch.batch_id for batch in batches] == [many.batch_id, sent.batch_id]
    messages = [
        message.message_id
        async for message in utskick.iterate(
            "all_user_messages", "anna01", batch_id=many.batch_id, limit=2
        )
    ]
    assert set(messages) == {message.message_id for message in many.messages}
    page = await utskick.call("user_messages", "anna01", page=2, limit=3)
    assert (page.paging.total_records, page.paging.count, len(page.messages)) == (4, 1, 1)
    mine = await utskick.call("user_message", "anna01", sent.message_id)
    assert (mine.subject, mine.attachments[0].file_name, mine.issuer) == (
        "Hälsning",
        name,
        "anna01",
    )


@one
async def test_letters_go_by_mailbox_and_on_paper(client: Client, make: Make) -> None:
    utskick, party = make(client.running.api_url, token=client.token, origin="Bygg"), str(uuid4())
    person = {
        "legalId": number(61),
        "names": {"firstName": "Anna"},
        "address": {"address": "G 2", "zipCode": "85230", "city": "S"},
    }
    await utskick.call("request", "PUT", f"parties/{party}", person)
    [mailbox] = await utskick.call("mailboxes", ORGANIZATION, [party])
    assert (mailbox.party_id, mailbox.reachable) == (party, True)

    page = "<p>Beslutet är <b>bifogat</b>.</p>"
    mail = uc.DigitalMail(
        uc.Parties([party]), "Beslut", page, "text/html", [uc.Pdf("beslut.pdf", PDF)]
    )
    sent = await utskick.call("send_digital_mail", mail, organization_number=ORGANIZATION)
    assert sent.messages[0].deliveries[0].status == "SENT"
    attached = [uc.LetterAttachment("beslut.pdf", PDF)]
    wanted = uc.Letter(
        uc.LetterParty([party], [HOME]),
        "SBK",
        attached,
        subject="Beslut",
        body=page,
        content_type="text/html",
    )
    posted = await utskick.call("send_letter", wanted, uc.SendOptions(wait=False))
    assert [message.deliveries[0].status for message in posted.messages] == [None, None]

    own = str(uuid4())
    await utskick.call(
        "send_snail_mail",
        uc.SnailMail("SBK", HOME, attachments=[uc.SnailMailAttachment("b.pdf", PDF)]),
        own,
    )
    await utskick.call("close_snail_mail_batch", own)
    assert [seen async for seen in utskick.iterate("watch_batch", own)][-1].done

    numbers = await utskick.call(
        "statistics", uc.Days(date.today() - timedelta(days=1)), message_type="DIGITAL_MAIL"
    )
    assert (numbers.digital_mail.sent, numbers.sms) == (1, None)
    [origin] = await utskick.call("department_statistics", origin="Bygg")
    assert (origin.origin, origin.departments[0].department) == ("Bygg", "SBK")
    assert (await utskick.call("delivery_status_statistics", department="SBK")).department == "SBK"


@one
async def test_invoices_web_messages_slack_push_and_messages_by_choice(
    client: Client, make: Make
) -> None:
    utskick, party = make(client.running.api_url, token=client.token), str(uuid4())
    await utskick.call(
        "request",
        "PUT",
        f"parties/{party}",
        {"legalId": number(62), "names": {"firstName": "Anna"}},
    )
    due = date.today() + timedelta(days=30)
    while due.weekday() > 3 or (due.month, due.day) in (
        (12, 24),
        (12, 25),
        (12, 26),
        (12, 31),
        (1, 1),
        (1, 6),
    ):
        due += timedelta(days=1)
    details = uc.InvoiceDetails(
        amount=1250.5,
        due_date=due,
        payment_reference_type="SE_OCR",
        payment_reference="47118",
        account_type="BANKGIRO",
        account_number="991-2346",
    )
    invoice = uc.DigitalInvoice(
        uc.InvoiceParty(party), "INVOICE", details, [uc.Pdf("f.pdf", PDF)], subject="Förskola"
    )
    case = uc.Party(external_references=[uc.ExternalReference("flowInstanceId", "1001")])
    web = uc.WebMessage(
        case,
        "Tack",
        uc.WebMessageSender("joe01doe"),
        attachments=[uc.WebMessageAttachment(PDF, "b.pdf")],
    )
    device = await client.outside("POST", "/push/devices", {"name": f"telefon-{party}"})
    keys = {"p256dh": device["p256dh"], "auth": device["auth"]}
    await utskick.call(
        "request",
        "POST",
        "push/subscriptions",
        {"party": {"partyId": party}, "webpush": {"endpoint": device["endpoint"], "keys": keys}},
    )
    await utskick.call(
        "request",
        "POST",
        "settings",
        {
            "partyId": party,
            "alias": "a",
            "contactChannels": [
                {"contactMethod": "SMS", "alias": "m", "destination": "+46701740691"}
            ],
        },
    )
    sent = [
        await utskick.call("send_digital_invoice", invoice),
        await utskick.call("send_web_message", web),
        await utskick.call("send_slack", uc.Slack("#drift", "Vattnet är tillbaka.")),
        *(
            await utskick.call(
                "send_push", uc.Push(uc.Parties([party]), "Sopor", "Hämtas i morgon.")
            )
        ).messages,
        *(
            await utskick.call(
                "send_messages",
                uc.Messages([uc.Message(uc.MessageParty(party), "Din bok finns att hämta.")]),
            )
        ).messages,
    ]
    assert [(d.message_type, d.status) for message in sent for d in message.deliveries] == [
        (kind, "SENT") for kind in ("DIGITAL_INVOICE", "WEB_MESSAGE", "SLACK", "PUSH", "SMS")
    ]


@one
async def test_a_held_delivery_is_decided_once(client: Client, make: Make) -> None:
    utskick = make(client.running.api_url, token=client.token, sent_by="joe01doe")
    case = uc.Party(
        external_references=[uc.ExternalReference("flowInstanceId", "444444")]
    )  # drops the connection, without a delivery report
    held = (await utskick.call("send_web_message", uc.WebMessage(case, "Tack"))).deliveries[0]
    assert held.lifecycle == uc.Lifecycle.UNCERTAIN
    given_up = await utskick.call("resolve_delivery", held.delivery_id, "give-up")
    assert (given_up.lifecycle, given_up.events[-1].actor) == (uc.Lifecycle.FAILED, "joe01doe")
    with pytest.raises(uc.Refused) as refused:
        await utskick.call("resolve_delivery", held.delivery_id, "give-up")
    assert refused.value.code == "conflict"


@one
async def test_times_keep_their_time_zone(client: Client, make: Make) -> None:
    later = datetime.now(UTC) + timedelta(hours=6)
    utskick = make(client.running.api_url, token=client.token)
    sent = await utskick.call(
        "send_sms", uc.Sms("+46701740605", "Hej", send_at=later), uc.SendOptions(wait=False)
    )
    await asyncio.sleep(0.3)
    assert (await utskick.call("message_status", sent.message_id)).deliveries[
        0
    ].lifecycle == "queued"
    with pytest.raises(uc.Refused, match="validUntil"):
        await utskick.call(
            "send_sms", uc.Sms("+46701740605", "Hej", valid_until=later - timedelta(days=1))
        )


async def described(client: Client, operation: str) -> None:
    paths = (await client.get("/openapi.json")).json["paths"].values()
    if not any(one["operationId"] == operation for path in paths for one in path.values()):
        pytest.skip(f"this service has no {operation} yet")


async def test_the_feed_is_resumed_from_a_position(client: Client, make: Make) -> None:
    await described(client, "getEvents")
    utskick = make(client.running.api_url, token=client.token, origin="Skolappen")
    first = await utskick.call("send_sms", uc.Sms("+46701740605", "Hej", reference="rad 1"))

    async def until(after: str | None, message: uc.MessageResult) -> tuple[list[uc.FeedEvent], str]:
        """Return the events of a message until it is sent, and the position in the feed."""
        found: list[uc.FeedEvent] = []
        async with asyncio.timeout(10):
            async for page in utskick.iterate(
                "follow_events", after, origin="Skolappen", every=0.05
            ):
                after = page.next
                found += [event for event in page.events if event.message_id == message.message_id]
                if any(event.lifecycle == uc.Lifecycle.SENT for event in found):
                    break
        assert after is not None
        return found, after

    events, after = await until(None, first)
    assert {event.reference for event in events} == {"rad 1"}
    second = await utskick.call("send_sms", uc.Sms("+46701740605", "Hej igen"))
    events, _ = await until(after, second)
    assert {event.message_id for event in events} == {second.message_id}
    page = await utskick.call("events", limit=1)
    assert (len(page.events), page.more) == (1, True)
    assert [page async for page in utskick.iterate("follow_events", "latest")] == []


@one
async def test_webhooks_are_created_read_tested_and_deleted(client: Client, make: Make) -> None:
    await described(client, "createWebhook")
    utskick = make(client.running.api_url, token=client.token, origin="Byggr")
    made = await utskick.call("create_webhook", "http://127.0.0.1:9/", ["sent", "failed"], "Byggr")
    assert made.secret
    [listed] = await utskick.call("webhooks")
    read = await utskick.call("webhook", made.id)
    assert (listed.id, read.statuses, read.description, read.secret) == (
        made.id,
        ("sent", "failed"),
        "Byggr",
        None,
    )
    assert (await utskick.call("ping_webhook", made.id)).delivered is False
    assert (await utskick.call("rotate_webhook_secret", made.id)).secret != made.secret
    assert (await utskick.call("enable_webhook", made.id)).state == "enabled"
    await utskick.call("delete_webhook", made.id)
    replies = await utskick.call("create_webhook", "http://127.0.0.1:9/", events="inbound")
    assert (read.events, replies.events) == ("deliveries", "inbound")
    await utskick.call("delete_webhook", replies.id)
    assert await utskick.call("webhooks") == ()
