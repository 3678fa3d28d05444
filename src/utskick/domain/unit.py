"""Units that configuration belongs to: a municipality, an organisation in it, a department.

The narrower one takes precedence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Contract 1.1, ``@ValidOrganizationNumber``.
_ORGANIZATION: Final = re.compile(r"[1235789][0-9][2-9][0-9]{7}\Z")


def is_organization_number(text: str) -> bool:
    """Return whether it has the form of one: 10 digits, no hyphen."""
    return _ORGANIZATION.match(text) is not None


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit. A department without an organisation number is one of the municipality.

    ``organization_number``: 10 digits. ``department``: as callers write it.
    """

    municipality_id: str
    organization_number: str | None = None
    department: str | None = None

    def above(self) -> Iterator[Unit]:
        """Yield the units that this one inherits from, widest first, itself last.

        A department comes after an organisation, since most calls name no organisation.
        """
        yield Unit(self.municipality_id)
        if self.organization_number is not None:
            yield Unit(self.municipality_id, self.organization_number)
        if self.department is not None:
            yield Unit(self.municipality_id, None, self.department)
        if self.organization_number is not None and self.department is not None:
            yield self

    @property
    def tag(self) -> str:
        """The suffix of its accounts' names, without the department's name.

        ``2281``, ``2281.2120002411``, ``2281..5f2b9c1e``.
        """
        tag = self.municipality_id
        if self.organization_number is not None or self.department is not None:
            tag += f".{self.organization_number or ''}"
        if self.department is not None:
            tag += f".{hashlib.sha256(self.department.encode()).hexdigest()[:8]}"
        return tag

    @property
    def label(self) -> str:
        """The suffix of its accounts' names for people: ``2281/2120002411/Skola``."""
        named = (self.municipality_id, self.organization_number, self.department)
        return "/".join(name for name in named if name is not None)

    def __str__(self) -> str:
        named = (
            self.municipality_id,
            self.organization_number,
            self.department and f"department {self.department}",
        )
        return ", ".join(name for name in named if name)
