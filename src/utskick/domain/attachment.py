"""A named, typed blob and its digest. The bytes are stored once per SHA-256; everything else refers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attachment:
    """``name`` as the sender wrote it, ``content_type`` a media type or None when the sender gave none."""

    name: str
    content_type: str | None
    data: bytes
    digest: bytes

    @classmethod
    def of(cls, name: str, content_type: str | None, data: bytes) -> Attachment:
        return cls(name, content_type, data, hashlib.sha256(data).digest())
