"""Readers of the two ledgers: deliveries from the API, received copies from the sandbox."""

from __future__ import annotations

import asyncio
import email
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTPUTF8
from hashlib import sha256
from typing import Any, Final, cast

import aiohttp
import orjson
from lxml import etree

from utskick.cli.demo.ledgers import Contents, Copy, RequestedDelivery
from utskick_client import AsyncUtskickClient, DeliveryResult

_AT_ONCE: Final = 32
_M1, _M3 = (
    "http://minameddelanden.gov.se/schema/Message",
    "http://minameddelanden.gov.se/schema/Message/v3",
)


async def deliveries(
    client: AsyncUtskickClient, requested: Iterable[RequestedDelivery]
) -> dict[str, DeliveryResult]:
    """Return the service's report of each delivery, by delivery id."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(delivery_id: str) -> DeliveryResult:
        async with gate:
            return await client.delivery_status(delivery_id)

    result = await asyncio.gather(*(read(entry.delivery_id) for entry in requested))
    return {delivery.delivery_id: delivery for delivery in result}


@dataclass(frozen=True, slots=True)
class Downloads:
    """Result of downloading files by API; ``damaged`` are deliveries with a file that differs."""

    number: int
    damaged: tuple[str, ...]


async def downloads(
    client: AsyncUtskickClient,
    requested: Iterable[RequestedDelivery],
    reports: Mapping[str, DeliveryResult],
) -> Downloads:
    """Download every attachment that was sent, from the history."""
    wanted = [
        (reports[entry.delivery_id], *file)
        for entry in requested
        for file in entry.contents.files
        if file[0]
    ]
    damaged = [
        delivery.delivery_id
        for delivery, name, digest in wanted
        if sha256((await client.attachment(delivery.message_id or "", name)).content).hexdigest()
        != digest
    ]
    return Downloads(len(wanted), tuple(damaged))


async def copies(viewer: str) -> list[Copy]:
    """Return the copies that citizens received."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:
        entries = [
            orjson.loads(line)
            for line in (await _body(session, f"{viewer}/ledger.jsonl")).splitlines()
        ]
        return list(await asyncio.gather(*(_copy(session, viewer, entry) for entry in entries)))


async def _copy(session: aiohttp.ClientSession, viewer: str, entry: dict[str, Any]) -> Copy:
    """Return one copy; the contents are read from the raw message where it has more than a text."""
    channel, key = entry["channel"], entry["key"]
    reader = READERS.get(channel)
    if reader is None:
        return Copy(channel, entry["recipient"], key, Contents(entry["text"], entry["subject"]))
    raw = await _body(session, f"{viewer}/ledger/{entry['number']}/raw")
    if channel == "email":
        message = email.message_from_bytes(raw, policy=SMTPUTF8)
        key = str(message["Message-ID"]).strip("<>").partition("@")[0]
    return Copy(channel, entry["recipient"], key, reader(raw, entry))


async def _body(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url, raise_for_status=True) as answer:
        return await answer.read()


def contents_of(message: EmailMessage) -> Contents:
    """Return the contents as a mail reader shows them; decoding is strict to detect damage."""
    attached = tuple(
        (part.get_filename() or "", sha256(_bytes(part)).hexdigest())
        for part in message.iter_attachments()
    )
    return Contents(
        _text(message, "plain") or "", str(message["Subject"]), _text(message, "html"), attached
    )


def _text(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body((subtype,))
    return None if part is None else _bytes(cast(EmailMessage, part)).decode().replace("\r\n", "\n")


def _bytes(part: EmailMessage) -> bytes:
    return cast(bytes, part.get_payload(decode=True))


def _read_mail(raw: bytes, _entry: dict[str, Any]) -> Contents:
    return contents_of(email.message_from_bytes(raw, policy=SMTPUTF8))


def _read_digital_mail(raw: bytes, entry: dict[str, Any]) -> Contents:
    """Read the attachments of a digital mail: name and contents (Message.xsd v3)."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    files = []
    for attachment in etree.fromstring(raw, parser).iter(f"{{{_M3}}}Attachment"):
        body, name = attachment.find(f"{{{_M1}}}Body"), attachment.find(f"{{{_M1}}}Filename")
        files.append((name.text or "", sha256(b64decode(body.text or "")).hexdigest()))
    return Contents(entry["text"], entry["subject"], None, tuple(files))


def _read_invoice(raw: bytes, _entry: dict[str, Any]) -> Contents:
    """Read the payment details and the attached invoice."""
    content = orjson.loads(raw)
    payment = content["payment_multiple_options"]
    option = payment["options"][0]
    files = tuple(
        (part["name"], sha256(b64decode(part["data"])).hexdigest()) for part in content["parts"]
    )
    payment_text = (
        f"{option['amount']} {option['due_date']} {payment['account']} {option['reference']}"
    )
    return Contents(payment_text, content["subject"], None, files)


def _read_paper(raw: bytes, _entry: dict[str, Any]) -> Contents:
    return Contents("", None, None, (("", sha256(raw).hexdigest()),))


#: Readers of channels whose copies consist of more than a text.
READERS: Final[dict[str, Callable[[bytes, dict[str, Any]], Contents]]] = {
    "email": _read_mail,
    "digital_mail": _read_digital_mail,
    "digital_invoice": _read_invoice,
    "snail_mail": _read_paper,
}
