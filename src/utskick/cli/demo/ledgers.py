"""Two ledgers, held against each other: what Utskick says of its deliveries, and what the citizens
received. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from utskick.domain.status import Status
from utskick_client import DeliveryResult

_ARRIVED = (Status.SENT, Status.DELIVERED)
_GIVEN_UP = (Status.FAILED, Status.EXPIRED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Wording:
    """All that a reader sees. Lines end in LF. ``files``: (name, SHA-256) of each attachment."""

    text: str
    subject: str | None = None
    html: str | None = None
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RequestedDelivery:
    """What somebody asked Utskick to send, and the delivery that it made of it.

    ``recipient`` "": the delivery's id on the copy tells enough. ``row``: where it stands in the
    table, the channel's own where "".
    """

    channel: str
    recipient: str
    delivery_id: str
    wording: Wording
    row: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """What reached a citizen. ``key``: the delivery's id as it came over the wire, None where the
    protocol carries none."""

    channel: str
    recipient: str
    key: str | None
    wording: Wording


@dataclass
class Comparison:
    """Ids of deliveries; ``unasked``: copies that nobody asked for. The ledgers agree when all but
    ``reported`` are empty."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)
    unasked: int = 0

    @property
    def agree(self) -> bool:
        return not (
            self.lost
            or self.doubled
            or self.different
            or self.denied
            or self.unsettled
            or self.spoilt
            or self.unasked
        )


def compare(
    asked: Iterable[RequestedDelivery], told: Mapping[str, DeliveryResult], copies: Sequence[Copy]
) -> Comparison:
    """``told``: what Utskick says, by delivery id."""
    received: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    by_key: dict[tuple[str, str | None], list[Copy]] = defaultdict(list)
    for copy in copies:
        received[copy.channel, copy.recipient.lower()].append(copy)
        by_key[copy.channel, copy.key].append(copy)
    found = Comparison()
    matched = 0
    for one in asked:
        at_theirs = (
            received[one.channel, one.recipient.lower()]
            if one.recipient
            else by_key[one.channel, one.delivery_id]
        )
        theirs = [copy for copy in at_theirs if copy.key in (None, one.delivery_id)]
        matched += len(theirs)
        _judge(one, told[one.delivery_id], theirs, found)
    found.unasked = len(copies) - matched
    return found


def _judge(
    asked: RequestedDelivery, told: DeliveryResult, copies: Sequence[Copy], found: Comparison
) -> None:
    if told.lifecycle in _ARRIVED and not copies:
        found.lost.append(asked.delivery_id)
    if told.lifecycle in _GIVEN_UP and copies:
        found.denied.append(asked.delivery_id)
    if not told.settled:
        found.unsettled.append(asked.delivery_id)
    if len(copies) > 1:
        # Each doubtful attempt may account for one copy beyond the one that is known.
        doubts = sum(1 for event in told.events if event.status == Status.UNCERTAIN)
        (found.reported if len(copies) <= 1 + doubts else found.doubled).append(asked.delivery_id)
    if any(copy.wording != asked.wording for copy in copies):
        found.different.append(asked.delivery_id)
