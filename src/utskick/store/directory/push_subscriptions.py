"""Subscriptions to push messages: the devices of a party. Their addresses are encrypted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.audit import AuditEntry
from utskick.domain.directory_ports import Subscription
from utskick.domain.ids import new_id
from utskick.store.administration.audit import keep
from utskick.store.crypto.cipher import Cipher
from utskick.store.database import Database

_PURPOSE: Final = "push"
_DELETE: Final = "DELETE FROM push_subscriptions WHERE municipality_id = $1 AND id = $2"


@dataclass(frozen=True, slots=True)
class Listed:
    """A visible subscription: without what a message could be sent by."""

    id: UUID
    kind: str
    created: datetime


@dataclass(frozen=True, slots=True)
class PushDevice:
    """A device.

    ``address``: the push channel's own members. ``key``: the member that identifies the device.
    """

    kind: str
    key: str
    address: Mapping[str, str]


class Subscriptions:
    """Reader and writer of subscriptions. Every statement is bound to a municipality."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    async def of(self, municipality_id: str, party_id: UUID) -> Sequence[Subscription]:
        """Return the subscriptions of a party, oldest first."""
        rows = await self._database.of(municipality_id).fetch(
            "SELECT id, kind, address FROM push_subscriptions WHERE municipality_id = $1"
            " AND party_id = $2 ORDER BY created_at, id",
            municipality_id,
            party_id,
        )
        return [self._subscription(municipality_id, row) for row in rows]

    async def get(self, municipality_id: str, subscription_id: UUID) -> Subscription | None:
        row = await self._database.of(municipality_id).fetchrow(
            "SELECT id, kind, address FROM push_subscriptions WHERE municipality_id = $1"
            " AND id = $2",
            municipality_id,
            subscription_id,
        )
        return self._subscription(municipality_id, row) if row else None

    async def listed(self, municipality_id: str, party_id: UUID) -> list[Listed]:
        rows = await self._database.of(municipality_id).fetch(
            "SELECT id, kind, created_at FROM push_subscriptions"
            " WHERE municipality_id = $1 AND party_id = $2 ORDER BY created_at, id",
            municipality_id,
            party_id,
        )
        return [Listed(row["id"], row["kind"], row["created_at"]) for row in rows]

    async def add(self, party_id: UUID, device: PushDevice, change: AuditEntry) -> UUID:
        """Insert a device and return its id.

        A known device keeps its id and takes the newest keys.
        """
        municipality_id = change.municipality_id
        sealed = self._cipher.encrypt(municipality_id, _PURPOSE, orjson.dumps(dict(device.address)))
        keys = self._cipher.finds(municipality_id, _PURPOSE, device.key)
        async with self._database.of(municipality_id).transaction() as connection:
            if keys[1:]:  # Under an older key it would not be recognised.
                await connection.execute(
                    """
                    UPDATE push_subscriptions SET address_key = $4
                    WHERE municipality_id = $1 AND party_id = $2 AND address_key = ANY($3::bytea[])
                    """,
                    municipality_id,
                    party_id,
                    keys[1:],
                    keys[0],
                )
            found: UUID = await connection.fetchval(
                """
                INSERT INTO push_subscriptions (municipality_id, id, party_id, kind, address,
                    address_key, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (municipality_id, party_id, address_key) DO UPDATE
                    SET address = excluded.address
                RETURNING id
                """,
                municipality_id,
                new_id(),
                party_id,
                device.kind,
                sealed,
                keys[0],
                change.at,
            )
            await keep(connection, [change.about(id=str(found))])
        return found

    async def remove(self, subscription_id: UUID, change: AuditEntry) -> bool:
        """Delete a device on request. False: there was none."""
        async with self._database.of(change.municipality_id).transaction() as connection:
            done = await connection.execute(_DELETE, change.municipality_id, subscription_id)
            if done != "DELETE 1":
                return False
            await keep(connection, [change])
            return True

    async def delete(self, municipality_id: str, subscription_id: UUID) -> bool:
        """Delete a device that its push service no longer knows. False: there was none."""
        done = await self._database.of(municipality_id).execute(
            _DELETE, municipality_id, subscription_id
        )
        return done == "DELETE 1"

    def _subscription(self, municipality_id: str, row: Any) -> Subscription:
        address = orjson.loads(self._cipher.decrypt(municipality_id, _PURPOSE, row["address"]))
        return Subscription(str(row["id"]), row["kind"], address)
