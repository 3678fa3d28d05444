"""Recipients of messages. Destinations are made only by parsing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import phonenumbers

from utskick.domain.leg import Leg

#: Contract section 1.1, ``@ValidMSISDN`` (E.164 with its plus sign).
MSISDN: Final = re.compile(r"\+[1-9][0-9]{3,14}\Z")
_AS_WRITTEN: Final = re.compile(r"[+0-9()./ \t\xa0-]{4,30}\Z")
_SWEDISH_MOBILE: Final = re.compile(r"\+467[02369][0-9]{7}\Z")
_ATOM: Final = r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f\x85\u2028\u2029]+"
_EMAIL: Final = re.compile(rf"{_ATOM}@{_ATOM}\Z")


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient of a planned request.

    ``destination``: a number in E.164, an e-mail address, … as its channel writes it. ``party_id``:
    who it is, where that is known. ``reference``: the caller's own word for the recipient, returned
    wherever the delivery is. ``legs``: of a routed request, the channels that are tried for this
    recipient, one after the other; empty for the request's own channel. ``content``: the content of
    this recipient where it is not the plan's, with ``own_legs``, and ``files``: positions of its
    attachments in the plan.
    """

    destination: str
    party_id: str | None = None
    reference: str | None = None
    legs: tuple[str, ...] = ()
    content: dict[str, Any] | None = None
    files: tuple[int, ...] = ()
    own_legs: Mapping[str, Leg] = field(default_factory=dict)


def once_each(
    recipients: Iterable[Recipient], same: Callable[[str], str] = str
) -> tuple[list[Recipient], list[int]]:
    """Return the recipients, each once, and for every entry of ``recipients`` which of them it is.

    Two entries are the same when the party, the destination (``same`` gives the form to compare)
    and their own content are: an exact duplicate in a batch is delivered once. The first entry's
    reference is kept.
    """
    places: dict[tuple[str, str | None, str], int] = {}
    unique: list[Recipient] = []
    entries: list[int] = []
    for recipient in recipients:
        party = recipient.party_id.lower() if recipient.party_id else None
        own = "" if recipient.content is None else json.dumps(recipient.content, sort_keys=True)
        place = places.setdefault((same(recipient.destination), party, own), len(unique))
        if place == len(unique):
            unique.append(recipient)
        entries.append(place)
    return unique, entries


def is_msisdn(text: str) -> bool:
    return MSISDN.match(text) is not None


def is_swedish_mobile(number: str) -> bool:
    """Return whether an E.164 number is a Swedish mobile one (07[02369], PTS numbering plan)."""
    return _SWEDISH_MOBILE.match(number) is not None


def national_to_msisdn(text: str) -> str | None:
    """Return a number as written in Sweden (``070-174 06 05``, ``0046…``) in E.164.

    None: it is no possible number.
    """
    if not _AS_WRITTEN.match(
        text
    ):  # The library reads letters as on a keypad, and drops extensions.
        return None
    try:
        number = phonenumbers.parse(text, "SE")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_email(text: str) -> bool:
    """Return whether it is a plain address, as the contract's ``@Email`` (``a@b`` is one).

    It has nothing that could end a header.
    """
    if len(text) > 320 or not _EMAIL.match(text):
        return False
    local, _, domain = text.rpartition("@")
    return (
        not any(
            part.startswith(".") or part.endswith(".") or ".." in part for part in (local, domain)
        )
        and "/" not in domain
    )
