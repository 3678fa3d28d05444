"""The content of a message as another system had it on record: kept word for word, with its files apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from utskick.domain.attachment import listed
from utskick.domain.channel import Draft

#: Where a recorded content lists its files; a name stands under one of ``NAMES``.
LISTS: Final = ("attachments", "files")
NAMES: Final = ("name", "filename", "fileName")

#: The member that holds a file, by the contract's word for the message; ``content`` elsewhere (section 8.4).
_MEMBERS: Final[Mapping[str, str]] = {"WEB_MESSAGE": "base64Data"}


def member_of(message_type: str) -> str:
    """Under which name a file's Base64 stands in an entry."""
    return _MEMBERS.get(message_type, "content")


def shown(draft: Draft, message_type: str) -> dict[str, Any]:
    """With its files where the draft was opened with them."""
    content = dict(draft.content)
    for name in LISTS:
        if isinstance(entries := content.get(name), list):
            content[name] = listed((e for e in entries if isinstance(e, dict)), draft.attachments, member_of(message_type))
    return content
