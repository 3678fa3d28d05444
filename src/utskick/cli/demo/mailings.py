"""Demo messages by all channels except single SMS and e-mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from typing import Final

from utskick.channels.digital_invoice.check_digits import is_bank_day
from utskick.cli.demo import people
from utskick.cli.demo.ledgers import Contents, RequestedDelivery
from utskick.cli.demo.people import DemoPhone, Person
from utskick.cli.demo.samples import pdf_page
from utskick.domain.ids import new_id
from utskick_client import (
    Address,
    AsyncUtskickClient,
    DigitalInvoice,
    DigitalMail,
    ExternalReference,
    InvoiceDetails,
    InvoiceParty,
    Letter,
    LetterAttachment,
    LetterParty,
    Message,
    MessageParty,
    Messages,
    Parties,
    Party,
    Pdf,
    Push,
    SendOptions,
    Slack,
    SnailMail,
    SnailMailAttachment,
    WebMessage,
    WebMessageSender,
)

ORGANIZATION: Final = "2120002411"
DECISION: Final = pdf_page(
    [
        "Beslut om bygglov",
        "",
        "Byggnadsnämnden beviljar bygglov för altan.",
        "Avgift: 1 250 kr. Beslutet kan överklagas inom tre veckor.",
    ]
)
BILL: Final = pdf_page(
    ["Faktura", "", "Förskola, november: 1 250,50 kr", "Bankgiro 991-2346, OCR 47118"]
)
_TEXT: Final = "Byggnadsnämnden har beviljat din ansökan om bygglov. Beslutet är bifogat."
_SUBJECT: Final = "Beslut om bygglov – åäö"
_AT_ONCE: Final = SendOptions(wait=False)

#: Message type of a delivery in the contract → channel.
CHANNELS: Final = {
    "SMS": "sms",
    "EMAIL": "email",
    "DIGITAL_MAIL": "digital_mail",
    "DIGITAL_INVOICE": "digital_invoice",
    "SNAIL_MAIL": "snail_mail",
    "WEB_MESSAGE": "web_message",
    "SLACK": "slack",
    "PUSH": "push",
    "LETTER": "letter",
    "MESSAGE": "message",
}


@dataclass(frozen=True, slots=True)
class ExpectedDelivery:
    """Expected copy; ``recipient`` is as in the sandbox's ledger, or empty if the key suffices."""

    recipient: str
    contents: Contents


@dataclass(frozen=True, slots=True)
class DemoMailing:
    """Accepted request.

    ``rows``: for each message, the expected copy by each channel that may carry it. ``names``: rows
    of the result table that are not named by the channel.
    """

    label: str
    batch_id: str
    rows: tuple[Mapping[str, ExpectedDelivery], ...]
    names: Mapping[str, str] = field(default_factory=dict)

    async def requested(self, client: AsyncUtskickClient) -> list[RequestedDelivery]:
        """Return the deliveries of a settled request; a letter's channel is only known then."""
        batch = await client.batch_status(self.batch_id)
        result = []
        for row, message in zip(self.rows, batch.messages, strict=True):
            for delivery in message.deliveries:
                channel = CHANNELS[delivery.message_type]
                expected = row.get(channel, ExpectedDelivery("", Contents("")))
                result.append(
                    RequestedDelivery(
                        channel,
                        expected.recipient,
                        delivery.delivery_id,
                        expected.contents,
                        self.names.get(channel, channel),
                    )
                )
        return result


async def send(client: AsyncUtskickClient, viewer: str) -> list[DemoMailing]:
    """Send all of them in sequence; each is accepted when this function returns."""
    return [
        await digital_mail(client),
        *[await invoice(client, serial) for serial in range(100, 108)],
        await letter(client),
        await snail_mail(client),
        *[await web_message(client, case) for case in (1001, 1002, 1003, 404404)],
        *[
            await slack(client, channel)
            for channel in ("#drift", "#vatten", "#ratelimited", "#archived")
        ],
        await push(client, viewer),
        await by_choice(client, viewer),
    ]


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _mail(person: Person) -> ExpectedDelivery:
    return ExpectedDelivery(
        person.number, Contents(_TEXT, _SUBJECT, None, (("beslut.pdf", _digest(DECISION)),))
    )


