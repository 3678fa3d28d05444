"""Comparison of two ledgers: the service's deliveries, and the copies citizens received."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from utskick.domain.status import Status
from utskick_client import DeliveryResult

_ARRIVED = (Status.SENT, Status.DELIVERED)
_GIVEN_UP = (Status.FAILED, Status.EXPIRED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything a reader sees.

    Lines end in LF. ``files``: (name, SHA-256) of each attachment.
    """

    text: str
    subject: str | None = None
    html: str | None = None
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RequestedDelivery:
    """Requested message, and the delivery that the service created for it.

    An empty ``recipient`` means that the delivery id on the copy suffices. ``row``: row of the
    result table, by default the channel.
    """

    channel: str
    recipient: str
    delivery_id: str
    contents: Contents
    row: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """Received copy; ``key`` is the delivery id on the wire, None if the protocol has none."""

    channel: str
    recipient: str
    key: str | None
    contents: Contents


@dataclass
class Comparison:
    """Differences, as delivery ids; ``unrequested`` counts copies without a request.

    The ledgers agree if everything except ``reported`` is empty.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unrequested: int = 0

    @property
    def agree(self) -> bool:
        return not (
            self.lost
            or self.doubled
            or self.different
            or self.contradicted
            or self.unsettled
            or self.damaged
            or self.unrequested
        )


def compare(
    requested: Iterable[RequestedDelivery],
    reports: Mapping[str, DeliveryResult],
    copies: Sequence[Copy],
) -> Comparison:
    """Compare the ledgers; ``reports`` are the service's reports by delivery id."""
    received: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    by_key: dict[tuple[str, str | None], list[Copy]] = defaultdict(list)
    for copy in copies:
        received[copy.channel, copy.recipient.lower()].append(copy)
        by_key[copy.channel, copy.key].append(copy)
    result = Comparison()
    matched = 0
    for request in requested:
        candidates = (
            received[request.channel, request.recipient.lower()]
            if request.recipient
            else by_key[request.channel, request.delivery_id]
        )
        matching = [copy for copy in candidates if copy.key in (None, request.delivery_id)]
        matched += len(matching)
        _compare_one(request, reports[request.delivery_id], matching, result)
    result.unrequested = len(copies) - matched
    return result


def _compare_one(
    requested: RequestedDelivery,
    reports: DeliveryResult,
    copies: Sequence[Copy],
    result: Comparison,
) -> None:
    if reports.lifecycle in _ARRIVED and not copies:
        result.lost.append(requested.delivery_id)
    if reports.lifecycle in _GIVEN_UP and copies:
        result.contradicted.append(requested.delivery_id)
    if not reports.settled:
        result.unsettled.append(requested.delivery_id)
    if len(copies) > 1:
        # Each uncertain attempt may account for one additional copy.
        uncertain = sum(1 for event in reports.events if event.status == Status.UNCERTAIN)
        (result.reported if len(copies) <= 1 + uncertain else result.doubled).append(
            requested.delivery_id
        )
    if any(copy.contents != requested.contents for copy in copies):
        result.different.append(requested.delivery_id)
