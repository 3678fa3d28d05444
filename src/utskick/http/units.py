"""The unit that a call is about: the municipality of the path, and the organisation and department that the query names."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from utskick.domain.rules import LONGEST_NAME
from utskick.domain.unit import Unit
from utskick.http.edge import Parameters

#: The query parameters.
UNIT: Final = ("organizationNumber", "department")


def unit_of(request: Request, parameters: Parameters) -> Unit:
    """The municipality of the path, and the part of it that the query names. Faults are kept in ``parameters``."""
    municipality_id = parameters.municipality(request.path_params["municipalityId"])
    number = request.query_params.get("organizationNumber")
    if number is not None:
        parameters.organization(number)
    department = parameters.trimmed("department", request.query_params.get("department"))
    if len(department or "") > LONGEST_NAME:
        parameters.fault("department", f"size must be between 0 and {LONGEST_NAME}")
    return Unit(municipality_id, number, department)
