"""The safe: what is sealed at rest, and how it is found again without being opened. One master key,
a key of its own for every use."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from utskick.domain.errors import DatabaseFault

#: Bytes of a master key.
KEY: Final = 32
_NONCE: Final = 12  # NIST SP 800-38D section 5.2.1.1: 96 bits
_TAG: Final = 16
_FOUND: Final = 24


class Locked(DatabaseFault):
    """Something was sealed with a key that is not in the settings, or has been changed on disk."""

    code = "locked"


class _Uses:
    """The keys that one master key comes to, by municipality and purpose (RFC 5869)."""

    def __init__(self, master: bytes) -> None:
        self.master = master
        self._ciphers: dict[tuple[str, str], AESGCM] = {}
        self._hashes: dict[tuple[str, str], bytes] = {}
        named = self._derived("key id", "", "")
        self.id, self.name = named[:1], named[:4].hex()

    def cipher(self, municipality_id: str, purpose: str) -> AESGCM:
        found = self._ciphers.get((municipality_id, purpose))
        if found is None:
            found = self._ciphers[municipality_id, purpose] = AESGCM(
                self._derived("lock", municipality_id, purpose)
            )
        return found

    def hash(self, municipality_id: str, purpose: str) -> bytes:
        found = self._hashes.get((municipality_id, purpose))
        if found is None:
            found = self._hashes[municipality_id, purpose] = self._derived(
                "find", municipality_id, purpose
            )
        return found

    def _derived(self, *words: str) -> bytes:
        info = b"".join(
            len(word := part.encode()).to_bytes(2, "big") + word for part in ("utskick", *words)
        )
        return HKDF(algorithm=SHA256(), length=KEY, salt=None, info=info).derive(self.master)


class Cipher:
    """AES-256-GCM to lock, HMAC-SHA256 to find. ``keys``: of 32 bytes each; the first locks, all of
    them unlock and find.

    What is sealed for one municipality and purpose opens for no other. On disk: key id (1 byte),
    nonce (12), ciphertext with its tag.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY for key in keys):
            raise ValueError(f"a safe needs keys of {KEY} bytes")
        self._keys = tuple(_Uses(key) for key in dict.fromkeys(keys))

    def __repr__(self) -> str:
        return "Safe(…)"

    @property
    def apart(self) -> dict[str, Cipher]:
        """A safe of each key alone, by a name that tells nothing of the key; the one that locks
        first."""
        return {key.name: Cipher([key.master]) for key in self._keys}

    def lock(self, municipality_id: str, purpose: str, plain: bytes) -> bytes:
        first, nonce = self._keys[0], os.urandom(_NONCE)
        return first.id + nonce + first.cipher(municipality_id, purpose).encrypt(nonce, plain, None)

    def unlock(self, municipality_id: str, purpose: str, sealed: bytes) -> bytes:
        """Raises ``Locked``."""
        if len(sealed) > _NONCE + _TAG:
            nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
            for key in self._keys:
                if (
                    key.id == sealed[:1]
                ):  # one byte: another key may have the same, and then its tag tells
                    try:
                        return key.cipher(municipality_id, purpose).decrypt(nonce, rest, None)
                    except InvalidTag:
                        continue
        raise Locked(
            "data on disk was sealed with a key that the settings do not have, or has been changed: "
            "add the key that it was sealed with to vault.old_keys"
        )

    def find(self, municipality_id: str, purpose: str, value: str) -> bytes:
        """24 bytes under which a value is written down, by the first key."""
        return _found(self._keys[0], municipality_id, purpose, value)

    def finds(self, municipality_id: str, purpose: str, value: str) -> list[bytes]:
        """All under which it may have been written down: by the first key, and by older ones."""
        return [_found(key, municipality_id, purpose, value) for key in self._keys]


def _found(key: _Uses, municipality_id: str, purpose: str, value: str) -> bytes:
    return hmac.digest(key.hash(municipality_id, purpose), value.encode(), hashlib.sha256)[:_FOUND]
