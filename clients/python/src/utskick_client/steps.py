"""What a call does, step by step, without doing it: the two clients carry the steps out, each in
its way.

A plan is a generator: it yields a step, is sent what came of it, and in the end returns its result.
So what is to be tried again, when and how often stands here once, for both clients.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar

from utskick_client.errors import NoAnswer, NotUtskick, Refused, Unsendable
from utskick_client.wire import decoded

T = TypeVar("T")


def is_header(value: str) -> bool:
    """Whether it can be the value of a header (RFC 9110 section 5.5)."""
    return (
        0 < len(value) <= 255
        and value == value.strip()
        and not any(ch < " " or ch == "\x7f" for ch in value)
    )


class Repeat(Enum):
    """Whether a request may be made again when it is not known what became of it."""

    #: It reads, or doing it twice is the same as once.
    ALWAYS = "always"
    #: It carries an Idempotency-Key.
    KEYED = "keyed"
    #: Only where it surely never left.
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Request:
    """``path``: below the municipality. ``key``: the Idempotency-Key. ``quiet``: seconds to wait
    for the next bytes, None: as usual."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    key: str | None = None
    repeat: Repeat = Repeat.ALWAYS
    accept: str = "application/json"
    quiet: float | None = None

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
    """An answer. ``body`` is empty where the answer is a stream that has been opened."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """None where there is no body. Raises ``NotUtskick``."""
        return decoded(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Fault:
    """No answer, or not all of it. ``left``: the request may have reached the service."""

    left: bool


@dataclass(frozen=True, slots=True)
class Send:
    """Make a request, read the whole answer → ``Reply | Fault``. ``streamed``: a 2xx is left open,
    for ``Next``."""

    request: Request
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """The next piece of the open stream → an event, or bytes; None at its end, ``Fault`` where it
    breaks off."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Item:
    """Hand this to the one who iterates."""

    value: Any


Step = Send | Next | Pause | Item
Plan = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is made, the first pause between (s, then doubling), and the longest pause
    that the service may ask for.

    ``connect``, ``read``: seconds to wait for a connection, and for the next bytes of an answer.
    ``absence``: how long (s) those who watch wait for a service that is away.
    """

    tries: int = 4
    pause: float = 0.5
    longest: float = 5.0
    connect: float = 5.0
    read: float = 120.0
    absence: float = 60.0


#: A pause is spread by so much, so that clients which failed together do not come again together.
_JITTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Tries:
    """The tries of a request. ``chance``: a number from 0 to 1."""

    patience: Patience
    chance: Callable[[], float] = random.random

    def of(self, request: Request, *, streamed: bool = False) -> Plan[Reply]:
        """A 2xx. Raises ``Refused`` or ``NoAnswer``."""
        left = False
        for attempt in range(1, self.patience.tries + 1):
            outcome = yield Send(request, streamed)
            least = 0.0
            if isinstance(outcome, Reply):
                if outcome.status < 300:
                    return outcome
                refused = refusal(outcome)
                failed: Refused | NoAnswer = refused
                again = refused.passing and request.repeat is not Repeat.NEVER
                least = _seconds(outcome.headers.get("retry-after"), self.patience.longest)
            else:
                left = left or outcome.left
                failed = lost(request, left=left)
                again = not (outcome.left and request.repeat is Repeat.NEVER)
            if not again or attempt == self.patience.tries:
                raise failed
            yield Pause(max(least, self._pause(attempt)))
        raise Unsendable("tries must be at least 1")

    def _pause(self, attempt: int) -> float:
        return (
            self.patience.pause * 2.0 ** (attempt - 1) * (1 - _JITTER + 2 * _JITTER * self.chance())
        )


def refusal(reply: Reply) -> Refused:
    """What answered with an error may be a proxy that speaks no JSON."""
    try:
        found = reply.json()
    except NotUtskick:
        found = None
    return Refused(
        reply.status, found if isinstance(found, dict) else {}, reply.headers.get("x-request-id")
    )


def lost(request: Request, *, left: bool) -> NoAnswer:
    if not left:
        return NoAnswer("nothing answers there", key=request.key)
    if request.repeat is Repeat.ALWAYS:
        return NoAnswer("the connection was lost before the answer came")
    told = "the connection was lost before the answer came, so it may have been accepted or not"
    return NoAnswer(told, key=request.key, maybe_accepted=True)


def _seconds(retry_after: str | None, longest: float) -> float:
    return min(longest, float(retry_after)) if retry_after and retry_after.isdigit() else 0.0
