"""Operations of retention rules, the retention log, and holds."""

from __future__ import annotations

from typing import Final

from utskick.domain.audit import Action
from utskick.http.context import ApiContext
from utskick.http.operation import Answer, Audit, Body, Operation, Route, parameters, query
from utskick.http.operation.examples import EXAMPLES
from utskick.http.retention.endpoints import HoldCalls, RetentionCalls
from utskick.http.retention.schemas import (
    Hold,
    HoldRequest,
    Holds,
    RetentionProtocol,
    RetentionRequest,
    RetentionRule,
)
from utskick.http.wire.params import UNIT

_PAGING: Final = query("page", "limit")
_BASE: Final = "/{municipalityId}/configuration/retention"
_TYPED: Final = f"{_BASE}/{{messageType}}"
_RULE: Final = Audit(Action.CONFIGURE, ("messageType", *UNIT))
_HOLDS: Final = "/{municipalityId}/holds"


def operations(service: ApiContext) -> list[Route]:
    """Return the operations of retention and holds."""
    rules, holds = RetentionCalls(service), HoldCalls(service)
    return [
        Route(RULES, rules.read),
        Route(LOG, rules.protocol),
        Route(PUT_RULE, rules.put),
        Route(DELETE_RULE, rules.delete),
        Route(CREATE_HOLD, holds.create),
        Route(LIST_HOLDS, holds.find),
        Route(GET_HOLD, holds.read),
        Route(LIFT_HOLD, holds.lift),
    ]


RULES: Final = Operation(
    id="getRetentionRules",
    method="GET",
    path=_BASE,
    summary="List the retention rules that apply",
    description="Returns the rules of the municipality and its units, then those of the settings "
    "that apply to anything.",
    tag="Retention",
    scope="retention:read",
    audit=Audit(Action.READ_CONFIGURATION),
    answers={200: Answer(list[RetentionRule])},
)
LOG: Final = Operation(
    id="getRetentionProtocol",
    method="GET",
    path=f"{_BASE}/protocol",
    summary="Read the retention log: what was deleted, and why",
    description="Returns a page of the log, newest first. It holds numbers and reasons, never "
    "contents or persons.",
    tag="Retention",
    scope="retention:read",
    audit=Audit(Action.READ_CONFIGURATION),
    parameters=_PAGING,
    answers={200: Answer(RetentionProtocol)},
)
PUT_RULE: Final = Operation(
    id="putRetentionRule",
    method="PUT",
    path=_TYPED,
    summary="Set how long requests of a type are kept (201 when new)",
    description="Sets the rule of the municipality, or of the unit that the query names, in "
    "place of "
    "the one before. It applies from the response on, also to messages that are stored already.",
    tag="Retention",
    scope="retention:write",
    audit=_RULE,
    body=Body(RetentionRequest, example=EXAMPLES["RetentionRequest"]),
    parameters=(*parameters.CALLER, *query(*UNIT)),
    answers={
        200: Answer(RetentionRule, "Replaced"),
        201: Answer(RetentionRule, "Created", headers=("Location",)),
    },
)
DELETE_RULE: Final = Operation(
    id="deleteRetentionRule",
    method="DELETE",
    path=_TYPED,
    summary="Remove a retention rule",
    description="Removes the rule; the rule of the wider unit or of the settings applies instead.",
    tag="Retention",
    scope="retention:write",
    audit=_RULE,
    parameters=query(*UNIT),
    answers={204: Answer(description="Deleted")},
    problems={404: None},
)
CREATE_HOLD: Final = Operation(
    id="createHold",
    method="POST",
    path=_HOLDS,
    summary="Exempt a person, a message or a batch from deletion",
    description="Places a hold. From the response on, no rule and no order to erase deletes "
    "what it "
    "covers, until it is lifted.",
    tag="Holds",
    scope="holds:write",
    audit=Audit(Action.HOLD),
    body=Body(HoldRequest, example=EXAMPLES["HoldRequest"]),
    parameters=parameters.CALLER,
    answers={201: Answer(Hold, "Created", headers=("Location",))},
)
LIST_HOLDS: Final = Operation(
    id="getHolds",
    method="GET",
    path=_HOLDS,
    summary="List holds",
    description="Returns a page of holds, active ones first, newest first.",
    tag="Holds",
    scope="retention:read",
    audit=Audit(Action.READ_HISTORY),
    parameters=_PAGING,
    answers={200: Answer(Holds)},
)
GET_HOLD: Final = Operation(
    id="getHold",
    method="GET",
    path=f"{_HOLDS}/{{id}}",
    summary="Read a hold",
    description="Returns a hold, also after it was lifted.",
    tag="Holds",
    scope="retention:read",
    audit=Audit(Action.READ_HISTORY, ("id",)),
    answers={200: Answer(Hold)},
    problems={404: None},
)
LIFT_HOLD: Final = Operation(
    id="liftHold",
    method="DELETE",
    path=f"{_HOLDS}/{{id}}",
    summary="Lift a hold",
    description="Ends a hold. It stays on record with who lifted it and when.",
    tag="Holds",
    scope="holds:write",
    audit=Audit(Action.HOLD, ("id",)),
    parameters=parameters.CALLER,
    answers={204: Answer(description="Lifted")},
    problems={404: None, 409: "The hold was lifted before"},
)
