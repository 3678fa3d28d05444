"""What is checked of a PDF, as the processes tell each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Code of the finding that a PDF must not reach a mailbox; paper may carry it.
ACTIVE: Final = "active-content"


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of a page, in millimetres.

    ``x``, ``y``: the corner it lies in, *left* or *right*, *top* or *bottom*. ``left``, ``top``:
    its distance from the upper left corner, where it lies in that.
    """

    name: str
    x: str
    y: str
    width: float
    height: float
    left: float = 0.0
    top: float = 0.0

    def corner(self, width: float, height: float) -> tuple[float, float]:
        """Return its left and top edge on a page of this size."""
        return (
            width - self.width if self.x == "right" else self.left,
            height - self.height if self.y == "bottom" else self.top,
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """What is checked, for ``paper`` or a digital mailbox.

    ``pages``: the maximum, None for any number. ``zones``: areas that must be empty, and whether
    on every page. ``window``: the area that must not be empty on the first page.
    """

    paper: bool = True
    pages: int | None = None
    zones: tuple[tuple[Area, bool], ...] = ()
    window: Area | None = None


def rules_of(members: dict[str, Any]) -> Rules:
    """Read rules that were written as JSON."""
    window = members["window"]
    return Rules(
        members["paper"],
        members["pages"],
        tuple((Area(**area), every) for area, every in members["zones"]),
        None if window is None else Area(**window),
    )


#: Areas of a page with the colour of the frame that is drawn around each.
Frames = Sequence[tuple[Area, str]]
