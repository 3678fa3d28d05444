"""Schema validation of a sealed delivery: order, number and content of all elements.

Written as grammar rules from the schemas of Mina Meddelanden (Service, Message, Sender,
OfficialMatter; v1, v2 and v3).
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from utskick.sandbox.digital_mail.signature import DSIG, MESSAGE_3, InvalidDelivery

_SCHEMA: Final = "http://minameddelanden.gov.se/schema"
SERVICE_3: Final = f"{_SCHEMA}/Service/v3"
_M1: Final = f"{_SCHEMA}/Message"
_M2: Final = f"{_SCHEMA}/Message/v2"
_SENDER: Final = f"{_SCHEMA}/Sender"
_MATTER: Final = f"{_SCHEMA}/OfficialMatter/v3"

#: Recipient.xsd, RecipientId.
RECIPIENT_ID: Final = re.compile(r"16\d{10}\Z|(18|19|20)\d{2}(0[1-9]|1[0-2])\d{2}\d{4}\Z")
_DATE: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(Z|[+-]\d{2}:\d{2})?\Z")

Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class ElementRule:
    """Element with its number of occurrences, and the rule of its text or its children in order."""

    name: str
    namespace: str
    min_count: int = 1
    max_count: int | None = 1
    text: Check | None = None
    children: Sequence[ElementRule] = ()

    @property
    def tag(self) -> str:
        return f"{{{self.namespace}}}{self.name}"


def _any(_: str) -> bool:
    return True


def _length(max_count: int, min_count: int = 0) -> Check:
    return lambda text: min_count <= len(text) <= max_count


def _one_of(*values: str) -> Check:
    return lambda text: text in values


def _base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except ValueError:
        return False
    return True


_SUPPORT: Final = (
    ElementRule("Text", MESSAGE_3, text=_length(1024)),
    ElementRule("URL", MESSAGE_3, 0, text=_length(255)),
    ElementRule("PhoneNumber", MESSAGE_3, 0, text=_length(255)),
    ElementRule(
        "EmailAdress",
        MESSAGE_3,
        0,
        text=lambda text: 5 <= len(text) <= 256 and re.fullmatch(r".+@.+\..+", text) is not None,
    ),
)
_EXTENSION: Final = (
    ElementRule("Timestamp", _MATTER, text=lambda text: _DATE.match(text) is not None),
    ElementRule(
        "Identity",
        _MATTER,
        0,
        children=[
            ElementRule(name, _MATTER, 0, text=_length(255))
            for name in ("EventId", "OfficialMatterId", "PrecedingEventId")
        ],
    ),
    ElementRule("MatterSubject", _MATTER, 0, text=_length(2000)),
    ElementRule("EventType", _MATTER, 0, text=_length(2000)),
    ElementRule(
        "MatterStatus",
        _MATTER,
        0,
        text=_one_of("senderinitiative", "recipientinitiative", "closed"),
    ),
)
_MESSAGE_HEADER: Final = (
    ElementRule("Id", MESSAGE_3, text=_length(255, 1)),
    ElementRule("Subject", MESSAGE_3, text=_length(255)),
    ElementRule("Supportinfo", MESSAGE_3, children=_SUPPORT),
    ElementRule(
        "OfficialMatter",
        MESSAGE_3,
        0,
        children=[ElementRule("OfficialMatterExtension", MESSAGE_3, children=_EXTENSION)],
    ),
    ElementRule(
        "Metadata",
        MESSAGE_3,
        0,
        None,
        children=[ElementRule("Tag", _M1, text=_any), ElementRule("Value", _M1, text=_any)],
    ),
    ElementRule(
        "Language",
        MESSAGE_3,
        text=lambda text: re.fullmatch(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*", text) is not None,
    ),
    ElementRule("Reply", MESSAGE_3, 0, text=_one_of("REQUESTED", "ACCEPTED", "NOT_ALLOWED")),
    ElementRule("ReceiptRequest", MESSAGE_3, 0, text=_one_of("NOT", "SIMPLE", "SIGNED")),
)
_MESSAGE: Final = (
    ElementRule("Header", MESSAGE_3, children=_MESSAGE_HEADER),
    ElementRule(
        "Body",
        MESSAGE_3,
        children=[
            ElementRule("ContentType", _M1, text=_one_of("text/plain", "text/html")),
            ElementRule("Body", _M1, text=_base64),
        ],
    ),
    ElementRule(
        "Attachment",
        MESSAGE_3,
        0,
        None,
        children=[
            ElementRule("ContentType", _M1, text=_one_of("application/pdf")),
            ElementRule("Body", _M1, text=_base64),
            ElementRule("Checksum", _M1, text=_any),
            ElementRule("Filename", _M1, text=_length(255, 1)),
        ],
    ),
)
_DELIVERY_HEADER: Final = (
    ElementRule(
        "Sender",
        _M2,
        children=[
            ElementRule("Id", _SENDER, text=lambda text: RECIPIENT_ID.match(text) is not None),
            ElementRule("Name", _SENDER, text=_length(256, 2)),
            ElementRule("Attention", _SENDER, 0, text=_any),
        ],
    ),
    ElementRule("Recipient", _M2, text=lambda text: RECIPIENT_ID.match(text) is not None),
    *(ElementRule(name, _M2, 0, text=_any) for name in ("Reference", "CorrelationId", "Attention")),
)
_SIGNED: Final = ElementRule("Signature", DSIG)
_SEALED: Final = ElementRule(
    "deliverSecure",
    SERVICE_3,
    children=[
        ElementRule(
            "SignedDelivery",
            MESSAGE_3,
            children=[
                ElementRule(
                    "Delivery",
                    MESSAGE_3,
                    children=[
                        ElementRule("Header", MESSAGE_3, children=_DELIVERY_HEADER),
                        ElementRule("Message", MESSAGE_3, 1, None, children=_MESSAGE),
                    ],
                ),
                _SIGNED,
            ],
        ),
        ElementRule(
            "Seal",
            MESSAGE_3,
            children=[
                ElementRule("ReceivedTime", _M1, text=lambda text: _DATE.match(text) is not None),
                ElementRule("SignaturesOK", _M1, text=_one_of("true", "1")),
            ],
        ),
        _SIGNED,
    ],
)


def check(sealed: Any) -> None:
    """Validate the inner ``deliverSecure`` element, without its signatures.

    Raises ``InvalidDelivery`` with the first fault.
    """
    _check(sealed, _SEALED, "")
    for attachment in sealed.iter(f"{{{MESSAGE_3}}}Attachment"):
        data = b64decode(attachment.findtext(f"{{{_M1}}}Body") or "")
        if not data.startswith(b"%PDF-"):
            raise InvalidDelivery("an Attachment is not a PDF")
        if (
            attachment.findtext(f"{{{_M1}}}Checksum")
            != hashlib.md5(data, usedforsecurity=False).hexdigest().upper()
        ):
            raise InvalidDelivery(
                "the Checksum of an Attachment is not the MD5 of its bytes, in upper-case hex"
            )


def _check(element: Any, rule: ElementRule, parent_path: str) -> None:
    if element.tag != rule.tag:
        raise InvalidDelivery(f"{parent_path}: found {element.tag}, expected {rule.tag}")
    path = f"{parent_path}/{rule.name}"
    if rule is _SIGNED:
        return
    if any(name != "Id" for name in element.attrib) or (
        element.attrib and rule.name not in ("SignedDelivery", "deliverSecure")
    ):
        raise InvalidDelivery(f"{path}: has an attribute that is not in the schema")
    if rule.text is not None:
        if len(element) or not rule.text(element.text or ""):
            raise InvalidDelivery(f"{path}: its text does not match the schema")
        return
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        raise InvalidDelivery(f"{path}: has text between its elements")
    _check_children(list(element), rule.children, path)


def _check_children(children: list[Any], rules: Sequence[ElementRule], path: str) -> None:
    index = 0
    for rule in rules:
        start = index
        while (
            index < len(children)
            and children[index].tag == rule.tag
            and (rule.max_count is None or index - start < rule.max_count)
        ):
            _check(children[index], rule, path)
            index += 1
        if index - start < rule.min_count:
            raise InvalidDelivery(f"{path}: {rule.name} is missing or misplaced")
    if index < len(children):
        raise InvalidDelivery(f"{path}: unexpected {children[index].tag} at the end")
