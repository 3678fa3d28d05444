"""Steps of a call, which the two clients execute each in its own way.

A plan is a generator: it yields a step, receives its outcome and finally returns its result. The
rules for retries are thus shared by both clients.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar

from utskick_client.errors import NoAnswer, NotUtskick, Refused, Unsendable
from utskick_client.wire import parse_json

T = TypeVar("T")


def is_header(value: str) -> bool:
    """Whether the value is valid in a header (RFC 9110 section 5.5)."""
    return (
        0 < len(value) <= 255
        and value == value.strip()
        and not any(ch < " " or ch == "\x7f" for ch in value)
    )


class Repeat(Enum):
    """Whether a request may be retried if its outcome is unknown."""

    #: Reading or idempotent.
    ALWAYS = "always"
    #: With an Idempotency-Key.
    KEYED = "keyed"
    #: Only if it was certainly not sent.
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Request:
    """HTTP request.

    ``path``: relative to the municipality. ``key``: Idempotency-Key. ``read_timeout``: in seconds,
    None for the default.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    key: str | None = None
    repeat: Repeat = Repeat.ALWAYS
    accept: str = "application/json"
    read_timeout: float | None = None

    def __post_init__(self) -> None:
        if self.key is not None and not is_header(self.key):
            raise Unsendable("key must be one line of text, up to 255 characters")

    @property
    def headers(self) -> dict[str, str]:
        found = {"Accept": self.accept}
        if self.body is not None:
            found["Content-Type"] = "application/json"
        if self.key is not None:
            found["Idempotency-Key"] = self.key
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """HTTP response; ``body`` is empty if the response is an open stream."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the parsed body, None if it is empty; raise ``NotUtskick`` if it is not JSON."""
        return parse_json(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Fault:
    """Missing or incomplete response; with ``sent`` the request may have reached the service."""

    sent: bool


@dataclass(frozen=True, slots=True)
class Send:
    """Step: send a request; the outcome is ``Reply | Fault``.

    ``streamed``: leave a successful response open for ``Next``.
    """

    request: Request
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """Step: read the open stream.

    The outcome is an event or bytes, None at the end, or ``Fault`` if the connection is lost.
    """


@dataclass(frozen=True, slots=True)
class Pause:
    """Step: wait for a number of seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Item:
    """Step: yield an item to the iterating caller."""

    value: Any


Step = Send | Next | Pause | Item
Plan = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry limits and timeouts.

    ``attempts``: maximum number of attempts. ``first_pause``: seconds before the first retry,
    doubled for each further one. ``max_retry_after``: maximum Retry-After in seconds that is
    respected. ``connect``, ``read``: timeouts in seconds. ``max_outage``: seconds that
    ``watch_batch`` waits for an unavailable service.
    """

    attempts: int = 4
    first_pause: float = 0.5
    max_retry_after: float = 5.0
    connect: float = 5.0
    read: float = 120.0
    max_outage: float = 60.0


#: Relative jitter of pauses, so that clients do not retry simultaneously.
_JITTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Retrier:
    """Retry policy; ``random_number`` returns a random number from 0 to 1."""

    retry_policy: RetryPolicy
    random_number: Callable[[], float] = random.random

    def of(self, request: Request, *, streamed: bool = False) -> Plan[Reply]:
        """Plan a request with its retries; return a successful response.

        Raises ``Refused`` or ``NoAnswer``.
        """
        sent = False
        for attempt in range(1, self.retry_policy.attempts + 1):
            outcome = yield Send(request, streamed)
            minimum = 0.0
            if isinstance(outcome, Reply):
                if outcome.status < 300:
                    return outcome
                refused = refused_of(outcome)
                failed: Refused | NoAnswer = refused
                retry = refused.is_temporary and request.repeat is not Repeat.NEVER
                minimum = _seconds(
                    outcome.headers.get("retry-after"), self.retry_policy.max_retry_after
                )
            else:
                sent = sent or outcome.sent
                failed = no_answer(request, sent=sent)
                retry = not (outcome.sent and request.repeat is Repeat.NEVER)
            if not retry or attempt == self.retry_policy.attempts:
                raise failed
            yield Pause(max(minimum, self._pause_seconds(attempt)))
        raise Unsendable("tries must be at least 1")

    def _pause_seconds(self, attempt: int) -> float:
        return (
            self.retry_policy.first_pause
            * 2.0 ** (attempt - 1)
            * (1 - _JITTER + 2 * _JITTER * self.random_number())
        )


def refused_of(reply: Reply) -> Refused:
    """Return the error of a response; a proxy's body need not be JSON."""
    try:
        found = reply.json()
    except NotUtskick:
        found = None
    return Refused(
        reply.status, found if isinstance(found, dict) else {}, reply.headers.get("x-request-id")
    )


def no_answer(request: Request, *, sent: bool) -> NoAnswer:
    if not sent:
        return NoAnswer("the service does not respond", key=request.key)
    if request.repeat is Repeat.ALWAYS:
        return NoAnswer("the connection was lost before the response")
    text = "the connection was lost before the response; the request may have been accepted or not"
    return NoAnswer(text, key=request.key, maybe_accepted=True)


def _seconds(retry_after: str | None, max_retry_after: float) -> float:
    return (
        min(max_retry_after, float(retry_after)) if retry_after and retry_after.isdigit() else 0.0
    )
