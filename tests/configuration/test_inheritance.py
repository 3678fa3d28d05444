"""What comes of what many say: member by member the narrowest unit, the settings before rows,
accounts whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from utskick.channels.registry import CHANNELS
from utskick.configuration.inheritance import Configuration, SectionKind
from utskick.configuration.toml_tables import read_tables
from utskick.domain.configuration import UnitSetting
from utskick.domain.errors import ConfigurationBroken, SettingsFault
from utskick.domain.unit import Unit

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ORGANIZATIONS, DEPARTMENTS = ("2120002411", "2120002412"), ("Skola", "Bygg")
UNITS = [
    Unit(m, o, d)
    for m in ("2281", "2260")
    for o in (None, *ORGANIZATIONS)
    for d in (None, *DEPARTMENTS)
]


class Model(BaseModel):
    a: int = 0
    b: int = 0
    wires: int = 0
    accounts: dict[str, int] = {}


KINDS = {"x": SectionKind("x", Model, {"a": -1, "accounts": {"base": -1}}, frozenset({"a", "b"}))}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(0, 99),
        "b": st.integers(0, 99),
        "wires": st.integers(0, 99),
        "accounts": st.dictionaries(st.sampled_from("pq"), st.integers(0, 99), min_size=1),
    },
)
SAID = st.lists(
    st.tuples(st.sampled_from(UNITS), VALUES, st.booleans()),
    unique_by=lambda each: (each[0], each[2]),
    max_size=12,
)


def said(unit: Unit, value: dict[str, Any], row: bool) -> UnitSetting:
    return UnitSetting(unit, "x", value, "joe", NOW) if row else UnitSetting(unit, "x", value)


def width(unit: Unit) -> tuple[bool, bool]:
    return unit.department is not None, unit.organization_number is not None


def takes_after(unit: Unit, other: Unit) -> bool:
    same = unit.municipality_id == other.municipality_id
    return (
        same
        and other.organization_number in (None, unit.organization_number)
        and other.department in (None, unit.department)
    )


@given(SAID, st.sampled_from(UNITS))
def test_of_each_member_the_narrowest_that_says_it_decides(
    everything: list[tuple[Unit, dict[str, Any], bool]], unit: Unit
) -> None:
    configuration = Configuration(KINDS, [said(*each) for each in everything])
    found = configuration.effective("x", configuration.path("x", unit))
    for member in Model.model_fields:
        speakers = [each for each in everything if takes_after(unit, each[0]) and member in each[1]]
        if not speakers:
            assert member not in found.sources
            assert found.value.get(member) == KINDS["x"].base.get(member)
            continue
        who, value, row = max(speakers, key=lambda each: (width(each[0]), each[2]))
        wanted = (
            {f"{name}@{who.tag}": each for name, each in value[member].items()}
            if member == "accounts"
            else value[member]
        )
        assert found.value[member] == wanted
        assert found.sources[member] == said(who, value, row)


@given(SAID)
def test_every_way_that_there_is_can_be_found(
    everything: list[tuple[Unit, dict[str, Any], bool]],
) -> None:
    """What is built beforehand is what any unit may come to ask for."""
    configuration = Configuration(KINDS, [said(*each) for each in everything])
    paths = {configuration.path("x", unit) for unit in UNITS} - {()}
    assert set(configuration.paths("x")) == paths
    assert set(configuration.carriers("x")) == {
        configuration.connecting("x", path) for path in paths
    } - {()}


def test_tags_of_units_differ_and_name_no_department() -> None:
    assert len({unit.tag for unit in UNITS}) == len(UNITS)
    assert Unit("2281", None, "Skola").tag.startswith("2281..")
    assert "Skola" not in Unit("2281", None, "Skola").tag


def test_what_nobody_can_read_is_not_passed_over() -> None:
    configuration = Configuration(
        KINDS, [said(UNITS[0], {"a": 1}, True)], [(Unit("2281", None, "Skola"), "x")]
    )
    school, building = (configuration.path("x", Unit("2281", None, name)) for name in DEPARTMENTS)
    assert configuration.effective("x", building).value["a"] == 1
    with pytest.raises(ConfigurationBroken):
        configuration.effective("x", school)


def test_tables_of_the_settings_are_read_whole_and_every_fault_is_told() -> None:
    kinds = {
        "sms": SectionKind(
            "sms", CHANNELS["sms"].section, {}, frozenset({"sender"}), frozenset({"public_url"})
        )
    }
    tables = {
        "2281": {
            "sms": {"sender": "Kommunen"},
            "organizations": {
                "2120002411": {"departments": {"Skola": {"sms": {"sender": "Skolan"}}}}
            },
            "retention": {"days": 1},
        }
    }
    found = read_tables(tables, kinds, ("retention",))
    assert [(each.unit, each.value["sender"]) for each in found] == [
        (Unit("2281"), "Kommunen"),
        (Unit("2281", "2120002411", "Skola"), "Skolan"),
    ]
    bad = {
        "2281": {
            "pigeon": {},
            "sms": {"public_url": "https://a.example", "sendr": "x"},
            "organizations": {"12": {"sms": {}}},
        }
    }
    with pytest.raises(SettingsFault) as fault:
        read_tables(bad, kinds)
    for text in (
        "2281.pigeon: must be one of the sections",
        "public_url: applies to the service",
        "sendr: must be one of the members",
        "12 is not an organisation",
    ):
        assert text in str(fault.value), text
    with pytest.raises(
        SettingsFault, match="configuration of sms for 2281, department Skola: sender"
    ):
        read_tables({"2281": {"departments": {"Skola": {"sms": {"sender": "!"}}}}}, kinds)
