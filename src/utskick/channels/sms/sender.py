"""The sender's name on the phone: 3–11 characters, å ä ö written as a a o, the rest as the GSM-7 basic alphabet says it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from utskick.channels.sms.segments import BASIC
from utskick.domain.rules import Rule, broken, is_clean

SHORTEST: Final = 3
LONGEST: Final = 11
_SWEDISH: Final = str.maketrans("åäöÅÄÖ", "aaoAAO")
_BASIC: Final = frozenset(BASIC)


def sender_id(text: str) -> str:
    """The name as it goes out (contract section 5.1). Its length is that of the text before the letters were exchanged."""
    faults = []
    if not SHORTEST <= len(text) <= LONGEST:
        faults.append(f"size must be between {SHORTEST} and {LONGEST}")
    name = text.translate(_SWEDISH)
    unsayable = [ch for ch in dict.fromkeys(name) if ch not in _BASIC or not is_clean(ch)]
    if unsayable:
        codes = ", ".join(f"U+{ord(ch):04X}" for ch in unsayable[:LONGEST])
        faults.append(f"must hold only characters of the GSM-7 basic alphabet, which {codes} is not part of")
    if faults:
        raise broken(*faults)
    return name


SenderId = Annotated[str, Rule((), schema=(("minLength", SHORTEST), ("maxLength", LONGEST))), AfterValidator(sender_id)]
