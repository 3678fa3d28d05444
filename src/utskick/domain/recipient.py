"""Recipients of messages. Destinations are made only by parsing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from utskick.domain.leg import Leg


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient of a planned request.

    ``destination``: a number in E.164, an e-mail address, … as its channel writes it. ``party_id``:
    who it is, where that is known. ``reference``: the caller's own word for the recipient, returned
    wherever the delivery is. ``legs``: of a routed request, the channels that are tried for this
    recipient, one after the other; empty for the request's own channel. ``content``: the content of
    this recipient where it is not the plan's, with ``own_legs``, and ``files``: positions of its
    attachments in the plan.
    """

    destination: str
    party_id: str | None = None
    reference: str | None = None
    legs: tuple[str, ...] = ()
    content: dict[str, Any] | None = None
    files: tuple[int, ...] = ()
    own_legs: Mapping[str, Leg] = field(default_factory=dict)


def once_each(
    recipients: Iterable[Recipient], same: Callable[[str], str] = str
) -> tuple[list[Recipient], list[int]]:
    """Return the recipients, each once, and for every entry of ``recipients`` which of them it is.

    Two entries are the same when the party, the destination (``same`` gives the form to compare)
    and their own content are: an exact duplicate in a batch is delivered once. The first entry's
    reference is kept.
    """
    places: dict[tuple[str, str | None, str], int] = {}
    unique: list[Recipient] = []
    entries: list[int] = []
    for recipient in recipients:
        party = recipient.party_id.lower() if recipient.party_id else None
        own = "" if recipient.content is None else json.dumps(recipient.content, sort_keys=True)
        place = places.setdefault((same(recipient.destination), party, own), len(unique))
        if place == len(unique):
            unique.append(recipient)
        entries.append(place)
    return unique, entries
