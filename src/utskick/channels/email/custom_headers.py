"""E-mail headers that a caller may set (contract section 7), with their accepted values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from utskick.domain.validators import CLEAN, broken, is_clean

_ID = re.compile(r"<.{1,1000}@.{1,1000}>\Z")
_VISIBLE = re.compile(r"[!-~]*\Z")

#: A line holds at most 998 octets (RFC 5322 section 2.1.1), and a message id cannot be folded.
_LONGEST = 900
#: Total length of the ids in one header: servers truncate headers of some 100 000 octets (Postfix,
#: header_size_limit).
_ALL = 50_000

_IDS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("must start with '<', contain '@' and end with '>'", lambda v: _ID.match(v) is not None),
    (
        "must contain only visible ASCII characters, and no '=?'",
        lambda v: not is_clean(v) or (bool(_VISIBLE.match(v)) and "=?" not in v),
    ),
    (f"must not be longer than {_LONGEST} characters", lambda v: len(v) <= _LONGEST),
)
_AUTOMATIC = (("must be equal to 'auto-generated'", lambda v: v == "auto-generated"),)


@dataclass(frozen=True, slots=True)
class CustomHeader:
    """A permitted header.

    ``wire``: its name in RFC 5322. ``enum``: its name in the contract. ``checks``: pairs of message
    and predicate for each value. ``many``: whether it may have several values.
    """

    wire: str
    enum: str
    checks: tuple[tuple[str, Callable[[str], bool]], ...]
    many: bool = True


ALLOWED = (
    CustomHeader("Message-ID", "MESSAGE_ID", _IDS, many=False),
    CustomHeader("In-Reply-To", "IN_REPLY_TO", _IDS),
    CustomHeader("References", "REFERENCES", _IDS),
    CustomHeader("Auto-Submitted", "AUTO_SUBMITTED", _AUTOMATIC),
)
_BY_NAME = {name: header for header in ALLOWED for name in (header.wire, header.enum)}
_LIST = ", ".join(f"{header.wire}/{header.enum}" for header in ALLOWED)


def check_headers(headers: dict[str, list[str] | None]) -> dict[str, list[str] | None]:
    """Return the headers unchanged. Raises ``ValidationError`` located at the header's name."""
    faults = {name: list(dict.fromkeys(_faults(name, headers))) for name in headers}
    details = [
        InitErrorDetails(type=broken(*messages), loc=(name,), input=headers[name])
        for name, messages in faults.items()
        if messages
    ]
    if details:
        raise ValidationError.from_exception_data("headers", details)
    return headers


def _faults(name: str, headers: dict[str, list[str] | None]) -> Iterator[str]:
    values = headers[name]
    if not name.strip():
        yield "must not be blank"
    if not values:
        yield "must not be empty"
    header = _BY_NAME.get(name)
    if header is None:
        yield f"{name} is not a valid header. Allowed headers are: [{_LIST}]"
        return
    if header.wire in headers and header.enum in headers:
        yield f"must not be given both as {header.wire} and as {header.enum}"
    if values and len(values) > 1 and not header.many:
        yield "must have exactly one value"
    if sum(map(len, values or ())) > _ALL:
        yield f"must not be longer than {_ALL} characters in total"
    for value in values or ():
        for message, holds in (CLEAN, *header.checks):
            if not holds(value):
                yield message


def wire_headers(headers: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the headers by their wire names, without repeated values."""
    return {_BY_NAME[name].wire: list(dict.fromkeys(values)) for name, values in headers.items()}
