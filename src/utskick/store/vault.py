"""The one seam through which contents, destinations and addresses pass on their way to and from disk.

Plain for now: encryption at rest comes here and nowhere else. A party is found by ``index``, never by searching content.
"""

from __future__ import annotations

import hashlib

from utskick.store.safe import Locked, Safe

_DELIVERY = "delivery"


class Vault:
    """Seals for one municipality at a time, so that each can have keys of its own.

    ``lock`` and ``unlock`` are for what is encrypted already now: tokens, personal numbers.
    """

    def __init__(self, safe: Safe | None = None) -> None:
        self._safe = safe

    @property
    def locks(self) -> bool:
        """Whether this process has a key."""
        return self._safe is not None

    def lock(self, municipality_id: str, plain: bytes) -> bytes:
        return self._open_safe.lock(municipality_id, _DELIVERY, plain)

    def unlock(self, municipality_id: str, sealed: bytes) -> bytes:
        return self._open_safe.unlock(municipality_id, _DELIVERY, sealed)

    @property
    def _open_safe(self) -> Safe:
        if self._safe is None:
            raise Locked("this process has no vault key: set vault.key or vault.key_file")
        return self._safe

    def seal(self, municipality_id: str, plain: bytes) -> bytes:
        del municipality_id
        return plain

    def open(self, municipality_id: str, sealed: bytes) -> bytes:
        del municipality_id
        return sealed

    def index(self, municipality_id: str, value: str) -> bytes:
        """16 bytes by which a value is found in an index; the letter case of a party id does not matter (contract Q1)."""
        return hashlib.blake2b(value.lower().encode(), digest_size=16, key=municipality_id.encode()).digest()
