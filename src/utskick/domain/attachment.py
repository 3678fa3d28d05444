"""An attachment: a named, typed blob and its digest.

The bytes are stored once per SHA-256; everything else refers to them.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file.

    ``name``: as the sender wrote it. ``content_type``: a media type, or None where the sender gave
    none.
    """

    name: str
    content_type: str | None
    data: bytes
    digest: bytes

    @classmethod
    def of(cls, name: str, content_type: str | None, data: bytes) -> Attachment:
        return cls(name, content_type, data, hashlib.sha256(data).digest())


def listed(
    entries: Iterable[Mapping[str, Any]], files: Iterable[Attachment], member: str = "content"
) -> list[dict[str, Any]]:
    """Return files as a history shows them.

    ``entries``: of a stored content, with their ``digest`` in hex. It is replaced by ``member``,
    the file in Base64, or left out where the content was read without its files.
    """
    data = {file.digest.hex(): file.data for file in files}
    return [_shown(entry, data, member) for entry in entries]


def _shown(entry: Mapping[str, Any], data: Mapping[str, bytes], member: str) -> dict[str, Any]:
    members = {name: value for name, value in entry.items() if name != "digest"}
    found = data.get(entry.get("digest", ""))
    return members if found is None else {**members, member: b64encode(found).decode()}