def _paper() -> ExpectedDelivery:
    return ExpectedDelivery("", Contents("", None, None, (("", _digest(DECISION)),)))


async def digital_mail(client: AsyncUtskickClient) -> DemoMailing:
    """Send digital mail, including a missing mailbox, a rejection, a lost answer and throttling."""
    recipients = [await people.add_person(client, serial) for serial in range(1, 17)]
    recipients += [
        await people.add_person(client, 20 + i, magic)
        for i, magic in enumerate(("10", "20", "25", "27"))
    ]
    mail = DigitalMail(
        Parties([p.party_id for p in recipients]),
        _SUBJECT,
        _TEXT,
        "text/plain",
        [Pdf("beslut.pdf", DECISION)],
    )
    accepted = await client.send_digital_mail(mail, _AT_ONCE, organization_number=ORGANIZATION)
    return DemoMailing(
        "digital mail",
        accepted.batch_id,
        tuple({"digital_mail": _mail(p)} for p in recipients),
    )


def due(today: date) -> date:
    """Return a bank day in a month's time."""
    day = today + timedelta(days=30)
    while not is_bank_day(day):
        day += timedelta(days=1)
    return day


async def invoice(client: AsyncUtskickClient, serial: int) -> DemoMailing:
    person = await people.add_person(client, serial)
    day = due(date.today())
    details = InvoiceDetails(
        amount=1250.5,
        due_date=day,
        payment_reference_type="SE_OCR",
        payment_reference="47118",
        account_type="BANKGIRO",
        account_number="991-2346",
    )
    bill = DigitalInvoice(
        InvoiceParty(person.party_id),
        "INVOICE",
        details,
        [Pdf("faktura.pdf", BILL)],
        "Faktura förskola",
    )
    accepted = await client.send_digital_invoice(bill, _AT_ONCE)
    contents = Contents(
        f"1250.50 {day} 9912346 47118", "Faktura förskola", None, (("faktura.pdf", _digest(BILL)),)
    )
    return DemoMailing(
        "digital invoice",
        accepted.batch_id or "",
        ({"digital_invoice": ExpectedDelivery(person.number, contents)},),
    )


async def letter(client: AsyncUtskickClient) -> DemoMailing:
    """Send letters to mailboxes, to homes, to a person with neither, and to two plain addresses."""
    digital = [await people.add_person(client, serial) for serial in range(30, 36)]
    paper = [await people.add_person(client, serial, "10") for serial in range(40, 43)]
    nowhere = [await people.add_person(client, 50, "10", address={}, protected=True)]
    addresses = [
        Address(
            first_name="Nils",
            last_name="Ek",
            address="Storgatan 1",
            zip_code="852 30",
            city="Sundsvall",
        ),
        Address(
            organization_name="Åkeriet i Njurunda AB",
            address="Åkargatan 4",
            zip_code="862 30",
            city="Kvissleby",
        ),
    ]
    party = LetterParty([p.party_id for p in (*digital, *paper, *nowhere)], addresses)
    attached = [LetterAttachment("beslut.pdf", DECISION)]
    accepted = await client.send_letter(
        Letter(party, "Stadsbyggnad", attached, _SUBJECT, _TEXT, "text/plain"), _AT_ONCE
    )
    rows = [
        {"digital_mail": _mail(p), "snail_mail": _paper()} for p in (*digital, *paper, *nowhere)
    ]
    rows += [{"snail_mail": _paper()} for _ in addresses]
    names = {
        "digital_mail": "letter: mailbox",
        "snail_mail": "letter: paper",
        "letter": "letter: undeliverable",
    }
    return DemoMailing("letters", accepted.batch_id, tuple(rows), names)


