"""Circuit breaker: an error rate over a sliding window, and half-open probes.

No I/O: the clock and the random numbers are injected. As in Nygard, *Release It!*, chapter 5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import random as system_random
from typing import Final

from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)

#: The window: so many outcomes, none older than so many seconds.
LAST: Final = 32
WINDOW: Final = 30.0
#: The circuit opens at this weight of errors, if they are at least half of the window's weight.
VOLUME: Final = 8
#: Weight of an uncertain attempt: each of them may or may not have reached a citizen.
UNCERTAIN: Final = 2
#: Seconds: the first pause, which doubles with each failed probe up to the longest.
FIRST: Final = 0.5
LONGEST: Final = 120.0
#: The pause is lengthened by up to this part of it, so that workers do not probe together.
JITTER: Final = 0.2
#: Throttled outcomes in a row after which the circuit opens for as long as the provider asked, at
#: most so many seconds.
THROTTLES: Final = 3
LONGEST_THROTTLE: Final = 900.0


class CircuitBreaker:
    """The breaker of a provider account, or of a destination beyond it.

    ``own``: only outcomes that concern this count. A clear answer about a recipient alone counts as
    a success. ``time``: a monotonic clock in seconds. ``random``: 0 ≤ x < 1.
    """

    def __init__(
        self, own: Concern, time: Callable[[], float], random: Callable[[], float] = system_random
    ) -> None:
        self._own = own
        self._time = time
        self._random = random
        self._window: deque[tuple[float, int]] = deque()
        self._weight = self._errors = 0
        self._throttled = 0
        self._steps = 0
        self._until = 0.0
        self._probing = False
        self._period = 0
        #: Seconds of the pause that it opened with last.
        self.pause = 0.0
        #: Whether attempts are made as usual.
        self.is_closed = True
        #: Why it opened last.
        self.reason: Reason | None = None

    @property
    def opens_in(self) -> float:
        """Seconds until a probe may be made; 0 if it is closed or half-open."""
        return 0.0 if self.is_closed else max(0.0, self._until - self._time())

    @property
    def half_open_for(self) -> float:
        """Seconds since a probe may be made; 0 if it is closed or open."""
        return 0.0 if self.is_closed else max(0.0, self._time() - self._until)

    @property
    def is_blocked(self) -> bool:
        """Whether no attempt may begin now: it is open, or a probe is running."""
        return not self.is_closed and (self._probing or self._time() < self._until)

    @property
    def is_probing(self) -> bool:
        return self._probing

    @property
    def has_errors(self) -> bool:
        """Whether an error is in the window, or it is not closed."""
        return self._errors > 0 or not self.is_closed

    def begin(self) -> int:
        """Let an attempt begin: a probe, if the circuit is half-open. Returns its period."""
        if not self.is_closed:
            self._probing = True
        return self._period

    def end(self, period: int) -> None:
        """End an attempt that gave no outcome; another probe may be made."""
        if period == self._period:
            self._probing = False

    def record(self, period: int, outcome: Outcome, *, repeated: bool = False) -> bool:
        """Record the outcome of an attempt, and return whether the circuit opened or closed.

        An attempt of an earlier period says nothing any more: of many calls in flight that fail
        together, only the first ones count. ``repeated``: an earlier attempt of the same delivery
        failed; a further one may be its recipient's fault, and says no more about the provider,
        unless login or account are refused.
        """
        if period != self._period:
            return False
        errors = self._errors_of(outcome)
        if repeated and self.is_closed and isinstance(outcome, Deferred | Uncertain):
            return False
        if errors is None:
            self._probing = False
            return False
        if errors == 0:
            return self._succeed()
        return self._fail(outcome, errors)

    def forget(self) -> None:
        """Close without a probe: nothing was to be sent for long, and nothing is known."""
        self._close()

    def _errors_of(self, outcome: Outcome) -> int | None:
        """Return the weight of the error, 0 for a success, None if it does not concern this."""
        match outcome:
            case Sent() | Rejected():
                return 0
            case Deferred(concerns=whom) | Misconfigured(concerns=whom):
                return 1 if whom is self._own else 0 if whom is Concern.RECIPIENT else None
            case Uncertain(concerns=whom):
                return UNCERTAIN if whom is self._own else None

    def _succeed(self) -> bool:
        self._throttled = 0
        if self.is_closed:
            self._append(0)
            return False
        self._close()
        return True

    def _fail(self, outcome: Outcome, errors: int) -> bool:
        reason = getattr(outcome, "reason", None)
        asked = 0.0
        match outcome:
            case Deferred(Reason("throttled"), retry_after) if retry_after is not None:
                asked = min(LONGEST_THROTTLE, retry_after.total_seconds())
                self._throttled += 1
        if asked and self.is_closed:
            if self._throttled < THROTTLES:
                return False
        elif self.is_closed:
            self._append(errors)
            if self._errors < VOLUME or 2 * self._errors < self._weight:
                return False
        self._open(reason, asked)
        return True

    def _append(self, errors: int) -> None:
        """Add an outcome to the window, and drop those that are too many or too old."""
        now = self._time()
        window = self._window
        window.append((now, errors))
        self._errors += errors
        self._weight += errors or 1
        while len(window) > LAST or window[0][0] < now - WINDOW:
            _, old = window.popleft()
            self._errors -= old
            self._weight -= old or 1

    def _open(self, reason: Reason | None, asked: float) -> None:
        """Open for one step, which is one longer than that of the probe that failed."""
        self._steps = 0 if self.is_closed else self._steps + 1
        pause = min(LONGEST, FIRST * 2 ** min(self._steps, 20)) * (1 + JITTER * self._random())
        self.pause = max(pause, asked)
        self._until = self._time() + self.pause
        self.is_closed = False
        self.reason = reason
        self._start_period()

    def _close(self) -> None:
        self.is_closed = True
        self._until = 0.0
        self._throttled = 0
        self._start_period()

    def _start_period(self) -> None:
        self._period += 1
        self._probing = False
        self._window.clear()
        self._weight = self._errors = 0
