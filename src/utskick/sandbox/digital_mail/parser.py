"""Parser of sealed deliveries for the viewer; malformed envelopes never raise."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import Any, Final

from utskick.sandbox.digital_mail.signature import MESSAGE_3, InvalidDelivery
from utskick.sandbox.digital_mail.soap import parse
from utskick.sandbox.mail_parser import AttachedFile

_SCHEMA: Final = "http://minameddelanden.gov.se/schema"
_M1: Final = f"{_SCHEMA}/Message"
_M2: Final = f"{_SCHEMA}/Message/v2"
_SENDER: Final = f"{_SCHEMA}/Sender"


@dataclass(frozen=True, slots=True)
class Support:
    """Contact details for questions."""

    text: str = ""
    url: str = ""
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class DigitalLetter:
    """Digital letter.

    ``html``: whether the body is HTML; ``readable`` is False for a malformed delivery.
    """

    sender: str = ""
    organization: str = ""
    attention: str = ""
    reference: str = ""
    subject: str = ""
    support: Support = Support()
    html: bool = False
    body: str = ""
    files: tuple[AttachedFile, ...] = ()
    readable: bool = True


def parse_digital_letter(raw: bytes) -> DigitalLetter:
    """Parse a SOAP envelope (Message.xsd v3); never raises."""
    try:
        root = parse(raw)
    except InvalidDelivery:
        return DigitalLetter(readable=False)
    delivery = root.find(f".//{{{MESSAGE_3}}}Delivery")
    if delivery is None:
        return DigitalLetter(readable=False)
    sender, message = f"{{{MESSAGE_3}}}Header/{{{_M2}}}Sender/", f"{{{MESSAGE_3}}}Message/"
    content, header = f"{message}{{{MESSAGE_3}}}Body/", f"{message}{{{MESSAGE_3}}}Header/"
    support = f"{header}{{{MESSAGE_3}}}Supportinfo/{{{MESSAGE_3}}}"
    return DigitalLetter(
        sender=_text(delivery, f"{sender}{{{_SENDER}}}Name"),
        organization=_text(delivery, f"{sender}{{{_SENDER}}}Id"),
        attention=_text(delivery, f"{sender}{{{_SENDER}}}Attention"),
        reference=_text(delivery, f"{{{MESSAGE_3}}}Header/{{{_M2}}}Reference"),
        subject=_text(delivery, f"{header}{{{MESSAGE_3}}}Subject"),
        support=Support(
            *(
                _text(delivery, support + name)
                for name in ("Text", "URL", "PhoneNumber", "EmailAdress")
            )
        ),
        html=_text(delivery, f"{content}{{{_M1}}}ContentType") == "text/html",
        body=_bytes(_text(delivery, f"{content}{{{_M1}}}Body")).decode("utf-8", "replace"),
        files=tuple(
            _file(number, found)
            for number, found in enumerate(delivery.iter(f"{{{MESSAGE_3}}}Attachment"), start=1)
        ),
    )


def _file(number: int, attachment: Any) -> AttachedFile:
    name, content_type, data = (
        _text(attachment, f"{{{_M1}}}{part}") for part in ("Filename", "ContentType", "Body")
    )
    return AttachedFile(name or f"bilaga-{number}", content_type, _bytes(data))


def _text(element: Any, path: str) -> str:
    return element.findtext(path) or ""


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text)
    except ValueError:
        return b""
