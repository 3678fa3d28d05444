"""Path and query parameters: parsed and checked, with all violations collected."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Final
from uuid import UUID

from fastapi import Request

from utskick.domain.channel import Parameter
from utskick.domain.errors import Invalid, Unreadable, Violation
from utskick.domain.ids import parse_id
from utskick.domain.unit import Unit, is_organization_number
from utskick.domain.validators import LONGEST_NAME, NO_NUL

#: Query parameters that name a unit.
UNIT: Final = ("organizationNumber", "department")


def unit_of(request: Request, parameters: Parameters) -> Unit:
    """Return the municipality of the path with the unit that the query names.

    Violations are collected in ``parameters``.
    """
    municipality_id = parameters.municipality(request.path_params["municipalityId"])
    number = request.query_params.get("organizationNumber")
    if number is not None:
        parameters.organization(number)
    department = parameters.trimmed("department", request.query_params.get("department"))
    if len(department or "") > LONGEST_NAME:
        parameters.fault("department", f"size must be between 0 and {LONGEST_NAME}")
    return Unit(municipality_id, number, department)


_WHOLE = re.compile(r"[+-]?[0-9]{1,10}\Z")


#: The form of ISO 8601 that the contract accepts.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


#: Largest value of an int (contract 1.1, ``@Min(1)``).
MOST = 2_147_483_647


_TRUE, _FALSE = {"true", "on", "yes", "1"}, {"false", "off", "no", "0"}


class Parameters:
    """Parameters of one operation: collects every violation under ``<operation>.<name>``."""

    def __init__(self, operation: str, municipalities: Iterable[str]) -> None:
        self._operation = operation
        self._municipalities = municipalities
        self._faults: list[Violation] = []

    def fault(self, name: str, message: str) -> None:
        self._faults.append(Violation(f"{self._operation}.{name}", message))

    def municipality(self, value: str) -> str:
        if value not in self._municipalities:
            self.fault("municipalityId", "not a valid municipality ID")
        return value

    def uuid(self, name: str, value: str) -> UUID:
        found = parse_id(value)
        if found is None:
            self.fault(name, "not a valid UUID")
        return found or UUID(int=0)

    def organization(self, value: str) -> str:
        if not is_organization_number(value):
            self.fault(
                "organizationNumber",
                r"must match the regular expression ^([1235789][\d][2-9]\d{7})$",
            )
        return value

    def counted(self, name: str, value: int) -> int:
        if value < 1:
            self.fault(name, f"must be greater than or equal to 1 and less than or equal to {MOST}")
        return value

    def text(self, name: str, value: str | None) -> str | None:
        """Check that the database can store a text."""
        message, holds = NO_NUL
        if value is not None and not holds(value):
            self.fault(name, message)
        return value

    def paging(self, request: Request, limit: int = 15) -> tuple[int, int]:
        """Return ``page`` and ``limit`` (contract section 9).

        Raises ``Unreadable`` where one is not a number.
        """
        return self.counted("page", count(request, "page", 1)), self.counted(
            "limit", count(request, "limit", limit)
        )

    def filled(self, name: str, value: str | None) -> str | None:
        """Check a parameter that may be absent, but not blank."""
        if value is not None and not value.strip():
            self.fault(name, "must not be blank")
        return self.text(name, value)

    def trimmed(self, name: str, value: str | None) -> str | None:
        """Check a parameter that is absent, or not empty and without spaces around it.

        Contract 1.1, ``@ValidNullOrNotEmpty``.
        """
        if value is not None and (not value or value != value.strip(" ")):
            self.fault(name, "text is not null or not empty or has starting or trailing spaces")
        return self.text(name, value)

    def days(self, request: Request) -> tuple[date | None, date | None]:
        """Return ``from`` and ``to``, both inclusive (contract Q20)."""
        since, until = day(request, "from"), day(request, "to")
        if since is not None and until is not None and since > until:
            self.fault("from", "must not be after to")
        return since, until

    def query(self, request: Request, parameter: Parameter) -> str | None:
        """Return a query parameter of a form.

        Raises ``Unreadable`` where a required one is absent.
        """
        value = request.query_params.get(parameter.name)
        if value is None:
            if parameter.required:
                raise Unreadable(f"Required parameter '{parameter.name}' is not present.")
            return None
        self.uuid(parameter.name, value)
        return value

    def done(self) -> None:
        if self._faults:
            raise Invalid(self._faults)


def located(
    request: Request, municipalities: Iterable[str], operation: str, *names: str
) -> tuple[str, list[UUID]]:
    """Return the municipality of the path, and the ids in it, in the order of ``names``.

    Raises ``Invalid`` with every violation.
    """
    parameters = Parameters(operation, municipalities)
    municipality_id = parameters.municipality(request.path_params["municipalityId"])
    found = [parameters.uuid(name, request.path_params[name]) for name in names]
    parameters.done()
    return municipality_id, found


def required(request: Request, name: str) -> str:
    """Return a required query parameter. Raises ``Unreadable``."""
    value = request.query_params.get(name)
    if value is None:
        raise Unreadable(f"Required parameter '{name}' is not present.")
    return value


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """Return a boolean query parameter.

    An empty one counts as absent, as everywhere in the contract. Raises ``Unreadable``.
    """
    value = request.query_params.get(name)
    if not value:
        return default
    if value.lower() in _FALSE:
        return False
    if value.lower() in _TRUE:
        return True
    raise Unreadable(f"Failed to convert '{name}' with value: '{value[:100]}'")


def count(request: Request, name: str, default: int) -> int:
    """Return a whole number; ``Parameters.counted`` checks its range. Raises ``Unreadable``."""
    value = request.query_params.get(name)
    if value is None or value == "":
        return default
    if not _WHOLE.match(value) or abs(int(value)) > MOST:
        raise Unreadable(f"Failed to convert '{name}' with value: '{value[:100]}'")
    return int(value)


def day(request: Request, name: str) -> date | None:
    value = request.query_params.get(name)
    if value is None or value == "":
        return None
    try:
        if not _DAY.match(value):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise Unreadable(f"Failed to convert '{name}' with value: '{value[:100]}'") from None
