"""A message as Open-E reads it: SOAP 1.1, document/literal, children in the order of its schema
(``oep.xsd``, IntegrationMessage).

Written piece by piece, because a tree of 80 MB of base64 would be held twice; every text goes
through ``_element``, which escapes it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from utskick.domain.attachment import Attachment
from utskick.domain.clock import SWEDEN

NAMESPACE: Final = "http://www.oeplatform.org/version/1.0/schemas/integration/callback"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
#: XML 1.0 section 2.2, Char.
_UNSAYABLE: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, repr=False)
class Principal:
    """On whose behalf: ``citizen`` is the legal id of the case's owner. None is written as nil."""

    user: str | None
    citizen: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class WebMessage:
    """``case``: the flowInstanceID. ``user``: who wrote it. ``as_owner``: the case's owner did;
    ``principal`` is then that person."""

    case: int
    added: datetime
    text: str
    user: str
    principal: Principal | None = None
    as_owner: bool = False
    attachments: tuple[Attachment, ...] = ()
    read_receipts: bool | None = None

    @property
    def operation(self) -> str:
        return "addMessageAsOwner" if self.as_owner else "addMessage"


def is_sayable(text: str) -> bool:
    """Whether XML has a place for every character."""
    return _UNSAYABLE.search(text) is None


def write(message: WebMessage) -> bytes:
    """The whole envelope, in UTF-8. The same message gives the same bytes."""
    return b"".join(_pieces(message))


def _pieces(message: WebMessage) -> Iterator[bytes]:
    yield b'<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<S:Envelope xmlns:S="{SOAP}"><S:Body><{message.operation} xmlns="{NAMESPACE}">'.encode()
    yield _element("flowInstanceID", str(message.case))
    yield b"<message>"
    yield _element("added", message.added.astimezone(SWEDEN).isoformat(timespec="milliseconds"))
    for attachment in message.attachments:
        yield b"<attachments><encodedData>"
        yield b64encode(attachment.data)
        yield b"</encodedData>"
        yield _element("filename", attachment.name)
        yield _element("size", str(len(attachment.data)))
        yield b"</attachments>"
    yield _element("message", message.text)
    yield _element("userID", message.user)
    if message.read_receipts is not None:
        yield _element("readReceiptEnabled", "true" if message.read_receipts else "false")
    yield b"</message>"
    if message.principal is not None:
        yield from _principal(message.principal, citizen=message.as_owner)
    yield f"</{message.operation}></S:Body></S:Envelope>".encode()


def _principal(principal: Principal, *, citizen: bool) -> Iterator[bytes]:
    yield b"<principal>"
    yield _element("userID", principal.user)
    if citizen:
        yield _element("citizenID", principal.citizen)
    yield b"</principal>"


def _element(name: str, text: str | None) -> bytes:
    """A carriage return is written as a reference: a reader would make it a line feed (XML 1.0
    section 2.11)."""
    if text is None:
        return f'<{name} xmlns:xsi="{_XSI}" xsi:nil="true"/>'.encode()
    return f"<{name}>{escape(text, quote=False)}</{name}>".replace("\r", "&#13;").encode()
