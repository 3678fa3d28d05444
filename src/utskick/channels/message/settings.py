"""Settings section ``[message]``."""

from __future__ import annotations

from typing import ClassVar

from utskick.domain.validators import Line
from utskick.outgoing.settings_types import ChannelSection


class MessageSettings(ChannelSection):
    """Section ``[message]``. ``subject``: default for channels that require one."""

    carried: ClassVar = frozenset({"subject"})

    subject: Line = "Meddelande"
