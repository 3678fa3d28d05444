"""Operations of the configuration of municipalities, organisations and departments."""

from __future__ import annotations

from typing import Final

from utskick.domain.audit import Action
from utskick.http.configuration.endpoints import ConfigurationCalls
from utskick.http.configuration.schemas import (
    ConfigurationRequest,
    SaidConfiguration,
    UnitConfiguration,
)
from utskick.http.context import ApiContext
from utskick.http.operation import Answer, Audit, Body, Operation, Route, header, parameters, query
from utskick.http.operation.examples import EXAMPLES
from utskick.http.wire.params import UNIT

_TAG: Final = "Configuration"
_BASE: Final = "/{municipalityId}/configuration"
_ONE: Final = f"{_BASE}/{{section}}"
_CHANGE: Final = Audit(Action.CONFIGURE, ("section", *UNIT))
_READ: Final = Audit(Action.READ_CONFIGURATION, ("section", *UNIT))
_CHANGING: Final = (*parameters.CALLER, *header("If-Match"), *query(*UNIT))


def operations(service: ApiContext) -> list[Route]:
    """Return the operations of configuration."""
    calls = ConfigurationCalls(service)
    return [
        Route(LIST, calls.all),
        Route(GET, calls.read),
        Route(PUT, calls.put),
        Route(DELETE, calls.delete),
    ]


LIST: Final = Operation(
    id="getConfigurations",
    method="GET",
    path=_BASE,
    summary="List all configuration of the municipality",
    description="Returns every section that a unit of the municipality sets, with masked secrets.",
    tag=_TAG,
    scope="admin",
    audit=Audit(Action.READ_CONFIGURATION),
    answers={200: Answer(list[SaidConfiguration])},
)
GET: Final = Operation(
    id="getConfiguration",
    method="GET",
    path=_ONE,
    summary="Read a section of a unit: what is set, and what applies",
    description="Returns the members that the unit sets, and the effective value of every member "
    "with the unit that sets it. `ETag` identifies the version for `If-Match`.",
    tag=_TAG,
    scope="admin",
    audit=_READ,
    parameters=query(*UNIT),
    answers={200: Answer(UnitConfiguration, headers=("ETag",))},
)
PUT: Final = Operation(
    id="putConfiguration",
    method="PUT",
    path=_ONE,
    summary="Replace a section of a unit (201 when new)",
    description="Sets the members of a section in place of all that the unit set before. Members "
    "that are left out are inherited; masked secrets stay unchanged. The change is validated as a "
    "whole and applies at once.",
    tag=_TAG,
    scope="admin",
    audit=_CHANGE,
    body=Body(ConfigurationRequest, example=EXAMPLES["ConfigurationRequest"]),
    parameters=_CHANGING,
    answers={
        200: Answer(UnitConfiguration, "Replaced", headers=("ETag",)),
        201: Answer(UnitConfiguration, "Created", headers=("Location", "ETag")),
    },
    problems={409: None, 412: None},
)
DELETE: Final = Operation(
    id="deleteConfiguration",
    method="DELETE",
    path=_ONE,
    summary="Remove a section of a unit",
    description="Removes all that the unit sets of a section; it inherits from the units above it.",
    tag=_TAG,
    scope="admin",
    audit=_CHANGE,
    parameters=_CHANGING,
    answers={204: Answer(description="Deleted")},
    problems={404: None, 409: None, 412: None},
)
