"""Recipients of a letter as written on the command line: a party id, or an address in one line."""

from __future__ import annotations

from uuid import UUID

from utskick.domain.errors import Unreadable
from utskick.domain.postal_recipient import Addressee, postal_code_of
from utskick_client import Address

_FORM = (
    "--to must be a party id (UUID), or an address: NAME, STREET, POSTAL CODE TOWN, for example"
    ' "Anna Ek, Storgatan 1, 852 30 Sundsvall"; abroad with the COUNTRY after the town'
)


def party_id(text: str) -> str | None:
    """Return a party id, None for anything else."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        return None


def read_address(text: str) -> Address:
    """Read an address in one line. Raises ``Unreadable``, which says what is missing."""
    parts = [" ".join(part.split()) for part in text.split(",") if part.strip()]
    place = next((i for i, part in enumerate(parts) if i > 0 and _place(part)), None)
    if place is None and len(parts) >= 4:
        place = len(parts) - 2  # abroad, where postal codes are of many forms
    if place is None or place < 2 or len(parts) > place + 2:
        raise Unreadable(_FORM)
    code, town = _place(parts[place]) or _foreign(parts[place])
    care_of = next((part for part in parts[1:place] if part.lower().startswith("c/o")), None)
    street = ", ".join(part for part in parts[1:place] if part != care_of)
    country = parts[place + 1] if len(parts) > place + 1 else None
    found = Address(
        last_name=parts[0],
        address=street or None,
        care_of=care_of,
        zip_code=code or None,
        city=town,
        country=country,
    )
    members = {
        "lastName": parts[0],
        "address": street,
        "careOf": care_of,
        "zipCode": code,
        "city": town,
        "country": country,
    }
    if faults := Addressee.read(members).faults():
        named = "; ".join(f"{f.field.removeprefix('address.')} {f.message}" for f in faults)
        raise Unreadable(f"--to: {named}. {_FORM}")
    return found


def _place(part: str) -> tuple[str, str] | None:
    """Return postal code and town of a Swedish place, None for anything else."""
    words = part.split()
    for count in (2, 1):
        code = postal_code_of(" ".join(words[:count]))
        if code is not None and len(words) > count:
            return code, " ".join(words[count:])
    return None


def _foreign(part: str) -> tuple[str, str]:
    """Return the words with digits at the beginning, and the others."""
    words = part.split()
    count = next(
        (i for i, word in enumerate(words) if not any(ch.isdigit() for ch in word)), len(words)
    )
    return " ".join(words[:count]), " ".join(words[count:])
