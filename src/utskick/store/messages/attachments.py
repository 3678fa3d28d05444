"""Attachments: stored once per municipality and SHA-256, referenced by batches.

A file stands under a keyed hash of its digest, sealed with a key that the digest and the
municipality's lasting key make (``sealing.FileKey``). The digest itself is written only where a
message refers to it, sealed with that message's month: a file can be read as long as one message
can that refers to it, in whatever month, and by nobody who has the table alone (docs/explanation/adr/0009).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from utskick.domain.attachment import Attachment
from utskick.store.crypto.columns import CHUNK, SEALED_CHUNK, Column, FileKey
from utskick.store.crypto.vault import Vault
from utskick.store.database import Connection, Database

#: Pieces that are sealed or opened between two turns of the event loop.
_STRIDE = 8


async def keep(
    connection: Connection,
    vault: Vault,
    municipality_id: str,
    attachments: Sequence[Attachment],
    now: datetime,
) -> None:
    """Store what is not there yet, inside the caller's transaction. Until it ends nobody removes
    them (``store.removals``).

    The vault has been made ``ready``.
    """
    key = vault.lasting(municipality_id)
    unique = {
        key.file(a.digest): (len(a.data), await sealed(key.file_key(a.digest, len(a.data)), a.data))
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
            there AS (SELECT digest FROM attachments WHERE municipality_id = $1 AND digest = ANY($2::bytea[]) FOR KEY SHARE)
            SELECT digest FROM added UNION ALL SELECT digest FROM there
            """,
            municipality_id,
            list(unique),
            [size for size, _ in unique.values()],
            [data for _, data in unique.values()],
            now,
        )
        for (
            row
        ) in rows:  # what another has added or removed since this statement began is in neither
            unique.pop(row["digest"], None)


async def refer(
    connection: Connection, vault: Vault, municipality_id: str, uses: Iterable[tuple[UUID, bytes]]
) -> None:
    """Say which batch or message names which of the files that were kept, by the SHA-256; inside
    the caller's transaction."""
    key = vault.lasting(municipality_id)
    pairs = sorted({(owner, key.file(digest)) for owner, digest in set(uses)})
    if pairs:
        await connection.execute(
            """
            INSERT INTO attachment_uses (municipality_id, owner, digest)
            SELECT $1, r.owner, r.digest FROM unnest($2::uuid[], $3::bytea[]) AS r(owner, digest) ON CONFLICT DO NOTHING
            """,
            municipality_id,
            [owner for owner, _ in pairs],
            [name for _, name in pairs],
        )


async def sealed(key: FileKey, data: bytes) -> bytes:
    """A whole file, piece after piece."""
    pieces, view = [], memoryview(data)
    for number in range(key.pieces):
        pieces.append(key.seal(number, view[number * CHUNK : (number + 1) * CHUNK]))
        if number % _STRIDE == _STRIDE - 1:
            await asyncio.sleep(0)
    return b"".join(pieces)


async def _opened(key: FileKey, data: bytes) -> bytes:
    pieces, view = [], memoryview(data)
    for number in range(key.pieces):
        end = (number + 1) * SEALED_CHUNK if number < key.pieces - 1 else None
        pieces.append(key.open(number, view[number * SEALED_CHUNK : end]))
        if number % _STRIDE == _STRIDE - 1:
            await asyncio.sleep(0)
    return b"".join(pieces)


class Gone(LookupError):
    """What was about to be read has been removed meanwhile."""


class Attachments:
    """Reads them back, with a bounded memory of those that were used last: a batch sends the same
    file many times."""

    def __init__(self, database: Database, *, memory: int = 64 * 1024 * 1024) -> None:
        self._database = database
        self._memory = memory
        self._held = 0
        self._recent: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()

    async def load(
        self, municipality_id: str, named: Sequence[dict[str, Any]]
    ) -> tuple[Attachment, ...]:
        """``named``: name, type and digest of each, as the batch refers to them. Raises
        ``Gone``."""
        wanted = {bytes.fromhex(n["digest"]) for n in named}
        have = {d: data for d in wanted if (data := self._recall(municipality_id, d)) is not None}
        if missing := wanted - have.keys():
            for digest, row in (await self._rows(municipality_id, missing, "size, data")).items():
                key = self._database.vault.lasting(municipality_id).file_key(digest, row["size"])
                have[digest] = await _opened(key, row["data"])
                self._remember(municipality_id, digest, have[digest])
        if wanted - have.keys():
            raise Gone("a file")
        return tuple(
            Attachment(n["name"], n["type"], have[d := bytes.fromhex(n["digest"])], d)
            for n in named
        )

    async def sizes(self, municipality_id: str, digests: Sequence[bytes]) -> dict[bytes, int]:
        """Bytes of those that are there."""
        return {
            digest: row["size"]
            for digest, row in (await self._rows(municipality_id, digests, "size")).items()
        }

    async def slices(self, municipality_id: str, digest: bytes, size: int) -> AsyncIterator[bytes]:
        """A file piece by piece: one of them is in memory, and no connection is held while it goes
        out. Raises ``Locked``."""
        await self._database.vault.ready(municipality_id)
        key = self._database.vault.lasting(municipality_id).file_key(digest, size)
        for number in range(key.pieces):
            piece = f"substring(data FROM {number * SEALED_CHUNK + 1} FOR {SEALED_CHUNK})"
            found = (await self._rows(municipality_id, [digest], f"{piece} AS piece")).get(digest)
            if found is None:
                raise Gone("a file has been removed while it was read")
            yield key.open(number, found["piece"])

    async def _rows(
        self, municipality_id: str, digests: Collection[bytes], columns: str
    ) -> dict[bytes, Any]:
        """Return the rows of those that exist, by the SHA-256 of the file."""
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

    def _recall(self, municipality_id: str, digest: bytes) -> bytes | None:
        data = self._recent.get((municipality_id, digest))
        if data is not None:
            self._recent.move_to_end((municipality_id, digest))
        return data

    def _remember(self, municipality_id: str, digest: bytes, data: bytes) -> None:
        self._recent[municipality_id, digest] = data
        self._held += len(data)
        while self._held > self._memory and len(self._recent) > 1:
            _, dropped = self._recent.popitem(last=False)
            self._held -= len(dropped)


def named(files: Sequence[Attachment]) -> list[dict[str, Any]]:
    """How a content refers to its files."""
    return [{"name": a.name, "type": a.content_type, "digest": a.digest.hex()} for a in files]


def read_names(vault: Vault, municipality_id: str, found: bytes | None) -> list[dict[str, Any]]:
    """The names of a batch's attachments, as ``Messages`` wrote them."""
    if found is None:
        return []
    names: list[dict[str, Any]] = orjson.loads(vault.open(municipality_id, Column.FILES, found))
    return names
