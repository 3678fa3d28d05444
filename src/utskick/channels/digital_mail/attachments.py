"""Attachments as they stand in an envelope: BASE64 and checksum, made once for all letters that
share a file."""

from __future__ import annotations

import hashlib
import threading
from base64 import b64encode
from collections import OrderedDict
from typing import Final

from utskick.channels.digital_mail.c14n import MESSAGE, escaped
from utskick.domain.attachment import Attachment

CONTENT_TYPE: Final = "application/pdf"

_OPEN: Final = f'<Attachment><ContentType xmlns="{MESSAGE}">{CONTENT_TYPE}</ContentType><Body xmlns="{MESSAGE}">'.encode()
_CHECKSUM: Final = f'</Body><Checksum xmlns="{MESSAGE}">'.encode()
_CHECKSUM_CLOSE: Final = b"</Checksum>"
_FILENAME: Final = f'<Filename xmlns="{MESSAGE}">'
_CLOSE: Final = "</Filename></Attachment>"


class Enclosures:
    """At most ``limit`` bytes are kept, those used last. Safe to use from several threads."""

    def __init__(self, limit: int = 32 * 1024 * 1024) -> None:
        self._limit = limit
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def pieces(self, attachment: Attachment, filename: str) -> tuple[bytes, bytes]:
        """The Attachment element, in two pieces of which the large one is shared."""
        return self._file(attachment), _named(filename)

    def _file(self, attachment: Attachment) -> bytes:
        with self._lock:
            kept = self._kept.get(attachment.digest)
            if kept is not None:
                self._kept.move_to_end(attachment.digest)
                return kept
        made = _encoded(attachment.data)
        with self._lock:
            if len(made) <= self._limit and attachment.digest not in self._kept:
                self._kept[attachment.digest] = made
                self._size += len(made)
            while self._size > self._limit:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made


def length(attachment: Attachment, filename: str) -> int:
    """Bytes that the attachment takes in an envelope."""
    return len(_encoded(b"")) + (len(attachment.data) + 2) // 3 * 4 + len(_named(filename))


def _encoded(data: bytes) -> bytes:
    checksum = (
        hashlib.md5(data, usedforsecurity=False).hexdigest().upper().encode()
    )  # the protocol's; the signatures secure it
    return b"".join((_OPEN, b64encode(data), _CHECKSUM, checksum, _CHECKSUM_CLOSE))


def _named(filename: str) -> bytes:
    return f"{_FILENAME}{escaped(filename)}{_CLOSE}".encode()
