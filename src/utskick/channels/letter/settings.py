"""The letter section of the settings."""

from __future__ import annotations

from typing import ClassVar

from utskick.domain.validators import Line
from utskick.outgoing.settings_types import ChannelSection


class LetterSettings(ChannelSection):
    """``subject``: of letters without one. Who sends the digital ones stands in the digital mail
    section (``organization``)."""

    carried: ClassVar = frozenset({"subject"})

    subject: Line = "Brev"
