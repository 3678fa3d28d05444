"""The vault: contents, destinations and addresses are encrypted and decrypted here.

The keys of the settings wrap the data keys, which are in the database: one for each municipality
and month, for contents; one for each municipality that lasts, for finding parties and files; one
for the directory and other lasting secrets.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from typing import Any, Final
from uuid import UUID

import asyncpg

from utskick.domain.errors import Erased
from utskick.domain.month import Month, written
from utskick.store.crypto.caller_keys import CallerKeys
from utskick.store.crypto.cipher import KEY, Cipher, Locked
from utskick.store.crypto.columns import (
    Column,
    LastingKey,
    MonthKey,
    month_of_value,
    sealed_values,
)
from utskick.store.crypto.key_rows import INDEX, PEOPLE, KeyPlace, KeyRow, VaultKeys

_LASTING: Final = "delivery"
#: The place of the key that encrypts the directory and lasting secrets.
_DIRECTORY: Final[KeyPlace] = ("", f"{PEOPLE}0")
#: Seconds after which a key is fetched again, so that one destroyed by another process is noticed.
_TRUSTED: Final = 60.0


class Vault:
    """Encrypts and decrypts with keys in memory, which ``ready`` and ``at_hand`` fetch.

    ``cipher``: the keys of the settings. ``encrypt`` and ``decrypt`` are for what outlives a month:
    webhooks and their secrets.
    """

    def __init__(self, cipher: Cipher | None = None, *, trusted: float = _TRUSTED) -> None:
        self._cipher = cipher
        self._ring: Mapping[str, Cipher] = cipher.apart if cipher is not None else {}
        self._trusted = trusted
        self._rows: VaultKeys | None = None
        self._people: Cipher | None = None
        self._months: dict[tuple[str, Month], MonthKey | None] = {}  # None: destroyed
        self._lasting: dict[str, LastingKey] = {}
        self._until: dict[tuple[str, Month], float] = {}
        self._fetching = asyncio.Lock()
        self.callers = CallerKeys(self._key_at)

    @property
    def locks(self) -> bool:
        """Whether this process has a key."""
        return self._cipher is not None

    @property
    def ring(self) -> tuple[str, ...]:
        """The names of the settings' keys, the one that wraps first."""
        return tuple(self._ring)

    @property
    def rows(self) -> VaultKeys:
        if self._rows is None:
            raise Locked(
                "this process has no vault key: set vault.key, vault.key_file or vault.key_command"
            )
        return self._rows

    async def open_with(self, pool: asyncpg.Pool) -> None:
        """Unwrap the directory's key, made where the database is new. Raises ``Locked``.

        With another key, people would be entered anew beside those that can no longer be read.
        """
        rows = VaultKeys(pool)
        assert self.locks, "a vault without a key"
        check, people = await rows.check(), await rows.of_people()
        if not people:
            if check is not None:
                raise Locked("the tables vault_keys and vault_wraps have lost their rows")
            await rows.make(_DIRECTORY, self._wraps(_DIRECTORY, secrets.token_bytes(KEY)))
            people = await rows.of_people()
        self._people = Cipher([self._unwrapped(row) for row in people])
        self._rows = rows
        if check is None:
            await rows.set_check(self._people.encrypt("", _LASTING, b"utskick"))

    # -- lasting secrets ----------------------------------------

    @property
    def directory_cipher(self) -> Cipher:
        """The cipher of the directory's tables."""
        if self._people is None:
            raise Locked(
                "this process has no vault key: set vault.key, vault.key_file or vault.key_command"
            )
        return self._people

    def encrypt(self, municipality_id: str, plain: bytes) -> bytes:
        return self.directory_cipher.encrypt(municipality_id, _LASTING, plain)

    def decrypt(self, municipality_id: str, sealed: bytes) -> bytes:
        """Decrypt a lasting secret. Raises ``Locked``."""
        return self.directory_cipher.decrypt(municipality_id, _LASTING, sealed)

    # -- keys at hand ----------------------------------------

    async def ready(self, municipality_id: str, *months: Month) -> None:
        """Fetch the keys to encrypt with, made where they are missing.

        Never inside a transaction.
        """
        now, lasts = monotonic(), municipality_id in self._lasting
        missing_keys = {
            (municipality_id, month)
            for month in months
            if self._until.get((municipality_id, month), 0) < now
        }
        if missing_keys or not lasts:
            await self._fetch(missing_keys, lasting=municipality_id)

    async def at_hand(self, rows: Iterable[Any]) -> None:
        """Fetch the keys that these rows need. ``rows`` have a ``municipality_id``."""
        now = monotonic()
        named = {
            (row["municipality_id"], month_of_value(value))
            for row in rows
            for value in sealed_values(row)
        }
        missing_keys = {key for key in named if self._until.get(key, 0) < now}
        if missing_keys:
            await self._fetch(missing_keys)

    async def _fetch(
        self, missing_keys: Collection[tuple[str, Month]], lasting: str | None = None
    ) -> None:
        """Fetch keys. ``lasting``: the municipality whose keys are made where they are missing."""
        places: dict[KeyPlace, Month | None] = {
            (municipality_id, written(month)): month for municipality_id, month in missing_keys
        }
        if lasting is not None and lasting not in self._lasting:
            places[lasting, INDEX] = None
        async with self._fetching:
            found = {row.place: row for row in await self.rows.some(places)}
            missing = places.keys() - found.keys()
            if any(
                (place[0], month) in self._months
                for place in missing
                if (month := places[place]) is not None
            ):
                raise Locked(
                    "the table vault_keys has lost a key: nothing is encrypted until it is restored"
                )
            if lasting is not None and missing:
                for place in missing:
                    await self.rows.make(place, self._wraps(place, secrets.token_bytes(KEY)))
                found |= {row.place: row for row in await self.rows.some(missing)}
            for place, row in found.items():
                self._take(row, places[place])

    async def _key_at(self, place: KeyPlace, make: bool) -> bytes | None:
        """Return the key of a place, None where there is none. ``make``: make a missing one."""
        found = await self.rows.some([place])
        if make and not found:
            await self.rows.make(place, self._wraps(place, secrets.token_bytes(KEY)))
            found = await self.rows.some([place])
        return self._unwrapped(found[0]) if found and found[0].destroyed is None else None

    def _take(self, row: KeyRow, month: Month | None) -> None:
        municipality_id = row.place[0]
        if month is None:
            self._lasting[municipality_id] = LastingKey(self._unwrapped(row))
            return
        known = (municipality_id, month)
        if row.destroyed is not None:
            self._months[known] = None
        elif self._months.get(known) is None:
            if not row.wraps.keys() & self._ring.keys():
                # ``of`` raises where it is needed; the other keys must open all the same.
                return
            self._months[known] = MonthKey(municipality_id, month, self._unwrapped(row))
        self._until[known] = monotonic() + self._trusted

    # -- encryption and decryption ----------------------------------------

    def of(self, municipality_id: str, month: Month) -> MonthKey:
        """Return the key of a month.

        Raises ``Erased`` where it was destroyed, ``Locked`` where it has not been fetched.
        """
        key = self._months.get((municipality_id, month))
        if key is not None:
            return key
        if (municipality_id, month) in self._months:
            raise Erased(
                f"the content of {written(month)} has been erased: the key of that month was "
                "destroyed"
            )
        raise Locked(
            f"the vault has no key for {written(month)} that this process can use: add the key "
            "that wraps it to vault.old_keys, "
            "or restore the tables vault_keys and vault_wraps"
        )

    def forget(self, municipality_id: str, month: Month) -> None:
        """Mark a key as destroyed; other processes notice when they fetch it again."""
        self._months[municipality_id, month] = None

    def is_erased(self, municipality_id: str, month: Month) -> bool:
        return self._months.get((municipality_id, month), True) is None

    def decrypt_column(
        self, municipality_id: str, column: Column, sealed: bytes, row: UUID | None = None
    ) -> bytes:
        """Decrypt a value of a column, found in the row with this id.

        Raises ``Erased`` or ``Locked``.
        """
        return self.of(municipality_id, month_of_value(sealed)).decrypt(column, sealed, row)

    def lasting(self, municipality_id: str) -> LastingKey:
        """Return a municipality's lasting key, fetched by ``ready``."""
        return self._lasting[municipality_id]

    async def index(self, municipality_id: str, party_id: str) -> bytes:
        """Return the keyed hash that a party's messages are found by."""
        await self.ready(municipality_id)
        return self.lasting(municipality_id).party(party_id)

    # -- the settings' keys ----------------------------------------

    async def rewrap(self) -> int:
        """Wrap by the settings' first key what only older ones wrap.

        Returns how many could not be: no key of the settings wraps them.
        """
        foreign = 0
        first = next(iter(self._ring))
        for row in await self.rows.unwrapped_by(first):
            if not row.wraps.keys() & self._ring.keys():
                foreign += 1
                continue
            key = self._unwrapped(row)
            await self.rows.wrap(
                row.place, first, self._ring[first].encrypt(row.place[0], _purpose(row.place), key)
            )
        return foreign

    def _wraps(self, place: KeyPlace, key: bytes) -> dict[str, bytes]:
        """Wrap a key by all of the settings' keys: processes with any of them can read it."""
        return {
            name: cipher.encrypt(place[0], _purpose(place), key)
            for name, cipher in self._ring.items()
        }

    def _unwrapped(self, row: KeyRow) -> bytes:
        for name, cipher in self._ring.items():
            if name in row.wraps:
                return cipher.decrypt(row.place[0], _purpose(row.place), row.wraps[name])
        raise Locked(
            "the vault's keys are wrapped by a key that the settings do not have: add it to "
            "vault.old_keys"
        )


def _purpose(place: KeyPlace) -> str:
    return f"key {place[1]}"
