"""The message section of the settings."""

from __future__ import annotations

from typing import ClassVar

from utskick.domain.validators import Line
from utskick.outgoing.settings_types import ChannelSection


class MessageSettings(ChannelSection):
    """``subject``: of those that go by a way that needs one and have none."""

    carried: ClassVar = frozenset({"subject"})

    subject: Line = "Meddelande"
