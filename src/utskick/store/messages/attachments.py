"""Attachments: stored once per municipality and SHA-256, referenced by batches and messages.

A file is stored under a keyed hash of its digest, encrypted with a key derived from the digest and
the municipality's lasting key (``crypto.columns.FileKey``). The digest itself is written only where
a message refers to it, encrypted with that message's month: a file can be read as long as one
message can that refers to it, in whatever month, and by nobody who has the table alone
(docs/explanation/adr/0009).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.cache import Cache
from utskick.domain.attachment import Attachment
from utskick.store.crypto.columns import CHUNK, SEALED_CHUNK, Column, FileKey
from utskick.store.crypto.vault import Vault
from utskick.store.database import Connection, Database

#: Pieces that are encrypted or decrypted between two turns of the event loop.
_STRIDE: Final = 8

#: A reference to a file: its ``name``, ``type`` and ``digest`` in hex.
FileName = dict[str, Any]


async def keep(
    connection: Connection,
    vault: Vault,
    municipality_id: str,
    attachments: Sequence[Attachment],
    now: datetime,
) -> None:
    """Store the files that are not stored yet, inside the caller's transaction.

    Until it ends, ``retention.purge`` removes none of them. The vault has been made ``ready``.
    """
    key = vault.lasting(municipality_id)
    unique = {
        key.file(a.digest): (
            len(a.data),
            await encrypted(key.file_key(a.digest, len(a.data)), a.data),
        )
        for a in attachments
    }
    while unique:
        rows = await connection.fetch(
            """
            WITH added AS (
                INSERT INTO attachments (municipality_id, digest, size, data, created_at)
                SELECT $1, r.digest, r.size, r.data, $5
                FROM unnest($2::bytea[], $3::int[], $4::bytea[]) AS r(digest, size, data)
                ORDER BY r.digest
                ON CONFLICT (municipality_id, digest) DO NOTHING RETURNING digest),
            there AS (
                SELECT digest FROM attachments
                WHERE municipality_id = $1 AND digest = ANY($2::bytea[]) FOR KEY SHARE)
            SELECT digest FROM added UNION ALL SELECT digest FROM there
            """,
            municipality_id,
            list(unique),
            [size for size, _ in unique.values()],
            [data for _, data in unique.values()],
            now,
        )
        # A row that another transaction has added or removed since this statement began is in
        # neither; it is tried again.
        for row in rows:
            unique.pop(row["digest"], None)


async def refer(
    connection: Connection, vault: Vault, municipality_id: str, uses: Iterable[tuple[UUID, bytes]]
) -> None:
    """Record which batch or message refers to which stored file, inside the caller's transaction.

    ``uses``: (batch or message, SHA-256 of the file).
    """
    key = vault.lasting(municipality_id)
    pairs = sorted({(owner, key.file(digest)) for owner, digest in set(uses)})
    if pairs:
        await connection.execute(
            """
            INSERT INTO attachment_uses (municipality_id, owner, digest)
            SELECT $1, r.owner, r.digest
            FROM unnest($2::uuid[], $3::bytea[]) AS r(owner, digest) ON CONFLICT DO NOTHING
            """,
            municipality_id,
            [owner for owner, _ in pairs],
            [name for _, name in pairs],
        )


async def encrypted(key: FileKey, data: bytes) -> bytes:
    """Encrypt a whole file, piece by piece."""
    pieces, view = [], memoryview(data)
    for number in range(key.pieces):
        pieces.append(key.encrypt(number, view[number * CHUNK : (number + 1) * CHUNK]))
        if number % _STRIDE == _STRIDE - 1:
            await asyncio.sleep(0)
    return b"".join(pieces)


async def _decrypted(key: FileKey, data: bytes) -> bytes:
    pieces, view = [], memoryview(data)
    for number in range(key.pieces):
        end = (number + 1) * SEALED_CHUNK if number < key.pieces - 1 else None
        pieces.append(key.decrypt(number, view[number * SEALED_CHUNK : end]))
        if number % _STRIDE == _STRIDE - 1:
            await asyncio.sleep(0)
    return b"".join(pieces)


class Gone(LookupError):
    """A row has been removed between two reads."""


class Attachments:
    """Reader of files, with a cache of ``memory`` bytes: a batch sends the same file many times."""

    def __init__(self, database: Database, *, memory: int = 64 * 1024 * 1024) -> None:
        self._database = database
        self._recent: Cache[tuple[str, bytes], bytes] = Cache(memory, weigh=len)

    async def load(self, municipality_id: str, names: Sequence[FileName]) -> tuple[Attachment, ...]:
        """Return the files that a content refers to. Raises ``Gone``."""
        wanted = {bytes.fromhex(n["digest"]) for n in names}
        found = {
            digest: data
            for digest in wanted
            if (data := self._recent.get((municipality_id, digest))) is not None
        }
        if missing := wanted - found.keys():
            rows = await self._rows(municipality_id, missing, "size, data")
            for digest, row in rows.items():
                key = self._database.vault.lasting(municipality_id).file_key(digest, row["size"])
                found[digest] = await _decrypted(key, row["data"])
                self._recent.put((municipality_id, digest), found[digest])
        if wanted - found.keys():
            raise Gone("a file")
        return tuple(
            Attachment(n["name"], n["type"], found[d := bytes.fromhex(n["digest"])], d)
            for n in names
        )

    async def sizes(self, municipality_id: str, digests: Sequence[bytes]) -> dict[bytes, int]:
        """Return the size in bytes of each file that exists, by its SHA-256."""
        rows = await self._rows(municipality_id, digests, "size")
        return {digest: row["size"] for digest, row in rows.items()}

    async def slices(self, municipality_id: str, digest: bytes, size: int) -> AsyncIterator[bytes]:
        """Yield a file piece by piece.

        One piece is in memory, and no connection is held while it is sent. Raises ``Locked`` or
        ``Gone``.
        """
        await self._database.vault.ready(municipality_id)
        key = self._database.vault.lasting(municipality_id).file_key(digest, size)
        for number in range(key.pieces):
            piece = f"substring(data FROM {number * SEALED_CHUNK + 1} FOR {SEALED_CHUNK})"
            rows = await self._rows(municipality_id, [digest], f"{piece} AS piece")
            if digest not in rows:
                raise Gone("a file has been removed while it was read")
            yield key.decrypt(number, rows[digest]["piece"])

    async def _rows(
        self, municipality_id: str, digests: Collection[bytes], columns: str
    ) -> dict[bytes, Any]:
        """Return the rows of files that exist, by the SHA-256 of the file."""
        vault = self._database.vault
        await vault.ready(municipality_id)
        names = {vault.lasting(municipality_id).file(digest): digest for digest in digests}
        rows = await self._database.of(municipality_id).fetch(
            f"SELECT digest, {columns} FROM attachments"  # noqa: S608
            " WHERE municipality_id = $1 AND digest = ANY($2::bytea[])",
            municipality_id,
            list(names),
        )
        return {names[row["digest"]]: row for row in rows}


def names_of(files: Iterable[Attachment]) -> list[FileName]:
    """Return how a content refers to its files."""
    return [{"name": a.name, "type": a.content_type, "digest": a.digest.hex()} for a in files]


def read_names(vault: Vault, municipality_id: str, found: bytes | None) -> list[FileName]:
    """Decrypt the references of a batch or a message, as ``Messages`` wrote them."""
    if found is None:
        return []
    names: list[FileName] = orjson.loads(vault.decrypt_column(municipality_id, Column.FILES, found))
    return names