async def snail_mail(client: AsyncUtskickClient) -> DemoMailing:
    """Send three letters collected in a batch by the caller, who then closes it."""
    batch_id = str(new_id())
    for i in range(3):
        address = Address(
            first_name="Eva",
            last_name="Norberg",
            address=f"Ängsvägen {i + 1}",
            zip_code="856 33",
            city="Sundsvall",
        )
        letter = SnailMail(
            "Stadsbyggnad",
            address,
            attachments=[SnailMailAttachment(f"beslut-{i + 1}.pdf", DECISION)],
        )
        await client.send_snail_mail(letter, batch_id)
    await client.close_snail_mail_batch(batch_id)
    return DemoMailing("snail mail", batch_id, tuple({"snail_mail": _paper()} for _ in range(3)))


async def web_message(client: AsyncUtskickClient, case: int) -> DemoMailing:
    text = f"Hej! Vi har fått din komplettering i ärende {case}. Handläggningen fortsätter."
    party = Party(external_references=[ExternalReference("flowInstanceId", str(case))])
    accepted = await client.send_web_message(
        WebMessage(party, text, WebMessageSender("joe01doe")), _AT_ONCE
    )
    return DemoMailing(
        "web message",
        accepted.batch_id or "",
        ({"web_message": ExpectedDelivery(str(case), Contents(text, "EXTERNAL"))},),
    )


async def slack(client: AsyncUtskickClient, channel: str) -> DemoMailing:
    text = "*Driftläge*: vattnet är tillbaka i Haga.\nTack för tålamodet!"
    accepted = await client.send_slack(Slack(channel, text), _AT_ONCE)
    return DemoMailing(
        "Slack", accepted.batch_id or "", ({"slack": ExpectedDelivery(channel, Contents(text))},)
    )


async def push(client: AsyncUtskickClient, viewer: str) -> DemoMailing:
    """Send a notification to two users of the app, one with two devices, and to a non-user."""
    devices = await _devices(client, viewer)
    parties = [*dict.fromkeys(device.party_id for device in devices), str(new_id())]
    title, text = (
        "Sopbilen kommer",
        "I morgon hämtas sopor på din gata. Ställ ut kärlet före kl. 6.",
    )
    accepted = await client.send_push(Push(Parties(parties), title, text), _AT_ONCE)
    return DemoMailing(
        "push",
        accepted.batch_id,
        tuple({"push": ExpectedDelivery("", Contents(text, title))} for _ in parties),
    )


async def _devices(client: AsyncUtskickClient, viewer: str) -> Sequence[DemoPhone]:
    first, second = str(new_id()), str(new_id())
    return [
        await people.register_device(client, viewer, name, party)
        for name, party in (
            ("annas-telefon", first),
            ("annas-platta", first),
            ("nils-telefon", second),
        )
    ]


async def by_choice(client: AsyncUtskickClient, viewer: str) -> DemoMailing:
    """Send messages by the contact settings of the recipients, one of whom has none."""
    both = await people.add_contact_settings(
        client, ("SMS", "+46701740691"), ("EMAIL", "eva.norberg@example.se")
    )
    text_only = await people.add_contact_settings(client, ("SMS", "+46701740692"))
    apps = await people.add_contact_settings(client, ("PUSH", ""))
    await people.register_device(client, viewer, "saras-telefon", apps)
    text, subject = "Din bok finns att hämta på biblioteket.", "Biblioteket"
    messages = [
        Message(MessageParty(party), text, subject)
        for party in (both, text_only, apps, str(new_id()))
    ]
    accepted = await client.send_messages(Messages(messages), _AT_ONCE)
    sms, email, notice = Contents(text), Contents(text, subject), Contents(text, subject)
    rows: tuple[Mapping[str, ExpectedDelivery], ...] = (
        {
            "sms": ExpectedDelivery("+46701740691", sms),
            "email": ExpectedDelivery("eva.norberg@example.se", email),
        },
        {"sms": ExpectedDelivery("+46701740692", sms)},
        {"push": ExpectedDelivery("saras-telefon", notice)},
        {},
    )
    names = {
        "sms": "message: SMS",
        "email": "message: e-mail",
        "push": "message: push",
        "message": "message: undeliverable",
    }
    return DemoMailing("messages", accepted.batch_id, rows, names)
