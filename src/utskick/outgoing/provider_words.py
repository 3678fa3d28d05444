"""Words of a provider in reasons: its fault text and call id, without personal data."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Final

from utskick.domain.outcome import Outcome, Reason, Sent

#: Maximum length of the quoted words; the rest is cut.
LONGEST: Final = 200

_TAG: Final = re.compile(r"<[^<>]{0,200}>")
_ADDRESS: Final = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")
#: Text that a provider repeats from the message: a name, a subject.
_QUOTED: Final = re.compile(r"(['\"‘’“”«»`´])[^'\"‘’“”«»`´]{1,200}['\"‘’“”«»`´]")
#: Five or more digits, also grouped (personal, organisation, telephone and account numbers), with
#: the capitalised words beside them, which may be the person's name.
_NAME: Final = r"(?:[^\W\d_a-zåäö][\w'-]*|von|van|af|de)"
_NUMBER: Final = re.compile(
    rf"(?:\b{_NAME} +){{0,4}}\+?\d(?:[ .+\-–/]?\d){{4,}}(?: +{_NAME}){{0,4}}"
)
#: Identifiers, tokens and keys: twelve characters or more with a digit among them.
_KEY: Final = re.compile(r"(?=\S*\d)[A-Za-z0-9._~+/=-]{12,}")
#: Codes of outcomes whose words may repeat the credentials.
_CREDENTIALS: Final = frozenset({"refused-login", "refused-token", "no-token"})
#: Correlation ids as providers write them. At least one letter, so that no number passes for one.
_CALL_ID: Final = re.compile(r"(?=[0-9._:-]*[A-Za-z])[A-Za-z0-9._:-]{1,64}\Z")
_MASKS: Final = ((_TAG, " "), (_QUOTED, "…"), (_ADDRESS, "…"), (_NUMBER, "…"), (_KEY, "…"))


def masked(text: str) -> str:
    """Return the words on one line and within ``LONGEST``, with personal data masked.

    Masked are e-mail addresses, numbers of five digits or more, keys, and what stands in quotation
    marks, since a provider may repeat what the message says.
    """
    plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[:4000])
    for pattern, replacement in _MASKS:
        plain = pattern.sub(replacement, plain)
    words = " ".join(plain.split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip() + "…"


def call_id(text: object) -> str | None:
    """Return a provider's call or correlation id, None for anything else."""
    return text if isinstance(text, str) and _CALL_ID.match(text) else None


def with_words(outcome: Outcome, words: object, call: str | None = None) -> Outcome:
    """Return the outcome with the provider's own words and its call id added to its reason.

    ``words``: as received; anything but text adds none, nor do those about a login. ``call``: as
    ``call_id`` returns it.
    """
    if isinstance(outcome, Sent):
        return outcome
    is_safe = isinstance(words, str) and outcome.reason.code not in _CREDENTIALS
    said = masked(str(words)) if is_safe else ""
    sentence = f"{outcome.reason.sentence}: {said}" if said else outcome.reason.sentence
    if call:
        sentence = f"{sentence} (call {call})"
    reason = Reason(outcome.reason.code, sentence, outcome.reason.provider_code)
    return replace(outcome, reason=reason)
