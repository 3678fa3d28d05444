"""Request and response models of retention and holds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from utskick.domain.ids import parse_id
from utskick.domain.request_parts import size_up_to
from utskick.domain.retention import MOST_DAYS, OTHERS, HoldKind
from utskick.domain.validators import CLEAN, NO_NUL, NOT_BLANK, UTF8, Body, Constraint, Uuid, broken
from utskick.http.history.schemas import PagingMetaData
from utskick.http.operation.placeholders import EACH_TYPE, TYPE_EXAMPLE
from utskick.http.operation.schemas import Response, member, words
from utskick.store.retention.holds import Subject

_KINDS: Final = tuple(kind.value for kind in HoldKind)
_SHORT: Final = size_up_to(255)
_LONG: Final = size_up_to(2000)
_DAYS: Final = f"must be greater than or equal to 1 and less than or equal to {MOST_DAYS}"

Line = Annotated[
    str,
    Constraint(
        (NOT_BLANK, CLEAN, UTF8, _SHORT),
        "must not be blank",
        (("minLength", 1), ("maxLength", 255)),
    ),
]
Days = Annotated[
    int,
    Constraint(
        ((_DAYS, lambda v: 1 <= v <= MOST_DAYS),), schema=(("minimum", 1), ("maximum", MOST_DAYS))
    ),
]
Kind = Annotated[
    str,
    Constraint(
        ((f"must be one of {', '.join(_KINDS)}", lambda v: v in _KINDS),),
        schema=(("enum", _KINDS),),
    ),
]


class RetentionRequest(Body):
    """A rule: ``days``, or ``preserve``; ``decision`` is the reference number of the decision."""

    days: Days | None = Field(
        default=None,
        description="Days after the send time until a message is deleted",
        examples=[730],
    )
    preserve: bool | None = Field(
        default=None, validate_default=True, description="`true`: never deleted"
    )
    decision: Line = Field(description="Reference number of the decision", examples=["KS 2026/123"])

    @field_validator("preserve")
    @classmethod
    def _one_time(cls, preserve: bool | None, info: ValidationInfo) -> bool | None:
        if "days" in info.data and (info.data["days"] is None) is not bool(preserve):
            raise broken("either days or preserve: true is needed")
        return preserve


class HoldRequest(Body):
    """``id``: of the party, the message or the batch.

    ``reason`` is for people; ``reference``: of the case or the decision.
    """

    kind: Kind = Field(
        description="Kind of object to hold: all data of a person, a message, or a batch",
        examples=["party"],
    )
    id: Uuid = Field(
        description="Id of the party, message or batch",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    reason: Annotated[
        str,
        Constraint(
            (NOT_BLANK, NO_NUL, UTF8, _LONG),
            "must not be blank",
            (("minLength", 1), ("maxLength", 2000)),
        ),
    ] = Field(description="Reason", examples=["Begärd för tillsyn"])
    reference: Line | None = Field(
        default=None, description="Case or decision", examples=["TR 2026/17"]
    )

    def subject(self) -> Subject:
        found = parse_id(self.id)
        assert found is not None
        return Subject(HoldKind(self.kind), found)


RuleType = Annotated[str, words((EACH_TYPE, OTHERS))]
HoldKindWord = Annotated[str, words(HoldKind)]


class RetentionRule(Response):
    """How long requests of a type are kept, and by which decision."""

    message_type: RuleType | None = member(
        "Type of the request; `*`: all types without a rule of their own", TYPE_EXAMPLE
    )
    days: int | None = member("Days after the send time until a message is deleted", 730)
    preserve: bool | None = member("`true`: never deleted")
    decision: str | None = member("Reference number of the decision", "KS 2026/123")
    organization_number: str | None = member(
        "Organisation, where the rule is for one", "2120002411"
    )
    department: str | None = member(
        "Department, where the rule is for one", "SBK(Gatuavdelningen, Trafiksektionen)"
    )
    source: Literal["municipality", "settings"] | None = member(
        "Set over the API, or in the settings of the service", "municipality"
    )
    set_by: str | None = member("User (`X-Sent-By`), or the calling system where no user was named")
    set: datetime | None = member("When it was set")


class RetentionEntry(Response):
    """An entry of the retention log."""

    at: datetime | None = member("Time of deletion")
    kind: Literal["retention", "erasure"] | None = member(
        "Deleted by a rule, or by an order to erase a person", "retention"
    )
    message_type: str | None = member("Type of the request", TYPE_EXAMPLE)
    days: int | None = member("Days of the rule", 730)
    decision: str | None = member("Decision of the rule", "KS 2026/123")
    actor: str | None = member("Who ordered the erasure")
    reference: str | None = member("Case that the order belongs to", "TR 2026/17")
    messages: int | None = member("Number of messages", 400)
    deliveries: int | None = member("Number of deliveries", 412)
    batches: int | None = member("Number of batches, deleted with their last message", 17)
    files: int | None = member("Number of files without references", 3)
    entries: int | None = member("Number of directory entries")
    oldest: datetime | None = member("Send time of the oldest message")
    newest: datetime | None = member("Send time of the newest message")


class RetentionProtocol(Response):
    """A page of the retention log, newest first."""

    protocol: list[RetentionEntry] | None = member("Entries")
    meta: PagingMetaData | None = member("Position of the page", alias="_meta")


class Hold(Response):
    """A hold: exempts an object from deletion until it is lifted."""

    id: UUID | None = member("Id", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d")
    kind: HoldKindWord | None = member("Kind of object that is held", "party")
    subject: UUID | None = member(
        "Id of the party, message or batch; absent where the person was erased after the hold "
        "was lifted",
        "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d",
    )
    reason: str | None = member(
        "Reason; absent where the held object is gone", "Begärd för tillsyn"
    )
    reference: str | None = member("Case or decision", "TR 2026/17")
    active: bool | None = member("`true`: it has not been lifted")
    placed_by: str | None = member(
        "User (`X-Sent-By`), or the calling system where no user was named"
    )
    placed: datetime | None = member("When it was placed")
    lifted_by: str | None = member(
        "User (`X-Sent-By`), or the calling system where no user was named"
    )
    lifted: datetime | None = member("When it was lifted")


class Holds(Response):
    """A page of holds, active ones first, newest first."""

    holds: list[Hold] | None = member("Holds")
    meta: PagingMetaData | None = member("Position of the page", alias="_meta")
