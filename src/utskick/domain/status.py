"""The statuses of a delivery, which are final, which move is legal, and the contract's word for
each.

::

    queued ──▶ sending ──▶ sent ──▶ delivered (queued, deferred ──▶ gathered ──▶ sent: letters that
    are handed over together;  ──▶ routed: its answers are deliveries of their own)
      ▲  │        │ │ │      └────▶ failed          (a receipt said so)
      │  │        │ │ └──▶ failed
      │  │        │ └────▶ uncertain ──▶ sent | delivered | failed | queued
      │  │        └──────▶ deferred ──▶ sending | expired | cancelled
      │  └──▶ expired | cancelled                      │
      └────────────── (resend, by rule or by a person) ┘
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Our own words, returned as ``lifecycle``."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    DEFERRED = "deferred"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    GATHERED = "gathered"
    ROUTED = "routed"


class ContractStatus(StrEnum):
    """The contract's words (section 2.2)."""

    PENDING = "PENDING"
    AWAITING_FEEDBACK = "AWAITING_FEEDBACK"
    SENT = "SENT"
    NOT_SENT = "NOT_SENT"
    FAILED = "FAILED"
    NO_CONTACT_SETTINGS_FOUND = "NO_CONTACT_SETTINGS_FOUND"
    NO_CONTACT_WANTED = "NO_CONTACT_WANTED"


#: No attempt follows these of itself. ``sent`` and ``failed`` may still be corrected by a receipt.
SETTLED: Final = frozenset(
    {
        Status.SENT,
        Status.DELIVERED,
        Status.FAILED,
        Status.UNCERTAIN,
        Status.EXPIRED,
        Status.CANCELLED,
    }
)

#: What a caller need not wait for: settled, or a question whose answers are deliveries of their
#: own.
RESTED: Final = SETTLED | {Status.ROUTED}

#: Nothing follows these, whatever comes.
FINAL: Final = frozenset({Status.DELIVERED, Status.FAILED, Status.EXPIRED, Status.CANCELLED})

MOVES: Final[dict[Status, frozenset[Status]]] = {
    Status.QUEUED: frozenset(
        {
            Status.SENDING,
            Status.EXPIRED,
            Status.CANCELLED,
            Status.FAILED,
            Status.DEFERRED,
            Status.UNCERTAIN,
            Status.GATHERED,
            Status.ROUTED,
        }
    ),
    # delivered: an attempt that was answered with an error had been carried out all the same, says
    # a receipt
    Status.DEFERRED: frozenset(
        {
            Status.SENDING,
            Status.EXPIRED,
            Status.CANCELLED,
            Status.FAILED,
            Status.DELIVERED,
            Status.UNCERTAIN,
            Status.GATHERED,
            Status.ROUTED,
        }
    ),
    Status.GATHERED: frozenset({Status.SENT, Status.FAILED, Status.EXPIRED, Status.CANCELLED}),
    Status.ROUTED: frozenset(),
    Status.SENDING: frozenset(
        {
            Status.SENT,
            Status.DELIVERED,
            Status.FAILED,
            Status.UNCERTAIN,
            Status.DEFERRED,
            Status.QUEUED,
            Status.EXPIRED,
        }
    ),
    Status.UNCERTAIN: frozenset(
        {
            Status.SENT,
            Status.DELIVERED,
            Status.FAILED,
            Status.QUEUED,
            Status.DEFERRED,
            Status.CANCELLED,
            Status.EXPIRED,
        }
    ),
    Status.SENT: frozenset({Status.DELIVERED, Status.FAILED}),
    Status.DELIVERED: frozenset(),
    Status.FAILED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.CANCELLED: frozenset(),
}

#: The contract's word for each, where the reason does not say more.
SHOWN: Final = {
    Status.QUEUED: ContractStatus.PENDING,
    Status.SENDING: ContractStatus.PENDING,
    Status.DEFERRED: ContractStatus.PENDING,
    Status.UNCERTAIN: ContractStatus.AWAITING_FEEDBACK,
    Status.SENT: ContractStatus.SENT,
    Status.DELIVERED: ContractStatus.SENT,
    Status.FAILED: ContractStatus.FAILED,
    Status.EXPIRED: ContractStatus.NOT_SENT,
    Status.CANCELLED: ContractStatus.NOT_SENT,
    Status.GATHERED: ContractStatus.PENDING,
    Status.ROUTED: ContractStatus.PENDING,
}

#: The prefix of the reason code of a provider's polite no: failed here, ``NOT_SENT`` in the
#: contract (Q3).
POLITE: Final = "declined-"

#: The prefix of the reason code of a leg that could not even be addressed: shown under the type of
#: the request (contract 6.2, L5 and L7).
UNDELIVERABLE: Final = "undeliverable-"

#: Reason codes of a routed message that have a word of their own in the contract (section 2.2).
SAID: Final = {
    "no-contact-settings": ContractStatus.NO_CONTACT_SETTINGS_FOUND,
    "no-contact-wanted": ContractStatus.NO_CONTACT_WANTED,
}


def may_move(now: Status, then: Status) -> bool:
    return then in MOVES[now]


def contract_status(status: Status, reason_code: str | None = None) -> ContractStatus:
    """The contract's word for a status."""
    if status is Status.FAILED and reason_code is not None:
        if reason_code.startswith(POLITE):
            return ContractStatus.NOT_SENT
        return SAID.get(reason_code, ContractStatus.FAILED)
    return SHOWN[status]
