"""E-mail headers that a caller may set (contract section 7), with their accepted values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from utskick.channels.email.addresses import is_deliverable
from utskick.domain.email_address import is_email
from utskick.domain.validators import CLEAN, broken, is_clean

_ID = re.compile(r"<.{1,1000}@.{1,1000}>\Z")
_VISIBLE = re.compile(r"[!-~]*\Z")
_ANGLED = re.compile(r"<([^<>]*)>")
_ANGLED_LIST = re.compile(r"<[^<>]*>(?: *, *<[^<>]*>)*\Z")
#: Characters of a URI (RFC 3986 section 2); a percent sign begins an encoded octet.
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+\Z")

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
_ADDRESSES = (
    (
        "must be <https://…> or <mailto:…>, or several separated by commas (RFC 2369)",
        lambda v: not is_clean(v) or bool(unsubscribe_addresses(v)),
    ),
    (f"must not be longer than {_LONGEST} characters", lambda v: len(v) <= _LONGEST),
)
_ONE_CLICK = "List-Unsubscribe=One-Click"
_CLICKS = ((f"must be equal to '{_ONE_CLICK}' (RFC 8058)", lambda v: v == _ONE_CLICK),)


@dataclass(frozen=True, slots=True)
class CustomHeader:
    """A permitted header.

    ``wire``: its name in RFC 5322. ``enum``: its name in the contract. ``checks``: pairs of message
    and predicate for each value. ``many``: whether it may have several values. ``join``: what
    stands between them.
    """

    wire: str
    enum: str
    checks: tuple[tuple[str, Callable[[str], bool]], ...]
    many: bool = True
    join: str = "\r\n "


ALLOWED = (
    CustomHeader("Message-ID", "MESSAGE_ID", _IDS, many=False),
    CustomHeader("In-Reply-To", "IN_REPLY_TO", _IDS),
    CustomHeader("References", "REFERENCES", _IDS),
    CustomHeader("Auto-Submitted", "AUTO_SUBMITTED", _AUTOMATIC),
    CustomHeader("List-Unsubscribe", "LIST_UNSUBSCRIBE", _ADDRESSES, join=",\r\n "),
    CustomHeader("List-Unsubscribe-Post", "LIST_UNSUBSCRIBE_POST", _CLICKS, many=False),
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
    yield from _value_faults(header, values or [])
    if header.wire == "List-Unsubscribe-Post" and not _has_one_https(headers):
        yield "requires List-Unsubscribe with exactly one https address (RFC 8058 section 3.1)"


def _value_faults(header: CustomHeader, values: list[str]) -> Iterator[str]:
    for value in values:
        for message, holds in (CLEAN, *header.checks):
            if not holds(value):
                yield message


def _has_one_https(headers: dict[str, list[str] | None]) -> bool:
    values = headers.get("List-Unsubscribe") or headers.get("LIST_UNSUBSCRIBE") or ()
    addresses = {address for value in values for address in unsubscribe_addresses(value)}
    return sum(address[:6].lower() == "https:" for address in addresses) == 1


def unsubscribe_addresses(value: str) -> list[str]:
    """Return the addresses in a value of List-Unsubscribe; none if any of them is not valid.

    Other schemes are not accepted: mail readers ignore them, and http could be read on its way.
    """
    if not _ANGLED_LIST.match(value):
        return []
    found = _ANGLED.findall(value)
    return found if all(map(_is_address, found)) else []


def _is_address(address: str) -> bool:
    scheme, _, rest = address.partition(":")
    if not _URI.match(address) or "=?" in address:
        return False
    if scheme.lower() == "mailto":
        recipients = unquote(rest.partition("?")[0]).split(",")
        return all(is_email(recipient) and is_deliverable(recipient) for recipient in recipients)
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def wire_headers(headers: dict[str, list[str]]) -> dict[str, str]:
    """Return the folded values by wire name, in the order of ``ALLOWED``, none repeated.

    Without Auto-Submitted, which every message has.
    """
    return {
        header.wire: header.join.join(dict.fromkeys(values))
        for header in ALLOWED
        for values in (headers.get(header.wire) or headers.get(header.enum),)
        if values and header.wire != "Auto-Submitted"
    }
