"""The sender's name on the phone: 3–11 characters, å ä ö written as a a o, the rest as the GSM-7
basic alphabet says it."""

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
    """The name as it goes out (contract section 5.1)."""
    return text.translate(_SWEDISH)


def sender_faults(text: str | None) -> list[str]:
    """Every rule that it breaks; none named is none broken. Its length is that of the text before
    the letters were exchanged."""
    if text is None:
        return []
    faults = []
    if not SHORTEST <= len(text) <= LONGEST:
        faults.append(f"size must be between {SHORTEST} and {LONGEST}")
    unsayable = [ch for ch in dict.fromkeys(cleaned(text)) if ch not in _BASIC or not is_clean(ch)]
    if unsayable:
        codes = ", ".join(f"U+{ord(ch):04X}" for ch in unsayable[:LONGEST])
        faults.append(
            f"must hold only characters of the GSM-7 basic alphabet, which {codes} is not part of"
        )
    return faults


def sender_id(text: str) -> str:
    if faults := sender_faults(text):
        raise broken(*faults)
    return cleaned(text)


SenderId = Annotated[
    str,
    Constraint((), schema=(("minLength", SHORTEST), ("maxLength", LONGEST))),
    AfterValidator(sender_id),
]
