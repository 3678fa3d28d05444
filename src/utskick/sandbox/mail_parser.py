"""A mail opened as a mail reader opens it: headers, text, HTML, files. Never fails on odd mail."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message
from typing import Any, Final

#: What the standard library's parser is known to raise on malformed mail.
_ODD: Final = (ValueError, LookupError, TypeError, AttributeError, MessageError, RecursionError)


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that came with a mail."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """A mail opened: its headers as people read them, its first text, its first HTML, and
    everything else as files."""

    sender: str = ""
    to: str = ""
    subject: str = ""
    date: str = ""
    text: str | None = None
    html: str | None = None
    enclosures: tuple[Enclosure, ...] = ()
    legible: bool = True


def open_mail(raw: bytes) -> ParsedMail:
    """Never raises. A mail that the modern rules choke on is read by the lenient old ones; what is
    beyond both says so."""
    return (
        _opened(raw, policy.default) or _opened(raw, policy.compat32) or ParsedMail(legible=False)
    )


def _opened(raw: bytes, rules: policy.Policy[Any]) -> ParsedMail | None:
    try:
        message = message_from_bytes(raw, policy=rules)
        text: str | None = None
        html: str | None = None
        enclosures: list[Enclosure] = []
        for part in _leaves(message):
            named = part.get_filename()
            content_type = part.get_content_type()
            loose = not named and part.get_content_disposition() != "attachment"
            if loose and content_type == "text/plain" and text is None:
                text = _text(part)
            elif loose and content_type == "text/html" and html is None:
                html = _text(part)
            else:
                enclosures.append(
                    Enclosure(named or f"bilaga-{len(enclosures) + 1}", content_type, _data(part))
                )
        sender, to, subject, date = (
            str(message.get(name, "")) for name in ("From", "To", "Subject", "Date")
        )
        return ParsedMail(sender, to, subject, date, text, html, tuple(enclosures))
    except _ODD:
        return None


def _leaves(message: Message[Any, Any]) -> list[Message[Any, Any]]:
    waiting: list[Message[Any, Any]] = [message]
    leaves: list[Message[Any, Any]] = []
    while waiting:
        part = waiting.pop()
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            waiting.extend(each for each in reversed(inner) if isinstance(each, Message))
        else:
            leaves.append(part)
    return leaves


def _data(part: Message[Any, Any]) -> bytes:
    inner = part.get_payload()
    if isinstance(inner, list):  # a mail within the mail (message/rfc822)
        return b"".join(each.as_bytes() for each in inner if isinstance(each, Message))
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _text(part: Message[Any, Any]) -> str:
    data = _data(part)
    try:
        return data.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
