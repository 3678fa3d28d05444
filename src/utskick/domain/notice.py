"""Notices: what a sender should know of a message that was accepted all the same.

A notice is kept in the content that it is of, and worded when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

Language = Literal["sv", "en"]

#: The member of a stored content that has its notices. No member of a request begins with an
#: underscore.
_MEMBER: Final = "_notices"

#: The sentence of each code, by language; ``{value}`` is the notice's own
#: (docs/reference/notices.md).
TEXTS: Final[Mapping[str, Mapping[Language, str]]] = {
    "pdf-repaired": {
        "sv": "PDF-filen var skadad men har lagats utan att något gått förlorat. Den lagade kopian"
        " är den som skickas.",
        "en": "The PDF was damaged and has been repaired without loss. The repaired copy is what is"
        " sent.",
    },
    "pdf-decrypted": {
        "sv": "PDF-filen är skyddad med ett ägarlösenord. Den kopia som skickas är utan skydd.",
        "en": "The PDF is protected by an owner's password. The copy that is sent is without it.",
    },
    "pdf-restricted": {
        "sv": "PDF-filen är skyddad med ett ägarlösenord och skickas som den är. Mottagaren kan"
        " öppna den, men kanske inte skriva ut eller kopiera ur den.",
        "en": "The PDF is protected by an owner's password and is sent as it is. The recipient can"
        " open it, but perhaps neither print it nor copy from it.",
    },
    "pdf-interactive": {
        "sv": "PDF-filen innehåller skript eller åtgärder. De har ingen verkan på papper och kanske"
        " ingen i en digital brevlåda.",
        "en": "The PDF contains scripts or actions. They have no effect on paper, and perhaps none"
        " in a digital mailbox.",
    },
    "pdf-attached-files": {
        "sv": "PDF-filen innehåller bifogade filer eller medier. De skrivs inte ut och visas kanske"
        " inte i en digital brevlåda.",
        "en": "The PDF contains embedded files or media. They are not printed, and perhaps not"
        " shown in a digital mailbox.",
    },
    "pdf-fonts-not-embedded": {
        "sv": "PDF-filen saknar typsnitt som den använder ({value}). Texten visas och skrivs ut med"
        " andra typsnitt och kan se annorlunda ut.",
        "en": "The PDF lacks fonts that it uses ({value}). The text is shown and printed in other"
        " fonts, and may look different.",
    },
    "active-content": {
        "sv": "PDF-filen kan inte skickas till en digital brevlåda, eftersom den innehåller skript"
        " eller program som körs. Brevet skickas på papper.",
        "en": "The PDF cannot be sent to a digital mailbox, because it contains a script or a"
        " program that is run. The letter goes on paper.",
    },
    "too-large-for-mailbox": {
        "sv": "Brevet är för stort för en digital brevlåda. Det skickas på papper.",
        "en": "The letter is too large for a digital mailbox. It goes on paper.",
    },
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice. ``field``: as the client wrote the path. ``value``: of its sentence."""

    code: str
    field: str
    value: str = ""

    def at(self, field: str) -> Notice:
        """Return the notice with the field as another request has it."""
        return replace(self, field=field)


def noted(content: Mapping[str, Any], notices: Iterable[Notice]) -> dict[str, Any]:
    """Return a content with its notices, each once, as it is stored."""
    members = [[each.code, each.field, each.value] for each in dict.fromkeys(notices)]
    return {**content, _MEMBER: members} if members else dict(content)


def notices_of(content: Mapping[str, Any]) -> list[Notice]:
    """Return the notices of a stored content."""
    return [Notice(*members) for members in content.get(_MEMBER, ())]


def shown(notices: Iterable[Notice], language: Language) -> dict[str, Any]:
    """Return the member ``notices`` of an answer; none where there is no notice."""
    found = [
        {
            "code": each.code,
            "field": each.field,
            "text": TEXTS[each.code][language].replace("{value}", each.value),
        }
        for each in dict.fromkeys(notices)
    ]
    return {"notices": found} if found else {}
