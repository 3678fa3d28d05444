"""MIME composition of a draft; the same draft and key always yield the same bytes."""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from threading import Lock
from typing import Any
from uuid import UUID

from utskick.cache import Cache
from utskick.channels.email.addresses import domain_of, wire_address
from utskick.channels.email.attachment_fields import disposition, media_type, named
from utskick.channels.email.custom_headers import wire_headers
from utskick.channels.email.header_encoding import field, mailbox, words
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft
from utskick.domain.clock import utc_now
from utskick.domain.html_encoding import decode_html_leniently
from utskick.domain.html_text import is_blank, text_of
from utskick.domain.validators import decode_base64

_LINE_END = re.compile(r"\r\n|\r|\n")

_BASE64_LINE = 76
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
    """Cache of encoded attachments and texts of HTML, shared by the messages of a batch.

    Thread-safe.

    ``limit``: maximum size in bytes. Large messages are composed in threads.
    """

    def __init__(self, limit: int = _CACHE_SIZE) -> None:
        self._lock = Lock()
        self._parts: Cache[tuple[bytes, str, str | None], bytes] = Cache(limit, weigh=len)
        self._texts: Cache[bytes, str] = Cache(limit // 8, weigh=len)

    def text(self, markup: str) -> str:
        """Return the text of an HTML document."""
        key = sha256(markup.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            cached = self._texts.get(key)
        if cached is None:
            cached = text_of(markup)
            with self._lock:
                self._texts.put(key, cached)
        return cached

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
    body = _body(draft.content, key, encoded)
    if draft.attachments:
        parts = (*([body] if body else []), *(encoded.part(a) for a in draft.attachments))
        body = _mixed(parts, key)
    data = _header(draft, key) + (body or _text("plain", ""))
    sender = draft.content["_sender"]["address"]
    return ComposedMail(wire_address(sender), wire_address(draft.recipient.destination), data)


def measured(draft: Draft, key: UUID, encoded: AttachmentCache) -> int:
    """Return the size in bytes of the composed message without encoding its attachments."""
    if not draft.attachments:
        return len(compose(draft, key, encoded).data)
    body = _body(draft.content, key, encoded)
    headers = [_attachment_fields(attachment) for attachment in draft.attachments]
    frame = _mixed([*([body] if body else []), *headers], key)
    return len(_header(draft, key) + frame) + sum(
        _base64_size(len(attachment.data)) for attachment in draft.attachments
    )


def _header(draft: Draft, key: UUID) -> bytes:
    """Build the message's own header fields, without those of its body."""
    content = draft.content
    sender = content["_sender"]
    given = wire_headers(content.get("headers") or {})
    own_id = f"<{key}@{domain_of(sender['address'])}>"
    return b"".join(
        (
            field("From", mailbox(sender.get("name"), sender["address"])),
            field("To", mailbox(None, draft.recipient.destination)),
            field("Reply-To", mailbox(None, sender["replyTo"])) if sender.get("replyTo") else b"",
            field("Subject", words(content["subject"])),
            field("Date", _date(draft.created_at)),
            field("Message-ID", given.pop("Message-ID", own_id)),
            *(field(name, value) for name, value in given.items()),
            field("Auto-Submitted", "auto-generated"),
            field("MIME-Version", "1.0"),
        )
    )


def _base64_size(octets: int) -> int:
    characters = -(-octets // 3) * 4
    return characters + -(-characters // _BASE64_LINE) * 2


def _date(moment: datetime | None) -> str:
    return format_datetime((moment or utc_now()).replace(microsecond=0))


def _body(content: Mapping[str, Any], key: UUID, encoded: AttachmentCache) -> bytes | None:
    """Build the body, richest alternative last (RFC 2046 section 5.1.4); None if it is empty.

    A text in which nothing can be seen is replaced by that of the HTML.
    """
    text, html = content.get("message") or "", content.get("htmlMessage")
    if html is None:
        return _text("plain", text) if text else None
    markup = read_html(html)
    plain = encoded.text(markup) if is_blank(text) else text
    if not plain:
        return _text("html", markup)
    return _multipart(
        "alternative", f"=_a_{key.hex}", (_text("plain", plain), _text("html", markup))
    )


def read_html(base64: str) -> str:
    """Return the HTML of a request, whose encoding was checked when it was accepted."""
    return decode_html_leniently(decode_base64(base64))


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
    return _attachment_fields(attachment) + _base64(attachment.data)


def _attachment_fields(attachment: Attachment) -> bytes:
    """Return the header of an attachment's part, with the empty line that ends it."""
    return b"".join(
        (
            field("Content-Type", named(media_type(attachment), attachment.name)),
            field("Content-Transfer-Encoding", "base64"),
            field("Content-Disposition", disposition(attachment.name)),
            b"\r\n",
        )
    )


def _mixed(parts: Iterable[bytes], key: UUID) -> bytes:
    return _multipart("mixed", f"=_m_{key.hex}", parts)


def _multipart(subtype: str, boundary: str, parts: Iterable[bytes]) -> bytes:
    """Join parts. ``boundary`` must contain "=_", which neither encoding can (RFC 2045 6.7)."""
    head = field("Content-Type", f'multipart/{subtype};\r\n boundary="{boundary}"')
    return (
        head
        + b"\r\n"
        + b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
        + b"--%b--\r\n" % boundary.encode()
    )
