"""Phone numbers as people and spreadsheets write them, read as E.164 or not at all.

The one reader for the short form, recipient lists, contact settings and the command line. Facts
about numbering plans are those of libphonenumber.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import phonenumbers

from utskick.domain.characters import code_points, without_invisible
from utskick.domain.spreadsheet import NotWhole, whole_number

#: Contract section 1.1, ``@ValidMSISDN`` (E.164 with its plus sign).
MSISDN: Final = re.compile(r"\+[1-9][0-9]{3,14}\Z")
_SWEDISH_MOBILE: Final = re.compile(r"\+467[02369][0-9]{7}\Z")
_MOBILE_RANGE: Final = re.compile(r"\+467[02369]")
#: ``0701740605``, ``+46701740605``, ``+460701740605``, ``46701740605``, ``701740605``.
_PLAIN_MOBILE: Final = re.compile(r"(?:(?:\+46|0046|46)?0?)(7[02369][0-9]{7})\Z")
_ALLOWED: Final = re.compile(r"[+0-9()./ -]*\Z")
_LIST: Final = re.compile(r"[0-9)]\s*[,;|&]\s*[+(0-9]")
_LONGEST: Final = 60
_DIGITS: Final = re.compile(r"[1-9][0-9]*\Z")


@dataclass(frozen=True, slots=True)
class NotANumber:
    """Why a text is no phone number, in words that never repeat it; ``detail`` may be empty."""

    detail: str = ""

    @property
    def reason(self) -> str:
        return f"is not a phone number: {self.detail}" if self.detail else "is not a phone number"


_NONE: Final = NotANumber()
_LETTERS: Final = NotANumber("it contains letters")
_SEVERAL: Final = NotANumber("it looks like several numbers")
_LENGTH: Final = NotANumber("it has too few or too many digits")
_MOBILE_LENGTH: Final = NotANumber("a Swedish mobile number has nine digits after +46")
_ZEROS: Final = NotANumber("zeros at its end may be decimals or digits of the number")
_INCOMPLETE: Final = NotANumber("it begins neither with a country code nor with 0")


def is_msisdn(text: str) -> bool:
    return MSISDN.match(text) is not None


def is_swedish_mobile(number: str) -> bool:
    """Return whether an E.164 number is a Swedish mobile one (07[02369], PTS numbering plan)."""
    return _SWEDISH_MOBILE.match(number) is not None


def canonical(msisdn: str) -> str:
    """Return an E.164 number without the trunk zero that no number of Sweden has after +46.

    ``+460701740605`` matches the contract's expression, and is the subscriber of ``+46701740605``.
    """
    return "+46" + msisdn[4:] if msisdn.startswith("+460") and len(msisdn) > 8 else msisdn


def read_number(text: str) -> str | NotANumber:
    """Return a number in E.164, or why it is none.

    Invisible characters are dropped, dashes of any kind and spaces separate. What a spreadsheet
    made of a number is taken where it can be no other number: ``46701740605.0``.
    """
    # Most numbers are these; parsing 100 000 of any kind takes seconds.
    if plain := _PLAIN_MOBILE.match(text):
        return "+46" + plain[1]
    text = _cleaned(text)
    if plain := _PLAIN_MOBILE.match(text.replace(" ", "").replace("-", "")):
        return "+46" + plain[1]
    if fault := _fault(text):
        return fault
    try:
        whole = whole_number(text.replace(" ", ""))
    except NotWhole as lost:
        return NotANumber(f"it {lost}")
    if re.search(r"[.,]0+\Z", text) and not re.match("[1-9][0-9 ]*[.,]", text):
        return _with_decimals(text)
    return _parsed(text if whole == text.replace(" ", "") else whole)


def national_to_msisdn(text: str) -> str | None:
    """Return a number as written in Sweden (``070-174 06 05``, ``0046…``) in E.164.

    None: it is no possible number.
    """
    found = read_number(text)
    return found if isinstance(found, str) else None


def _cleaned(text: str) -> str:
    """Drop what is invisible, the mark of text in spreadsheets, and what a link begins with."""
    if not text.isascii():
        text = without_invisible(text)
        text = "".join("-" if unicodedata.category(ch) == "Pd" or ch == "−" else ch for ch in text)
    text = text.replace("\t", " ").strip()
    return text.removeprefix("'").removeprefix("tel:").strip()


def _fault(text: str) -> NotANumber | None:
    """Return what is wrong with the characters, before anything is read from them."""
    if not text or len(text) > _LONGEST or not any(ch.isdigit() for ch in text):
        return _NONE
    if re.search("[0-9][eE][+]?[0-9]", text):
        return None  # a power of ten
    strange = [ch for ch in text if not ch.isascii() and not ch.isalpha()]
    if strange:
        return NotANumber(f"it contains {code_points(''.join(strange))}")
    if any(ch.isalpha() for ch in text):  # The library reads letters as on a keypad.
        return _LETTERS
    if "/" in text and not _slash_separates(text):
        return _SEVERAL
    if "," in text and re.search(r"\A[0-9 ]+,[0-9]+\Z", text):
        return None
    if _LIST.search(text):
        return _SEVERAL
    if text.rfind("+") > 0:
        return _SEVERAL
    return None if _ALLOWED.match(text) else _NONE


def _slash_separates(text: str) -> bool:
    """Return whether a slash stands behind an area code (``0611/550 00``).

    ``08-123 456/57`` is two numbers.
    """
    before, _, behind = text.partition("/")
    return (
        "/" not in behind
        and sum(map(str.isdigit, before)) <= len("0046611")
        and sum(map(str.isdigit, behind)) >= 5
    )


def _with_decimals(text: str) -> str | NotANumber:
    """Return what both readings of ``070-174 06 05.0`` agree on: as decimals, as separators."""
    decimals, separators = _parsed(re.split(r"[.,]0+\Z", text)[0]), _parsed(text)
    if isinstance(separators, NotANumber):
        return decimals
    return _ZEROS if isinstance(decimals, str) else separators


def _parsed(text: str) -> str | NotANumber:
    digits = "".join(ch for ch in text if ch.isdigit())
    if plain := _PLAIN_MOBILE.match(("+" if text.startswith("+") else "") + digits):
        return "+46" + plain[1]
    if not _ALLOWED.match(text):
        return _NONE
    if _DIGITS.match(digits) and not re.match(r"\s*(?:\+|\(?0)", text):
        return _without_prefix(digits)
    try:
        number = phonenumbers.parse(text, "SE")
    except phonenumbers.NumberParseException:
        return _NONE
    if not phonenumbers.is_possible_number(number):
        return _SEVERAL if len(digits) > 17 else _LENGTH
    found = canonical(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    if _MOBILE_RANGE.match(found) and not is_swedish_mobile(found):
        return _MOBILE_LENGTH
    return found if is_msisdn(found) else _LENGTH


def _without_prefix(digits: str) -> str | NotANumber:
    """Return a number that a spreadsheet took the plus sign from, where it can be no other.

    ``4660191000`` is one of Sundsvall, since no Swedish number is that long without ``46``.
    """
    if re.match(r"(?:46)?0?7[02369]", digits) and len(digits) >= 8:
        return _MOBILE_LENGTH
    if digits.startswith("46"):
        outer, inner = _valid(f"+{digits}"), _valid(f"+46{digits}")
        if outer and not inner:
            return canonical(f"+{digits}")
    return _INCOMPLETE if len(digits) >= 5 else _LENGTH


def _valid(number: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False
