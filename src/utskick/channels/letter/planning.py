"""Planning of letters: each recipient's legs, and each leg's content (contract section 6.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import orjson

from utskick.channels.letter.requests import LetterRequest, Mode
from utskick.channels.letter.settings import LetterSettings
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Plan, Priority
from utskick.domain.errors import Invalid, Violation
from utskick.domain.leg import Leg
from utskick.domain.postal_recipient import Addressee
from utskick.domain.recipient import Recipient, once_each

DIGITAL: Final = "digital_mail"
PAPER: Final = "snail_mail"
#: Codes of faults for which a letter goes on paper: too large, and scripts.
_SPARED: Final = ("too-large-for-mailbox", "active-content")


def plan(request: LetterRequest, settings: LetterSettings) -> Plan:
    """Plan the request. Raises ``Invalid`` with every violated rule."""
    if not request.party.party_ids and not request.party.addresses:
        raise Invalid(
            [
                Violation(
                    "party",
                    "must have partyIds or addresses: the letter has no recipient",
                )
            ]
        )
    attachments = tuple(a.decoded() for a in request.attachments)
    legs = _legs(request, attachments, settings)
    if faults := _address_faults(request) if PAPER in legs else []:
        raise Invalid(faults)
    recipients, entries = once_each(_recipients(request, tuple(legs)))
    is_single = len(recipients) == 1
    return Plan(
        content={
            **request.stored_members(),
            "attachments": _described(request, attachments, None),
        },
        legs=legs,
        recipients=recipients,
        entries=entries,
        attachments=attachments,
        priority=_priority(request, is_single=is_single),
        department=request.department,
        reference=request.reference,
        send_at=request.send_at,
    )


def _priority(request: LetterRequest, *, is_single: bool) -> Priority:
    if is_single:
        return Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL
    return Priority.NORMAL if request.priority == "HIGH" else Priority.BULK


def _recipients(request: LetterRequest, legs: tuple[str, ...]) -> list[Recipient]:
    """List people, then addresses, as the contract numbers them.

    An address without a paper leg is rejected as a letter (L5).
    """
    people = [Recipient("", party_id, legs=legs) for party_id in request.party.party_ids or ()]
    paper = tuple(leg for leg in legs if leg == PAPER)
    addresses = [
        Recipient(orjson.dumps(a.model_dump(by_alias=True, exclude_none=True)).decode(), legs=paper)
        for a in request.party.addresses or ()
    ]
    return [*people, *addresses]


def _address_faults(request: LetterRequest) -> list[Violation]:
    return [
        Violation(f"party.addresses[{index}].{fault.field.removeprefix('address.')}", fault.message)
        for index, address in enumerate(request.party.addresses or ())
        for fault in Addressee.read(address.model_dump(by_alias=True, exclude_none=True)).faults()
    ]


def _legs(
    request: LetterRequest, attachments: tuple[Attachment, ...], settings: LetterSettings
) -> dict[str, Leg]:
    """Return what each way is given, in the order in which they are tried.

    A way that no attachment may go by is none.
    """
    legs: dict[str, Leg] = {}
    if digital := _indexes(request, "DIGITAL_MAIL"):
        content = request.model_dump(
            by_alias=True,
            exclude_none=True,
            include={"subject", "sender", "content_type", "body", "department"},
        )
        content.setdefault("subject", settings.subject)
        if "body" in content:
            content.setdefault("contentType", "text/plain")
        content["attachments"] = _described(request, attachments, digital)
        legs[DIGITAL] = Leg(content, tuple(digital))
    if paper := _indexes(request, "SNAIL_MAIL"):
        content = request.model_dump(
            by_alias=True, exclude_none=True, include={"department", "deviation"}
        )
        content["attachments"] = _described(request, attachments, paper)
        legs[PAPER] = Leg(content, tuple(paper))
        if DIGITAL in legs and set(digital) <= set(paper):
            # What no mailbox takes goes on paper, unless paper would leave out a part.
            legs[DIGITAL] = replace(legs[DIGITAL], spared=_SPARED)
    return legs


def _indexes(request: LetterRequest, mode: Mode) -> list[int]:
    return [
        index for index, attachment in enumerate(request.attachments) if attachment.goes_by(mode)
    ]


def _described(
    request: LetterRequest, attachments: tuple[Attachment, ...], chosen: list[int] | None
) -> list[dict[str, Any]]:
    """Describe the attachments of a leg, or of the whole letter with their delivery modes."""
    described = []
    for index, attachment in enumerate(attachments):
        members = {
            "filename": attachment.name,
            "contentType": "application/pdf",
            "digest": attachment.digest.hex(),
        }
        if chosen is None:
            described.append({"deliveryMode": request.attachments[index].delivery_mode, **members})
        elif index in chosen:
            described.append(members)
    return described
