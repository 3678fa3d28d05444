"""Test oracle: compares the API's report of every accepted delivery with the received messages."""

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
    """Delivery ids by result of the comparison.

    ``lost``: unknown, unsettled, or reported as sent and not received. ``unreported_duplicates``:
    received more than once without an uncertain attempt. ``reported_duplicates``: with an uncertain
    attempt. ``uncertain``: with an uncertain attempt in the history. ``held``: still uncertain.
    """

    lifecycles: Mapping[str, Status]
    lost: list[str]
    unreported_duplicates: list[str]
    reported_duplicates: list[str]
    uncertain: list[str]
    held: list[str]


class Copies:
    """Ledger entries by delivery id, or by recipient if the protocol has no id (Telia)."""

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


def compare(deliveries: Mapping[str, Mapping[str, Any] | None], copies: Copies) -> Verdict:
    """Compare the GET status/delivery responses (None: unknown id) with the copies."""
    lifecycles = {
        d: Status(delivery["lifecycle"]) for d, delivery in deliveries.items() if delivery
    }
    uncertain = [
        d
        for d, delivery in deliveries.items()
        if delivery and any(e["status"] == Status.UNCERTAIN for e in delivery["events"])
    ]
    duplicates = [d for d in deliveries if len(copies.of(d)) > 1]
    return Verdict(
        lifecycles=lifecycles,
        lost=[d for d in deliveries if _is_lost(lifecycles.get(d), len(copies.of(d)))],
        unreported_duplicates=[d for d in duplicates if d not in uncertain],
        reported_duplicates=[d for d in duplicates if d in uncertain],
        uncertain=uncertain,
        held=[d for d, status in lifecycles.items() if status is Status.UNCERTAIN],
    )


def _is_lost(status: Status | None, copies: int) -> bool:
    return status not in SETTLED or (status in REACHED and copies == 0)
