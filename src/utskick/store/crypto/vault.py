"""The one seam through which contents, destinations and addresses pass on their way to and from
disk.

The keys of the settings wrap the vault's own, which stand in the database: one for each
municipality and month, by which what was said is sealed; one for each municipality that lasts, by
which parties and files are found; one for the directory and other lasting secrets.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from typing import Any, Final

import asyncpg

from utskick.domain.errors import Erased
from utskick.domain.month import Month, written
from utskick.store.crypto.cipher import KEY, Cipher, Locked
from utskick.store.crypto.columns import (
    Column,
    LastingKey,
    MonthKey,
    month_of_value,
    sealed_values,
)
from utskick.store.crypto.key_rows import INDEX, PEOPLE, KeyRow, Place, VaultKeys

_LASTING: Final = "delivery"
#: The place of the key that encrypts the directory and lasting secrets.
_DIRECTORY: Final[Place] = ("", f"{PEOPLE}0")
#: Seconds after which a key is looked at again: one that another process destroyed is forgotten
#: then.
_TRUSTED: Final = 60.0


class Vault:
    """``safe``: of the settings' keys. Keys are fetched by ``ready`` and ``at_hand``; to seal and
    open is then a matter of memory.

    ``lock`` and ``unlock`` are for what outlives a month: webhooks and their secrets.
    """

    def __init__(self, safe: Cipher | None = None, *, trusted: float = _TRUSTED) -> None:
        self._given = safe
        self._ring: Mapping[str, Cipher] = safe.apart if safe is not None else {}
        self._trusted = trusted
        self._rows: VaultKeys | None = None
        self._people: Cipher | None = None
        self._months: dict[tuple[str, Month], MonthKey | None] = {}  # None: destroyed
        self._lasting: dict[str, LastingKey] = {}
        self._until: dict[tuple[str, Month], float] = {}
        self._fetching = asyncio.Lock()

    @property
    def locks(self) -> bool:
        """Whether this process has a key."""
        return self._given is not None

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
        """The same keys as always: with others, people would be entered anew beside those whom
        nobody can read any more.

        Raises ``Locked``.
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
            await rows.set_check(self._people.lock("", _LASTING, b"utskick"))

    # -- lasting secrets ----------------------------------------

    @property
    def safe(self) -> Cipher:
        """What seals the directory's tables."""
        if self._people is None:
            raise Locked(
                "this process has no vault key: set vault.key, vault.key_file or vault.key_command"
            )
        return self._people

    def lock(self, municipality_id: str, plain: bytes) -> bytes:
        return self.safe.lock(municipality_id, _LASTING, plain)

    def unlock(self, municipality_id: str, sealed: bytes) -> bytes:
        """Raises ``Locked``."""
        return self.safe.unlock(municipality_id, _LASTING, sealed)

    # -- keys at hand ----------------------------------------

    async def ready(self, municipality_id: str, *months: Month) -> None:
        """Before anything is sealed, and never inside a transaction: the keys are at hand, made
        where there were none."""
        now, lasts = monotonic(), municipality_id in self._lasting
        wanted = {
            (municipality_id, month)
            for month in months
            if self._until.get((municipality_id, month), 0) < now
        }
        if wanted or not lasts:
            await self._fetch(wanted, lasting=municipality_id)

    async def at_hand(self, rows: Iterable[Any]) -> None:
        """Before rows are opened: the keys that they name. ``rows`` have a ``municipality_id``."""
        now = monotonic()
        named = {
            (row["municipality_id"], month_of_value(value))
            for row in rows
            for value in sealed_values(row)
        }
        wanted = {key for key in named if self._until.get(key, 0) < now}
        if wanted:
            await self._fetch(wanted)

    async def _fetch(
        self, wanted: Collection[tuple[str, Month]], lasting: str | None = None
    ) -> None:
        """``lasting``: the municipality whose keys are made where they are missing."""
        places: dict[Place, Month | None] = {
            (municipality_id, written(month)): month for municipality_id, month in wanted
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
                    "the table vault_keys has lost a key that was there: nothing is sealed until it is restored"
                )
            if lasting is not None and missing:
                for place in missing:
                    await self.rows.make(place, self._wraps(place, secrets.token_bytes(KEY)))
                found |= {row.place: row for row in await self.rows.some(missing)}
            for place, row in found.items():
                self._take(row, places[place])

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
                # ``of`` says so where it is needed; it must not keep the others from being opened
                return
            self._months[known] = MonthKey(municipality_id, month, self._unwrapped(row))
        self._until[known] = monotonic() + self._trusted

    # -- sealing and opening ----------------------------------------

    def of(self, municipality_id: str, month: Month) -> MonthKey:
        """Raises ``Erased`` where it was destroyed, ``Locked`` where it is not at hand."""
        key = self._months.get((municipality_id, month))
        if key is not None:
            return key
        if (municipality_id, month) in self._months:
            raise Erased(
                f"what was said in {written(month)} has been erased: the key of that month was destroyed"
            )
        raise Locked(
            f"the vault has no key for {written(month)} that this process can use: add the key that wraps it to vault.old_keys, "
            "or restore the tables vault_keys and vault_wraps"
        )

    def forget(self, municipality_id: str, month: Month) -> None:
        """It was destroyed; other processes notice when they look again."""
        self._months[municipality_id, month] = None

    def is_erased(self, municipality_id: str, month: Month) -> bool:
        return self._months.get((municipality_id, month), True) is None

    def open(self, municipality_id: str, column: Column, sealed: bytes) -> bytes:
        """Decrypt a value of a column. Raises ``Erased`` or ``Locked``."""
        return self.of(municipality_id, month_of_value(sealed)).open(column, sealed)

    def lasting(self, municipality_id: str) -> LastingKey:
        """At hand since ``ready``."""
        return self._lasting[municipality_id]

    async def index(self, municipality_id: str, party_id: str) -> bytes:
        """Under which a party is found, and which tells nobody else who it is."""
        await self.ready(municipality_id)
        return self.lasting(municipality_id).party(party_id)

    # -- the settings' keys ----------------------------------------

    async def rewrap(self) -> int:
        """Wrap by the first key of the settings what only older ones wrap. Returns how many could
        not be: no key of ours wraps them."""
        strange = 0
        first = next(iter(self._ring))
        for row in await self.rows.unwrapped_by(first):
            if not row.wraps.keys() & self._ring.keys():
                strange += 1
                continue
            key = self._unwrapped(row)
            await self.rows.wrap(
                row.place, first, self._ring[first].lock(row.place[0], _purpose(row.place), key)
            )
        return strange

    def _wraps(self, place: Place, key: bytes) -> dict[str, bytes]:
        """By all of them: a process that has only the old one yet reads what one with both has
        made."""
        return {
            name: safe.lock(place[0], _purpose(place), key) for name, safe in self._ring.items()
        }

    def _unwrapped(self, row: KeyRow) -> bytes:
        for name, safe in self._ring.items():
            if name in row.wraps:
                return safe.unlock(row.place[0], _purpose(row.place), row.wraps[name])
        raise Locked(
            "the vault's keys are wrapped by a key that the settings do not have: add it to vault.old_keys"
        )


def _purpose(place: Place) -> str:
    return f"key {place[1]}"
