"""Conversion of a CSV file into recipients: columns, valid rows, duplicates, rejected rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError

from utskick.channels.email.requests import EmailBatchParty, EmailBatchRequest
from utskick.channels.sms.requests import SmsBatchParty, SmsBatchRequest
from utskick.cli.csv_file import CsvRows, Row
from utskick.domain import email_address
from utskick.domain.characters import composed, without_invisible
from utskick.domain.email_address import is_email
from utskick.domain.errors import Invalid, Unreadable, Violation
from utskick.domain.ids import parse_id
from utskick.domain.phone_number import NotANumber, is_swedish_mobile, read_number
from utskick.domain.recipient import Recipient
from utskick.domain.validators import refusal

_SAMPLE: Final = 200
_PARTY: Final = (("partyid", "party", "personid"),)
#: Accepted column names by kind, the best first: "Mobil" is a better number than "Telefon". Two
#: columns of one kind are a question to the user.
Names = tuple[tuple[str, ...], ...]
NUMBER_NAMES: Final[Names] = (
    ("mobil", "mobilnummer", "mobiltelefon", "mobilenumber", "mobile", "msisdn"),
    ("telefon", "telefonnummer", "tel", "phone", "phonenumber"),
    ("number", "nummer"),
)
EMAIL_NAMES: Final[Names] = (
    ("epost", "epostadress", "email", "emailaddress", "mail", "mailadress", "mejl"),
)
_REFERENCE: Final = (("reference", "referens", "ref"),)


@dataclass(frozen=True, slots=True)
class NotAnAddress:
    """Why a text is no e-mail address."""

    reason: str


def read_address(text: str) -> str | NotAnAddress:
    """Return an e-mail address without what nobody sees, or why it is none."""
    found = email_address.cleaned(text)
    if unseen := email_address.hidden(found):
        return NotAnAddress(f"is not an e-mail address: it contains {unseen}")
    return found if is_email(found) else NotAnAddress("is not an e-mail address")


def _is_mobile(text: str) -> bool:
    number = read_number(text)
    return isinstance(number, str) and (is_swedish_mobile(number) or text.startswith("+"))


@dataclass(frozen=True, slots=True)
class ListKind:
    """Kind of list that a channel needs.

    ``names``: accepted names of the destination column, best kind first; ``matches``: whether a
    cell looks like a destination, to find the column by its contents; ``party``, ``request``: the
    models of a recipient and of the request; ``example``: a destination.
    """

    channel: str
    member: str
    names: Names
    read: Callable[[str], str | NotANumber | NotAnAddress]
    matches: Callable[[str], bool]
    party: type[BaseModel]
    request: type[BaseModel]
    example: str

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
    SmsBatchParty,
    SmsBatchRequest,
    "+46701740605",
)
EMAIL: Final = ListKind(
    "email",
    "emailAddress",
    EMAIL_NAMES,
    read_address,
    lambda text: "@" in text and isinstance(read_address(text), str),
    EmailBatchParty,
    EmailBatchRequest,
    "anna@example.se",
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
    table = _Table(header, rows)
    positions = {role: table.position(name) for role, name in requested.items()}

    def found(role: str, names: Names, matches: Callable[[str], bool] | None) -> int | None:
        if role in positions:
            return positions[role]
        named = table.by_name(role, names)
        return table.by_content(role, matches) if named is None and matches else named

    destination = found("destination", kind.names, kind.matches)
    if destination is None:
        known = f" (its columns are {', '.join(header)})" if header else ""
        raise Unreadable(
            f"no column of the file contains {_CONTENTS[kind.channel]}{known}; select it with "
            "--column"
        )
    party = found("party", _PARTY, lambda cell: parse_id(cell) is not None)
    return Columns(destination, party, found("reference", _REFERENCE, None))


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
        elif any(plain_name(role) in names for names in kind.names):
            requested["destination"] = name
        else:
            raise Unreadable(f"--column {words}: use NAME, party=NAME or reference=NAME")
    return requested


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns of a file, by name and by content."""

    header: Sequence[str]
    rows: Sequence[Row]

    def position(self, name: str) -> int:
        """Return the column that the user named, by its name or number from 1."""
        found = self._named((plain_name(name),))
        if len(found) > 1:
            raise self._question("--column", found)
        if found:
            return found[0]
        width = max((len(row.cells) for row in self.rows), default=len(self.header))
        if name.isascii() and name.isdigit() and 1 <= int(name) <= max(width, len(self.header)):
            return int(name) - 1
        columns = (
            f"its columns are {', '.join(self.header)}"
            if self.header
            else f"it has {width} columns"
        )
        raise Unreadable(f"--column: no such column: the file has no column {name}; {columns}")

    def by_name(self, role: str, names: Names) -> int | None:
        """Return the column of the best kind; raise ``Unreadable`` where there are several."""
        for kind in names:
            if found := self._named(kind):
                if len(found) > 1:
                    raise self._question(role, found)
                return found[0]
        return None

    def by_content(self, role: str, matches: Callable[[str], bool]) -> int | None:
        """Return the column of which at least half of the sample matches.

        Raises ``Unreadable`` where there are several.
        """
        sample = self.rows[:_SAMPLE]
        width = max((len(row.cells) for row in sample), default=0)
        found = [
            position
            for position in range(width)
            if sample
            and 2 * sum(1 for row in sample if matches(_cell(row, position) or "")) >= len(sample)
        ]
        if len(found) > 1:
            raise self._question(role, found)
        return found[0] if found else None

    def _named(self, names: Sequence[str]) -> list[int]:
        return [place for place, name in enumerate(self.header) if plain_name(name) in names]

    def _question(self, role: str, places: Sequence[int]) -> Unreadable:
        names = [
            f"{self.header[place]} ({place + 1})"
            if place < len(self.header) and self.header[place]
            else str(place + 1)
            for place in places
        ]
        option = _OPTIONS.get(role, "")
        return Unreadable(
            f"several columns may be meant: {', '.join(names)}; select one with --column "
            f"{option}NUMBER"
        )


#: How a column of a role is selected.
_OPTIONS: Final = {"party": "party=", "reference": "reference="}


def plain_name(name: str) -> str:
    """Return a column name composed, without case, blanks, ``-`` and ``_``."""
    return re.sub(r"[\W_]", "", composed(name).casefold())


def _recipient(row: Row, columns: Columns, kind: ListKind) -> Recipient | str:
    """Return the recipient, or the reason for rejecting it, by the service's own rules."""
    cell = _cell(row, columns.destination)
    if cell is None:
        return f"the {_NOUNS[kind.channel]} is missing"
    destination = kind.read(cell)
    if not isinstance(destination, str):
        return destination.reason
    party = _cell(row, columns.party)
    recipient = Recipient(
        destination,
        without_invisible(party).lower() if party else None,
        _cell(row, columns.reference),
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
