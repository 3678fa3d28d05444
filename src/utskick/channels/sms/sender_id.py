"""Alphanumeric sender ID: 3–11 characters of the GSM-7 basic alphabet, å ä ö sent as a a o."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from utskick.channels.sms.segments import BASIC
from utskick.domain.validators import Constraint, broken, is_clean

SHORTEST: Final = 3
LONGEST: Final = 11
_SWEDISH: Final = str.maketrans("åäöÅÄÖ", "aaoAAO")
_BASIC: Final = frozenset(BASIC)


def cleaned(text: str) -> str:
    """Return the sender ID as transmitted (contract section 5.1)."""
    return text.translate(_SWEDISH)


def sender_faults(text: str | None) -> list[str]:
    """Return every violated rule; none for None.

    The length is checked before the Swedish letters are replaced.
    """
    if text is None:
        return []
    faults = []
    if not SHORTEST <= len(text) <= LONGEST:
        faults.append(f"size must be between {SHORTEST} and {LONGEST}")
    unsupported = [
        ch for ch in dict.fromkeys(cleaned(text)) if ch not in _BASIC or not is_clean(ch)
    ]
    if unsupported:
        codes = ", ".join(f"U+{ord(ch):04X}" for ch in unsupported[:LONGEST])
        faults.append(
            "must contain only characters of the GSM-7 basic alphabet, which does not include"
            f" {codes}"
        )
    return faults


def sender_id(text: str) -> str:
    """Validate and clean a sender ID, for use as a pydantic validator."""
    if faults := sender_faults(text):
        raise broken(*faults)
    return cleaned(text)


SenderId = Annotated[
    str,
    Constraint((), schema=(("minLength", SHORTEST), ("maxLength", LONGEST))),
    AfterValidator(sender_id),
]
