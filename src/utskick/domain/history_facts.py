"""Facts of a channel on which history and statistics depend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HistoryFacts:
    """How history shows the messages of a channel, and what statistics count (contract 9, 10).

    ``names_batch``: whether a batch is shown with the subject of its messages. ``substitute``: the
    channel whose sent delivery hides one of this channel that was not sent; a message that went by
    both is shown with the content of this one. ``listed_by_department``: whether statistics by
    department list its requests; ``counted_by_department``: whether statistics of one department
    count them. ``in_contract``: whether the contract has its message type, ``in_statistics``:
    whether the contract's statistics count it; what is not is left out for strict clients.
    """

    names_batch: bool = False
    substitute: str | None = None
    listed_by_department: bool = False
    counted_by_department: bool = False
    in_contract: bool = True
    in_statistics: bool = True
