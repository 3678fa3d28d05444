"""Statuses of a delivery, the moves between them, and the contract's word for each.

::

    queued ──▶ sending ──▶ sent ──▶ delivered | failed      (a receipt reported it)
      ▲  │      │ │ │ │         └──▶ uncertain    (so did one, an earlier attempt is in doubt)
      │  │      │ │ │ └──▶ delivered | failed | expired
      │  │      │ │ └────▶ uncertain ──▶ sent | delivered | failed | deferred | expired | queued
      │  │      │ └──────▶ deferred ──▶ what queued goes to
      │  ├──▶ deferred | uncertain | failed | expired | cancelled      (without a call)
      │  └──▶ sent | delivered      (a late answer or a receipt of an earlier attempt)
      └─────────────────── (a person decided to send again what was uncertain)

    queued, deferred ──▶ gathered ──▶ sent | delivered | failed | expired | cancelled
                                      (letters that are handed over together)
    queued, deferred ──▶ routed       (its answers are deliveries of their own)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Utskick's own words, returned as ``lifecycle``."""

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


#: No attempt follows these by itself. ``sent`` may still be corrected by a receipt, ``uncertain``
#: by a receipt or a person.
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

#: What a caller need not wait for: settled, or answered by deliveries of their own.
RESTED: Final = SETTLED | {Status.ROUTED}

#: No further attempt is possible, not even by a person's decision.
OVER: Final = RESTED - {Status.UNCERTAIN}

#: Nothing follows these, whatever is reported.
FINAL: Final = frozenset({Status.DELIVERED, Status.FAILED, Status.EXPIRED, Status.CANCELLED})

#: The queue holds a job for these.
PENDING: Final = frozenset({Status.QUEUED, Status.SENDING, Status.DEFERRED})


class Transition(StrEnum):
    """What changes a delivery's status; each is a statement in ``store/messages``."""

    BEGIN = "begin"
    SETTLE = "settle"
    SETTLE_UNCALLED = "settle-uncalled"
    ROUTE = "route"
    GATHER = "gather"
    HAND_OVER = "hand-over"
    RECEIPT = "receipt"
    RESOLVE = "resolve"
    WITHDRAW = "withdraw"


#: Uncertain: an earlier attempt is in doubt.
_WITHOUT_A_CALL: Final = {Status.EXPIRED, Status.FAILED, Status.CANCELLED, Status.UNCERTAIN}
_ACCEPTED: Final = {Status.SENT, Status.DELIVERED}
_BY_AN_ATTEMPT: Final = {
    Status.SENT,
    Status.DELIVERED,
    Status.FAILED,
    Status.DEFERRED,
    Status.EXPIRED,
}

#: The moves that each transition makes: the statements are built from it.
MOVES_BY: Final[dict[Transition, dict[Status, frozenset[Status]]]] = {
    Transition.BEGIN: {
        Status.QUEUED: frozenset({Status.SENDING}),
        Status.DEFERRED: frozenset({Status.SENDING}),
    },
    # An attempt has ended, or its time had run out before it. From uncertain, and accepted from
    # queued and deferred: another worker gave the attempt up before its answer came.
    Transition.SETTLE: {
        Status.QUEUED: frozenset(_WITHOUT_A_CALL | _ACCEPTED),
        Status.DEFERRED: frozenset(_WITHOUT_A_CALL | _ACCEPTED),
        Status.SENDING: frozenset(_BY_AN_ATTEMPT | {Status.UNCERTAIN}),
        Status.UNCERTAIN: frozenset(_BY_AN_ATTEMPT | {Status.CANCELLED, Status.UNCERTAIN}),
    },
    # Preparation ended the attempt before it was begun.
    Transition.SETTLE_UNCALLED: {
        Status.QUEUED: frozenset(_WITHOUT_A_CALL | {Status.DEFERRED}),
        Status.DEFERRED: frozenset(_WITHOUT_A_CALL | {Status.DEFERRED}),
    },
    Transition.ROUTE: {
        Status.QUEUED: frozenset({Status.ROUTED}),
        Status.DEFERRED: frozenset({Status.ROUTED}),
    },
    Transition.GATHER: {
        Status.QUEUED: frozenset({Status.GATHERED}),
        Status.DEFERRED: frozenset({Status.GATHERED}),
    },
    Transition.HAND_OVER: {
        Status.GATHERED: frozenset(
            {
                Status.SENT,
                Status.DELIVERED,
                Status.FAILED,
                Status.EXPIRED,
                Status.CANCELLED,
            }
        ),
    },
    # From deferred: an attempt that was answered with an error, or not at all, had been carried out
    # all the same. From sent to uncertain: the reported attempt failed, an earlier one is in doubt.
    Transition.RECEIPT: {
        Status.SENT: frozenset({Status.DELIVERED, Status.FAILED, Status.UNCERTAIN}),
        Status.DEFERRED: frozenset(_ACCEPTED),
        Status.UNCERTAIN: frozenset({Status.SENT, Status.DELIVERED, Status.FAILED}),
    },
    Transition.RESOLVE: {
        Status.UNCERTAIN: frozenset({Status.QUEUED, Status.FAILED, Status.SENT}),
    },
    # A synchronous call stopped waiting. While an attempt is being made, it is in doubt.
    Transition.WITHDRAW: {
        Status.QUEUED: frozenset({Status.CANCELLED, Status.UNCERTAIN}),
        Status.DEFERRED: frozenset({Status.CANCELLED, Status.UNCERTAIN}),
        Status.SENDING: frozenset({Status.UNCERTAIN}),
    },
}

#: Every move that a delivery may make. A status that stays the same is no move.
MOVES: Final[dict[Status, frozenset[Status]]] = {
    status: frozenset().union(*(moves.get(status, ()) for moves in MOVES_BY.values())) - {status}
    for status in Status
}

#: The contract's word for each status, where the reason does not say more.
VISIBLE: Final = {
    Status.QUEUED: ContractStatus.PENDING,
    Status.SENDING: ContractStatus.PENDING,
    Status.DEFERRED: ContractStatus.PENDING,
    Status.UNCERTAIN: ContractStatus.AWAITING_FEEDBACK,
    Status.SENT: ContractStatus.SENT,
    Status.DELIVERED: ContractStatus.SENT,
    Status.FAILED: ContractStatus.FAILED,
    Status.EXPIRED: ContractStatus.NOT_SENT,
    Status.CANCELLED: ContractStatus.NOT_SENT,
    Status.GATHERED: ContractStatus.SENT,  # taken for the print run, as the contract means it (Q32)
    Status.ROUTED: ContractStatus.PENDING,
}

#: Prefix of the reason code of a provider's well-formed refusal: failed here, ``NOT_SENT`` in the
#: contract (Q3).
DECLINED: Final = "declined-"

#: Prefix of the reason code of a leg that could not even be addressed: visible under the type of
#: the request (contract 6.2, L5 and L7).
UNDELIVERABLE: Final = "undeliverable-"

#: Reason codes of a routed message that have a word of their own in the contract (section 2.2).
VISIBLE_REASONS: Final = {
    "no-contact-settings": ContractStatus.NO_CONTACT_SETTINGS_FOUND,
    "no-contact-wanted": ContractStatus.NO_CONTACT_WANTED,
}


def contract_status(status: Status, reason_code: str | None = None) -> ContractStatus:
    """Return the contract's word for a status."""
    if status is Status.FAILED and reason_code is not None:
        if reason_code.startswith(DECLINED):
            return ContractStatus.NOT_SENT
        return VISIBLE_REASONS.get(reason_code, ContractStatus.FAILED)
    return VISIBLE[status]
