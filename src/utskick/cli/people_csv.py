"""Conversion of a CSV file into directory entries.

Error messages never repeat the contents of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from utskick.cli.csv_file import CsvRows, InvalidRow, Row
from utskick.cli.recipients_csv import (
    EMAIL_NAMES,
    NUMBER_NAMES,
    Names,
    NotAnAddress,
    plain_name,
    read_address,
)
from utskick.directory.importer import ImportRow, RejectedRow
from utskick.domain.characters import composed, folded
from utskick.domain.directory_ports import LegalId, Method, PostalAddress
from utskick.domain.errors import Unreadable
from utskick.domain.ids import parse_id
from utskick.domain.legal_id import WrongNumber, read_legal_id
from utskick.domain.phone_number import NotANumber, read_number
from utskick.domain.postal_recipient import postal_code_of
from utskick.domain.validators import is_clean

_MAX_LENGTH: Final = 200
#: Role → accepted column names, best first. Legal ids may stand in two columns: one for persons,
#: one for organisations.
_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
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
    "mobile": tuple(name for kind in NUMBER_NAMES for name in kind),
    "e-mail": tuple(name for kind in EMAIL_NAMES for name in kind),
}
#: What is printed as one line, also where a cell has several.
_ONE_LINE: Final = frozenset(
    {"first name", "last name", "organization", "care of", "street", "city", "country"}
)
#: Roles by whose columns a person is known or reached: two of a kind are a question.
_KINDS: Final[Mapping[str, Names]] = {
    **{role: (_ROLES[role],) for role in ("person", "organization number", "party")},
    "mobile": NUMBER_NAMES,
    "e-mail": EMAIL_NAMES,
}
_LEGAL_IDS: Final = ("person", "organization number")
_TRUE: Final = frozenset({"ja", "j", "sant", "yes", "y", "true", "x", "1"})
_FALSE: Final = frozenset({"nej", "n", "falskt", "no", "false", "0", "-"})
_SWEDEN: Final = frozenset({"sverige", "sweden", "se", "swe"})


@dataclass(frozen=True, slots=True)
class ParsedPeople:
    """Entries and rejected rows of a file; ``columns`` maps each role to the column name."""

    entries: tuple[ImportRow, ...]
    rejected: tuple[RejectedRow, ...]
    columns: Mapping[str, str]


def parse_people(
    csv_rows: CsvRows, today: date, advance: Callable[[], None] = lambda: None
) -> ParsedPeople:
    """Convert all rows, calling ``advance`` for each.

    Raises ``Unreadable`` if no column holds personal or organisation numbers.
    """
    if not csv_rows.rows:
        raise Unreadable("the file is empty")
    header, *rows = csv_rows.rows
    positions = _places(header)
    parser = _RowParser(positions, today)
    entries: list[ImportRow] = []
    rejected: list[RejectedRow] = []
    for row in rows:
        try:
            entries.append(parser.parse(row))
        except InvalidRow as fault:
            rejected.append(RejectedRow(row.line, str(fault)))
        advance()
    return ParsedPeople(
        tuple(entries),
        tuple(rejected),
        {role: header.cells[position] for role, position in positions.items()},
    )


def _places(header: Row) -> dict[str, int]:
    plain_names = [plain_name(name) for name in header.cells]
    positions = {
        role: plain_names.index(found)
        for role, names in _ROLES.items()
        if (found := next((n for n in names if n in plain_names), None))
    }
    for role, kinds in _KINDS.items():
        for kind in kinds:
            same = [
                cell for cell, name in zip(header.cells, plain_names, strict=True) if name in kind
            ]
            if len(same) > 1:
                raise Unreadable(
                    f"several columns may be the {role}: {', '.join(same)}; rename or remove all "
                    "but one"
                )
            if same:
                break
    if not any(role in positions for role in _LEGAL_IDS):
        raise Unreadable(
            "no column of the file contains personal or organisation numbers: the first row "
            "must name the columns, "
            "one of them personnummer, organisationsnummer or legalId"
        )
    return positions


class _RowParser:
    """Row parser that also detects duplicate numbers and party ids."""

    def __init__(self, positions: Mapping[str, int], today: date) -> None:
        self._places = positions
        self._today = today
        self._lines: dict[str, int] = {}

    def parse(self, row: Row) -> ImportRow:
        number = self._number(row)
        party_id = self._party(row)
        protected = self._protected(row)
        address = self._address(row, protected=protected)
        entry = ImportRow(row.line, number, party_id, address, protected, self._contacts(row))
        for label, key in (
            ("number", number.number),
            ("party id", str(party_id) if party_id else None),
        ):
            if key is not None and (line := self._lines.setdefault(key, row.line)) != row.line:
                raise InvalidRow(f"the same {label} is on line {line}")
        return entry

    def _cell(self, row: Row, role: str) -> str | None:
        position = self._places.get(role)
        text = row.cells[position] if position is not None and position < len(row.cells) else ""
        text = composed(folded(text) if role in _ONE_LINE else text)
        if len(text) > _MAX_LENGTH or not is_clean(text):
            raise InvalidRow(
                f"{role}: is longer than {_MAX_LENGTH} characters, or more than one line"
            )
        return text or None

    def _number(self, row: Row) -> LegalId:
        text = next((cell for role in _LEGAL_IDS if (cell := self._cell(row, role))), None)
        if text is None:
            raise InvalidRow("the number is missing")
        found = read_legal_id(text, self._today)
        if isinstance(found, WrongNumber):
            raise InvalidRow(f"the number {found}")
        return found

    def _party(self, row: Row) -> UUID | None:
        text = self._cell(row, "party")
        found = parse_id(text) if text else None
        if text and found is None:
            raise InvalidRow("party: is not a valid UUID")
        return found

    def _protected(self, row: Row) -> bool:
        """Return the flag of protected identity; an unknown value is an error, never a no."""
        word = (self._cell(row, "protected") or "nej").casefold()
        if word not in _TRUE | _FALSE:
            raise InvalidRow("protected: must be ja or nej")
        return word in _TRUE

    def _address(self, row: Row, *, protected: bool) -> PostalAddress:
        """Return the address; for a protected identity only the names are stored."""
        names = PostalAddress(
            self._cell(row, "first name"),
            self._cell(row, "last name"),
            self._cell(row, "organization"),
        )
        country = self._cell(row, "country")
        country = None if country and country.casefold() in _SWEDEN else country
        code = self._cell(row, "postal code")
        if code and country is None:
            digits = postal_code_of(code)
            if digits is None:
                raise InvalidRow("postal code: is not five digits")
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
                if isinstance(destination, NotANumber | NotAnAddress):
                    raise InvalidRow(f"{role}: {destination.reason}")
                found.append((method, destination))
        return tuple(found)
