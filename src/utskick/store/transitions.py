"""SQL conditions on a delivery's status, built from ``domain.status``."""

from __future__ import annotations

from collections.abc import Iterable

from utskick.domain.status import MOVES_BY, Status, Transition


def listed(statuses: Iterable[Status]) -> str:
    """Return the statuses as the right-hand side of ``IN``, always in the same order."""
    chosen = set(statuses)
    return "(" + ", ".join(f"'{status}'" for status in Status if status in chosen) + ")"


def sources(transition: Transition) -> str:
    """Return the statuses that a transition moves from, as the right-hand side of ``IN``."""
    return listed(MOVES_BY[transition])


def allowed(transition: Transition, now: str, then: str) -> str:
    """Return the condition that the transition moves from ``now`` to ``then``.

    Both are SQL expressions of type text.
    """
    moves = MOVES_BY[transition]
    cases = [
        f"({now} = '{status}' AND {then} IN {listed(moves[status])})"
        for status in Status
        if status in moves
    ]
    return "(" + " OR ".join(cases) + ")"
