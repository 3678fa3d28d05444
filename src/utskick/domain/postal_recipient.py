"""The address of a letter: read from a request or the register, and the lines that are printed.

It is fixed at the first attempt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import orjson

from utskick.domain.characters import composed, without_invisible
from utskick.domain.directory_ports import PostalAddress
from utskick.domain.errors import Violation
from utskick.domain.spreadsheet import NotWhole, whole_number

_POSTAL_CODE: Final = re.compile(r"(?:SE?[ -]*)?([1-9][0-9]{2})[ \xa0]?([0-9]{2})\Z", re.IGNORECASE)
_SWEDEN: Final = frozenset({"", "sverige", "sweden", "se", "swe"})
#: ``c/o X``, ``C/O: X``, ``c.o. X``, ``co X``, ``℅ X``, ``care of X``.
_CARE_OF: Final = re.compile(
    r"(?:c\s*/\s*o|c\.\s*o\.|℅|care\s+of\b|co(?=[\s:.]|\Z))[\s:.,]*", re.IGNORECASE
)
#: ``lgh 1001``, ``Lgh.nr: 1001``, ``lägenhet 1001``.
_APARTMENT: Final = re.compile(
    r"(?:(?:l[äa]genhet(?:snummer|snr)?|lght?|apt)\b\.?\s*(?:nr\b\.?)?[\s:.]*|lgh(?=[0-9]))",
    re.IGNORECASE,
)
_APARTMENT_IN_STREET: Final = re.compile(
    r"\b(?:l[äa]genhet(?:snummer|snr)?|lght?|apt)\.?\s*(?:nr\.?)?[\s:.]*([0-9]+[a-zåäö]?)\b",
    re.IGNORECASE,
)
POSTAL_CODE_RULE: Final = "must be a Swedish postal code of five digits"


def postal_code_of(text: str) -> str | None:
    """Return five digits, however they were written (``852 30``, ``SE-85230``).

    None: it is no Swedish postal code.
    """
    try:
        text = whole_number(without_invisible(text).strip())
    except NotWhole:
        return None
    found = _POSTAL_CODE.match(text)
    return found[1] + found[2] if found else None


def care_of_name(text: str) -> str:
    """Return the name behind ``c/o``, however and how often that was written."""
    first = True
    # Behind another c/o, "Co" is a name.
    while (found := _CARE_OF.match(text)) and (first or not found[0][:2].isalpha()):
        text, first = text[found.end() :], False
    return text


def apartment_number(text: str) -> str:
    """Return ``1001`` for ``lgh 1001``, ``Lgh: 1001`` and a spreadsheet's ``1001.0``."""
    while found := _APARTMENT.match(text):
        text = text[found.end() :]
    try:
        return whole_number(text)
    except NotWhole:
        return text


def _capital(word: str) -> str:
    """Return ``Anna-Karin`` for ``ANNA-KARIN``.

    What has digits or is written in both cases is left as it is: ``12A``, ``McDonald``.
    """
    if any(ch.isdigit() for ch in word) or not (word.isupper() or word.islower()):
        return word
    return "-".join(part[:1].upper() + part[1:].lower() for part in word.split("-"))


def capitalised(text: str | None) -> str | None:
    """Capitalise each word, as a letter is addressed from the register (contract 6.2, L6)."""
    return None if text is None else " ".join(_capital(word) for word in text.split())


