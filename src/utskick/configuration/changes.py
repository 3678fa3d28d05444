"""Changes to a unit's configuration, validated as a whole before they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError

from utskick.configuration import api_restrictions
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

#: Members that determine where credentials are sent, and how the peer is verified: changing one
#: requires giving the secrets again, otherwise they could be redirected to another machine.
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


#: In ``Change.seen``: any version, if there is one.
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a unit's section. ``by``: who is responsible.

    ``audit``: the entry that is written with it; its time is that of the change. ``seen``: the
    versions that it may replace; None: any.
    """

    unit: Unit
    section: str
    by: str
    audit: AuditEntry
    seen: Collection[str] | None = None


class Changes:
    """Applies changes. ``reach``: policy for the providers of accounts set over the API.

    Sections are validated in threads, as validating a private key takes 50 ms.
    """

    def __init__(self, watch: ConfigurationWatcher, reach: AddressPolicy) -> None:
        self._watch = watch
        self._reach = reach

    async def put(self, change: Change, given: Mapping[str, Any]) -> bool:
        """Replace the unit's section. Return True if the unit had none before.

        On return this process applies the change, the others a moment later. Raises ``Invalid``
        with every fault, ``ChangedMeanwhile``, and ``NotAllowedHere`` for a concurrent change.
        """
        before = await self._found(change.unit, change.section, change.seen)
        value, faults = _with_secrets(given, before.value if before else {})
        setting = UnitSetting(change.unit, change.section, value, change.by, change.audit.at)
        faults += [
            Violation(m, why)
            for m, why in refused(self._watch.now.kinds[change.section], change.unit, value).items()
        ]
        if not faults and not _storable(value):
            faults = [Violation(change.section, "must not contain a number beyond 64 bits")]
        if not faults:
            faults = await self._faults(
                self._watch.now.with_change(change.unit, change.section, setting), setting
            )
        if faults:
            raise Invalid(faults)
        await self._store(change, before, setting)
        return before is None

    async def delete(self, change: Change) -> bool:
        """Remove what the unit says of the section. False: it said nothing.

        Raises ``NotAllowedHere`` if other units depend on it, and ``ChangedMeanwhile``.
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
        setting = self._watch.now.own(section, unit)
        if (
            seen is not None
            and version_of(setting) not in seen
            and not (setting is not None and ANY in seen)
        ):
            raise ChangedMeanwhile(
                "it does not match If-Match: it has been changed since it was read. Read it again"
            )
        return setting

    async def _store(
        self, change: Change, seen: UnitSetting | None, setting: UnitSetting | None
    ) -> None:
        def changed(current: UnitSetting | None) -> UnitSetting | None:
            if version_of(current) != version_of(seen):
                raise NotAllowedHere("it has just been changed by somebody else: read it again")
            return setting

        await self._watch.rows.change(change.unit, change.section, changed, change.audit)
        await self._watch.refresh()

    async def _faults(self, configuration: Configuration, setting: UnitSetting) -> list[Violation]:
        try:
            model = await asyncio.to_thread(
                configuration.model,
                setting.section,
                configuration.path(setting.section, setting.unit),
            )
        except ConfigurationBroken as fault:
            return [Violation(setting.section, fault.detail)]
        except ValidationError as fault:
            return [
                Violation(
                    _place(error["loc"], setting) or setting.section,
                    error["msg"].removeprefix("Value error, "),
                )
                for error in fault.errors(
                    include_url=False, include_input=False, include_context=False
                )
            ]
        violations, here = list[Violation](), configuration.kinds[setting.section].here
        for member in setting.value:
            value = getattr(model, member)
            if member == ACCOUNTS:
                value = {name.partition("@")[0]: account for name, account in value.items()}
            violations += api_restrictions.files(value, member)
            if member == ACCOUNTS and not violations:
                place = api_restrictions.elsewhere(value, member) if here else None
                violations += (
                    [Violation(place, api_restrictions.ELSEWHERE)]
                    if place is not None
                    else await api_restrictions.unreachable(value, member, self._reach)
                )
        if not violations:
            broken = await asyncio.to_thread(
                _broken_by, configuration, setting.section, setting.unit
            )
            if broken:
                sentence = f"would make the configuration of {broken} invalid"
                violations = [Violation(setting.section, sentence)]
        return violations


def _storable(value: Mapping[str, Any]) -> bool:
    try:
        orjson.dumps(dict(value))
    except TypeError:
        return False
    return True


def _broken_by(configuration: Configuration, section: str, unit: Unit) -> Unit | None:
    """Return a unit of the municipality whose effective configuration would be invalid, if any."""
    for path in configuration.paths(section):
        if path[0].municipality_id != unit.municipality_id:
            continue
        try:
            configuration.model(section, path)
        except ConfigurationBroken:
            continue  # broken already, by an unreadable row
        except ValidationError:
            return path[-1]
    return None


def _with_secrets(
    given: Mapping[str, Any], before: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Violation]]:
    """Replace masks by the stored secrets; fault masks without one, or with a changed peer."""
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
            why = "has changed, so the secrets of this account must be given again"
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
        previous = before if isinstance(before, list) else []
        return [
            _filled(each, previous[i] if i < len(previous) else None, f"{place}[{i}]", faults)
            for i, each in enumerate(given)
        ]
    if given == MASK:
        if isinstance(before, str):
            return before
        faults.append(Violation(place, "must be given: no secret is stored that could be kept"))
    return given


def _masks(given: Any) -> Iterator[bool]:
    if isinstance(given, Mapping | list):
        for each in given.values() if isinstance(given, Mapping) else given:
            yield from _masks(each)
    elif given == MASK:
        yield True


def _place(loc: tuple[Any, ...], setting: UnitSetting) -> str:
    """Convert pydantic's location, which adds the provider after an account's name."""
    parts = [
        part if isinstance(part, int) else str(part).removesuffix(f"@{setting.unit.tag}")
        for part in loc
    ]
    if len(parts) > 2 and parts[0] == ACCOUNTS and isinstance(setting.value[ACCOUNTS], Mapping):
        account = setting.value[ACCOUNTS].get(parts[1])
        if (
            isinstance(account, Mapping)
            and parts[2] == account.get("provider", parts[2])
            and parts[2] not in account
        ):
            del parts[2]
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts
    ).removeprefix(".")
