"""Keys of the callers in the audit log: user and address, sealed under a key of their month.

The hash chain is over the sealed value: a month's key can be destroyed by a decision on retention,
and the chain is still valid.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final

import orjson

from utskick.domain.month import Month, month_of, written
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.columns import Column, MonthKey, month_of_value
from utskick.store.crypto.key_rows import CALLERS, KeyPlace

#: Returns the key of a place, None where it was destroyed or is not there. The second argument:
#: whether to make it where it is missing.
KeySource = Callable[[KeyPlace, bool], Awaitable[bytes | None]]

#: Seconds after which a key is fetched again, so that a lost one is noticed.
_TRUSTED: Final = 60.0
_NAMES: Final = ("issuer", "address")


def caller_place(municipality_id: str, month: Month) -> KeyPlace:
    """Return where the key of a month's callers is."""
    return municipality_id, f"{CALLERS}{written(month)}"


class CallerKeys:
    """Seals and opens callers. ``source``: of the vault."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._keys: dict[tuple[str, Month], MonthKey] = {}
        self._until: dict[tuple[str, Month], float] = {}

    async def ready(self, municipality_id: str, at: datetime) -> None:
        """Fetch the key that ``seal`` uses, made where it is missing.

        Never inside a transaction.
        """
        month = month_of(at)
        if self._until.get((municipality_id, month), 0) < monotonic():
            known = (municipality_id, month) in self._keys
            key = await self._source(caller_place(municipality_id, month), not known)
            if key is None:
                raise Locked(
                    f"the key of the audit log's callers of {written(month)} is gone: it was "
                    "destroyed, or the table vault_keys has lost it"
                )
            self._keys[municipality_id, month] = MonthKey(municipality_id, month, key)
            self._until[municipality_id, month] = monotonic() + _TRUSTED

    def seal(
        self, municipality_id: str, at: datetime, issuer: str | None, address: str | None
    ) -> bytes | None:
        """Return user and address sealed; None where both are unknown."""
        if issuer is None and address is None:
            return None
        key = self._keys[municipality_id, month_of(at)]
        return key.encrypt(Column.CALLER, orjson.dumps([issuer, address]))

    async def opened(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Return entries with user and address in plain text, and without ``who``.

        Both are None where the key was destroyed.
        """
        keys: dict[tuple[str, Month], MonthKey | None] = {}
        found = []
        for row in rows:
            entry = dict(row)
            sealed = entry.pop("who")
            if sealed is not None:
                place = entry["municipality_id"], month_of_value(sealed)
                if place not in keys:
                    key = await self._source(caller_place(*place), False)
                    keys[place] = MonthKey(*place, key) if key is not None else None
                if (opener := keys[place]) is not None:
                    plain = orjson.loads(opener.decrypt(Column.CALLER, sealed))
                    entry |= zip(_NAMES, plain, strict=True)
            found.append(entry)
        return found
