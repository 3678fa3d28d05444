"""The outcome of one attempt, as it is written to the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from utskick.domain.delivery import Delivery, Move
from utskick.domain.status import Status


@dataclass(frozen=True, slots=True)
class Settlement:
    """The move of a delivery after an attempt, with what its event records.

    ``job_id``: the job to remove where the move is made. ``uncalled``: the attempt ended before its
    call, and was never begun on disk. ``reports``: its account may have reported already, and the
    waiting call is notified when that has been applied. ``types``: the message type of each
    channel, for a leg that may follow.
    """

    delivery: Delivery
    attempt: int
    move: Move
    job_id: int | None
    account: str | None
    at: datetime
    actor: str | None = None
    uncalled: bool = False
    reports: bool = False
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def falls_back(self) -> bool:
        """Whether the message is known not to have arrived and has another leg."""
        return bool(self.delivery.next) and self.move.status in (Status.FAILED, Status.EXPIRED)

    @property
    def follows(self) -> bool:
        """Whether more rows have to be written in the same transaction."""
        return self.falls_back or self.delivery.encloses is not None

    @property
    def ends_letters(self) -> bool:
        """Whether it is a hand-over that has ended, and the letters that it carries with it."""
        return (
            self.delivery.encloses is not None
            and self.move.due is None
            and self.move.status is not Status.UNCERTAIN
        )
