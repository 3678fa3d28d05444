"""Policy of a channel whose deliveries are handed over batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The policy of a channel whose deliveries are handed over together, batch by batch.

    ``path``, ``operation``: the call that closes a batch. ``close_after``: the age at which it
    closes by itself.
    """

    path: str
    operation: str
    summary: str
    close_after: timedelta
