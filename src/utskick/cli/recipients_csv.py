"""From a sheet to recipients: which columns they stand in, which rows are right, which are there
twice, and why others are not."""

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
_WRITTEN: Final = re.compile(r"[+0-9()./\s-]{4,30}\Z")
#: Names of columns, the best first: where a file has several, "Mobil" is a better number than
#: "Telefon".
NUMBER_NAMES: Final = (
    *("mobil", "mobilnummer", "mobiltelefon", "mobilenumber", "mobile", "msisdn"),
    *("telefon", "telefonnummer", "tel", "phone", "phonenumber", "number", "nummer"),
)
EMAIL_NAMES: Final = ("epost", "epostadress", "email", "emailaddress", "mail", "mailadress", "mejl")
_REFERENCE: Final = ("reference", "referens", "ref")


def read_number(text: str) -> str | None:
    """In E.164. The plain mobile number goes a short way: reading 100 000 of them as *any* number
    takes seconds."""
    if not _WRITTEN.match(text):  # letters would be read as the keys of a telephone
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
    """What a channel's list holds. ``names``: of its column, the best first; ``alike``: how a
    column is known by its content."""

    channel: str
    member: str
    names: tuple[str, ...]
    read: Callable[[str], str | None]
    alike: Callable[[str], bool]
    wrong: str
    party: type[BaseModel]

    def identity(self, recipient: Recipient) -> tuple[str | None, ...]:
        """What makes two rows one message, as the service sees it: an e-mail is told apart by its
        reference too."""
        if self.channel == "sms":
            return recipient.destination, recipient.party_id
        local, _, domain = recipient.destination.rpartition("@")
        return f"{local}@{domain.lower()}", recipient.party_id, recipient.reference

    def members(self, recipient: Recipient) -> dict[str, str]:
        """The recipient as a party of the contract's batch."""
        named = {
            self.member: recipient.destination,
            "partyId": recipient.party_id,
            "reference": recipient.reference,
        }
        return {name: value for name, value in named.items() if value is not None}


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
    """Places in a row, from 0."""

    destination: int
    party: int | None = None
    reference: int | None = None


@dataclass(frozen=True, slots=True)
class RejectedRecipient:
    """A row that nothing is sent to, and why."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """``header``: the names of the columns, empty where the file has none; ``duplicates``: rows
    that said what another had said."""

    recipients: tuple[Recipient, ...]
    rejected: tuple[RejectedRecipient, ...]
    duplicates: int
    columns: Columns
    header: tuple[str, ...]

    def named(self, place: int | None) -> str:
        if place is None:
            return "none"
        return (
            self.header[place]
            if place < len(self.header) and self.header[place]
            else f"column {place + 1}"
        )


def listing_of(sheet: CsvRows, kind: ListKind, wanted: Sequence[str] = ()) -> Listing:
    """``wanted``: columns as the user named them: ``Name`` or ``3``, ``party=Name``,
    ``reference=Name``. Raises ``Unreadable``."""
    if not sheet.rows:
        raise Unreadable("the file is empty")
    header = sheet.rows[0].cells if _is_header(sheet.rows[0]) else ()
    rows = sheet.rows[1:] if header else sheet.rows
    columns = find_columns(header, rows, kind, wanted)
    found: dict[tuple[str | None, ...], Recipient] = {}
    rejected: list[RejectedRecipient] = []
    duplicates = 0
    for row in rows:
        recipient = _recipient(row, columns, kind)
        if isinstance(recipient, str):
            rejected.append(RejectedRecipient(row, recipient))
        elif found.setdefault(kind.identity(recipient), recipient) is not recipient:
            duplicates += 1
    return Listing(tuple(found.values()), tuple(rejected), duplicates, columns, header)


def _is_header(row: Row) -> bool:
    """Names of columns hold no address and no number."""
    return not any(
        "@" in cell or parse_id(cell) or sum(ch.isdigit() for ch in cell) > 3 for cell in row.cells
    )


def find_columns(
    header: Sequence[str], rows: Sequence[Row], kind: ListKind, wanted: Sequence[str]
) -> Columns:
    asked = _asked(wanted, kind)
    plain = [plain_name(name) for name in header]
    places = {role: _place(name, plain) for role, name in asked.items()}
    destination = places.get("destination", _by_name(plain, kind.names))
    if destination is None:
        destination = _by_content(rows, kind.alike)
    if destination is None:
        seen = f" (its columns are {', '.join(header)})" if header else ""
        raise Unreadable(
            f"no column of the file holds {_HOLDS[kind.channel]}{seen}; name it with --column"
        )
    party = places.get("party", _by_name(plain, _PARTY))
    if party is None:
        party = _by_content(rows, lambda cell: parse_id(cell) is not None)
    return Columns(destination, party, places.get("reference", _by_name(plain, _REFERENCE)))


_HOLDS: Final = {"sms": "mobile numbers", "email": "e-mail addresses"}
_ROLES: Final = {
    "party": "party",
    "partyid": "party",
    "reference": "reference",
    "referens": "reference",
}


def _asked(wanted: Sequence[str], kind: ListKind) -> dict[str, str]:
    asked = {}
    for words in wanted:
        role, separator, name = words.partition("=")
        if not separator:
            asked["destination"] = words
        elif plain_name(role) in _ROLES:
            asked[_ROLES[plain_name(role)]] = name
        elif plain_name(role) in kind.names:
            asked["destination"] = name
        else:
            raise Unreadable(f"--column {words}: write NAME, party=NAME or reference=NAME")
    return asked


def _place(name: str, plain: Sequence[str]) -> int:
    if plain_name(name) in plain:
        return plain.index(plain_name(name))
    if name.isdigit() and int(name) >= 1:
        return int(name) - 1
    raise Unreadable(f"--column: the file has no column named {name}")


def plain_name(name: str) -> str:
    """A column's name without what people write differently: letter case, spaces, ``-`` and
    ``_``."""
    return re.sub(r"[\W_]", "", name.casefold())


def _by_name(plain: Sequence[str], names: Sequence[str]) -> int | None:
    return next((plain.index(name) for name in names if name in plain), None)


def _by_content(rows: Sequence[Row], alike: Callable[[str], bool]) -> int | None:
    """The column in which at least half of the first cells are alike; the one with most of them."""
    sample = rows[:_SAMPLE]
    width = max((len(row.cells) for row in sample), default=0)
    hits = [
        sum(1 for row in sample if place < len(row.cells) and alike(row.cells[place]))
        for place in range(width)
    ]
    best = max(range(width), key=hits.__getitem__, default=None)
    return best if best is not None and hits[best] and hits[best] * 2 >= len(sample) else None


def _recipient(row: Row, columns: Columns, kind: ListKind) -> Recipient | str:
    """The recipient, or why there is none: checked by the same rules as the service checks."""
    said = _cell(row, columns.destination)
    if said is None:
        return f"the {_EMPTY[kind.channel]} is missing"
    destination = kind.read(said)
    if destination is None:
        return kind.wrong
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


_EMPTY: Final = {"sms": "number", "email": "address"}


def _cell(row: Row, place: int | None) -> str | None:
    return (row.cells[place] or None) if place is not None and place < len(row.cells) else None
