"""The outcome of one attempt, as it is written to the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from utskick.domain.delivery import Delivery, Move
from utskick.domain.status import Status


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an attempt came to. ``job_id`` is removed with it, when it is the one that counts;
    ``account`` and ``actor`` tell the story.

    ``uncalled``: the attempt ended before its call, and was never begun on disk. ``types``: the
    contract's word for each channel, where a leg may follow.
    """

    delivery: Delivery
    attempt: int
    move: Move
    job_id: int | None
    account: str | None
    at: datetime
    actor: str | None = None
    uncalled: bool = False
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def falls_back(self) -> bool:
        """Known not to have arrived, and there is another way."""
        return bool(self.delivery.next) and self.move.status in (Status.FAILED, Status.EXPIRED)

    @property
    def follows(self) -> bool:
        """Whether more has to be written in the same transaction."""
        return self.falls_back or (
            self.delivery.encloses is not None
            and self.move.due is None
            and self.move.status is not Status.UNCERTAIN
        )
