"""E-mail as an entry of the ledger, however it was received: by SMTP or by Graph."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import SMTPUTF8

from utskick.sandbox.ledger import Received

PROVIDER = "smtp"


def to_received(recipient: str, raw: bytes, reference: str) -> Received:
    """Parse a message into a ledger entry."""
    message = email.message_from_bytes(raw, policy=SMTPUTF8)
    return Received(
        channel="email",
        provider=PROVIDER,
        recipient=recipient,
        sender=_header(message, "From") or "",
        text=_text(message),
        key=next(
            (
                str(value).strip()
                for name, value in message.raw_items()
                if name.lower() == "message-id"
            ),
            None,
        ),
        reference=reference,
        subject=_header(message, "Subject"),
        raw=raw,
    )


def _header(message: EmailMessage, name: str) -> str | None:
    value = message.get(name)
    return None if value is None else str(value)


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):  # an unknown charset
        return repr(part.get_payload(decode=True))
