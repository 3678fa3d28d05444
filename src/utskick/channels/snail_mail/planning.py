"""Planning of letter requests: something to print, and an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from utskick.channels.snail_mail.requests import SnailMailRequest
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Plan, Priority, RequestContext
from utskick.domain.errors import Invalid, Violation
from utskick.domain.ids import parse_id
from utskick.domain.postal_recipient import Addressee
from utskick.domain.recipient import Recipient


def plan(request: SnailMailRequest, asked: RequestContext) -> Plan:
    """Plan the request. Raises ``Invalid`` with every violated rule."""
    violations = [*_nothing_to_print(request), *_other_than_pdf(request), *_address_faults(request)]
    if violations:
        raise Invalid(violations)
    attachments = tuple(a.decoded() for a in request.attachments or ())
    return Plan(
        content=_content(request, attachments),
        recipients=[
            Recipient(
                orjson.dumps(_address(request)).decode() if _address(request) else "",
                request.party.party_id if request.party else None,
            )
        ],
        entries=[0],
        attachments=attachments,
        priority=Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL,
        department=request.department,
        reference=request.reference,
        send_at=request.send_at,
        valid_until=request.valid_until,
        batch_id=parse_id(asked.query.get("batchId", "")),
    )


def _nothing_to_print(request: SnailMailRequest) -> list[Violation]:
    """Require an attachment (contract Q25) or a text."""
    return (
        []
        if request.attachments or request.has_text
        else [Violation("attachments", "must not be empty")]
    )


def _other_than_pdf(request: SnailMailRequest) -> list[Violation]:
    """Require the declared type of a PDF (contract Q14); ``inspect`` checks the bytes."""
    return [
        Violation(f"attachments[{index}].contentType", "must be application/pdf")
        for index, attachment in enumerate(request.attachments or ())
        if (attachment.content_type or "application/pdf").partition(";")[0].strip().lower()
        != "application/pdf"
    ]


def _address_faults(request: SnailMailRequest) -> list[Violation]:
    """Require a complete address where we print it, or a party to look it up for.

    In a windowed envelope the PDF shows the address itself.
    """
    if not request.is_addressed_by_us:
        return []
    if _address(request):
        return Addressee.read(_address(request)).faults()
    if request.party is not None and request.party.party_id is not None:
        return []
    return [
        Violation(
            "address",
            "must not be null: a letter needs an address, or a party.partyId to look one up for",
        )
    ]


def _address(request: SnailMailRequest) -> dict[str, Any]:
    """Return the address's members; empty if there is none."""
    return request.address.model_dump(by_alias=True, exclude_none=True) if request.address else {}


def _content(request: SnailMailRequest, attachments: tuple[Attachment, ...]) -> dict[str, Any]:
    content = request.model_dump(
        by_alias=True,
        exclude_none=True,
        include={"department", "deviation", "folder_name", "subject", "text"},
    )
    if request.cover_page:
        content["coverPage"] = True
    if request.party is not None and request.party.external_references is not None:
        content["party"] = {
            "externalReferences": [r.model_dump() for r in request.party.external_references]
        }
    if attachments:
        content["attachments"] = [
            described(attachment, member.envelope_type)
            for attachment, member in zip(attachments, request.attachments or (), strict=True)
        ]
    return content


def carries_address(content: Mapping[str, Any]) -> bool:
    """Return whether a stored letter's PDFs show the address in the envelope's window."""
    attachments = content.get("attachments") or []
    windowed = bool(attachments) and attachments[0].get("envelopeType") == "WINDOWED"
    return windowed and not content.get("text") and not content.get("coverPage")


def described(attachment: Attachment, envelope: str | None) -> dict[str, Any]:
    """Build the attachment's member of the stored content."""
    members = {
        "filename": attachment.name,
        "contentType": "application/pdf",
        "digest": attachment.digest.hex(),
    }
    return {**members, "envelopeType": envelope} if envelope else members
