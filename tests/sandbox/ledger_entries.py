"""Ledger entries of the viewer's tests: one of each kind, as written by its simulator."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import orjson

from tests.channels.snail_mail.pdfs import letter
from utskick.sandbox.ledger import Received

ANNA = "190001014000"
ADDRESS = "Anna Åberg, Storgatan 1 lgh 1101, 852 30 SUNDSVALL"
PDF = letter(7)
AT = datetime(2026, 3, 5, 13, 3, tzinfo=UTC)
_SCHEMA = "http://minameddelanden.gov.se/schema"
_CALLBACK = "http://www.oeplatform.org/version/1.0/schemas/integration/callback"
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def sealed(
    body: str = "Hej Anna.",
    content_type: str = "text/plain",
    subject: str = "Beslut",
    name: str = "beslut.pdf",
) -> bytes:
    """Return a delivery without signatures, which the operator has already verified."""
    text, data = b64encode(body.encode()).decode(), b64encode(PDF).decode()
    namespaces = (
        f'xmlns:s="{_SOAP}" xmlns:m="{_SCHEMA}/Message/v3" xmlns:a="{_SCHEMA}/Message" '
        f'xmlns:b="{_SCHEMA}/Message/v2" xmlns:o="{_SCHEMA}/Sender"'
    )
    return f"""<s:Envelope {namespaces}><s:Body><deliverSecure><m:SignedDelivery><m:Delivery>
        <m:Header><b:Sender><o:Id>162120002411</o:Id><o:Name>Sundsvalls kommun</o:Name></b:Sender>
        <b:Recipient>{ANNA}</b:Recipient></m:Header>
        <m:Message><m:Header><m:Id>1</m:Id><m:Subject>{escape(subject)}</m:Subject>
        <m:Supportinfo><m:Text>{escape(subject)}?</m:Text><m:URL>https://example.se</m:URL>
        <m:PhoneNumber>060-191000</m:PhoneNumber><m:EmailAdress>a@example.se</m:EmailAdress>
        </m:Supportinfo></m:Header>
        <m:Body><a:ContentType>{content_type}</a:ContentType><a:Body>{text}</a:Body></m:Body>
        <m:Attachment><a:ContentType>application/pdf</a:ContentType><a:Body>{data}</a:Body>
        <a:Filename>{escape(name)}</a:Filename></m:Attachment>
        </m:Message></m:Delivery></m:SignedDelivery></deliverSecure></s:Body></s:Envelope>""".encode()


def digital_letter(raw: bytes | None = None, provider: str = "kivra") -> Received:
    raw = sealed() if raw is None else raw
    return Received(
        "digital_mail",
        provider,
        ANNA,
        "Sundsvalls kommun",
        "Hej Anna.",
        subject="Beslut",
        raw=raw,
        at=AT,
    )


def invoice(raw: bytes | None = None, **more: Any) -> Received:
    option = {
        "due_date": "2026-12-21",
        "amount": "1234.50",
        "type": "SE_OCR",
        "reference": "47115",
        "title": "November",
    }
    content: dict[str, Any] = {
        "ssn": ANNA,
        "subject": "Barnomsorg",
        "generated_at": "2026-11-25",
        "type": "invoice",
        "parts": [
            {
                "name": "faktura.pdf",
                "content_type": "application/pdf",
                "data": b64encode(PDF).decode(),
            }
        ],
        "payment_multiple_options": {
            "payable": True,
            "currency": "SEK",
            "method": "1",
            "account": "50501055",
            "options": [option],
        },
    }
    raw = orjson.dumps(content | more) if raw is None else raw
    return Received(
        "digital_invoice",
        "kivra",
        ANNA,
        "Sandlådans kommun",
        "1234,50 kr",
        subject="Barnomsorg",
        raw=raw,
        at=AT,
    )


def paper(
    raw: bytes | None = None,
    text: str = "beslut.pdf",
    key: str | None = None,
    reference: str | None = None,
) -> Received:
    raw = PDF if raw is None else raw
    return Received(
        "snail_mail",
        "print_house",
        ADDRESS,
        "Kultur",
        text,
        key=key,
        reference=reference,
        raw=raw,
        at=AT,
    )


def case_call(
    text: str = "Hej!",
    *,
    owner: bool = False,
    user: str = "joe01doe",
    name: str = "plan.pdf",
    inside: str = "",
) -> bytes:
    operation = "addMessageAsOwner" if owner else "addMessage"
    file = (
        f"<attachments><encodedData>{b64encode(PDF).decode()}</encodedData>"
        f"<filename>{escape(name)}</filename><size>9</size></attachments>"
    )
    return f"""<S:Envelope xmlns:S="{_SOAP}"><S:Body><{operation} xmlns="{_CALLBACK}">
        <flowInstanceID>102251</flowInstanceID><message>
        <added>2026-03-05T14:03:00</added>{file}<message>{escape(text)}</message>
        <userID>{escape(user)}</userID></message>{inside}
        </{operation}></S:Body></S:Envelope>""".encode()


def case_message(raw: bytes | None = None) -> Received:
    raw = case_call() if raw is None else raw
    return Received(
        "web_message", "open-e", "102251", "joe01doe", "Hej!", None, "1", "EXTERNAL", raw, at=AT
    )


def post(text: str = "Hej", raw: bytes = b"{}") -> Received:
    return Received("slack", "slack", "#drift", "Utskick", text, raw=raw, at=AT)


def push(
    raw: bytes | None = None, provider: str = "webpush", key: str | None = None, **payload: Any
) -> Received:
    raw = (
        orjson.dumps({"title": "Vatten", "message": "Avstängt", **payload}) if raw is None else raw
    )
    return Received(
        "push",
        provider,
        "annas-telefon",
        "Kommunen",
        "Avstängt",
        key=key,
        subject="Vatten",
        raw=raw,
        at=AT,
    )
