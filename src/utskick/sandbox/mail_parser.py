"""Parser of e-mail for the viewer: headers, text, HTML and files; never raises."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message
from typing import Any, Final

#: Exceptions raised by the standard library's parser for malformed mail.
_PARSER_ERRORS: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    MessageError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """File attached to a message."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """Parsed mail: decoded headers, first text, first HTML, and all other parts as files."""

    sender: str = ""
    to: str = ""
    subject: str = ""
    date: str = ""
    text: str | None = None
    html: str | None = None
    files: tuple[AttachedFile, ...] = ()
    readable: bool = True


def parse_mail(raw: bytes) -> ParsedMail:
    """Parse a mail, leniently if necessary; ``readable`` is False if both parsers fail."""
    return _parse(raw, policy.default) or _parse(raw, policy.compat32) or ParsedMail(readable=False)


def _parse(raw: bytes, mail_policy: policy.Policy[Any]) -> ParsedMail | None:
    try:
        message = message_from_bytes(raw, policy=mail_policy)
        text: str | None = None
        html: str | None = None
        files: list[AttachedFile] = []
        for part in _leaves(message):
            name = part.get_filename()
            content_type = part.get_content_type()
            inline = not name and part.get_content_disposition() != "attachment"
            if inline and content_type == "text/plain" and text is None:
                text = _text(part)
            elif inline and content_type == "text/html" and html is None:
                html = _text(part)
            else:
                files.append(
                    AttachedFile(name or f"bilaga-{len(files) + 1}", content_type, _data(part))
                )
        sender, to, subject, date = (
            str(message.get(name, "")) for name in ("From", "To", "Subject", "Date")
        )
        return ParsedMail(sender, to, subject, date, text, html, tuple(files))
    except _PARSER_ERRORS:
        return None


def _leaves(message: Message[Any, Any]) -> list[Message[Any, Any]]:
    pending: list[Message[Any, Any]] = [message]
    leaves: list[Message[Any, Any]] = []
    while pending:
        part = pending.pop()
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            pending.extend(
                inner_part for inner_part in reversed(inner) if isinstance(inner_part, Message)
            )
        else:
            leaves.append(part)
    return leaves


def _data(part: Message[Any, Any]) -> bytes:
    inner = part.get_payload()
    if isinstance(inner, list):  # a nested message (message/rfc822)
        return b"".join(
            inner_part.as_bytes() for inner_part in inner if isinstance(inner_part, Message)
        )
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _text(part: Message[Any, Any]) -> str:
    data = _data(part)
    try:
        return data.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
