"""Results of preparing an attempt: ready, routed, gathered, or an outcome without a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from utskick.domain.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Ready:
    """The call may be made.

    ``frozen``: what must be word for word the same at a repeat. It is on disk, encrypted, before
    the call is made, and is ``Draft.frozen`` at every later attempt.
    """

    frozen: bytes | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One answer of a routed delivery: a delivery of its own, by this channel and address."""

    channel: str
    destination: str


@dataclass(frozen=True, slots=True)
class Routed:
    """The delivery only determined where to send; its answers are deliveries of their own."""

    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """To be handed over with others of its batch (a print batch). ``frozen``: as in ``Ready``."""

    frozen: bytes


READY: Final = Ready()

Prepared = Ready | Routed | Gathered | Outcome
