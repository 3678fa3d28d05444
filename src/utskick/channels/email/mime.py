"""MIME composition of a draft; the same draft and key always yield the same bytes."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import b2a_qp
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from threading import Lock
from uuid import UUID

from utskick.cache import Cache
from utskick.channels.email.addresses import domain_of, wire_address
from utskick.channels.email.custom_headers import wire_headers
from utskick.channels.email.header_encoding import disposition, field, mailbox, words
from utskick.channels.email.html_to_text import text_of
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft
from utskick.domain.clock import utc_now

_LINE_END = re.compile(r"\r\n|\r|\n")
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,80}"  # noqa: S105 (token of RFC 2045, not a password)
_MEDIA_TYPE = re.compile(
    rf"({_TOKEN})/{_TOKEN}(?:; ?{_TOKEN}=(?:{_TOKEN}|\"[ !#-\[\]-~]{{1,80}}\")){{0,4}}\Z"
)
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
)

_BASE64_LINE = 76
#: Leading bytes of an attachment from which its media type is detected.
_HEAD = 12
#: Default size of the cache of encoded attachments, in bytes.
_CACHE_SIZE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ComposedMail:
    """An envelope and its content (RFC 5321 section 2.3.1), lines ending in CRLF.

    ``sender``: the address in From. ``return_path``: the one in MAIL FROM, if it is another.
    """

    sender: str
    recipient: str
    data: bytes
    return_path: str | None = None

    @property
    def mail_from(self) -> str:
        """The reverse path (RFC 5321 section 4.1.1.2), to which bounces are returned."""
        return self.return_path or self.sender

    @property
    def international(self) -> bool:
        """Whether the addresses require SMTPUTF8 (RFC 6531)."""
        return not (self.mail_from.isascii() and self.recipient.isascii())


class AttachmentCache:
    """Cache of encoded attachments, shared by the messages of a batch; thread-safe.

    ``limit``: maximum size in bytes. Large messages are composed in threads.
    """

    def __init__(self, limit: int = _CACHE_SIZE) -> None:
        self._lock = Lock()
        self._parts: Cache[tuple[bytes, str, str | None], bytes] = Cache(limit, weigh=len)

    def part(self, attachment: Attachment) -> bytes:
        """Return the attachment as a MIME part."""
        key = (attachment.digest, attachment.name, attachment.content_type)
        with self._lock:
            cached = self._parts.get(key)
        if cached is not None:
            return cached
        part = _attached(attachment)
        with self._lock:
            self._parts.put(key, part)
        return part


def compose(draft: Draft, key: UUID, encoded: AttachmentCache) -> ComposedMail:
    """Compose the message. Message id and boundaries derive from ``key``, the date from the draft.

    ``encoded``: cache for the attachments.
    """
    content = draft.content
    sender = content["_sender"]
    given = wire_headers(content.get("headers") or {})
    fields = [
        field("From", mailbox(sender.get("name"), sender["address"])),
        field("To", mailbox(None, draft.recipient.destination)),
        *([field("Reply-To", mailbox(None, sender["replyTo"]))] if sender.get("replyTo") else []),
        field("Subject", words(content["subject"])),
        field("Date", _date(draft.created_at)),
        field(
            "Message-ID", given.get("Message-ID", [f"<{key}@{domain_of(sender['address'])}>"])[0]
        ),
        *(
            field(name, "\r\n ".join(given[name]))
            for name in ("In-Reply-To", "References")
            if name in given
        ),
        field("Auto-Submitted", "auto-generated"),
        field("MIME-Version", "1.0"),
    ]
    body = _body(content.get("message") or "", content.get("htmlMessage"), key)
    if draft.attachments:
        parts = (*([body] if body else []), *(encoded.part(a) for a in draft.attachments))
        body = _multipart("mixed", f"=_m_{key.hex}", parts)
    data = b"".join(fields) + (body or _text("plain", ""))
    return ComposedMail(
        wire_address(sender["address"]), wire_address(draft.recipient.destination), data
    )


def measured(draft: Draft, key: UUID) -> int:
    """Return the size in bytes of the composed message without encoding its attachments."""
    heads = tuple(Attachment.of(a.name, a.content_type, a.data[:_HEAD]) for a in draft.attachments)
    bodies = sum(
        _base64_size(len(a.data)) - _base64_size(len(a.data[:_HEAD])) for a in draft.attachments
    )
    composed = compose(replace(draft, attachments=heads), key, AttachmentCache(0))
    return len(composed.data) + bodies


def _base64_size(octets: int) -> int:
    characters = -(-octets // 3) * 4
    return characters + -(-characters // _BASE64_LINE) * 2


def _date(moment: datetime | None) -> str:
    return format_datetime((moment or utc_now()).replace(microsecond=0))


def _body(text: str, html: str | None, key: UUID) -> bytes | None:
    """Build the body, richest alternative last (RFC 2046 section 5.1.4); None if it is empty."""
    if html is None:
        return _text("plain", text) if text else None
    markup = read_html(html)
    plain = text or text_of(markup)
    if not plain:
        return _text("html", markup)
    return _multipart(
        "alternative", f"=_a_{key.hex}", (_text("plain", plain), _text("html", markup))
    )


def read_html(base64: str) -> str:
    """Decode base64 HTML as UTF-8, else as windows-1252, the WHATWG Encoding default."""
    data = b64decode(base64 + "=" * (-len(base64) % 4))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("windows-1252", "replace")


def _text(subtype: str, text: str) -> bytes:
    """Build a text part with CRLF line ends (RFC 2046 section 4.1.1), otherwise unchanged."""
    data = _LINE_END.sub("\r\n", text).encode()
    quoted = _quoted_printable(data)
    encoding, body = min(
        (("quoted-printable", quoted), ("base64", _base64(data))), key=lambda form: len(form[1])
    )
    return (
        field("Content-Type", f"text/{subtype}; charset=utf-8")
        + field("Content-Transfer-Encoding", encoding)
        + b"\r\n"
        + body
    )


def _quoted_printable(data: bytes) -> bytes:
    body = re.sub(rb"(?<!\r)\n", b"\r\n", b2a_qp(data))
    # A soft line break keeps the CRLF that ends the part from becoming a line of the text.
    return body if not body or body.endswith(b"\r\n") else body + b"=\r\n"


def _base64(data: bytes) -> bytes:
    """Encode as lines of ``_BASE64_LINE`` characters (RFC 2045 section 6.8)."""
    encoded = b64encode(data)
    return b"".join(
        encoded[at : at + _BASE64_LINE] + b"\r\n" for at in range(0, len(encoded), _BASE64_LINE)
    )


def _attached(attachment: Attachment) -> bytes:
    return b"".join(
        (
            field("Content-Type", media_type(attachment)),
            field("Content-Transfer-Encoding", "base64"),
            field("Content-Disposition", disposition(attachment.name)),
            b"\r\n",
            _base64(attachment.data),
        )
    )


def media_type(attachment: Attachment) -> str:
    """Return the attachment's media type: as given if valid, else detected from its first bytes.

    ``message`` and ``multipart`` types become ``application/octet-stream``, as they must not be
    base64-encoded (RFC 2046 sections 5.1.1 and 5.2.1).
    """
    given = attachment.content_type or ""
    named = _MEDIA_TYPE.match(given)
    if named and named[1].lower() not in ("message", "multipart"):
        return given
    if named:
        return "application/octet-stream"
    return next(
        (kind for magic, kind in _MAGIC if attachment.data.startswith(magic)),
        "application/octet-stream",
    )


def _multipart(subtype: str, boundary: str, parts: Iterable[bytes]) -> bytes:
    """Join parts. ``boundary`` must contain "=_", which neither encoding can (RFC 2045 6.7)."""
    head = field("Content-Type", f'multipart/{subtype};\r\n boundary="{boundary}"')
    return (
        head
        + b"\r\n"
        + b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
        + b"--%b--\r\n" % boundary.encode()
    )
