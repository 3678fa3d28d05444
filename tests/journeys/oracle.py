"""The oracle: what the API says of every accepted delivery, held against what the citizens
received."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from utskick.domain.status import SETTLED, Status
from utskick.sandbox.ledger import Received

REACHED = frozenset({Status.SENT, Status.DELIVERED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Delivery ids. ``lost``: unknown, unfinished, or said to be sent and received by nobody.
    ``doubled_in_silence``: received more than once without a doubt in its story.
    ``doubled_and_reported``: with one. ``doubted``: all whose story has a doubt. ``held``: in doubt
    at the end."""

    lifecycles: Mapping[str, Status]
    lost: list[str]
    doubled_in_silence: list[str]
    doubled_and_reported: list[str]
    doubted: list[str]
    held: list[str]


class Copies:
    """The entries of a ledger by delivery: by our id where the protocol carries it, else by the
    recipient (Telia)."""

    def __init__(self, entries: Iterable[Received], recipients: Mapping[str, str]) -> None:
        by_recipient = {recipient: delivery_id for delivery_id, recipient in recipients.items()}
        self._found: dict[str, list[Received]] = defaultdict(list)
        for entry in entries:
            key = (
                by_recipient.get(entry.recipient)
                if entry.key is None
                else entry.key.strip("<>").partition("@")[0]
            )
            self._found[key or "nobody's"].append(entry)

    def of(self, delivery_id: str) -> list[Received]:
        return self._found.get(delivery_id, [])


def compare(stories: Mapping[str, Mapping[str, Any] | None], copies: Copies) -> Verdict:
    """``stories``: the answer of GET status/delivery for every id that was accepted; None: it is
    not known there."""
    lifecycles = {d: Status(story["lifecycle"]) for d, story in stories.items() if story}
    doubted = [
        d
        for d, story in stories.items()
        if story and any(e["status"] == Status.UNCERTAIN for e in story["events"])
    ]
    doubled = [d for d in stories if len(copies.of(d)) > 1]
    return Verdict(
        lifecycles=lifecycles,
        lost=[d for d in stories if _is_lost(lifecycles.get(d), len(copies.of(d)))],
        doubled_in_silence=[d for d in doubled if d not in doubted],
        doubled_and_reported=[d for d in doubled if d in doubted],
        doubted=doubted,
        held=[d for d, status in lifecycles.items() if status is Status.UNCERTAIN],
    )


def _is_lost(status: Status | None, copies: int) -> bool:
    return status not in SETTLED or (status in REACHED and copies == 0)
