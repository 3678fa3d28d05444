"""Swedish formats of times, sizes, amounts and numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from utskick.domain.clock import SWEDEN

_MONTHS: Final = (
    "januari",
    "februari",
    "mars",
    "april",
    "maj",
    "juni",
    "juli",
    "augusti",
    "september",
    "oktober",
    "november",
    "december",
)
_AMOUNT: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?", re.ASCII)
#: No-break space, so that amounts are not broken across lines.
_NBSP: Final = "\xa0"


def excerpt(text: str) -> str:
    text = " ".join(text[:400].split())
    return text if len(text) <= 110 else f"{text[:109]}…"


def day(at: datetime) -> str:
    local = at.astimezone(SWEDEN)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def moment(at: datetime) -> str:
    return at.astimezone(SWEDEN).strftime("%Y-%m-%d %H:%M:%S")


def clock(at: datetime) -> str:
    return at.astimezone(SWEDEN).strftime("%H:%M")


def mail_date(header: str) -> str:
    """Format a mail's Date in Swedish time; return it unchanged if it is invalid."""
    try:
        written = parsedate_to_datetime(header)
        return moment(written if written.tzinfo else written.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return header


def size(count: int) -> str:
    if count < 1000:
        return f"{count} byte"
    number, unit = (count / 1000, "kB") if count < 1_000_000 else (count / 1_000_000, "MB")
    return f"{number:.1f} {unit}".replace(".", ",")


def kronor(amount: str) -> str:
    """Format ``1234.5`` as ``1 234,50 kr``; return other text unchanged."""
    with_entry = _AMOUNT.fullmatch(amount)
    if with_entry is None:
        return amount
    whole = f"{int(with_entry[1]):,}".replace(",", _NBSP)
    return f"{whole},{(with_entry[2] or '').ljust(2, '0')}{_NBSP}kr"


def bankgiro(digits: str) -> str:
    """Format ``50501055`` as ``5050-1055``."""
    return f"{digits[:-4]}-{digits[-4:]}" if re.fullmatch(r"[0-9]{7,8}", digits) else digits


def plusgiro(digits: str) -> str:
    """Format ``1234567`` as ``12 34 56-7``."""
    if not re.fullmatch(r"[0-9]{2,8}", digits):
        return digits
    pairs = re.findall(r"[0-9]{1,2}", digits[:-1][::-1])
    return f"{_NBSP.join(pairs)[::-1]}-{digits[-1]}"


def legal_id(number: str) -> str:
    """Format ``19000101…`` as ``19000101-0000``, and ``16…`` as ``212000-2411``.

    Other text is returned unchanged.
    """
    if not re.fullmatch(r"[0-9]{12}", number):
        return number
    return (
        f"{number[2:8]}-{number[8:]}" if number.startswith("16") else f"{number[:8]}-{number[8:]}"
    )
