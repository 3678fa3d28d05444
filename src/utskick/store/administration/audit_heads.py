"""Keys and signed heads of the audit log on disk, and its export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from utskick.domain.audit import BEGINNING, ChainLink
from utskick.domain.audit_heads import FORM, AuditKey, SignedHead, is_signed
from utskick.domain.clock import SWEDEN
from utskick.store.administration.audit import WHOLE
from utskick.store.database import Database
from utskick.store.tenant import places

#: Links that are read at a time.
_STRIDE: Final = 1_000


class AuditKeys:
    """The keys that sign. One is made where there is none; the newest signs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def signing(self) -> AuditKey:
        """Return the key that signs, made where there is none."""
        row = await self._newest()
        if row is None:
            made = AuditKey(Ed25519PrivateKey.generate())
            async with self._database.transaction() as connection:
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended('audit key', 1))"
                )
                await connection.execute(
                    """
                    INSERT INTO audit_keys (id, sealed, public, created_at)
                    SELECT $1, $2, $3, now() WHERE NOT EXISTS (SELECT FROM audit_keys)
                    """,
                    made.id,
                    self._database.vault.encrypt("", made.private.private_bytes_raw()),
                    made.public,
                )
            row = await self._newest()
            assert row is not None
        private = self._database.vault.decrypt("", row["sealed"])
        return AuditKey(Ed25519PrivateKey.from_private_bytes(private))

    async def public(self) -> dict[str, bytes]:
        """Return the public halves by id, oldest first."""
        rows = await self._database.pool.fetch(
            "SELECT id, public FROM audit_keys ORDER BY created_at, id"
        )
        return {row["id"]: row["public"] for row in rows}

    async def _newest(self) -> Any:
        return await self._database.pool.fetchrow(
            "SELECT sealed FROM audit_keys ORDER BY created_at DESC, id DESC LIMIT 1"
        )


class AuditHeads:
    """Signed heads: one of each municipality's chain on each day (Swedish calendar)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = AuditKeys(database)

    async def sign(self, now: datetime) -> int:
        """Sign the heads of today, where that has not been done. Returns how many were signed.

        Any number of workers may do it at once.
        """
        today = now.astimezone(SWEDEN).date()
        rows = await self._database.pool.fetch(
            f"""
            SELECT p.municipality_id, l.number, l.digest FROM ({places("audit_links")}) p
            CROSS JOIN LATERAL (SELECT number, digest FROM audit_links a
                WHERE a.municipality_id = p.municipality_id ORDER BY number DESC LIMIT 1) l
            WHERE NOT EXISTS (SELECT FROM audit_heads h
                WHERE h.municipality_id = p.municipality_id AND h.day = $1)
            """,  # noqa: S608
            today,
        )
        key = await self._keys.signing() if rows else None
        for row in rows:
            assert key is not None
            link = ChainLink(row["number"], row["digest"])
            head = SignedHead(row["municipality_id"], today, link, key.id)
            await self._database.pool.execute(
                "INSERT INTO audit_heads (municipality_id, day, number, digest, key, signature)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                head.municipality_id,
                today,
                link.number,
                link.digest,
                key.id,
                key.sign(head.statement()),
            )
        return len(rows)

    async def of(self, municipality_id: str, after: date = date.min) -> list[SignedHead]:
        """Return the heads after a day, oldest first."""
        rows = await self._database.pool.fetch(
            "SELECT * FROM audit_heads WHERE municipality_id = $1 AND day > $2 ORDER BY day",
            municipality_id,
            after,
        )
        return [
            SignedHead(
                municipality_id,
                row["day"],
                ChainLink(row["number"], row["digest"]),
                row["key"],
                row["signature"],
            )
            for row in rows
        ]

    async def forged(self, municipality_id: str) -> SignedHead | None:
        """Return the first head whose signature is not valid."""
        keys = await self._keys.public()
        for head in await self.of(municipality_id):
            if not is_signed(head.statement(), head.signature, keys.get(head.key, b"")):
                return head
        return None


async def linked_entries(
    reader: Any, municipality_id: str, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return linked entries after a link, each with ``number`` and ``digest`` of its own link.

    As they are stored: user and address are sealed in ``who``. ``reader``: a pool, or a ``Tenant``.
    """
    rows = await reader.fetch(
        f"""
        SELECT l.number, l.digest, {", ".join(f"e.{name}" for name in WHOLE.split(", "))}
        FROM audit_links l JOIN audit_entries e ON e.municipality_id = l.municipality_id
            AND e.tx = l.tx AND e.id = l.entry_id
        WHERE l.municipality_id = $1 AND l.number > $2 ORDER BY l.number LIMIT $3
        """,  # noqa: S608
        municipality_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def exported(
    database: Database, municipality_id: str, after: int = 0
) -> AsyncIterator[bytes]:
    """Export the linked entries after a link, and all heads, as signed JSON lines.

    A line each: ``start``, ``entry`` …, ``head`` …, ``signature`` over all before it. ``entry`` is
    what the chain is over; beside it stand user and address in plain text, where their key exists.
    """
    key = await AuditKeys(database).signing()
    whole, lines = sha256(), 0
    before = await _link(database, municipality_id, after)

    def line(content: Any) -> bytes:
        nonlocal lines
        lines += 1
        text: bytes = orjson.dumps(content, default=bytes.hex, option=_LINES)
        whole.update(text)
        return text

    yield line(
        {
            "type": "start",
            "form": FORM,
            "municipality": municipality_id,
            "after": before.number,
            "digest": before.digest,
        }
    )
    place = before.number
    while rows := await linked_entries(database.pool, municipality_id, place, _STRIDE):
        opened = await database.vault.callers.opened(rows)
        for row, plain in zip(rows, opened, strict=True):
            place, digest = row.pop("number"), row.pop("digest")
            who = {name: plain[name] for name in ("issuer", "address")}
            row["at"] = row["at"].isoformat(timespec="microseconds")
            yield line({"type": "entry", "number": place, "digest": digest, **who, "entry": row})
    for head in await AuditHeads(database).of(municipality_id):
        yield line(head.line())
    end = {"form": FORM, "lines": lines, "sha256": whole.hexdigest(), "key": key.id}
    yield orjson.dumps(
        {"type": "signature", **end, "signature": key.sign(end).hex()}, option=_LINES
    )


_LINES: Final = orjson.OPT_APPEND_NEWLINE


async def _link(database: Database, municipality_id: str, number: int) -> ChainLink:
    row = await database.pool.fetchrow(
        "SELECT number, digest FROM audit_links WHERE municipality_id = $1 AND number <= $2"
        " ORDER BY number DESC LIMIT 1",
        municipality_id,
        number,
    )
    return ChainLink(row["number"], row["digest"]) if row is not None else BEGINNING
