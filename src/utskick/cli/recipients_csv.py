"""Conversion of a CSV file into recipients: columns, valid rows, duplicates, rejected rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError

from utskick.channels.email.requests import EmailBatchParty
from utskick.channels.sms.requests import SmsBatchParty
from utskick.cli.csv_file import CsvRows, Row
from utskick.domain.errors import Invalid, Unreadable, Violation
from utskick.domain.ids import parse_id
from utskick.domain.recipient import (
    Recipient,
    is_email,
    is_msisdn,
    is_swedish_mobile,
    national_to_msisdn,
)
from utskick.domain.validators import refusal

_SAMPLE: Final = 200
_PARTY: Final = ("partyid", "party", "personid")
_NUMBER_CHARACTERS: Final = re.compile(r"[+0-9()./\s-]{4,30}\Z")
#: Accepted column names, best first: of several, "Mobil" is a better number than "Telefon".
NUMBER_NAMES: Final = (
    *("mobil", "mobilnummer", "mobiltelefon", "mobilenumber", "mobile", "msisdn"),
    *("telefon", "telefonnummer", "tel", "phone", "phonenumber", "number", "nummer"),
)
EMAIL_NAMES: Final = ("epost", "epostadress", "email", "emailaddress", "mail", "mailadress", "mejl")
_REFERENCE: Final = ("reference", "referens", "ref")


def read_number(text: str) -> str | None:
    """Return a phone number in E.164, or None.

    Swedish mobile numbers take a fast path: parsing 100 000 numbers of any kind takes seconds.
    """
    # letters would be read as the keys of a telephone
    if not _NUMBER_CHARACTERS.match(text):
        return None
    bare = text.replace(" ", "").replace("-", "")
    mobile = "+46" + bare[1:]
    if bare.startswith("0") and is_swedish_mobile(mobile):
        return mobile
    number = bare if is_msisdn(bare) else national_to_msisdn(text)
    return number if number is not None and is_msisdn(number) else None


def read_address(text: str) -> str | None:
    return text if is_email(text) else None


def _is_mobile(text: str) -> bool:
    number = read_number(text)
    return number is not None and (is_swedish_mobile(number) or text.startswith("+"))


@dataclass(frozen=True, slots=True)
class ListKind:
    """Kind of list that a channel needs.

    ``names``: accepted names of the destination column, best first; ``matches``: whether a cell
    looks like a destination, to find the column by its contents.
    """

    channel: str
    member: str
    names: tuple[str, ...]
    read: Callable[[str], str | None]
    matches: Callable[[str], bool]
    error: str
    party: type[BaseModel]

    def identity(self, recipient: Recipient) -> tuple[str | None, ...]:
        """Return the service's key for duplicates; for e-mail it includes the reference."""
        if self.channel == "sms":
            return recipient.destination, recipient.party_id
        local, _, domain = recipient.destination.rpartition("@")
        return f"{local}@{domain.lower()}", recipient.party_id, recipient.reference

    def members(self, recipient: Recipient) -> dict[str, str]:
        """Return the recipient as a party of the contract's batch request."""
        members = {
            self.member: recipient.destination,
            "partyId": recipient.party_id,
            "reference": recipient.reference,
        }
        return {name: value for name, value in members.items() if value is not None}


