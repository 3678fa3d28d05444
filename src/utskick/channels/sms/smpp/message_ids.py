"""Message ids, which centres write in one way in responses and in another in receipts."""

from __future__ import annotations

import re
from typing import Final

from utskick.channels.sms.settings import IdFormat

_BASES: Final[dict[IdFormat, tuple[int, re.Pattern[str]]]] = {
    "decimal": (10, re.compile(r"[0-9]{1,64}")),
    "hex": (16, re.compile(r"[0-9A-Fa-f]{1,64}")),
}


def canonical(message_id: str, notation: IdFormat) -> str:
    """Return a message id in the form in which ids are stored and compared.

    A number becomes a decimal one without leading zeros. Text, and what is no number in the
    notation, is returned as it is.
    """
    if notation not in _BASES:
        return message_id
    base, form = _BASES[notation]
    return str(int(message_id, base)) if form.fullmatch(message_id) else message_id
