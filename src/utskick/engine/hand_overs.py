"""Log lines of hand-overs of letters: one for each failed try, and one for the end."""

from __future__ import annotations

from typing import Any, Final

import structlog

from utskick.domain.status import Status
from utskick.store.messages.deliveries import ClaimedDelivery
from utskick.store.messages.settlement import Settlement

log = structlog.get_logger(__name__)

_ACCEPTED: Final = (Status.SENT, Status.DELIVERED)


def log_hand_over(loaded: ClaimedDelivery, settlement: Settlement) -> None:
    """Log what became of a try to hand over a print batch; of other deliveries nothing."""
    delivery, move = settlement.delivery, settlement.move
    if delivery.encloses is None or (delivery.attempts <= 1 and move.status in _ACCEPTED):
        return
    told: dict[str, Any] = {
        "channel": delivery.channel,
        "account": settlement.account,
        "municipality": delivery.municipality_id,
        "print_batch": str(delivery.encloses),
        "delivery": str(delivery.id),
        "letters": loaded.draft.content.get("letters"),
        "attempts": settlement.attempt,
    }
    if move.status in _ACCEPTED:
        log.info("hand-over-done", **told)
        return
    reason = move.reason.code if move.reason is not None else None
    if settlement.ends_letters:
        log.error("hand-over-given-up", **told, status=move.status.value, reason=reason)
        return
    if move.due is not None:
        told["retry_seconds"] = round((move.due - settlement.at).total_seconds(), 1)
    log.warning("hand-over-failed", **told, reason=reason, held=move.due is None)