SMS: Final = ListKind(
    "sms",
    "mobileNumber",
    NUMBER_NAMES,
    read_number,
    _is_mobile,
    "is not a phone number",
    SmsBatchParty,
)
EMAIL: Final = ListKind(
    "email",
    "emailAddress",
    EMAIL_NAMES,
    read_address,
    lambda text: "@" in text and is_email(text),
    "is not an e-mail address",
    EmailBatchParty,
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Column positions, counted from 0."""

    destination: int
    party: int | None = None
    reference: int | None = None


@dataclass(frozen=True, slots=True)
class RejectedRecipient:
    """Row that is not sent to, and the reason."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class RecipientList:
    """Result of reading a list.

    ``header``: column names, empty if the file has none; ``duplicates``: number of rows that repeat
    another row.
    """

    valid: tuple[Recipient, ...]
    rejected: tuple[RejectedRecipient, ...]
    duplicates: int
    columns: Columns
    header: tuple[str, ...]

    def column_name(self, position: int | None) -> str:
        if position is None:
            return "none"
        return (
            self.header[position]
            if position < len(self.header) and self.header[position]
            else f"column {position + 1}"
        )


def parse_recipients(
    csv_rows: CsvRows, kind: ListKind, user_columns: Sequence[str] = ()
) -> RecipientList:
    """Convert all rows; raise ``Unreadable`` if the destination column cannot be determined.

    ``user_columns``: given by the user as ``Name``, ``3``, ``party=Name`` or ``reference=Name``.
    """
    if not csv_rows.rows:
        raise Unreadable("the file is empty")
    header = csv_rows.rows[0].cells if _is_header(csv_rows.rows[0]) else ()
    rows = csv_rows.rows[1:] if header else csv_rows.rows
    columns = find_columns(header, rows, kind, user_columns)
    found: dict[tuple[str | None, ...], Recipient] = {}
    rejected: list[RejectedRecipient] = []
    duplicates = 0
    for row in rows:
        recipient = _recipient(row, columns, kind)
        if isinstance(recipient, str):
            rejected.append(RejectedRecipient(row, recipient))
        elif found.setdefault(kind.identity(recipient), recipient) is not recipient:
            duplicates += 1
    return RecipientList(tuple(found.values()), tuple(rejected), duplicates, columns, header)


def _is_header(row: Row) -> bool:
    """Whether the row holds column names: no address, no UUID and no number."""
    return not any(
        "@" in cell or parse_id(cell) or sum(ch.isdigit() for ch in cell) > 3 for cell in row.cells
    )


def find_columns(
    header: Sequence[str], rows: Sequence[Row], kind: ListKind, user_columns: Sequence[str]
) -> Columns:
    requested = _requested_columns(user_columns, kind)
    plain_names = [plain_name(name) for name in header]
    positions = {role: _position(name, plain_names) for role, name in requested.items()}
    destination = positions.get("destination", _by_name(plain_names, kind.names))
    if destination is None:
        destination = _by_content(rows, kind.matches)
    if destination is None:
        known = f" (its columns are {', '.join(header)})" if header else ""
        raise Unreadable(
            f"no column of the file contains {_CONTENTS[kind.channel]}{known}; select it with "
            "--column"
        )
    party = positions.get("party", _by_name(plain_names, _PARTY))
    if party is None:
        party = _by_content(rows, lambda cell: parse_id(cell) is not None)
    return Columns(
        destination, party, positions.get("reference", _by_name(plain_names, _REFERENCE))
    )


_CONTENTS: Final = {"sms": "mobile numbers", "email": "e-mail addresses"}
_ROLES: Final = {
    "party": "party",
    "partyid": "party",
    "reference": "reference",
    "referens": "reference",
}


def _requested_columns(user_columns: Sequence[str], kind: ListKind) -> dict[str, str]:
    requested = {}
    for words in user_columns:
        role, separator, name = words.partition("=")
        if not separator:
            requested["destination"] = words
        elif plain_name(role) in _ROLES:
            requested[_ROLES[plain_name(role)]] = name
        elif plain_name(role) in kind.names:
            requested["destination"] = name
        else:
            raise Unreadable(f"--column {words}: use NAME, party=NAME or reference=NAME")
    return requested


def _position(name: str, plain_names: Sequence[str]) -> int:
    if plain_name(name) in plain_names:
        return plain_names.index(plain_name(name))
    if name.isdigit() and int(name) >= 1:
        return int(name) - 1
    raise Unreadable(f"--column: the file has no column named {name}")


def plain_name(name: str) -> str:
    """Return a column name without case, blanks, ``-`` and ``_``."""
    return re.sub(r"[\W_]", "", name.casefold())


def _by_name(plain_names: Sequence[str], names: Sequence[str]) -> int | None:
    return next((plain_names.index(name) for name in names if name in plain_names), None)


def _by_content(rows: Sequence[Row], matches: Callable[[str], bool]) -> int | None:
    """Return the column with most matching cells, if at least half of the sample matches."""
    sample = rows[:_SAMPLE]
    width = max((len(row.cells) for row in sample), default=0)
    hits = [
        sum(1 for row in sample if position < len(row.cells) and matches(row.cells[position]))
        for position in range(width)
    ]
    best = max(range(width), key=hits.__getitem__, default=None)
    return best if best is not None and hits[best] and hits[best] * 2 >= len(sample) else None


def _recipient(row: Row, columns: Columns, kind: ListKind) -> Recipient | str:
    """Return the recipient, or the reason for rejecting it, by the service's own rules."""
    cell = _cell(row, columns.destination)
    if cell is None:
        return f"the {_NOUNS[kind.channel]} is missing"
    destination = kind.read(cell)
    if destination is None:
        return kind.error
    party = _cell(row, columns.party)
    recipient = Recipient(
        destination, party.lower() if party else None, _cell(row, columns.reference)
    )
    try:
        kind.party.model_validate(kind.members(recipient))
    except ValidationError as fault:
        error = refusal(fault, kind.party)
        faults = error.violations if isinstance(error, Invalid) else [Violation("", error.detail)]
        return "; ".join(f"{v.field} {v.message}".strip() for v in faults)
    return recipient


_NOUNS: Final = {"sms": "number", "email": "address"}


def _cell(row: Row, position: int | None) -> str | None:
    return (
        (row.cells[position] or None)
        if position is not None and position < len(row.cells)
        else None
    )
