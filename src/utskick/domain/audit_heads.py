"""Signed heads of the audit log's chains, and the signed file that the log is exported as."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from utskick.domain.audit import BEGINNING, ChainLink, canonical, linked

FORM: Final = "utskick-audit-1"


@dataclass(frozen=True, slots=True)
class AuditKey:
    """A key that signs (Ed25519, RFC 8032). ``id``: 16 hexadecimal digits of its public half."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        return id_of(self.public)

    def sign(self, statement: Mapping[str, Any]) -> bytes:
        return self.private.sign(canonical(statement))


def id_of(public: bytes) -> str:
    """Return the id of a key."""
    return hashlib.sha256(public).hexdigest()[:16]


def is_signed(statement: Mapping[str, Any], signature: bytes, public: bytes) -> bool:
    """Return whether the key has signed exactly this."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, canonical(statement))
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The last link of a municipality's chain on a day, signed."""

    municipality_id: str
    day: date
    link: ChainLink
    key: str
    signature: bytes = b""

    def statement(self) -> dict[str, Any]:
        """Return what is signed."""
        return {
            "form": FORM,
            "municipality": self.municipality_id,
            "day": self.day.isoformat(),
            "number": self.link.number,
            "digest": self.link.digest.hex(),
            "key": self.key,
        }

    def line(self) -> dict[str, Any]:
        """Return the head as a line of an export."""
        return {"type": "head", **self.statement(), "signature": self.signature.hex()}


class ExportFault(Exception):
    """An exported file does not prove what it says. The sentence names the line."""


@dataclass(frozen=True, slots=True)
class ExportVerified:
    """What a file proves: entries of a municipality, from a link to a link, signed with a key."""

    municipality_id: str
    first: ChainLink
    last: ChainLink
    heads: int
    key: str


def verify_export(lines: Iterable[bytes], public: bytes) -> ExportVerified:
    """Verify an exported file: signature, chain and heads. Raises ``ExportFault``.

    ``lines``: with their line ends. ``public``: the key's public half, known from elsewhere.
    """
    whole, number, state = hashlib.sha256(), 0, _Reader(public)
    last: bytes | None = None
    for line in lines:
        if last is not None:
            number += 1
            whole.update(last)
            state.take(number, _parsed(number, last))
        last = line
    if last is None:
        raise ExportFault("the file is empty")
    end = _parsed(number + 1, last)
    statement = {name: value for name, value in end.items() if name not in ("type", "signature")}
    if end.get("type") != "signature" or statement.get("sha256") != whole.hexdigest():
        raise ExportFault("the file is not complete, or was changed: its last line is not of it")
    if statement.get("lines") != number or not is_signed(statement, _bytes(end), public):
        raise ExportFault("the signature is not that of this key")
    return state.result()


class _Reader:
    """Follows the chain through a file."""

    def __init__(self, public: bytes) -> None:
        self._public = public
        self._municipality_id: str | None = None
        self._first = self._link = BEGINNING
        self._heads = 0
        self._passed: dict[int, bytes] = {}

    def take(self, number: int, line: Mapping[str, Any]) -> None:
        try:
            if line["type"] == "start" and self._municipality_id is None:
                self._municipality_id = line["municipality"]
                self._first = self._link = ChainLink(line["after"], bytes.fromhex(line["digest"]))
                self._passed[self._link.number] = self._link.digest
            elif line["type"] == "entry":
                self._entry(number, line)
            elif line["type"] == "head":
                self._head(number, line)
            else:
                raise KeyError
        except (KeyError, TypeError, ValueError):
            raise ExportFault(f"line {number} is not one of an exported audit log") from None

    def _entry(self, number: int, line: Mapping[str, Any]) -> None:
        entry = {name: value for name, value in line["entry"].items() if value is not None}
        whole = {**dict.fromkeys(_NULLS), **entry}
        self._link = linked(self._link, whole)
        if line["number"] != self._link.number or line["digest"] != self._link.digest.hex():
            raise ExportFault(f"line {number}: the entry does not follow the one before it")
        if entry["municipality_id"] != self._municipality_id:
            raise ExportFault(f"line {number} is of another municipality")
        self._passed[self._link.number] = self._link.digest

    def _head(self, number: int, line: Mapping[str, Any]) -> None:
        link = ChainLink(line["number"], bytes.fromhex(line["digest"]))
        day = date.fromisoformat(line["day"])
        head = SignedHead(line["municipality"], day, link, line["key"], _bytes(line))
        own = head.municipality_id == self._municipality_id
        if not own or not is_signed(head.statement(), head.signature, self._public):
            raise ExportFault(f"line {number}: the head of {line['day']} is not signed by this key")
        if self._passed.get(link.number, link.digest) != link.digest:
            raise ExportFault(f"line {number}: the head of {line['day']} is of another chain")
        self._heads += 1

    def result(self) -> ExportVerified:
        if self._municipality_id is None:
            raise ExportFault("the file does not say of which municipality it is")
        return ExportVerified(
            self._municipality_id, self._first, self._link, self._heads, id_of(self._public)
        )


#: Members of a stored entry that are part of its canonical form also where they are null.
_NULLS: Final = ("client", "origin", "request_id", "issuer", "address")


def _parsed(number: int, line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ExportFault(f"line {number} is not a JSON object")
    return found


def _bytes(line: Mapping[str, Any]) -> bytes:
    try:
        return bytes.fromhex(line["signature"])
    except (KeyError, TypeError, ValueError):
        raise ExportFault("a signature is missing, or not hexadecimal") from None
