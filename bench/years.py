"""Years of deliveries, written by COPY: what the reading calls are measured against."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from utskick.domain.month import month_of
from utskick.settings import VaultSection
from utskick.store.crypto.columns import Column
from utskick.store.crypto.master_key import safe_of
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database

STRIDE = 250_000
PARTIES, USERS = 200_000, 2_000
ORIGINS = ("CASEDATA", "LÄRPLATTFORM", "BYGGR", "ECOS", "SUPPORTMANAGEMENT", "E-TJÄNST", None)
DEPARTMENTS = ("SBK", "Skola", "Vård", "Kultur", "Miljö", "Socialtjänst", "Fritid", None)
#: (type of the request, what it went as)
KINDS = (
    ("SMS", "SMS"),
    ("SMS", "SMS"),
    ("EMAIL", "EMAIL"),
    ("LETTER", "DIGITAL_MAIL"),
    ("LETTER", "SNAIL_MAIL"),
    ("MESSAGE", "SMS"),
)
CHANNELS = {
    "SMS": "sms",
    "EMAIL": "email",
    "DIGITAL_MAIL": "digital_mail",
    "SNAIL_MAIL": "snail_mail",
    "LETTER": "letter",
    "MESSAGE": "message",
}
SIZES = (1, 1, 1, 1, 10, 100, 1000)


@dataclass
class Examples:
    """What to ask for: some of each."""

    parties: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    batches: list[UUID] = field(default_factory=list)
    messages: list[UUID] = field(default_factory=list)
    deliveries: list[UUID] = field(default_factory=list)
    sent: list[tuple[str, UUID]] = field(default_factory=list)


def party_of(number: int) -> str:
    return str(UUID(int=(number << 64) | (4 << 76) | (2 << 62)))


def _id(at: datetime, chance: random.Random) -> UUID:
    """A UUIDv7 of that time."""
    return UUID(
        int=(int(at.timestamp() * 1000) << 80)
        | (7 << 76)
        | (chance.getrandbits(12) << 64)
        | (2 << 62)
        | chance.getrandbits(62)
    )


class Years:
    """``count`` deliveries over a year until now, in the municipality 2281, a fifth of them in
    2260."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.examples = Examples()
        self._chance = random.Random(5)
        self._vault = Vault()

    def fill(self, url: str, folder: Path) -> None:
        """``folder``: the data folder of the service, which has its vault key."""
        asyncio.run(self._fill(url, folder))

    async def _fill(self, url: str, folder: Path) -> None:
        database = Database(url, size=2, vault=Vault(safe_of(VaultSection(), folder)))
        await database.open()
        connection = await asyncpg.connect(url)
        try:
            await self._keys(database.vault)
            rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in COLUMNS}
            for _ in self._rows(rows):
                if len(rows["deliveries"]) >= STRIDE:
                    await _copy(connection, rows)
            await _copy(connection, rows)
            await connection.execute("VACUUM ANALYZE batches, messages, deliveries, events")
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()
            await database.close()

    async def _keys(self, vault: Vault) -> None:
        """Those of all months that rows fall into."""
        self._vault, now = vault, datetime.now(UTC)
        months = {month_of(now - timedelta(days=day)) for day in range(367)}
        for municipality in ("2281", "2260"):
            await vault.ready(municipality, *months)

    def _rows(self, rows: dict[str, list[tuple[Any, ...]]]) -> Iterator[None]:
        chance, made, begin = self._chance, 0, datetime.now(UTC) - timedelta(days=365)
        while made < self.count:
            size = min(chance.choice(SIZES), self.count - made)
            at = begin + timedelta(days=365) * (made / self.count)
            self._batch(rows, at, size)
            made += size
            yield

    def _batch(self, rows: dict[str, list[tuple[Any, ...]]], at: datetime, size: int) -> None:
        chance = self._chance
        municipality = "2260" if chance.random() < 0.2 else "2281"
        asked, went = chance.choice(KINDS)
        origin, department, user = (
            chance.choice(ORIGINS),
            chance.choice(DEPARTMENTS),
            f"user{chance.randrange(USERS):04}",
        )
        batch, channel = _id(at, chance), CHANNELS[went]
        seal = self._vault.of(municipality, month_of(at)).seal
        to, party_key = (
            seal(Column.DESTINATION, _TO[channel]),
            self._vault.lasting(municipality).party,
        )
        said = {
            "subject": "Beslut",
            "message": "Skolan är stängd i dag.",
            "_sender": {"address": "bench@example.se", "name": "Bench"},
        }
        said["_legs"] = {channel: {"content": dict(said), "attachments": []}}
        rows["batches"].append(
            (
                batch,
                municipality,
                CHANNELS[asked],
                asked,
                "NORMAL",
                origin,
                user,
                department,
                size,
                seal(Column.CONTENT, json.dumps(said).encode()),
                at,
            )
        )
        for place in range(size):
            party = party_of(chance.randrange(PARTIES))
            message, delivery = _id(at, chance), _id(at, chance)
            status = "sent" if chance.random() < 0.95 else "failed"
            reason = "unreachable" if status == "failed" else None
            rows["messages"].append(
                (
                    message,
                    municipality,
                    batch,
                    place,
                    party_key(party),
                    seal(Column.PARTY, party.encode()),
                    at,
                    origin,
                    user,
                    department,
                )
            )
            rows["deliveries"].append(
                (
                    delivery,
                    municipality,
                    batch,
                    message,
                    channel,
                    went,
                    "NORMAL",
                    status,
                    to,
                    False,
                    1,
                    "old",
                    reason,
                    at,
                    at,
                    at,
                )
            )
            rows["events"].append(
                (municipality, delivery, 1, status, "old", delivery.hex, reason, at)
            )
            if municipality == "2281" and chance.random() < 400 / self.count:
                self._note(party, user, batch, message, delivery)

    def _note(self, party: str, user: str, batch: UUID, message: UUID, delivery: UUID) -> None:
        kept = self.examples
        kept.parties.append(party)
        kept.users.append(user)
        kept.batches.append(batch)
        kept.messages.append(message)
        kept.deliveries.append(delivery)
        kept.sent.append((user, message))


_TO = {
    "sms": b"+46701740605",
    "email": b"a@example.se",
    "digital_mail": b"",
    "snail_mail": b'{"lastName":"Ek","address":"Storgatan 1"}',
}
COLUMNS = {
    "batches": (
        "id",
        "municipality_id",
        "channel",
        "message_type",
        "priority",
        "origin",
        "issuer",
        "department",
        "recipients",
        "content",
        "created_at",
    ),
    "messages": (
        "id",
        "municipality_id",
        "batch_id",
        "ordinal",
        "party_key",
        "party",
        "at",
        "origin",
        "issuer",
        "department",
    ),
    "deliveries": (
        "id",
        "municipality_id",
        "batch_id",
        "message_id",
        "channel",
        "message_type",
        "priority",
        "status",
        "destination",
        "awaited",
        "attempts",
        "account",
        "reason_code",
        "created_at",
        "updated_at",
        "expires_at",
    ),
    "events": (
        "municipality_id",
        "delivery_id",
        "attempt",
        "status",
        "account",
        "reference",
        "reason_code",
        "at",
    ),
}


async def _copy(connection: asyncpg.Connection, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    for table, columns in COLUMNS.items():
        await connection.copy_records_to_table(table, columns=columns, records=rows[table])
        rows[table].clear()
