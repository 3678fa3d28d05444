"""Tables ``[configuration.…]`` of the settings: sections of municipalities and their units."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from utskick.configuration.inheritance import ACCOUNTS, Configuration, SectionKind
from utskick.domain.configuration import UnitSetting
from utskick.domain.errors import SettingsFault
from utskick.domain.unit import Unit, is_organization_number
from utskick.domain.validators import told

_ORGANIZATIONS: Final = "organizations"
_DEPARTMENTS: Final = "departments"


def read_tables(
    tables: Mapping[str, Mapping[str, Any]],
    kinds: Mapping[str, SectionKind],
    others: Collection[str] = (),
) -> list[UnitSetting]:
    """Read the units' settings. ``others``: tables that are read elsewhere.

    Raises ``SettingsFault`` with every fault.
    """
    faults, settings = list[str](), list[UnitSetting]()
    for place, unit, name, value in walk(tables):
        if name in others:
            continue
        if name not in kinds:
            faults.append(
                f"{place}.{name}: must be one of the sections"
                f" {', '.join(sorted({*kinds, *others}))}"
            )
        elif not isinstance(value, Mapping):
            faults.append(f"{place}.{name}: must be a table")
        else:
            settings.append(UnitSetting(unit, name, value))
            faults += [
                f"{place}.{name}.{member}: {why}"
                for member, why in refused(kinds[name], unit, value).items()
            ]
        if unit.organization_number is not None and not is_organization_number(
            unit.organization_number
        ):
            faults.append(
                f"{place}: {unit.organization_number} is not an organisation number of 10 digits"
            )
    faults = list(dict.fromkeys(faults)) or list(faults_of(Configuration(kinds, settings)))
    if faults:
        raise SettingsFault(
            f"the tables of configuration have {len(faults)} fault(s):\n"
            + "\n".join(f"  {fault}" for fault in faults)
        )
    return settings


def refused(kind: SectionKind, unit: Unit, value: Mapping[str, Any]) -> dict[str, str]:
    """Return the members that this unit may not set, each with the reason."""
    reasons = {}
    for member in value:
        if member in kind.fixed:
            reasons[member] = "applies to the service as a whole, and cannot be set for a unit"
        elif member not in kind.model.model_fields:
            reasons[member] = f"must be one of the members {', '.join(kind.members())}"
        elif kind.municipal and member not in kind.carried and unit != Unit(unit.municipality_id):
            reasons[member] = (
                "can be set for a municipality only, not for an organisation or a department"
            )
    accounts = value.get(ACCOUNTS)
    for name in accounts if isinstance(accounts, Mapping) else ():
        if "@" in name:
            reasons[f"{ACCOUNTS}.{name}"] = "the name of an account must not contain @"
    return reasons


def faults_of(configuration: Configuration) -> Iterator[str]:
    """Iterate over the faults of all effective configurations."""
    for section in configuration.kinds:
        for path in configuration.paths(section):
            try:
                configuration.model(section, path)
            except ValidationError as fault:
                yield from (
                    f"configuration of {section} for {path[-1]}: {line}" for line in told(fault)
                )


def walk(tables: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Unit, str, Any]]:
    """Iterate over the sections of all units: place, unit, name and value."""
    for municipality_id, table in tables.items():
        yield from _inner(f"configuration.{municipality_id}", Unit(municipality_id), table)


def _inner(
    place: str, unit: Unit, table: Mapping[str, Any]
) -> Iterator[tuple[str, Unit, str, Any]]:
    for name, value in table.items():
        if (
            name == _ORGANIZATIONS
            and unit.organization_number is None
            and isinstance(value, Mapping)
        ):
            for number, inner in value.items():
                yield from _inner(
                    f"{place}.{name}.{number}", Unit(unit.municipality_id, number), inner
                )
        elif name == _DEPARTMENTS and unit.department is None and isinstance(value, Mapping):
            for department, inner in value.items():
                yield from _inner(
                    f"{place}.{name}.{department}",
                    Unit(unit.municipality_id, unit.organization_number, department),
                    inner,
                )
        else:
            yield place, unit, name, value
