"""From a sheet to people: which columns they stand in, and why some rows are no people. No reason
repeats what stands in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from utskick.cli.csv_file import CsvRows, Row
from utskick.cli.recipients_csv import (
    EMAIL_NAMES,
    NUMBER_NAMES,
    plain_name,
    read_address,
    read_number,
)
from utskick.directory.importer import ImportRow, RejectedRow
from utskick.domain.directory_ports import LegalId, Method, PostalAddress
from utskick.domain.errors import Unreadable
from utskick.domain.ids import parse_id
from utskick.domain.legal_id import WrongNumber, read_legal_id
from utskick.domain.validators import is_clean

_LONGEST: Final = 200
#: Role → names of its column, the best first. Of numbers there may be two columns: persons in one,
#: organisations in the other.
_ROLES: Final[Mapping[str, Sequence[str]]] = {
    "person": (
        "personnummer",
        "personnr",
        "pnr",
        "samordningsnummer",
        "legalid",
        "identitetsnummer",
        "personalnumber",
        "personnumber",
    ),
    "organization number": (
        "organisationsnummer",
        "organisationsnr",
        "orgnummer",
        "orgnr",
        "organizationnumber",
    ),
    "party": ("partyid", "party", "personid"),
    "first name": ("förnamn", "fornamn", "tilltalsnamn", "firstname", "givenname"),
    "last name": ("efternamn", "lastname", "surname", "familyname"),
    "organization": (
        "organisation",
        "organisationsnamn",
        "företag",
        "företagsnamn",
        "firma",
        "organization",
        "organizationname",
        "company",
    ),
    "care of": ("co", "coadress", "careof"),
    "street": (
        "gatuadress",
        "utdelningsadress",
        "adress",
        "gata",
        "streetaddress",
        "address",
        "street",
    ),
    "apartment": (
        "lägenhet",
        "lägenhetsnummer",
        "lagenhet",
        "lgh",
        "lghnr",
        "apartment",
        "apartmentnumber",
    ),
    "postal code": ("postnummer", "postnr", "postalcode", "zip", "zipcode"),
    "city": ("ort", "postort", "stad", "city", "town"),
    "country": ("land", "country"),
    "protected": (
        "skyddad",
        "skyddadidentitet",
        "sekretess",
        "sekretessmarkering",
        "skyddadfolkbokföring",
        "protected",
    ),
    "mobile": NUMBER_NAMES,
    "e-mail": EMAIL_NAMES,
}
_NUMBERS: Final = ("person", "organization number")
_TRUE: Final = frozenset({"ja", "j", "sant", "yes", "y", "true", "x", "1"})
_FALSE: Final = frozenset({"nej", "n", "falskt", "no", "false", "0", "-"})
_HOME: Final = frozenset({"sverige", "sweden", "se", "swe"})


class _Wrong(Exception):
    """The row is no person; the reason is its text."""


@dataclass(frozen=True, slots=True)
class Roster:
    """``columns``: role → name in the file."""

    entries: tuple[ImportRow, ...]
    refused: tuple[RejectedRow, ...]
    columns: Mapping[str, str]


def roster_of(sheet: CsvRows, today: date, advance: Callable[[], None] = lambda: None) -> Roster:
    """``advance`` is called for every row. Raises ``Unreadable`` where no column holds numbers."""
    if not sheet.rows:
        raise Unreadable("the file is empty")
    header, *rows = sheet.rows
    places = _places(header)
    reader = _Reader(places, today)
    entries: list[ImportRow] = []
    refused: list[RejectedRow] = []
    for row in rows:
        try:
            entries.append(reader.read(row))
        except _Wrong as why:
            refused.append(RejectedRow(row.line, str(why)))
        advance()
    return Roster(
        tuple(entries),
        tuple(refused),
        {role: header.cells[place] for role, place in places.items()},
    )


def _places(header: Row) -> dict[str, int]:
    plain = [plain_name(name) for name in header.cells]
    places = {
        role: plain.index(found)
        for role, names in _ROLES.items()
        if (found := next((n for n in names if n in plain), None))
    }
    if not any(role in places for role in _NUMBERS):
        raise Unreadable(
            "no column of the file holds personal or organisation numbers: its first row must name the columns, "
            "one of them personnummer, organisationsnummer or legalId"
        )
    return places


class _Reader:
    """Reads row by row, and remembers who has been there."""

    def __init__(self, places: Mapping[str, int], today: date) -> None:
        self._places = places
        self._today = today
        self._lines: dict[str, int] = {}

    def read(self, row: Row) -> ImportRow:
        number = self._number(row)
        party_id = self._party(row)
        protected = self._protected(row)
        address = self._address(row, protected=protected)
        entry = ImportRow(row.line, number, party_id, address, protected, self._contacts(row))
        for what, key in (
            ("number", number.number),
            ("party id", str(party_id) if party_id else None),
        ):
            if key is not None and (line := self._lines.setdefault(key, row.line)) != row.line:
                raise _Wrong(f"the same {what} stands on line {line}")
        return entry

    def _cell(self, row: Row, role: str) -> str | None:
        place = self._places.get(role)
        text = row.cells[place] if place is not None and place < len(row.cells) else ""
        if len(text) > _LONGEST or not is_clean(text):
            raise _Wrong(f"{role}: is longer than {_LONGEST} characters, or more than one line")
        return text or None

    def _number(self, row: Row) -> LegalId:
        text = next((cell for role in _NUMBERS if (cell := self._cell(row, role))), None)
        if text is None:
            raise _Wrong("the number is missing")
        found = read_legal_id(text, self._today)
        if isinstance(found, WrongNumber):
            raise _Wrong(f"the number {found}")
        return found

    def _party(self, row: Row) -> UUID | None:
        text = self._cell(row, "party")
        found = parse_id(text) if text else None
        if text and found is None:
            raise _Wrong("party: is not a valid UUID")
        return found

    def _protected(self, row: Row) -> bool:
        """A word that is neither yes nor no is never taken for a no."""
        word = (self._cell(row, "protected") or "nej").casefold()
        if word not in _TRUE | _FALSE:
            raise _Wrong("protected: is neither ja nor nej")
        return word in _TRUE

    def _address(self, row: Row, *, protected: bool) -> PostalAddress:
        """Where somebody with a protected identity lives is not kept: nothing of ours may use
        it."""
        names = PostalAddress(
            self._cell(row, "first name"),
            self._cell(row, "last name"),
            self._cell(row, "organization"),
        )
        country = self._cell(row, "country")
        country = None if country and country.casefold() in _HOME else country
        code = self._cell(row, "postal code")
        if code and country is None:
            digits = code.replace(" ", "").upper().removeprefix("SE-")
            if len(digits) != 5 or not (digits.isascii() and digits.isdigit()):
                raise _Wrong("postal code: is not five digits")
            code = f"{digits[:3]} {digits[3:]}"
        if protected:
            return names
        return replace(
            names,
            care_of=self._cell(row, "care of"),
            street=self._cell(row, "street"),
            apartment=self._cell(row, "apartment"),
            postal_code=code,
            city=self._cell(row, "city"),
            country=country,
        )

    def _contacts(self, row: Row) -> tuple[tuple[Method, str], ...]:
        found = []
        for method, role, read in (
            (Method.SMS, "mobile", read_number),
            (Method.EMAIL, "e-mail", read_address),
        ):
            if text := self._cell(row, role):
                destination = read(text)
                if destination is None:
                    raise _Wrong(
                        f"{role}: is {'no phone number' if method is Method.SMS else 'no e-mail address'}"
                    )
                found.append((method, destination))
        return tuple(found)
