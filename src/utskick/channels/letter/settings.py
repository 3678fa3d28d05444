"""The letter section of the settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from utskick.domain.rules import Line
from utskick.outgoing.section import Section


class LetterSettings(Section):
    """``organization_number``: who sends the digital ones (contract section 6.2); ``subject``: of those without one."""

    organization_number: Annotated[str, StringConstraints(pattern=r"^[1235789]\d[2-9]\d{7}$")] = "2120002411"
    subject: Line = "Brev"
