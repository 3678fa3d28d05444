"""Source address with type of number and numbering plan (sections 5.2.5 and 5.2.6)."""

from __future__ import annotations

import re
from typing import Final

from utskick.channels.sms.settings import SmppAccount

_UNKNOWN, _INTERNATIONAL, _NATIONAL, _NETWORK_SPECIFIC, _ALPHANUMERIC = 0, 1, 2, 3, 5
_E164: Final = 1
#: Short codes have fewer digits than any subscriber number with its country code.
_SHORT_CODE: Final = re.compile(r"[0-9]{3,6}")
_NATIONAL_NUMBER: Final = re.compile(r"0[0-9]+")
_INTERNATIONAL_NUMBER: Final = re.compile(r"\+?[1-9][0-9]{6,}")


def source_address(sender: str, account: SmppAccount) -> tuple[str, int, int]:
    """Return the address, its type of number and its numbering plan.

    An international number is written without its plus. The account's settings, where given, apply
    to every sender.
    """
    address, ton, npi = sender, _ALPHANUMERIC, _UNKNOWN
    if _SHORT_CODE.fullmatch(sender):
        ton = _NETWORK_SPECIFIC
    elif _NATIONAL_NUMBER.fullmatch(sender):
        ton, npi = _NATIONAL, _E164
    elif _INTERNATIONAL_NUMBER.fullmatch(sender):
        address, ton, npi = sender.removeprefix("+"), _INTERNATIONAL, _E164
    return (
        address,
        ton if account.source_ton is None else account.source_ton,
        npi if account.source_npi is None else account.source_npi,
    )
