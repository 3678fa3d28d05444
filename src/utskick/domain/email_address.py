"""E-mail addresses as requests, lists and settings write them.

The form is that of the contract's ``@Email``: RFC 5321 without quoted local parts, address literals
(``anna@[127.0.0.1]``) and comments. A name of one label (``anna@localhost``), other letters than
ASCII in the local part (RFC 6531) and in the domain (RFC 5890) are taken.
"""

from __future__ import annotations

import re
from typing import Final

from utskick.domain.characters import code_points, is_invisible, is_removable

WELL_FORMED: Final = "must be a well-formed email address"
_ATOM: Final = r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f\x85\u2028\u2029]+"
_EMAIL: Final = re.compile(rf"{_ATOM}@{_ATOM}\Z")
_JOINERS: Final = "\u200c\u200d"


def is_email(text: str) -> bool:
    """Return whether it is a plain address, as the contract's ``@Email`` (``a@b`` is one).

    It has nothing that could end a header, and no top-level domain of digits alone, which none is
    (RFC 3696, section 2).
    """
    if len(text) > 320 or not _EMAIL.match(text):
        return False
    local, _, domain = text.rpartition("@")
    return (
        not any(
            part.startswith(".") or part.endswith(".") or ".." in part for part in (local, domain)
        )
        and "/" not in domain
        and not domain.rpartition(".")[2].isdecimal()
    )


def cleaned(text: str) -> str:
    """Remove what nobody sees from an address, such as U+200B and no-break spaces around it.

    Joiners between letters of scripts that use them are left, to be judged (RFC 5892, appendix
    A.1 and A.2).
    """
    if text.isascii():
        return text
    kept = (ch for place, ch in enumerate(text) if not is_removable(ch) or _joins(text, place))
    return "".join(kept).strip("\u00a0\u2007\u202f\u3000")


def _joins(text: str, place: int) -> bool:
    around = (text[place - 1 : place], text[place + 1 : place + 2])
    return text[place] in _JOINERS and all(ch.isalpha() and not ch.isascii() for ch in around)


def hidden(text: str) -> str | None:
    """Return ``U+200D`` for what a cleaned address has and nobody sees, or None."""
    found = [ch for ch in text if is_invisible(ch)]
    return code_points("".join(found)) if found else None
