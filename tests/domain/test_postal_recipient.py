"""Printed lines of an address: one c/o, one apartment number, one line each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.postal_recipient import (
    Addressee,
    capitalised,
    care_of_name,
    postal_code_of,
)
from utskick.domain.request_parts import AddressBody

ANNA = {"lastName": "Andersson", "address": "Storgatan 1", "zipCode": "85230", "city": "Sundsvall"}


def lines(**members: object) -> list[str]:
    return Addressee.read({**ANNA, **members}).lines()


@pytest.mark.parametrize(
    "written",
    [
        *("Bo", "c/o Bo", "C/O Bo", "c/oBo", "C/O: Bo", "c / o Bo", "℅ Bo", "℅Bo", "co Bo"),
        *(
            "CO Bo",
            "Co. Bo",
            "co: Bo",
            "c.o. Bo",
            "care of Bo",
            "c/o c/o Bo",
            "c/o. Bo",
            " c/o\nBo",
        ),
    ],
)
def test_one_care_of_is_printed(written: str) -> None:
    assert lines(careOf=written)[1] == "c/o Bo"


@pytest.mark.parametrize(
    "name", ["Corneliusson", "Oscar", "Colin Co", "Cobra AB", "Carola", "Coop Forum"]
)
def test_a_name_keeps_its_letters(name: str) -> None:
    assert lines(careOf=name)[1] == f"c/o {name}"
    assert lines(careOf=f"c/o {name}")[1] == f"c/o {name}"


def test_behind_a_care_of_co_is_a_name() -> None:
    assert lines(careOf="c/o Co Nguyen")[1] == "c/o Co Nguyen"


@pytest.mark.parametrize("nothing", ["", " ", "c/o", "C/O:", "℅", None])
def test_nothing_is_no_line_and_no_place(nothing: str | None) -> None:
    assert lines(careOf=nothing)[1] == "Storgatan 1"
    faults = Addressee.read({**ANNA, "careOf": nothing, "address": ""}).faults()
    assert [fault.field for fault in faults] == ["address.address"]


@pytest.mark.parametrize(
    ("street", "apartment", "line"),
    [
        ("Storgatan 1", "1001", "Storgatan 1 lgh 1001"),
        ("Storgatan 1", "lgh 1001", "Storgatan 1 lgh 1001"),
        ("Storgatan 1", "Lgh: 1001", "Storgatan 1 lgh 1001"),
        ("Storgatan 1", "LGH1001", "Storgatan 1 lgh 1001"),
        ("Storgatan 1", "lägenhet 1001", "Storgatan 1 lgh 1001"),
        ("Storgatan 1", "lgh nr 1001", "Storgatan 1 lgh 1001"),
        ("Storgatan 1", "1001.0", "Storgatan 1 lgh 1001"),
        ("Storgatan 1", 1001, "Storgatan 1 lgh 1001"),
        ("Storgatan 1", "lgh", "Storgatan 1"),
        ("Storgatan 1 lgh 1001", "1001", "Storgatan 1 lgh 1001"),
        ("Storgatan 1, Lgh 1001", "lgh 1001", "Storgatan 1, Lgh 1001"),
        ("Storgatan 1 lgh1001", "LGH 1001", "Storgatan 1 lgh1001"),
        ("Storgatan 1001", "1001", "Storgatan 1001 lgh 1001"),
        ("Storgatan 1 lgh 1002", "1001", "Storgatan 1 lgh 1002 lgh 1001"),
    ],
)
def test_an_apartment_number_is_printed_once(street: str, apartment: object, line: str) -> None:
    assert lines(address=street, apartmentNumber=apartment)[1] == line


@given(st.text(max_size=20))
def test_what_is_left_of_a_care_of_has_lost_nothing_but_it(text: str) -> None:
    name = care_of_name(text)
    assert text.endswith(name)
    assert name.endswith(care_of_name(f"c/o {name}"))


@pytest.mark.parametrize("code", ["85230.0", "852\u00a030", "852\u200b30", "SE-85230", "852 30"])
def test_postal_codes_of_spreadsheets_are_five_digits(code: str) -> None:
    assert postal_code_of(code) == "85230"


def test_line_breaks_are_folded_and_letters_composed_where_a_member_is_a_line() -> None:
    body = AddressBody.model_validate(
        {
            "firstName": "A\u030asa",
            "address": "Storgatan 1\r\n\tuppga\u030ang B",
            "city": "Umea\u030a",
        }
    )
    assert (body.first_name, body.address, body.city) == ("Åsa", "Storgatan 1 uppgång B", "Umeå")


@pytest.mark.parametrize(
    ("text", "capital"),
    [
        (None, None),
        ("", ""),
        ("ANNA-KARIN  ÖBERG", "Anna-Karin Öberg"),
        ("storgatan 12A", "Storgatan 12A"),
        ("McDonald", "McDonald"),
    ],
)
def test_names_of_the_register_are_capitalised(text: str | None, capital: str | None) -> None:
    assert capitalised(text) == capital