@dataclass(frozen=True, slots=True, repr=False)
class Addressee:
    """An address. Every member is one line without leading or trailing space, "" where empty.

    ``postal_code``: five digits in Sweden. ``name``: the whole name; ``last_name``: the part at its
    end that is the last name.
    """

    name: str = ""
    last_name: str = ""
    organization: str = ""
    organization_number: str = ""
    care_of: str = ""
    street: str = ""
    apartment: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Addressee:
        """Read the contract's ``Address`` (section 4), organizationName and organizationNumber."""

        def line(name: str) -> str:
            value = members.get(name)
            return " ".join(composed(str(value)).split()) if value is not None else ""

        code = line("zipCode")
        return cls(
            name=" ".join(part for part in (line("firstName"), line("lastName")) if part),
            last_name=line("lastName"),
            organization=line("organizationName"),
            organization_number=line("organizationNumber"),
            care_of=line("careOf"),
            street=line("address"),
            apartment=line("apartmentNumber"),
            postal_code=postal_code_of(code) or code,
            city=line("city"),
            country=line("country"),
        )

    @classmethod
    def registered(cls, found: PostalAddress) -> Addressee:
        """Read a register's address, with each word capitalised."""
        return cls.read(
            {
                "firstName": capitalised(found.first_name),
                "lastName": capitalised(found.last_name),
                "organizationName": found.organization,
                "careOf": capitalised(found.care_of),
                "address": capitalised(found.street),
                "apartmentNumber": found.apartment,
                "zipCode": found.postal_code,
                "city": capitalised(found.city),
                "country": found.country,
            }
        )

    @classmethod
    def thaw(cls, frozen: bytes | None) -> Addressee:
        members = orjson.loads(frozen) if frozen else {}
        return cls(**{f.name: members.get(f.name, "") for f in fields(cls)})

    def freeze(self) -> bytes:
        """Return JSON of the members that are not empty."""
        return orjson.dumps(
            {f.name: value for f in fields(self) if (value := getattr(self, f.name))}
        )

    def members(self) -> dict[str, str]:
        """Return the contract's ``Address`` (section 4), members that are not empty."""
        members = {
            "firstName": self.name.removesuffix(self.last_name).rstrip(),
            "lastName": self.last_name,
            "organizationName": self.organization,
            "organizationNumber": self.organization_number,
            "careOf": self.care_of,
            "address": self.street,
            "apartmentNumber": self.apartment,
            "zipCode": self.postal_code,
            "city": self.city,
            "country": self.country,
        }
        return {member: value for member, value in members.items() if value}

    @property
    def is_domestic(self) -> bool:
        return self.country.lower() in _SWEDEN

    @property
    def printed_name(self) -> str:
        """The name in one line: the organisation, or the person."""
        return self.organization or self.name

    def faults(self) -> list[Violation]:
        """Return what a letter needs and this address lacks.

        Fields are those of ``address`` in a request.
        """
        found = []
        if not self.printed_name:
            found.append(
                Violation(
                    "address.lastName",
                    "must not be blank: a letter is addressed to a name or an organizationName",
                )
            )
        if not self.street and not care_of_name(self.care_of):
            found.append(Violation("address.address", "must not be blank"))
        if not self.city:
            found.append(Violation("address.city", "must not be blank"))
        if self.is_domestic and postal_code_of(self.postal_code) is None:
            found.append(
                Violation(
                    "address.zipCode", POSTAL_CODE_RULE if self.postal_code else "must not be blank"
                )
            )
        return found

    def lines(self) -> list[str]:
        """Return the printed lines: no empty line, ``NNN NN CITY``, the country only abroad.

        Facts: addressing for sorting machines.
        """
        person = self.name if self.organization else ""
        name = care_of_name(self.care_of)
        care_of = f"c/o {name}" if name else ""
        domestic = self.is_domestic and len(self.postal_code) == 5
        code = f"{self.postal_code[:3]} {self.postal_code[3:]}" if domestic else self.postal_code
        town = self.city.upper() if self.is_domestic else self.city
        place = "  ".join(part for part in (code, town) if part)
        abroad = "" if self.is_domestic else self.country.upper()
        found = (self.printed_name, person, care_of, self._street_line(), place, abroad)
        return [line for line in found if line]

    def _street_line(self) -> str:
        """Return street and apartment, which the street may name already."""
        number = apartment_number(self.apartment)
        if not number:
            return self.street
        *_, last = ("", *_APARTMENT_IN_STREET.findall(self.street))
        if last.casefold() == number.casefold():
            return self.street
        return f"{self.street} lgh {number}".strip()

    def __repr__(self) -> str:
        return "Addressee(…)"
