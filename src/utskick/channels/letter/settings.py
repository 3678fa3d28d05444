"""The letter section of the settings."""

from __future__ import annotations

from utskick.domain.rules import Line
from utskick.outgoing.section import Section


class LetterSettings(Section):
    """``subject``: of letters without one. Who sends the digital ones stands in the digital mail section (``organizations``)."""

    subject: Line = "Brev"
