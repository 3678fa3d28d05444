"""Which sections units may say something of, and what comes of it: members one by one, accounts
whole, the narrowest last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from pydantic import BaseModel

from utskick.configuration import api_restrictions as outside
from utskick.domain.configuration import UnitSetting
from utskick.domain.errors import ConfigurationBroken
from utskick.domain.unit import Unit

#: Inherited whole: who has accounts of their own sends by no others.
ACCOUNTS: Final = "accounts"

#: The units above one that say something of a section, widest first.
Path = tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class SectionKind:
    """A section. ``base``: what the service's own settings say.

    ``carried``: members that are settled when a message is accepted, so that they need no
    connection of their own; ``fixed``: those that are the service's alone. ``municipal``: what is
    not carried can be said for a municipality only. ``here``: the providers of accounts that rows
    have set must be on this machine, since a sandbox promises that nothing leaves it.
    """

    name: str
    model: type[BaseModel]
    base: Mapping[str, Any] = field(default_factory=dict)
    carried: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    municipal: bool = False
    here: bool = False

    def members(self) -> Collection[str]:
        """Those that a unit may say."""
        return [name for name in self.model.model_fields if name not in self.fixed]


@dataclass(frozen=True, slots=True)
class Effective:
    """``value``: of each member that anybody has set. ``sources``: who said it; a member that is
    not there is the service's own.

    Names of a unit's own accounts end with its tag: they stand in deliveries, and in the addresses
    of reports.
    """

    value: Mapping[str, Any]
    sources: Mapping[str, UnitSetting]


class Configuration:
    """All that has been said, as it is now. Never changes; a change makes another.

    ``unreadable``: rows that there are and nobody can read: what they say must not be passed over
    in silence.
    """

    def __init__(
        self,
        kinds: Mapping[str, SectionKind],
        said: Iterable[UnitSetting] = (),
        unreadable: Iterable[tuple[Unit, str]] = (),
    ) -> None:
        self.kinds = kinds
        self._said: dict[str, dict[Unit, list[UnitSetting]]] = {name: {} for name in kinds}
        for each in sorted(said, key=lambda each: not each.in_settings):
            if each.section in kinds:  # a row of another release's channel waits for it
                self._said[each.section].setdefault(each.unit, []).append(each)
        self._unreadable = {(unit, section) for unit, section in unreadable if section in kinds}
        for unit, section in self._unreadable:
            self._said[section].setdefault(unit, [])
        self._municipalities = {
            name: {unit.municipality_id for unit in units} for name, units in self._said.items()
        }

    def with_change(self, unit: Unit, section: str, said: UnitSetting | None) -> Configuration:
        """As it would be with this row in the place of the one that there is, if any."""
        others = [
            each
            for units in self._said.values()
            for level in units.values()
            for each in level
            if each.in_settings or (each.unit, each.section) != (unit, section)
        ]
        return Configuration(
            self.kinds,
            [*others, *([said] if said is not None else [])],
            self._unreadable - {(unit, section)},
        )

    def said(self, municipality_id: str) -> list[UnitSetting]:
        """All that is said of one municipality's units."""
        return [
            each
            for units in self._said.values()
            for unit, level in units.items()
            if unit.municipality_id == municipality_id
            for each in level
        ]

    def own(self, section: str, unit: Unit) -> UnitSetting | None:
        """The row of the unit itself."""
        return next(
            (each for each in self._said[section].get(unit, ()) if not each.in_settings), None
        )

    def is_unreadable(self, unit: Unit, section: str) -> bool:
        return (unit, section) in self._unreadable

    def says_nothing(self, section: str) -> bool:
        """Nobody says anything of it."""
        return not self._said[section]

    def is_plain(self, section: str, municipality_id: str) -> bool:
        """Nobody of the municipality says anything of it."""
        return municipality_id not in self._municipalities[section]

    def path(self, section: str, unit: Unit) -> Path:
        units = self._said[section]
        return tuple(each for each in unit.above() if each in units)

    def effective(self, section: str, path: Path) -> Effective:
        """Raises ``ConfigurationBroken`` where a row of the path cannot be read."""
        value, sources = dict(self.kinds[section].base), dict[str, UnitSetting]()
        for unit in path:
            if (unit, section) in self._unreadable:
                raise ConfigurationBroken(
                    f"the configuration of {section} for {unit} cannot be read: it was sealed with another key"
                )
            for said in self._said[section][unit]:
                value.update(_named(said.value, unit))
                sources.update(dict.fromkeys(said.value, said))
        return Effective(value, sources)

    def usable(self, section: str, path: Path) -> Mapping[str, Any]:
        """What applies, where it may be used here. Raises ``ConfigurationBroken``; also
        ``ValidationError``, though not always."""
        found, kind = self.effective(section, path), self.kinds[section]
        said = found.sources.get(ACCOUNTS)
        if kind.here and said is not None and not said.in_settings:
            checked = kind.model.model_validate(dict(found.value))
            if (place := outside.elsewhere(getattr(checked, ACCOUNTS), ACCOUNTS)) is not None:
                raise ConfigurationBroken(f"{place} {outside.ELSEWHERE}")
        return found.value

    def model(self, section: str, path: Path) -> BaseModel:
        """What applies, checked. Raises ``ConfigurationBroken``, and ``ValidationError`` where it
        cannot be used."""
        return self.kinds[section].model.model_validate(dict(self.effective(section, path).value))

    def connecting(self, section: str, path: Path) -> Path:
        """Those of a path that say more than what a message carries with it."""
        return tuple(unit for unit in path if self._connects(section, unit))

    def paths(self, section: str) -> Iterator[Path]:
        """All that there can be, each once."""
        yield from self._paths(section, self._said[section])

    def carriers(self, section: str) -> dict[Path, Path]:
        """The connecting units of all paths that have some, each with a path that leads there."""
        found: dict[Path, Path] = {}
        for path in self._paths(
            section, [unit for unit in self._said[section] if self._connects(section, unit)]
        ):
            found.setdefault(self.connecting(section, path), path)
        found.pop((), None)
        return found

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
            member not in carried for said in self._said[section][unit] for member in said.value
        )


def _parts(units: Iterable[Unit]) -> Mapping[str, tuple[set[str], set[str]]]:
    """Of each municipality the organisations and the departments; "" for none."""
    found: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: ({""}, {""}))
    for unit in units:
        organizations, departments = found[unit.municipality_id]
        organizations.add(unit.organization_number or "")
        departments.add(unit.department or "")
    return found


def _named(value: Mapping[str, Any], unit: Unit) -> Mapping[str, Any]:
    accounts = value.get(ACCOUNTS)
    if not isinstance(accounts, Mapping):  # nothing, or something that the model will refuse
        return value
    return {
        **value,
        ACCOUNTS: {f"{name}@{unit.tag}": account for name, account in accounts.items()},
    }
