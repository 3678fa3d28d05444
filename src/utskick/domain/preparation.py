"""What is settled before an attempt at a provider: ready, to be routed on, to be gathered with
others, or known not to be possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from utskick.domain.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Ready:
    """The call may be made. ``frozen``: what must be word for word the same at a repeat; on disk
    before the call is made.

    It is sealed with the delivery and comes back as ``Draft.frozen`` at every later attempt.
    """

    frozen: bytes | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One way on: a delivery of its own, of the same message, by this channel to this
    destination."""

    channel: str
    destination: str


@dataclass(frozen=True, slots=True)
class Routed:
    """This delivery was only the question of where to; its answers are deliveries of their own."""

    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """To be handed over together with others of its batch (a print batch). ``frozen`` as in
    ``Ready``."""

    frozen: bytes


READY: Final = Ready()

Prepared = Ready | Routed | Gathered | Outcome
