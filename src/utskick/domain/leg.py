"""A leg: what the request of one channel hands over to another channel.

A letter hands its parts to digital mail and to paper, a message to the channels that its recipient
has chosen. Stored, the legs are one member of the request's content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: The member of the stored content that has the legs, by channel; and, in a leg's own content, the
#: one that names its deferred members. No member of a request begins with an underscore.
_LEGS: Final = "_legs"
_DEFERRED: Final = "_later"


@dataclass(frozen=True, slots=True)
class Leg:
    """The content of one channel in a routed request.

    ``content``: members as the receiving channel's own content has them. ``attachments``: positions
    of its attachments among those of the request. ``deferred``: members whose faults count only
    when the leg is used, because that is not known at acceptance. ``spared``: codes of faults that
    do not refuse the request, as another leg carries the same: they become notices, and the channel
    finds them again before the attempt, and rejects it. Not stored.
    """

    content: Mapping[str, Any]
    attachments: tuple[int, ...] = ()
    deferred: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()


def stored(content: Mapping[str, Any], legs: Mapping[str, Leg]) -> dict[str, Any]:
    """Return the content of a request with its legs, as it is stored (JSON)."""
    if not legs:
        return dict(content)
    return {**content, _LEGS: {channel: _members(leg) for channel, leg in legs.items()}}


def _members(leg: Leg) -> dict[str, Any]:
    content = dict(leg.content)
    if leg.deferred:
        content[_DEFERRED] = leg.deferred
    return {"content": content, "attachments": leg.attachments}


def content_of(found: dict[str, Any]) -> dict[str, Any]:
    """Return the request's own content, from a stored one."""
    return {name: value for name, value in found.items() if name != _LEGS}


def leg_of(found: Mapping[str, Any], channel: str) -> Leg:
    """Return a channel's leg, from a stored content. Raises ``KeyError`` where it has none."""
    leg = found[_LEGS][channel]
    content = dict(leg["content"])
    deferred = tuple(content.pop(_DEFERRED, ()))
    return Leg(content, tuple(leg["attachments"]), deferred)
