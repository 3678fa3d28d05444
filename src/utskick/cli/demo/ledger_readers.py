"""Reading both ledgers over HTTP: every delivery from the API, every copy from the sandbox, e-mail
from its raw message."""

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

from utskick.cli.demo.ledgers import Copy, RequestedDelivery, Wording
from utskick_client import AsyncUtskickClient, DeliveryResult

_AT_ONCE: Final = 32
_M1, _M3 = (
    "http://minameddelanden.gov.se/schema/Message",
    "http://minameddelanden.gov.se/schema/Message/v3",
)


async def deliveries(
    client: AsyncUtskickClient, asked: Iterable[RequestedDelivery]
) -> dict[str, DeliveryResult]:
    """What Utskick says, by delivery id."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(delivery_id: str) -> DeliveryResult:
        async with gate:
            return await client.delivery_status(delivery_id)

    found = await asyncio.gather(*(one(entry.delivery_id) for entry in asked))
    return {delivery.delivery_id: delivery for delivery in found}


@dataclass(frozen=True, slots=True)
class Downloads:
    """Files that were asked for by API. ``spoilt``: deliveries one of whose files is not what was
    sent with it."""

    number: int
    spoilt: tuple[str, ...]


async def downloads(
    client: AsyncUtskickClient,
    asked: Iterable[RequestedDelivery],
    told: Mapping[str, DeliveryResult],
) -> Downloads:
    """Every file that was sent, fetched again from the history."""
    wanted = [
        (told[entry.delivery_id], *file)
        for entry in asked
        for file in entry.wording.files
        if file[0]
    ]
    spoilt = [
        delivery.delivery_id
        for delivery, name, digest in wanted
        if sha256((await client.attachment(delivery.message_id or "", name)).content).hexdigest()
        != digest
    ]
    return Downloads(len(wanted), tuple(spoilt))


async def copies(viewer: str) -> list[Copy]:
    """What the citizens received."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:
        entries = [
            orjson.loads(line)
            for line in (await _body(session, f"{viewer}/ledger.jsonl")).splitlines()
        ]
        return list(await asyncio.gather(*(_copy(session, viewer, entry) for entry in entries)))


async def _copy(session: aiohttp.ClientSession, viewer: str, entry: dict[str, Any]) -> Copy:
    """The wording is read from what came over the wire, where there is more of it than a text."""
    channel, key = entry["channel"], entry["key"]
    reader = RAW.get(channel)
    if reader is None:
        return Copy(channel, entry["recipient"], key, Wording(entry["text"], entry["subject"]))
    raw = await _body(session, f"{viewer}/ledger/{entry['number']}/raw")
    if channel == "email":
        message = email.message_from_bytes(raw, policy=SMTPUTF8)
        key = str(message["Message-ID"]).strip("<>").partition("@")[0]
    return Copy(channel, entry["recipient"], key, reader(raw, entry))


async def _body(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url, raise_for_status=True) as answer:
        return await answer.read()


def wording_of(message: EmailMessage) -> Wording:
    """As a mail reader shows it; texts decoded strictly, so that a damaged one is seen."""
    attached = tuple(
        (part.get_filename() or "", sha256(_bytes(part)).hexdigest())
        for part in message.iter_attachments()
    )
    return Wording(
        _text(message, "plain") or "", str(message["Subject"]), _text(message, "html"), attached
    )


def _text(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body((subtype,))
    return None if part is None else _bytes(cast(EmailMessage, part)).decode().replace("\r\n", "\n")


def _bytes(part: EmailMessage) -> bytes:
    return cast(bytes, part.get_payload(decode=True))


def _of_mail(raw: bytes, _entry: dict[str, Any]) -> Wording:
    return wording_of(email.message_from_bytes(raw, policy=SMTPUTF8))


def _of_digital_mail(raw: bytes, entry: dict[str, Any]) -> Wording:
    """The envelope's attachments: name and contents (Message.xsd v3)."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    files = []
    for attachment in etree.fromstring(raw, parser).iter(f"{{{_M3}}}Attachment"):
        body, name = attachment.find(f"{{{_M1}}}Body"), attachment.find(f"{{{_M1}}}Filename")
        files.append((name.text or "", sha256(b64decode(body.text or "")).hexdigest()))
    return Wording(entry["text"], entry["subject"], None, tuple(files))


def _of_invoice(raw: bytes, _entry: dict[str, Any]) -> Wording:
    """What is to be paid, and the bill."""
    content = orjson.loads(raw)
    payment = content["payment_multiple_options"]
    option = payment["options"][0]
    files = tuple(
        (part["name"], sha256(b64decode(part["data"])).hexdigest()) for part in content["parts"]
    )
    said = f"{option['amount']} {option['due_date']} {payment['account']} {option['reference']}"
    return Wording(said, content["subject"], None, files)


def _of_paper(raw: bytes, _entry: dict[str, Any]) -> Wording:
    return Wording("", None, None, (("", sha256(raw).hexdigest()),))


#: How a channel's copies are read, where their text does not say all.
RAW: Final[dict[str, Callable[[bytes, dict[str, Any]], Wording]]] = {
    "email": _of_mail,
    "digital_mail": _of_digital_mail,
    "digital_invoice": _of_invoice,
    "snail_mail": _of_paper,
}
