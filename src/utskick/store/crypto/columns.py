"""Encrypted columns: values under the key of their month, files under keys of their own.

AES-256-GCM with 96 random bits for each value: a key may encrypt 2^32 of them (NIST SP 800-38D
section 8.3). A delivery has some five, so that a municipality would have to send 800 million
messages in a month.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from utskick.domain.month import Month, written
from utskick.store.crypto.cipher import Locked

#: The first byte of an encrypted value. No text in UTF-8 begins with it (RFC 3629 section 3), so a
#: value that was written without encryption by mistake is noticed.
FORM: Final = b"\xf8"
#: The same of a value that is bound to its row as well: moved to another row, it does not decrypt.
ROW_FORM: Final = b"\xf9"
FORMS: Final = (FORM, ROW_FORM)
_MONTH: Final = slice(1, 4)
_NONCE: Final = slice(4, 16)
_TAG: Final = 16

#: Plaintext bytes of a piece of a file, and its encrypted bytes. Another size needs another ``file
#: key``: no nonce may be used twice.
CHUNK: Final = 262_144
SEALED_CHUNK: Final = CHUNK + _TAG


class Column(StrEnum):
    """The kind of a value, bound to it: it decrypts as nothing else.

    Stored for good: a word of these is never changed.
    """

    CONTENT = "content"
    FILES = "files"
    PARTY = "party"
    DESTINATION = "destination"
    FROZEN = "frozen"
    SECRET = "secret"  # noqa: S105
    RECORDED = "recorded"
    INBOUND = "inbound"
    CALLER = "caller"


def month_of_value(value: bytes) -> Month:
    """Return the month whose key encrypted a value. Raises ``Locked`` where it is not encrypted."""
    if value[:1] not in FORMS:
        raise Locked("a value on disk is not encrypted: it has been changed on disk")
    return Month(int.from_bytes(value[_MONTH], "big"))


class MonthKey:
    """The key of a month.

    On disk: the form (1 byte), the month (3), the nonce (12), ciphertext with its tag.
    """

    def __init__(self, municipality_id: str, month: Month, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._head = FORM + month.to_bytes(3, "big")
        self._row_head = ROW_FORM + self._head[1:]
        self._bound, self._row_bound = (
            {column: _bound(head, municipality_id.encode(), column.encode()) for column in Column}
            for head in (self._head, self._row_head)
        )
        self._month = month

    def __repr__(self) -> str:
        return f"MonthKey({written(self._month)})"

    def encrypt(self, column: Column, plain: bytes, row: UUID | None = None) -> bytes:
        """Encrypt a value. ``row``: the id of its row, where it is bound to that."""
        nonce = os.urandom(12)
        if row is None:
            return self._head + nonce + self._cipher.encrypt(nonce, plain, self._bound[column])
        bound = self._row_bound[column] + row.bytes
        return self._row_head + nonce + self._cipher.encrypt(nonce, plain, bound)

    def decrypt(self, column: Column, sealed: bytes, row: UUID | None = None) -> bytes:
        """Decrypt a value.

        ``row``: the id of the row that it was found in; a value from before values were bound to
        their rows needs none. Raises ``Locked``.
        """
        bound = self._bound[column]
        if sealed[:1] == ROW_FORM:
            bound = self._row_bound[column] + (row.bytes if row is not None else b"")
        try:
            return self._cipher.decrypt(sealed[_NONCE], sealed[_NONCE.stop :], bound)
        except (InvalidTag, ValueError):
            raise Locked(
                f"a value of {written(self._month)} cannot be opened: it has been changed on disk, "
                "or was copied there"
            ) from None


def _bound(head: bytes, *words: bytes) -> bytes:
    return head + b"".join(len(word).to_bytes(2, "big") + word for word in words)


class LastingKey:
    """A municipality's key that does not end with a month.

    Parties and files are found by it without being decrypted, and the keys of files are derived
    from it.
    """

    def __init__(self, key: bytes) -> None:
        self._party, self._file, self._file_key, self._request, self._sender = (
            hmac.digest(key, f"utskick {use}".encode(), hashlib.sha256)
            for use in (
                "party index",
                "file index",
                "file key 1",
                "request index",
                "sender index",
            )
        )

    def __repr__(self) -> str:
        return "LastingKey(…)"

    def party(self, party_id: str) -> bytes:
        """Return the hash (16 bytes) of a party; letter case does not matter (contract Q1)."""
        return hmac.digest(self._party, party_id.lower().encode(), hashlib.sha256)[:16]

    def file(self, digest: bytes) -> bytes:
        """Return the hash (32 bytes) that a file is stored under, from its SHA-256."""
        return hmac.digest(self._file, digest, hashlib.sha256)

    def request(self, digest: bytes) -> bytes:
        """Return the hash (32 bytes) that a request is recognised by, from its SHA-256."""
        return hmac.digest(self._request, digest, hashlib.sha256)

    def sender(self, number: str) -> bytes:
        """Return the hash (16 bytes) of the number that an inbound message came from."""
        return hmac.digest(self._sender, number.encode(), hashlib.sha256)[:16]

    def file_key(self, digest: bytes, size: int) -> FileKey:
        return FileKey(hmac.digest(self._file_key, digest, hashlib.sha256), size)


class FileKey:
    """The key of one file of ``size`` bytes, derived from its SHA-256.

    Who has read a message that refers to the file can decrypt it, and nobody else. It is encrypted
    in pieces of ``CHUNK`` bytes, each decrypted alone. A key encrypts one file, always the same
    way: the number of the piece is its nonce. The size is bound to every piece, so that none can be
    left out, moved or cut off.
    """

    def __init__(self, key: bytes, size: int) -> None:
        self._cipher = AESGCM(key)
        self._size = size.to_bytes(8, "big")
        self.pieces: int = max(1, -(-size // CHUNK))

    def encrypt(self, number: int, piece: bytes | memoryview) -> bytes:
        return self._cipher.encrypt(number.to_bytes(12, "big"), piece, self._size)

    def decrypt(self, number: int, sealed: bytes | memoryview) -> bytes:
        """Decrypt a piece. Raises ``Locked``."""
        try:
            return self._cipher.decrypt(number.to_bytes(12, "big"), sealed, self._size)
        except (InvalidTag, ValueError):
            raise Locked(
                "a file cannot be opened: it has been changed on disk, or is not whole"
            ) from None


def sealed_values(row: Any) -> list[bytes]:
    """Return the values of a row that are encrypted with a month's key."""
    return [value for value in row.values() if type(value) is bytes and value[:1] in FORMS]
