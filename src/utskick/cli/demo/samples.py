"""Sample SMS and e-mail of the demo: one message of each kind, and a list of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final

from utskick.cli import csv_file, payloads
from utskick.cli.demo.ledgers import Contents, RequestedDelivery
from utskick.cli.payloads import EmailContent, LocalFile, SmsContent
from utskick.cli.recipients_csv import EMAIL, SMS, ListKind, parse_recipients
from utskick.domain.recipient import Recipient
from utskick_client import AsyncUtskickClient, SendOptions

_ESCAPED = str.maketrans({"\\": r"\\", "(": r"\(", ")": r"\)"})


def pdf_page(lines: Sequence[str]) -> bytes:
    """Return a PDF of one A4 page with the lines of text (ISO 32000-1 section 7.5).

    Characters outside Windows-1252 are replaced by question marks.
    """
    text = "\n".join(f"({line.translate(_ESCAPED)}) Tj T*" for line in lines)
    content = f"BT /F1 14 Tf 72 770 Td 20 TL\n{text}\nET".encode("windows-1252", "replace")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << "
            b"/Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    written, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    # Section 7.5.4: an entry of the cross-reference table is 20 bytes, including its line end.
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size, start = len(objects) + 1, len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table)
    return written + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        start,
    )


SENDER: Final = ("Förskolan Äpplet €🍎", "forskolan@utskick.example")
LETTER: Final = LocalFile(
    "Välkommen till förskolan.pdf",
    pdf_page(["Välkommen till förskolan Äpplet!", "Avgift: 1 250 € per år. Öppet 06.30-17.30."]),
)

_PAGE: Final = (
    "<!doctype html><html lang=sv><meta charset=utf-8>"
    "<p>Ditt barn har fått plats på <b>förskolan Äpplet</b>. Välkommen! 🍎"
    "<p>Avgiften är 1 250 € per år. Å, ä och ö ska se ut just så.\n"
)
ONE_SMS: Final = SmsContent(
    "Hej! Ditt barn har fått plats på förskolan Äpplet. Mer står i din e-post. Avgiften är 1 "
    "250 € per år."
)
ONE_EMAIL: Final = EmailContent(
    "Plats på förskolan Äpplet – åäö ÅÄÖ, 1 250 € 🍎",
    "Hej!\n\nDitt barn har fått plats på förskolan Äpplet. Välkommen! 🍎\n\nAvgiften är 1 250 € "
    "per år. Å, ä och ö ska se ut just så.\n",
    _PAGE.encode(),
    (LETTER,),
    SENDER,
)
MANY_SMS: Final = SmsContent(
    "Vattnet stängs av i ditt område i morgon kl. 09-12. Tappa upp dricksvatten i förväg. "
    "utskick.example/vatten"
)
MANY_EMAIL: Final = EmailContent(
    "Skolstart på måndag – så blir det",
    "Hej!\n\nSkolan börjar på måndag kl. 08.10. Ta med gympakläder och vattenflaska.\n\n"
    "Vänliga hälsningar\nSkolkontoret\n",
    sender=("Skolkontoret", "skola@utskick.example"),
)


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """Accepted batch, with its deliveries and their requested contents."""

    label: str
    batch_id: str
    requested: tuple[RequestedDelivery, ...]


def recipients(kind: ListKind) -> tuple[Recipient, ...]:
    """Return the sample list of a channel, parsed like a user's list."""
    data = files("utskick.cli.demo").joinpath(f"{kind.channel}.csv").read_bytes()
    return parse_recipients(csv_file.read(data), kind).valid


async def send(client: AsyncUtskickClient) -> list[AcceptedBatch]:
    """Send the single messages first; the first party of the list receives all four."""
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
    message = await payloads.send(client, content.to_one(recipient), SendOptions())
    requested = _requested(kind, content, recipient, message.deliveries[0].delivery_id)
    return AcceptedBatch(f"one {_NOUNS[kind.channel]}", message.batch_id or "", (requested,))


async def _many(
    client: AsyncUtskickClient, kind: ListKind, content: SmsContent | EmailContent
) -> AcceptedBatch:
    people = recipients(kind)
    batch = await payloads.send_batch(client, content.to_many(people), SendOptions())
    # The answer keeps the order of the request.
    pairs = zip(people, batch.messages, strict=True)
    requested = tuple(
        _requested(kind, content, person, message.deliveries[0].delivery_id)
        for person, message in pairs
    )
    return AcceptedBatch(f"{len(people)} {_NOUNS[kind.channel]}", batch.batch_id, requested)


def _requested(
    kind: ListKind, content: SmsContent | EmailContent, recipient: Recipient, delivery_id: str
) -> RequestedDelivery:
    if isinstance(content, SmsContent):
        return RequestedDelivery(
            kind.channel, recipient.destination, delivery_id, Contents(content.message)
        )
    attached = tuple((file.name, sha256(file.data).hexdigest()) for file in content.files)
    page = content.html.decode() if content.html is not None else None
    return RequestedDelivery(
        kind.channel,
        recipient.destination,
        delivery_id,
        Contents(content.message, content.subject, page, attached),
    )


_NOUNS: Final = {"sms": "SMS", "email": "e-mail"}
