"""Whose configuration it is: a municipality, an organisation in it, a department. What a narrower
one says wins."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Contract 1.1, ``@ValidOrganizationNumber``.
_ORGANIZATION: Final = re.compile(r"[1235789][0-9][2-9][0-9]{7}\Z")


def is_organization_number(text: str) -> bool:
    """Whether it has the form of one: 10 digits, no hyphen."""
    return _ORGANIZATION.match(text) is not None


@dataclass(frozen=True, slots=True)
class Unit:
    """``organization_number``: 10 digits; ``department``: as callers write it. A department without
    a number is one of the municipality."""

    municipality_id: str
    organization_number: str | None = None
    department: str | None = None

    def above(self) -> Iterator[Unit]:
        """The units that this one takes after, widest first, itself last.

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
        """What the names of its accounts end with: ``2281``, ``2281.2120002411``,
        ``2281..5f2b9c1e``. Nothing of a department's name."""
        tag = self.municipality_id
        if self.organization_number is not None or self.department is not None:
            tag += f".{self.organization_number or ''}"
        if self.department is not None:
            tag += f".{hashlib.sha256(self.department.encode()).hexdigest()[:8]}"
        return tag

    def __str__(self) -> str:
        named = (
            self.municipality_id,
            self.organization_number,
            self.department and f"department {self.department}",
        )
        return ", ".join(name for name in named if name)
