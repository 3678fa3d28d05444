"""Attachments: stored once per municipality and SHA-256, referenced by batches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from utskick.domain.attachment import Attachment
from utskick.store.database import Connection, Database
from utskick.store.vault import Vault

#: Bytes read at a time where a file goes out.
_SLICE = 262_144


async def keep(connection: Connection, vault: Vault, municipality_id: str, attachments: Sequence[Attachment], now: datetime) -> None:
    """Store what is not there yet, inside the caller's transaction. Until it ends nobody removes them (``store.removals``)."""
    unique = {a.digest: a for a in attachments}
    while unique:
        rows = await connection.fetch(
            """
            WITH added AS (
                INSERT INTO attachments (municipality_id, digest, size, data, created_at)
                SELECT $1, r.digest, r.size, r.data, $5 FROM unnest($2::bytea[], $3::int[], $4::bytea[]) AS r(digest, size, data)
                ORDER BY r.digest
                ON CONFLICT (municipality_id, digest) DO NOTHING RETURNING digest),
            there AS (SELECT digest FROM attachments WHERE municipality_id = $1 AND digest = ANY($2::bytea[]) FOR KEY SHARE)
            SELECT digest FROM added UNION ALL SELECT digest FROM there
            """,
            municipality_id,
            list(unique),
            [len(a.data) for a in unique.values()],
            [vault.seal(municipality_id, a.data) for a in unique.values()],
            now,
        )
        for row in rows:  # what another has added or removed since this statement began is in neither
            unique.pop(row["digest"], None)


async def refer(connection: Connection, municipality_id: str, uses: Iterable[tuple[UUID, bytes]]) -> None:
    """Say which batch or message names which of the files that were kept; inside the caller's transaction."""
    pairs = sorted(set(uses))
    if pairs:
        await connection.execute(
            """
            INSERT INTO attachment_uses (municipality_id, owner, digest)
            SELECT $1, r.owner, r.digest FROM unnest($2::uuid[], $3::bytea[]) AS r(owner, digest) ON CONFLICT DO NOTHING
            """,
            municipality_id, [owner for owner, _ in pairs], [digest for _, digest in pairs],
        )  # fmt: skip


class Gone(LookupError):
    """What was about to be read has been removed meanwhile."""


class Attachments:
    """Reads them back, with a bounded memory of those that were used last: a batch sends the same file many times."""

    def __init__(self, database: Database, *, memory: int = 64 * 1024 * 1024) -> None:
        self._database = database
        self._memory = memory
        self._held = 0
        self._recent: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()

    async def load(self, municipality_id: str, named: Sequence[dict[str, Any]]) -> tuple[Attachment, ...]:
        """``named``: name, type and digest of each, as the batch refers to them. Raises ``Gone``."""
        wanted = {bytes.fromhex(n["digest"]) for n in named}
        have = {d: data for d in wanted if (data := self._recall(municipality_id, d)) is not None}
        if missing := wanted - have.keys():
            rows = await self._database.pool.fetch(
                "SELECT digest, data FROM attachments WHERE municipality_id = $1 AND digest = ANY($2::bytea[])",
                municipality_id,
                list(missing),
            )
            for row in rows:
                have[row["digest"]] = self._database.vault.open(municipality_id, row["data"])
                self._remember(municipality_id, row["digest"], have[row["digest"]])
        if wanted - have.keys():
            raise Gone("a file")
        return tuple(Attachment(n["name"], n["type"], have[d := bytes.fromhex(n["digest"])], d) for n in named)

    async def sizes(self, municipality_id: str, digests: Sequence[bytes]) -> dict[bytes, int]:
        """Bytes of those that are there."""
        rows = await self._database.pool.fetch(
            "SELECT digest, size FROM attachments WHERE municipality_id = $1 AND digest = ANY($2::bytea[])", municipality_id, list(digests)
        )
        return {row["digest"]: row["size"] for row in rows}

    async def slices(self, municipality_id: str, digest: bytes) -> AsyncIterator[bytes]:
        """A file piece by piece: one of them is in memory, and no connection is held while it goes out."""
        start = 1
        while True:
            piece = await self._database.pool.fetchval(
                "SELECT substring(data FROM $3 FOR $4) FROM attachments WHERE municipality_id = $1 AND digest = $2",
                municipality_id, digest, start, _SLICE,
            )  # fmt: skip
            if not piece:
                return
            yield self._database.vault.open(municipality_id, piece)
            start += _SLICE

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


def read_names(vault: Vault, municipality_id: str, sealed: bytes | None) -> list[dict[str, Any]]:
    """The names of a batch's attachments, as ``Messages`` wrote them."""
    if sealed is None:
        return []
    names: list[dict[str, Any]] = orjson.loads(vault.open(municipality_id, sealed))
    return names
