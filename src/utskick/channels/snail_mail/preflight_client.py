"""The pre-flight of PDFs: what a child is asked of one (``preflight.py``), for how long, and what
was found lately."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from utskick.channels.snail_mail.preflight_pool import Children
from utskick.channels.snail_mail.settings import Limits, Profile
from utskick.domain.attachment import Attachment

#: PDFs whose findings are remembered.
REMEMBERED: Final = 4096
#: Seconds of the wall: how much longer than its processor time an answer may take on a busy
#: machine.
_BUSY: Final = 10.0
#: Processor seconds for each MiB: a long scan may take its time, a small file that needs much is no
#: letter.
_BY_SIZE: Final = 0.1
_TOO_COMPLEX: Final = (
    "is too complex to be checked: it needs more time or memory than a letter of its size should"
)


_Zones = tuple[tuple[str, str, str, float, float, bool], ...]


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """``findings``: sentences that follow on the name of the field; ``pages``: None where the PDF
    cannot be read."""

    findings: tuple[str, ...]
    pages: int | None


class PreflightClient:
    """Opens PDFs elsewhere: all inspections of a process share its children."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._joined: Children | None = None
        self._known: OrderedDict[tuple[bytes, _Zones], PreflightResult] = OrderedDict()

    @property
    def children(self) -> Children:
        if self._joined is None:
            self._joined = Children.joined(self)
        return self._joined

    def warm(self) -> None:
        """So that the first PDF does not wait for a child."""
        self.children.warm()

    async def look(self, attachment: Attachment, profile: Profile) -> PreflightResult:
        """Never raises for what a PDF is. ``OSError`` when no child can be started."""
        if len(attachment.data) > self._limits.size_limit:
            return PreflightResult(
                (f"is {len(attachment.data)} bytes, and the limit is {self._limits.size_limit}",),
                None,
            )
        zones = tuple(
            (z.name, z.x, z.y, z.width, z.height, profile.zone_pages == "all")
            for z in profile.zones
        )
        known = self._known.get((attachment.digest, zones))
        if known is not None:
            self._known.move_to_end((attachment.digest, zones))
            return known
        found = await self._ask(attachment.data, zones)
        self._known[attachment.digest, zones] = found
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _ask(self, data: bytes, zones: _Zones) -> PreflightResult:
        seconds = self._limits.check_seconds + _BY_SIZE * len(data) / 1_048_576
        request = {
            "size": len(data),
            "seconds": seconds,
            "pages": self._limits.page_limit,
            "zones": zones,
        }
        async with self.children.turn() as child:
            said = await child.ask(request, data, seconds + _BUSY)
        if said is None:
            self.warm()
            return PreflightResult((_TOO_COMPLEX,), None)
        return PreflightResult(tuple(said["findings"]), said["pages"])

    async def close(self) -> None:
        if self._joined is not None:
            await self._joined.leave(self)
            self._joined = None
