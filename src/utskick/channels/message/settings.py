"""The message section of the settings."""

from __future__ import annotations

from utskick.domain.rules import Line
from utskick.outgoing.section import Section


class MessageSettings(Section):
    """``subject``: of those that go by a way that needs one and have none."""

    subject: Line = "Meddelande"
