"""From a request to a plan: who it is from, whom it goes to, what it says, and whether it may be
sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from utskick.channels.email.addresses import domain_of, wire_address
from utskick.channels.email.mime import Encoded, compose
from utskick.channels.email.requests import (
    AnyEmailRequest,
    EmailBatchRequest,
    EmailRequest,
    ShortEmailBatchRequest,
)
from utskick.channels.email.settings import EmailSettings
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft, Plan, Priority
from utskick.domain.errors import Invalid, Violation
from utskick.domain.recipient import once_each

_NO_KEY = UUID(int=0)


def plan(
    request: AnyEmailRequest, municipality_id: str, settings: EmailSettings, room: int
) -> Plan:
    """``room``: bytes to leave for a signature. Raises ``Invalid``."""
    attachments = _attachments(request)
    content = {
        "subject": settings.subject,
        **request.content(),
        "_sender": _sender(request, settings),
    }
    if attachments:
        content["attachments"] = [_described(a) for a in attachments]
    recipients, entries = once_each(request.recipients(), wire_address)
    violations = _sender_violations(request, settings)
    longest = max(recipients, key=lambda r: len(wire_address(r.destination).encode()))
    size = (
        len(
            compose(Draft(municipality_id, content, longest, attachments), _NO_KEY, Encoded(0)).data
        )
        + room
    )
    limit = settings.limit
    if size > limit:
        said = f"the message would be {size} bytes when encoded; at most {limit} are carried"
        violations.append(
            Violation(
                "attachments"
                if attachments
                else "htmlMessage"
                if "htmlMessage" in content
                else "message",
                said,
            )
        )
    if violations:
        raise Invalid(violations)
    return Plan(
        content=content,
        recipients=recipients,
        entries=entries,
        attachments=attachments,
        priority=_priority(request),
        department=request.department,
        reference=request.reference,
        send_at=request.send_at,
        valid_until=request.valid_until,
    )


def _priority(request: AnyEmailRequest) -> Priority:
    if isinstance(request, EmailBatchRequest | ShortEmailBatchRequest):
        return Priority.NORMAL if request.priority == "HIGH" else Priority.BULK
    return Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL


def _attachments(request: AnyEmailRequest) -> tuple[Attachment, ...]:
    if isinstance(request, EmailRequest | EmailBatchRequest):
        return tuple(a.decoded() for a in request.attachments or ())
    return ()


def _described(attachment: Attachment) -> dict[str, Any]:
    kind = {} if attachment.content_type is None else {"contentType": attachment.content_type}
    return {"name": attachment.name, **kind, "digest": attachment.digest.hex()}


def _sender(request: AnyEmailRequest, settings: EmailSettings) -> dict[str, Any]:
    default = settings.sender
    if isinstance(request, EmailRequest | EmailBatchRequest):
        return (request.sender or default).members()
    if request.sender == default.address:
        return default.members()
    return {"name": request.sender, "address": request.sender}


def _sender_violations(request: AnyEmailRequest, settings: EmailSettings) -> list[Violation]:
    long = isinstance(request, EmailRequest | EmailBatchRequest)
    asked = (
        (request.sender.address if request.sender else None)
        if isinstance(request, EmailRequest | EmailBatchRequest)
        else request.sender
    )
    return (
        []
        if asked is None
        else foreign_sender("sender.address" if long else "sender", asked, settings.domains)
    )


def foreign_sender(field: str, address: str, domains: Sequence[str] | None) -> list[Violation]:
    """Where there is a list of domains, a sender must be of one of them."""
    if domains is None or domain_of(address) in domains:
        return []
    return [
        Violation(
            field,
            f"must be of a domain that the municipality may send from: [{', '.join(domains)}]",
        )
    ]


def sender_of(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the sender of a content: as planned, or as another channel handed it over."""
    found: Mapping[str, Any] | None = content.get("_sender") or content.get("sender")
    return found


def own_domains(content: Mapping[str, Any], settings: EmailSettings) -> Sequence[str] | None:
    """From which domains the sender of a content that another channel handed over may be, None:
    from every one. The default always may."""
    if "_domains" in content:  # as it was completed by a channel of other settings
        found: Sequence[str] | None = content["_domains"]
        return found
    sender = sender_of(content)
    return (
        None if sender is None or sender["address"] == settings.sender.address else settings.domains
    )
