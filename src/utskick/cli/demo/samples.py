"""What the demo sends: one SMS, one e-mail with everything on it, and a list of each."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final

from utskick.cli import csv_file as sheet
from utskick.cli import payloads as bodies
from utskick.cli.demo import pdf
from utskick.cli.demo.ledgers import RequestedDelivery, Wording
from utskick.cli.payloads import EmailContent, LocalFile, SmsContent
from utskick.cli.recipients_csv import EMAIL, SMS, ListKind, listing_of
from utskick.domain.recipient import Recipient
from utskick_client import AsyncUtskickClient, Manner

SENDER: Final = ("Förskolan Äpplet €🍎", "forskolan@utskick.example")
LETTER: Final = LocalFile(
    "Välkommen till förskolan.pdf",
    pdf.page(["Välkommen till förskolan Äpplet!", "Avgift: 1 250 € per år. Öppet 06.30-17.30."]),
)

_PAGE: Final = (
    "<!doctype html><html lang=sv><meta charset=utf-8><p>Ditt barn har fått plats på <b>förskolan Äpplet</b>. Välkommen! 🍎"
    "<p>Avgiften är 1 250 € per år. Å, ä och ö ska se ut just så.\n"
)
ONE_SMS: Final = SmsContent(
    "Hej! Ditt barn har fått plats på förskolan Äpplet. Mer står i din e-post. Avgiften är 1 250 € per år."
)
ONE_EMAIL: Final = EmailContent(
    "Plats på förskolan Äpplet – åäö ÅÄÖ, 1 250 € 🍎",
    "Hej!\n\nDitt barn har fått plats på förskolan Äpplet. Välkommen! 🍎\n\nAvgiften är 1 250 € per år. Å, ä och ö ska se ut just så.\n",
    _PAGE.encode(),
    (LETTER,),
    SENDER,
)
MANY_SMS: Final = SmsContent(
    "Vattnet stängs av i ditt område i morgon kl. 09-12. Tappa upp dricksvatten i förväg. utskick.example/vatten"
)
MANY_EMAIL: Final = EmailContent(
    "Skolstart på måndag – så blir det",
    "Hej!\n\nSkolan börjar på måndag kl. 08.10. Ta med gympakläder och vattenflaska.\n\nVänliga hälsningar\nSkolkontoret\n",
    sender=("Skolkontoret", "skola@utskick.example"),
)


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """What the service accepted: its batch, and each delivery with what was asked for."""

    label: str
    batch_id: str
    asked: tuple[RequestedDelivery, ...]


def recipients(kind: ListKind) -> tuple[Recipient, ...]:
    """The list of a channel, read as any list is."""
    data = files("utskick.cli.demo").joinpath(f"{kind.channel}.csv").read_bytes()
    return listing_of(sheet.read(data), kind).recipients


async def send(client: AsyncUtskickClient) -> list[AcceptedBatch]:
    """Singles first: the party of the first row gets all four."""
    party = recipients(SMS)[0].party_id
    return [
        await _one(client, SMS, ONE_SMS, Recipient("+46701740605", party)),
        await _one(client, EMAIL, ONE_EMAIL, Recipient("asa.oberg@example.se", party)),
        await _many(client, SMS, MANY_SMS),
        await _many(client, EMAIL, MANY_EMAIL),
    ]


async def _one(
    client: AsyncUtskickClient,
    kind: ListKind,
    content: SmsContent | EmailContent,
    recipient: Recipient,
) -> AcceptedBatch:
    message = await bodies.send(client, content.to_one(recipient), Manner())
    asked = _asked(kind, content, recipient, message.deliveries[0].delivery_id)
    return AcceptedBatch(f"one {_WORDS[kind.channel]}", message.batch_id or "", (asked,))


async def _many(
    client: AsyncUtskickClient, kind: ListKind, content: SmsContent | EmailContent
) -> AcceptedBatch:
    people = recipients(kind)
    batch = await bodies.send_batch(client, content.to_many(people), Manner())
    pairs = zip(people, batch.messages, strict=True)  # the answer keeps the order of the request
    asked = tuple(
        _asked(kind, content, person, message.deliveries[0].delivery_id)
        for person, message in pairs
    )
    return AcceptedBatch(f"{len(people)} {_WORDS[kind.channel]}", batch.batch_id, asked)


def _asked(
    kind: ListKind, content: SmsContent | EmailContent, recipient: Recipient, delivery_id: str
) -> RequestedDelivery:
    if isinstance(content, SmsContent):
        return RequestedDelivery(
            kind.channel, recipient.destination, delivery_id, Wording(content.message)
        )
    attached = tuple((file.name, sha256(file.data).hexdigest()) for file in content.files)
    page = content.html.decode() if content.html is not None else None
    return RequestedDelivery(
        kind.channel,
        recipient.destination,
        delivery_id,
        Wording(content.message, content.subject, page, attached),
    )


_WORDS: Final = {"sms": "SMS", "email": "e-mail"}
