"""Requests and answers of the calls about retention and holds, for reading and for the API's own
description."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from utskick.domain.ids import parse_id
from utskick.domain.request_parts import size_up_to
from utskick.domain.retention import MOST_DAYS, OTHERS, TYPES, HoldKind, Kept
from utskick.domain.validators import CLEAN, NO_NUL, NOT_BLANK, UTF8, Body, Constraint, Uuid, broken
from utskick.store.retention.holds import Subject

_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer"}
_UUID: Final = {"type": "string", "format": "uuid"}
_TIME: Final = {"type": "string", "format": "date-time"}
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

    days: Days | None = None
    preserve: bool | None = Field(default=None, validate_default=True)
    decision: Line

    @field_validator("preserve")
    @classmethod
    def _one_time(cls, preserve: bool | None, info: ValidationInfo) -> bool | None:
        if "days" in info.data and (info.data["days"] is None) is not bool(preserve):
            raise broken("either days or preserve: true is needed")
        return preserve


class HoldRequest(Body):
    """``id``: of the party, the message or the batch. ``reason`` is for people; ``reference``: of
    the case or the decision."""

    kind: Kind
    id: Uuid
    reason: Annotated[
        str,
        Constraint(
            (NOT_BLANK, NO_NUL, UTF8, _LONG),
            "must not be blank",
            (("minLength", 1), ("maxLength", 2000)),
        ),
    ]
    reference: Line | None = None

    def subject(self) -> Subject:
        found = parse_id(self.id)
        assert found is not None
        return Subject(HoldKind(self.kind), found)


MODELS: Final[tuple[type[BaseModel], ...]] = (RetentionRequest, HoldRequest)


def _shape(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _said(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {**schema, "description": text}


_REMOVED: Final = (
    "messages",
    "deliveries",
    "batches",
    "files",
    "parties",
    "contactSettings",
    "delegates",
    "devices",
)


def _many(name: str, text: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}, "description": text}


_BY: Final = "The user (`X-Sent-By`), or the calling system where no user was named"
_META: Final = {"$ref": "#/components/schemas/PagingMetaData"}

SHAPES: Final[dict[str, Any]] = {
    "RetentionRule": _shape(
        messageType=_said(
            {**_TEXT, "enum": [*TYPES, OTHERS]},
            "The form of request; `*`: all that have no rule of their own",
        ),
        days=_said(_COUNT, "So many days after a message was to be sent it is removed"),
        preserve=_said({"type": "boolean"}, "`true`: never removed"),
        decision=_said(_TEXT, "The reference number of the decision"),
        organizationNumber=_said(_TEXT, "The organisation, of a rule for one"),
        department=_said(_TEXT, "The department, of a rule for one"),
        source=_said(
            {**_TEXT, "enum": ["municipality", "settings"]},
            "Set by the municipality, or by the settings of this service",
        ),
        setBy=_said(_TEXT, _BY),
        set=_said(_TIME, "When it was set"),
    ),
    "RetentionEntry": _shape(
        at=_said(_TIME, "When it was removed"),
        kind=_said(
            {**_TEXT, "enum": ["retention", "erasure"]},
            "By a rule, or by an order to erase a person",
        ),
        messageType=_said(_TEXT, "The form of request"),
        days=_said(_COUNT, "The rule's days"),
        decision=_said(_TEXT, "The rule's decision"),
        actor=_said(_TEXT, "Who gave the order to erase"),
        reference=_said(_TEXT, "The case that the order belongs to"),
        messages=_said(_COUNT, "How many messages"),
        deliveries=_said(_COUNT, "How many deliveries"),
        batches=_said(_COUNT, "How many batches, with their last message"),
        files=_said(_COUNT, "How many files, to which nothing referred any more"),
        entries=_said(_COUNT, "How many entries of the directory"),
        oldest=_said(_TIME, "When the oldest of the messages was to be sent"),
        newest=_said(_TIME, "When the newest of the messages was to be sent"),
    ),
    "Erasure": _shape(
        removed=_said(_shape(**dict.fromkeys(_REMOVED, _COUNT)), "How many of each"),
        kept=_said(
            {
                "type": "array",
                "items": _shape(
                    what=_said(
                        {**_TEXT, "enum": ["message", "directory"]},
                        "Messages, or entries of the directory",
                    ),
                    count=_said(_COUNT, "How many"),
                    reason=_said({**_TEXT, "enum": [kept.value for kept in Kept]}, "Why"),
                    decision=_said(_TEXT, "Of `preserve`: the rule's decision"),
                    reference=_said(_TEXT, "Of `hold`: the case or the decision"),
                ),
            },
            "What was kept. `untold`: not counted yet, or a webhook has not been told of it: ask again later",
        ),
    ),
    "PartyExtract": _shape(
        municipalityId=_said(_TEXT, "The municipality"),
        partyId=_said(_UUID, "The person"),
        created=_said(_TIME, "When it was made"),
        party=_said(
            {"type": "object"},
            "The entry of the directory, with the whole number and the address; absent where there is none",
        ),
        contactSettings=_many("ContactSetting", "The person's own, and those that it made"),
        delegates=_many("Delegate", "Where the person is one of the two"),
        devices=_many("PushSubscription", "The devices that take push messages"),
        holds=_many("Hold", "On the person, or on a message or batch of the person's"),
        retention=_many("RetentionRule", "The rules of the municipality"),
        messages=_said(
            {"type": "array", "items": {"type": "object"}},
            "Every message, newest first: `deliveries` with status, content and events, `files` with size and digest, and the rule for it",
        ),
    ),
    "RetentionProtocol": _shape(
        protocol=_said(
            {"type": "array", "items": {"$ref": "#/components/schemas/RetentionEntry"}}, "Its lines"
        ),
        _meta=_META,
    ),
    "Hold": _shape(
        id=_UUID,
        kind=_said({**_TEXT, "enum": _KINDS}, "What is held"),
        subject=_said(
            _UUID,
            "The id of the party, the message or the batch; absent when a person has been erased after it was lifted",
        ),
        reason=_said(_TEXT, "Why; absent when what it held is gone"),
        reference=_said(_TEXT, "The case or the decision"),
        active=_said({"type": "boolean"}, "Whether it has not been lifted"),
        placedBy=_said(_TEXT, _BY),
        placed=_said(_TIME, "When it was placed"),
        liftedBy=_said(_TEXT, _BY),
        lifted=_said(_TIME, "When it was lifted"),
    ),
    "Holds": _shape(
        holds=_said(
            {"type": "array", "items": {"$ref": "#/components/schemas/Hold"}},
            "One entry for each hold",
        ),
        _meta=_META,
    ),
}
