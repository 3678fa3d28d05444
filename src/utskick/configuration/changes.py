"""A change of what a unit says: checked whole before anything is stored, with the secrets that stay
as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError

from utskick.configuration import api_restrictions as outside
from utskick.configuration.inheritance import ACCOUNTS, Configuration
from utskick.configuration.redaction import MASK
from utskick.configuration.toml_tables import refused
from utskick.configuration.watcher import ConfigurationWatcher
from utskick.domain.audit import AuditEntry
from utskick.domain.configuration import UnitSetting, version_of
from utskick.domain.errors import (
    ChangedMeanwhile,
    ConfigurationBroken,
    Invalid,
    NotAllowedHere,
    Violation,
)
from utskick.domain.unit import Unit
from utskick.outgoing.address_guard import AddressPolicy

#: Members that say where a login goes, and how it is known to be there: whoever changes one must
#: give the secrets again, or one could have
#: them sent to a machine of one's own.
_WHERE: Final = frozenset(
    {
        "provider",
        "url",
        "token_url",
        "login_url",
        "tenant_id",
        "host",
        "port",
        "hosts",
        "origins",
        "operators",
        "share",
        "security",
    }
    | {"ca", "host_keys", "accept_any_host_key", "encrypt", "newest_tls"}
)


#: Among the versions seen: any, if the unit says something.
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a unit's section. ``by``: who is responsible. ``audit``: the entry that is
    written with it; its time is that of the change. ``seen``: the versions that it may replace;
    None: any."""

    unit: Unit
    section: str
    by: str
    audit: AuditEntry
    seen: Collection[str] | None = None


class Changes:
    """``reach``: where the providers of accounts may lie that are set from outside.

    Sections are made in threads: one with a private key in it takes 50 ms, because the key is
    proved.
    """

    def __init__(self, watch: ConfigurationWatcher, reach: AddressPolicy) -> None:
        self._watch = watch
        self._reach = reach

    async def put(self, change: Change, given: Mapping[str, Any]) -> bool:
        """In the place of all that the unit said of the section. True: it said nothing before.

        When it returns, this process works by it; the others do a moment later. Raises ``Invalid``
        with every fault, ``ChangedMeanwhile``, and ``NotAllowedHere`` where somebody else was
        faster.
        """
        before = await self._found(change.unit, change.section, change.seen)
        value, faults = _with_kept(given, before.value if before else {})
        said = UnitSetting(change.unit, change.section, value, change.by, change.audit.at)
        faults += [
            Violation(m, why)
            for m, why in refused(self._watch.now.kinds[change.section], change.unit, value).items()
        ]
        if not faults and not _storable(value):
            faults = [Violation(change.section, "must not hold a number beyond 64 bits")]
        if not faults:
            faults = await self._faults(
                self._watch.now.with_change(change.unit, change.section, said), said
            )
        if faults:
            raise Invalid(faults)
        await self._store(change, before, said)
        return before is None

    async def delete(self, change: Change) -> bool:
        """Remove what the unit says of the section. False: it said nothing.

        Raises ``NotAllowedHere`` where others build on it, and ``ChangedMeanwhile``.
        """
        unit, section = change.unit, change.section
        before = await self._found(unit, section, change.seen)
        unreadable = before is None and self._watch.now.is_unreadable(unit, section)
        if before is None and not unreadable:
            return False
        if broken := await asyncio.to_thread(
            _broken_by, self._watch.now.with_change(unit, section, None), section, unit
        ):
            raise NotAllowedHere(f"what is said for {broken} cannot stand without it")
        await self._store(change, before, None)
        return True

    async def _found(
        self, unit: Unit, section: str, seen: Collection[str] | None
    ) -> UnitSetting | None:
        await self._watch.refresh()
        found = self._watch.now.own(section, unit)
        if (
            seen is not None
            and version_of(found) not in seen
            and not (found is not None and ANY in seen)
        ):
            raise ChangedMeanwhile(
                "it is not as If-Match says: somebody has changed it since it was read. Read it again"
            )
        return found

    async def _store(
        self, change: Change, seen: UnitSetting | None, said: UnitSetting | None
    ) -> None:
        def changed(there: UnitSetting | None) -> UnitSetting | None:
            if version_of(there) != version_of(seen):
                raise NotAllowedHere("somebody else has changed it in this moment: read it again")
            return said

        await self._watch.rows.change(change.unit, change.section, changed, change.audit)
        await self._watch.refresh()

    async def _faults(self, configuration: Configuration, said: UnitSetting) -> list[Violation]:
        try:
            model = await asyncio.to_thread(
                configuration.model, said.section, configuration.path(said.section, said.unit)
            )
        except ConfigurationBroken as fault:
            return [Violation(said.section, fault.detail)]
        except ValidationError as fault:
            return [
                Violation(
                    _place(error["loc"], said) or said.section,
                    error["msg"].removeprefix("Value error, "),
                )
                for error in fault.errors(
                    include_url=False, include_input=False, include_context=False
                )
            ]
        found, here = list[Violation](), configuration.kinds[said.section].here
        for member in said.value:
            value = getattr(model, member)
            if member == ACCOUNTS:
                value = {name.partition("@")[0]: account for name, account in value.items()}
            found += outside.files(value, member)
            if member == ACCOUNTS and not found:
                found += await outside.unreachable(value, member, self._reach)
                if not found and here and (place := outside.elsewhere(value, member)) is not None:
                    found.append(Violation(place, outside.ELSEWHERE))
        if not found and (
            broken := await asyncio.to_thread(_broken_by, configuration, said.section, said.unit)
        ):
            found = [Violation(said.section, f"what is said for {broken} could not stand with it")]
        return found


