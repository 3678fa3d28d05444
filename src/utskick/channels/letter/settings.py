"""Settings section ``[letter]``."""

from __future__ import annotations

from typing import ClassVar, Literal

from utskick.domain.validators import Line
from utskick.outgoing.settings_types import ChannelSection


class LetterSettings(ChannelSection):
    """Section ``[letter]``.

    ``subject``: default subject. The digital sender is set in section ``[digital_mail]``
    (``organization``).
    """

    carried: ClassVar = frozenset({"subject"})

    unsettled: Literal["cancel", "continue"] = "cancel"
    subject: Line = "Brev"
