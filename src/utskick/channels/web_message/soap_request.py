"""SOAP 1.1 request of Open-E: document/literal (``oep.xsd``, IntegrationMessage).

Written piecewise, as an element tree would hold 80 MB of base64 twice. Every text goes through
``_element``, which escapes it. Children are in the order of the schema.
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
_NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, repr=False)
class Principal:
    """On whose behalf a message is written; None becomes nil.

    ``citizen``: legal id of the case's owner.
    """

    user: str | None
    citizen: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class WebMessage:
    """One message in a case.

    ``case``: the flowInstanceID. ``user``: the author's userID. ``as_owner``: the author is the
    case's owner, who is then ``principal``.
    """

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


def is_xml_text(text: str) -> bool:
    """Return whether every character is allowed in XML."""
    return _NOT_XML.search(text) is None


def write(message: WebMessage) -> bytes:
    """Serialise the envelope in UTF-8, byte for byte the same for the same message."""
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
    """Write an element; CR becomes a reference, as a parser would normalise it (XML 1.0 2.11)."""
    if text is None:
        return f'<{name} xmlns:xsi="{_XSI}" xsi:nil="true"/>'.encode()
    return f"<{name}>{escape(text, quote=False)}</{name}>".replace("\r", "&#13;").encode()