def _storable(value: Mapping[str, Any]) -> bool:
    try:
        orjson.dumps(dict(value))
    except TypeError:
        return False
    return True


def _broken_by(configuration: Configuration, section: str, unit: Unit) -> Unit | None:
    """A unit below that could not be served as it would be then."""
    for path in configuration.paths(section):
        if path[0].municipality_id != unit.municipality_id:
            continue
        try:
            configuration.model(section, path)
        except ConfigurationBroken:
            continue  # it is broken already, by a row that nobody can read
        except ValidationError:
            return path[-1]
    return None


def _with_kept(
    given: Mapping[str, Any], before: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Violation]]:
    """What was given, with secrets in the place of their masks; and masks that stand for nothing,
    or may not stand any more."""
    faults = list[Violation]()
    value = {
        member: _filled(each, before.get(member), member, faults) for member, each in given.items()
    }
    accounts, old = given.get(ACCOUNTS), before.get(ACCOUNTS, {})
    for name, account in accounts.items() if isinstance(accounts, Mapping) else ():
        if isinstance(account, Mapping) and any(_masks(account)) and name in old:
            moved = [
                member for member in sorted(_WHERE) if account.get(member) != old[name].get(member)
            ]
            why = "has changed, so that the secrets of this account must be given again"
            faults += [Violation(f"{ACCOUNTS}.{name}.{member}", why) for member in moved]
    return value, faults


def _filled(given: Any, before: Any, place: str, faults: list[Violation]) -> Any:
    if isinstance(given, Mapping):
        old = before if isinstance(before, Mapping) else {}
        return {
            name: _filled(each, old.get(name), f"{place}.{name}", faults)
            for name, each in given.items()
        }
    if isinstance(given, list):
        olds = before if isinstance(before, list) else []
        return [
            _filled(each, olds[i] if i < len(olds) else None, f"{place}[{i}]", faults)
            for i, each in enumerate(given)
        ]
    if given == MASK:
        if isinstance(before, str):
            return before
        faults.append(
            Violation(place, "must be given: there is no secret that could stay as it is")
        )
    return given


def _masks(given: Any) -> Iterator[bool]:
    if isinstance(given, Mapping | list):
        for each in given.values() if isinstance(given, Mapping) else given:
            yield from _masks(each)
    elif given == MASK:
        yield True


def _place(loc: tuple[Any, ...], said: UnitSetting) -> str:
    """Where the body has it. pydantic puts the provider between an account's name and its
    members."""
    parts = [
        part if isinstance(part, int) else str(part).removesuffix(f"@{said.unit.tag}")
        for part in loc
    ]
    if len(parts) > 2 and parts[0] == ACCOUNTS and isinstance(said.value[ACCOUNTS], Mapping):
        account = said.value[ACCOUNTS].get(parts[1])
        if (
            isinstance(account, Mapping)
            and parts[2] == account.get("provider", parts[2])
            and parts[2] not in account
        ):
            del parts[2]
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts
    ).removeprefix(".")
