"""Attachment elements of an envelope, encoded once for all messages that share a file."""

from __future__ import annotations

import hashlib
import threading
from base64 import b64encode
from typing import Final

from utskick.cache import Cache
from utskick.channels.digital_mail.c14n import MESSAGE, escaped
from utskick.domain.attachment import Attachment

CONTENT_TYPE: Final = "application/pdf"

_OPEN: Final = (
    f'<Attachment><ContentType xmlns="{MESSAGE}">{CONTENT_TYPE}</ContentType>'
    f'<Body xmlns="{MESSAGE}">'
).encode()
_CHECKSUM: Final = f'</Body><Checksum xmlns="{MESSAGE}">'.encode()
_CHECKSUM_CLOSE: Final = b"</Checksum>"
_FILENAME: Final = f'<Filename xmlns="{MESSAGE}">'
_CLOSE: Final = "</Filename></Attachment>"


class AttachmentElements:
    """Cache of encoded attachments, at most ``limit`` bytes. Thread-safe."""

    def __init__(self, limit: int = 32 * 1024 * 1024) -> None:
        self._cache: Cache[bytes, bytes] = Cache(limit, weigh=len)
        self._lock = threading.Lock()

    def pieces(self, attachment: Attachment, filename: str) -> tuple[bytes, bytes]:
        """Return the Attachment element in two pieces, the large one from the cache."""
        return self._file(attachment), _named(filename)

    def _file(self, attachment: Attachment) -> bytes:
        with self._lock:
            cached = self._cache.get(attachment.digest)
        if cached is not None:
            return cached
        encoded = _encoded(attachment.data)
        with self._lock:
            self._cache.put(attachment.digest, encoded)
        return encoded


def length(attachment: Attachment, filename: str) -> int:
    """Compute the bytes that the attachment takes in an envelope."""
    return len(_encoded(b"")) + (len(attachment.data) + 2) // 3 * 4 + len(_named(filename))


def _encoded(data: bytes) -> bytes:
    # The protocol requires MD5; integrity is protected by the signatures.
    checksum = hashlib.md5(data, usedforsecurity=False).hexdigest().upper().encode()
    return b"".join((_OPEN, b64encode(data), _CHECKSUM, checksum, _CHECKSUM_CLOSE))


def _named(filename: str) -> bytes:
    return f"{_FILENAME}{escaped(filename)}{_CLOSE}".encode()
