"""Reading both ledgers over HTTP: every delivery from the API, every copy from the sandbox, e-mail from its raw message."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Iterable
from email.message import EmailMessage
from email.policy import SMTPUTF8
from hashlib import sha256
from typing import Any, Final, cast

import aiohttp
import orjson

from utskick.cli.client import Client
from utskick.cli.demo.ledgers import Asked, Copy, Wording
from utskick.cli.results import DeliveryResult

_AT_ONCE: Final = 32


async def deliveries(client: Client, asked: Iterable[Asked]) -> dict[str, DeliveryResult]:
    """What Utskick says, by delivery id."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(delivery_id: str) -> DeliveryResult:
        async with gate:
            return await client.delivery(delivery_id)

    found = await asyncio.gather(*(one(entry.delivery_id) for entry in asked))
    return {delivery.id: delivery for delivery in found}


async def copies(viewer: str) -> list[Copy]:
    """What the citizens received."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:
        entries = [orjson.loads(line) for line in (await _body(session, f"{viewer}/ledger.jsonl")).splitlines()]
        return list(await asyncio.gather(*(_copy(session, viewer, entry) for entry in entries)))


async def _copy(session: aiohttp.ClientSession, viewer: str, entry: dict[str, Any]) -> Copy:
    if entry["channel"] != "email":
        return Copy(entry["channel"], entry["recipient"], entry["key"], Wording(entry["text"]))
    raw = await _body(session, f"{viewer}/ledger/{entry['number']}/raw")
    message = email.message_from_bytes(raw, policy=SMTPUTF8)
    key = str(message["Message-ID"]).strip("<>").partition("@")[0]
    return Copy("email", entry["recipient"], key, wording_of(message))


async def _body(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url, raise_for_status=True) as answer:
        return await answer.read()


def wording_of(message: EmailMessage) -> Wording:
    """As a mail reader shows it; texts decoded strictly, so that a damaged one is seen."""
    attached = tuple((part.get_filename() or "", sha256(_bytes(part)).hexdigest()) for part in message.iter_attachments())
    return Wording(_text(message, "plain") or "", str(message["Subject"]), _text(message, "html"), attached)


def _text(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body((subtype,))
    return None if part is None else _bytes(cast(EmailMessage, part)).decode().replace("\r\n", "\n")


def _bytes(part: EmailMessage) -> bytes:
    return cast(bytes, part.get_payload(decode=True))
