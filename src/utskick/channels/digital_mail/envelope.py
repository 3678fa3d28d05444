"""The ``Delivery`` element: header, message, body and attachments (Message.xsd, v2 and v3)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from utskick.channels.digital_mail import attachments as attachment_elements
from utskick.channels.digital_mail.attachments import AttachmentElements
from utskick.channels.digital_mail.c14n import (
    MATTER_3,
    MESSAGE,
    MESSAGE_2,
    SENDER,
    element,
    optional,
)
from utskick.domain.attachment import Attachment
from utskick.domain.validators import decode_base64

#: Maximum bytes of a SOAP envelope that operators accept.
LIMIT: Final = 2_097_152
_LANGUAGE: Final = "svSE"
_CLOSE: Final = b"</Message></Delivery>"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Parts of a delivery besides its content.

    ``recipient`` and ``sender``: 12 digits. ``date``: with its time zone. ``subject`` and
    ``support_info``: defaults for content without them.
    """

    id: str
    recipient: str
    sender: str
    sender_name: str
    date: str
    subject: str
    support_info: Mapping[str, str]


def delivery(
    head: Letterhead,
    content: Mapping[str, Any],
    files: Sequence[Attachment],
    cache: AttachmentElements,
) -> list[bytes]:
    """Write the element in pieces; joined they are its canonical form."""
    pieces = [_opening(head, content)]
    for described, file in _paired(content, files):
        pieces.extend(cache.pieces(file, described["filename"]))
    return [*pieces, _CLOSE]


def length(head: Letterhead, content: Mapping[str, Any], files: Sequence[Attachment]) -> int:
    """Compute the bytes of the element without encoding the attachments."""
    attached = sum(
        attachment_elements.length(file, described["filename"])
        for described, file in _paired(content, files)
    )
    return len(_opening(head, content)) + attached + len(_CLOSE)


def body_of(content: Mapping[str, Any]) -> bytes:
    """Return the text in UTF-8, or the decoded HTML. Raises ``ValueError`` for bad base64."""
    body = content.get("body") or ""
    if content.get("contentType") == "text/html":
        return decode_base64(body) if body else b""
    return str(body).encode()


def _opening(head: Letterhead, content: Mapping[str, Any]) -> bytes:
    return "".join(
        (_header(head, content), "<Message>", _message_header(head, content), _body(content))
    ).encode()


def _header(head: Letterhead, content: Mapping[str, Any]) -> str:
    return "".join(
        (
            f'<Delivery><Header><Sender xmlns="{MESSAGE_2}">',
            element("Id", head.sender, SENDER),
            element("Name", head.sender_name, SENDER),
            "</Sender>",
            element("Recipient", head.recipient, MESSAGE_2),
            optional("Reference", content.get("headerReference"), MESSAGE_2),
            "</Header>",
        )
    )


def _message_header(head: Letterhead, content: Mapping[str, Any]) -> str:
    return "".join(
        (
            "<Header>",
            element("Id", head.id),
            element("Subject", content.get("subject") or head.subject),
            _support_info(content, head.support_info),
            _matter(content.get("officialMatter"), head.date),
            element("Language", _LANGUAGE),
            optional("Reply", content.get("reply")),
            optional("ReceiptRequest", content.get("receiptRequest")),
            "</Header>",
        )
    )


def _support_info(content: Mapping[str, Any], default: Mapping[str, str]) -> str:
    info = (content.get("sender") or {}).get("supportInfo") or default
    return "".join(
        (
            "<Supportinfo>",
            element("Text", info["text"].replace("\r\n", "\n").replace("\r", "\n")),
            optional("URL", info.get("url")),
            optional("PhoneNumber", info.get("phoneNumber")),
            optional("EmailAdress", info.get("emailAddress")),  # spelling of the schema
            "</Supportinfo>",
        )
    )


def _matter(matter: Mapping[str, str] | None, date: str) -> str:
    """Write the case ("kundärende") that the message belongs to: OfficialMatter, v3."""
    if not matter:
        return ""
    ids = "".join(
        optional(name, matter.get(member))
        for name, member in (
            ("EventId", "eventId"),
            ("OfficialMatterId", "id"),
            ("PrecedingEventId", "precedingEventId"),
        )
    )
    return "".join(
        (
            "<OfficialMatter><OfficialMatterExtension>",
            element("Timestamp", date, MATTER_3),
            f'<Identity xmlns="{MATTER_3}">{ids}</Identity>' if ids else "",
            optional("MatterSubject", matter.get("subject"), MATTER_3),
            optional("EventType", matter.get("eventType"), MATTER_3),
            optional("MatterStatus", matter.get("status"), MATTER_3),
            "</OfficialMatterExtension></OfficialMatter>",
        )
    )


def _body(content: Mapping[str, Any]) -> str:
    encoded = b64encode(body_of(content)).decode("ascii")
    content_type = element("ContentType", content.get("contentType") or "text/plain", MESSAGE)
    return f'<Body>{content_type}<Body xmlns="{MESSAGE}">{encoded}</Body></Body>'


def _paired(
    content: Mapping[str, Any], files: Sequence[Attachment]
) -> list[tuple[Mapping[str, Any], Attachment]]:
    by_digest = {file.digest.hex(): file for file in files}
    return [
        (described, by_digest[described["digest"]])
        for described in content.get("attachments") or ()
    ]
