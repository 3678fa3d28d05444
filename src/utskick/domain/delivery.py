"""A delivery: one message to one recipient by one channel, and the moves it may make."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from utskick.domain.channel import Priority
from utskick.domain.month import Month
from utskick.domain.outcome import Reason
from utskick.domain.status import Status

#: A message without ``validUntil``, and every further leg of one, is given up after this time.
LIFETIME: Final = timedelta(hours=48)
_NEVER: Final = Month(0)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery, as the engine decides on it.

    ``attempts``: made so far. ``tried``: accounts used since the last backoff. ``doubts``: how many
    attempts are in doubt; they were all made by ``account``. ``next``: the channels to fall back
    to, in order, when this one is known to have failed. ``encloses``: of a hand-over, the id of its
    print batch. ``month``: the month whose key encrypts it, that of its message's acceptance.
    ``awaited``: a synchronous call may wait for it.
    """

    id: UUID
    municipality_id: str
    batch_id: UUID
    message_id: UUID
    channel: str
    status: Status
    priority: Priority
    attempts: int
    tried: tuple[str, ...]
    doubts: int
    account: str | None
    created_at: datetime
    expires_at: datetime
    next: tuple[str, ...] = ()
    encloses: UUID | None = None
    month: Month = _NEVER
    awaited: bool = False

    def begun(self, account: str) -> Delivery:
        """Return the delivery with one more attempt.

        Written out, because ``dataclasses.replace`` costs more than all else that is decided about
        a delivery.
        """
        return Delivery(
            self.id,
            self.municipality_id,
            self.batch_id,
            self.message_id,
            self.channel,
            Status.SENDING,
            self.priority,
            self.attempts + 1,
            self.tried,
            self.doubts,
            account,
            self.created_at,
            self.expires_at,
            self.next,
            self.encloses,
            self.month,
            self.awaited,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A change of a delivery: the status it goes to, and when it is due again.

    ``due`` None: no further attempt by itself. ``noted``: the status that its event records, where
    that differs (an uncertain attempt that is repeated; a refusal after one in doubt). ``doubt``:
    the attempt is in doubt. ``parts``: references of all parts, where there are several.
    """

    status: Status
    due: datetime | None = None
    reason: Reason | None = None
    reference: str | None = None
    tried: tuple[str, ...] = ()
    doubt: bool = False
    noted: Status | None = None
    parts: tuple[str, ...] = ()
