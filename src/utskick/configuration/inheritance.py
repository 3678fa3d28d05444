"""Inheritance of configuration: narrower units override wider ones, member by member.

``accounts`` are inherited as a whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from pydantic import BaseModel

from utskick.configuration import api_restrictions
from utskick.domain.configuration import UnitSetting
from utskick.domain.errors import ConfigurationBroken
from utskick.domain.unit import Unit

#: Inherited as a whole: a unit with accounts of its own does not use those of wider units.
ACCOUNTS: Final = "accounts"

#: The configured units that apply to a unit, widest first.
Path = tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class SectionKind:
    """A configurable section. ``base``: the service's own settings.

    ``carried``: members applied at acceptance, which need no channel instance of their own.
    ``fixed``: members that only the service may set. ``municipal``: members that are not carried
    can be set for a municipality only. ``here``: providers of accounts set in rows must be on this
    machine, as nothing leaves a sandbox.
    """

    name: str
    model: type[BaseModel]
    base: Mapping[str, Any] = field(default_factory=dict)
    carried: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    municipal: bool = False
    here: bool = False

    def members(self) -> Collection[str]:
        """Return the names of the members that a unit may set."""
        return [name for name in self.model.model_fields if name not in self.fixed]


@dataclass(frozen=True, slots=True)
class Effective:
    """Effective configuration. ``value``: all members set anywhere.

    ``sources``: who set a member; those of the service are absent. Names of a unit's own accounts
    end with its tag, as they occur in deliveries and in addresses for reports.
    """

    value: Mapping[str, Any]
    sources: Mapping[str, UnitSetting]

    @property
    def restricted(self) -> bool:
        """Whether the accounts were set over the API, and may not call any address."""
        source = self.sources.get(ACCOUNTS)
        return source is not None and not source.in_settings


class Configuration:
    """The complete configuration, immutable; a change makes a new one.

    ``unreadable``: rows that exist but cannot be decrypted, and must not be ignored silently.
    """

    def __init__(
        self,
        kinds: Mapping[str, SectionKind],
        settings: Iterable[UnitSetting] = (),
        unreadable: Iterable[tuple[Unit, str]] = (),
    ) -> None:
        self.kinds = kinds
        self._settings: dict[str, dict[Unit, list[UnitSetting]]] = {name: {} for name in kinds}
        for each in sorted(settings, key=lambda each: not each.in_settings):
            if each.section in kinds:  # rows for a channel of another release are ignored
                self._settings[each.section].setdefault(each.unit, []).append(each)
        self._unreadable = {(unit, section) for unit, section in unreadable if section in kinds}
        for unit, section in self._unreadable:
            self._settings[section].setdefault(unit, [])
        self._municipalities = {
            name: {unit.municipality_id for unit in units} for name, units in self._settings.items()
        }

    def with_change(self, unit: Unit, section: str, setting: UnitSetting | None) -> Configuration:
        """Return the configuration with the unit's row replaced, or removed if None."""
        others = [
            each
            for units in self._settings.values()
            for level in units.values()
            for each in level
            if each.in_settings or (each.unit, each.section) != (unit, section)
        ]
        return Configuration(
            self.kinds,
            [*others, *([setting] if setting is not None else [])],
            self._unreadable - {(unit, section)},
        )

    def of_municipality(self, municipality_id: str) -> list[UnitSetting]:
        """Return all settings of a municipality's units."""
        return [
            each
            for units in self._settings.values()
            for unit, level in units.items()
            if unit.municipality_id == municipality_id
            for each in level
        ]

    def own(self, section: str, unit: Unit) -> UnitSetting | None:
        """Return the unit's own row, if any."""
        return next(
            (each for each in self._settings[section].get(unit, ()) if not each.in_settings), None
        )

    def is_unreadable(self, unit: Unit, section: str) -> bool:
        return (unit, section) in self._unreadable

    def labels(self, section: str) -> dict[str, str]:
        """Return the units' names for people by the tag that ends their accounts' names."""
        return {unit.tag: unit.label for unit in self._settings[section]}

    def is_unset(self, section: str) -> bool:
        """Return whether no unit configures the section."""
        return not self._settings[section]

    def is_plain(self, section: str, municipality_id: str) -> bool:
        """Return whether no unit of the municipality configures the section."""
        return municipality_id not in self._municipalities[section]

    def path(self, section: str, unit: Unit) -> Path:
        """Return the configured units that apply to the unit, widest first."""
        units = self._settings[section]
        return tuple(each for each in unit.above() if each in units)

    def effective(self, section: str, path: Path) -> Effective:
        """Combine the units of a path. Raises ``ConfigurationBroken`` for an unreadable row."""
        value, sources = dict(self.kinds[section].base), dict[str, UnitSetting]()
        for unit in path:
            if (unit, section) in self._unreadable:
                raise ConfigurationBroken(
                    f"the configuration of {section} for {unit} cannot be read: it was encrypted"
                    " with another key"
                )
            for setting in self._settings[section][unit]:
                value.update(_tagged(setting.value, unit))
                sources.update(dict.fromkeys(setting.value, setting))
        return Effective(value, sources)

    def usable(self, section: str, path: Path) -> Effective:
        """Return the effective configuration if it may be used here.

        Raises ``ConfigurationBroken``, and in some cases ``ValidationError``.
        """
        effective, kind = self.effective(section, path), self.kinds[section]
        if kind.here and effective.restricted:
            model = kind.model.model_validate(dict(effective.value))
            place = api_restrictions.elsewhere(getattr(model, ACCOUNTS), ACCOUNTS)
            if place is not None:
                raise ConfigurationBroken(f"{place} {api_restrictions.ELSEWHERE}")
        return effective

    def model(self, section: str, path: Path) -> BaseModel:
        """Validate the effective value. Raises ``ConfigurationBroken``, ``ValidationError``."""
        return self.kinds[section].model.model_validate(dict(self.effective(section, path).value))

    def connecting(self, section: str, path: Path) -> Path:
        """Return the units of a path that require a channel instance of their own."""
        return tuple(unit for unit in path if self._connects(section, unit))

    def paths(self, section: str) -> Iterator[Path]:
        """Iterate over all possible paths, each once."""
        yield from self._paths(section, self._settings[section])

    def carriers(self, section: str) -> dict[Path, Path]:
        """Return an example path for each distinct non-empty ``connecting`` path."""
        examples: dict[Path, Path] = {}
        for path in self._paths(
            section, [unit for unit in self._settings[section] if self._connects(section, unit)]
        ):
            examples.setdefault(self.connecting(section, path), path)
        examples.pop((), None)
        return examples

    def _paths(self, section: str, units: Iterable[Unit]) -> Iterator[Path]:
        seen = set[Path]()
        for municipality_id, (organizations, departments) in _parts(units).items():
            for organization, department in product(sorted(organizations), sorted(departments)):
                path = self.path(
                    section, Unit(municipality_id, organization or None, department or None)
                )
                if path and path not in seen:
                    seen.add(path)
                    yield path

    def _connects(self, section: str, unit: Unit) -> bool:
        if (unit, section) in self._unreadable:
            return True
        carried = self.kinds[section].carried
        return any(
            member not in carried
            for setting in self._settings[section][unit]
            for member in setting.value
        )


def _parts(units: Iterable[Unit]) -> Mapping[str, tuple[set[str], set[str]]]:
    """Return organisations and departments by municipality, each with "" for none."""
    parts: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: ({""}, {""}))
    for unit in units:
        organizations, departments = parts[unit.municipality_id]
        organizations.add(unit.organization_number or "")
        departments.add(unit.department or "")
    return parts


def _tagged(value: Mapping[str, Any], unit: Unit) -> Mapping[str, Any]:
    accounts = value.get(ACCOUNTS)
    if not isinstance(accounts, Mapping):  # absent, or invalid and refused by the model
        return value
    return {
        **value,
        ACCOUNTS: {f"{name}@{unit.tag}": account for name, account in accounts.items()},
    }
