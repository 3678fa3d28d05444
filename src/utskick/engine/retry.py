"""The move after an attempt, from outcome, delivery and context.

Pure: no clock, no random numbers, no I/O. The worst open attempt decides: while an attempt of a
delivery is in doubt, nothing follows by another account or another way, and the delivery ends as
uncertain (docs/explanation/uncertain-deliveries.md has the table).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from utskick.domain.delivery import Delivery, Move
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.domain.status import DECLINED, Status


@dataclass(frozen=True, slots=True)
class Policy:
    """The backoff.

    ``first``: the wait after the first round of accounts, doubling to ``ceiling``, varied by
    ``jitter`` (0–1). ``resends``: after how many uncertain attempts a channel that resends holds
    all the same.
    """

    first: timedelta = timedelta(seconds=2)
    ceiling: timedelta = timedelta(minutes=15)
    misconfigured: timedelta = timedelta(seconds=60)
    jitter: float = 0.2
    resends: int = 3


@dataclass(frozen=True, slots=True)
class RetryContext:
    """What the decision depends on besides outcome and delivery.

    ``able``: accounts that may carry the draft, in order (``carriers``). ``random``: 0 ≤ x < 1.
    """

    account: str
    able: Sequence[str]
    when_uncertain: Literal["resend", "hold"]
    now: datetime
    random: float
    policy: Policy = Policy()


def next_move(outcome: Outcome, delivery: Delivery, context: RetryContext) -> Move:
    """Return the move that follows an attempt.

    ``delivery.attempts`` counts the attempt that gave the outcome.
    """
    match outcome:
        case Sent(reference, delivered, parts):
            status = Status.DELIVERED if delivered else Status.SENT
            return Move(status, reference=reference, parts=parts)
        case Rejected(reason, polite):
            code = DECLINED + reason.code if polite else reason.code
            refusal = Reason(code, reason.sentence, reason.provider_code)
            return unsent(Status.FAILED, refusal, delivery)
        case Uncertain(reason):
            return _uncertain(reason, delivery, context)
        case Deferred(reason, retry_after):
            return _again(reason, delivery, context, retry_after or timedelta(0))
        case Misconfigured(reason):
            return _again(reason, delivery, context, context.policy.misconfigured)


def unsent(status: Status, reason: Reason, delivery: Delivery) -> Move:
    """Return the move of a delivery that ends without having been accepted.

    ``status``: failed, expired or cancelled. While an earlier attempt is in doubt the delivery is
    held as uncertain, and its event records the status.
    """
    if delivery.doubts:
        return Move(Status.UNCERTAIN, reason=reason, noted=status)
    return Move(status, reason=reason)


def carriers(able: Sequence[str], delivery: Delivery) -> tuple[str, ...]:
    """Return the accounts that may carry the delivery now, of those that are able to.

    While an attempt is in doubt, only the account that made it: another one would send a second
    copy.
    """
    if delivery.doubts:
        return tuple(account for account in able if account == delivery.account)
    return tuple(able)


def _uncertain(reason: Reason, delivery: Delivery, context: RetryContext) -> Move:
    hold = Move(Status.UNCERTAIN, reason=reason, doubt=True)
    if context.when_uncertain == "hold" or delivery.doubts + 1 >= context.policy.resends:
        return hold
    due = context.now + back_off(delivery.doubts + 1, context.random, context.policy)
    if due >= delivery.expires_at:
        return hold
    return Move(Status.DEFERRED, due=due, reason=reason, doubt=True, noted=Status.UNCERTAIN)


def _again(reason: Reason, delivery: Delivery, context: RetryContext, at_least: timedelta) -> Move:
    tried = (*delivery.tried, context.account)
    if any(account not in tried for account in context.able):
        return Move(Status.DEFERRED, due=context.now, reason=reason, tried=tried)
    rounds = max(1, delivery.attempts // max(1, len(context.able)))
    due = context.now + max(at_least, back_off(rounds, context.random, context.policy))
    if due >= delivery.expires_at:
        return unsent(Status.EXPIRED, reason, delivery)
    return Move(Status.DEFERRED, due=due, reason=reason)


def back_off(rounds: int, random: float, policy: Policy) -> timedelta:
    """Return the exponential wait with jitter: ``first``, then doubling, ± ``jitter``."""
    plain: timedelta = min(policy.ceiling, policy.first * 2 ** min(rounds - 1, 20))
    return plain * (1 + policy.jitter * (2 * random - 1))


def choose(able: Sequence[str], tried: Collection[str], shut: Collection[str]) -> str | None:
    """Return the account for the next attempt: the first that was not tried and is not shut.

    None: all are shut.
    """
    open_ones = [account for account in able if account not in shut]
    return next(
        (account for account in open_ones if account not in tried),
        open_ones[0] if open_ones else None,
    )
