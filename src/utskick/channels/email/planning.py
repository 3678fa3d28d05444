"""Planning of e-mail requests: sender, recipients, content and size checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from utskick.channels.email.addresses import domain_of, wire_address
from utskick.channels.email.mime import AttachmentCache, measured
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
from utskick.domain.html_encoding import UndecodableHtml, decode_html
from utskick.domain.html_text import is_blank, longest_text
from utskick.domain.recipient import once_each
from utskick.domain.validators import decode_base64

_NO_KEY = UUID(int=0)
#: Upper bound in bytes of a message's header fields, and of one attachment's.
_ROOM_FOR_FIELDS = 262_144


def plan(
    request: AnyEmailRequest, municipality_id: str, settings: EmailSettings, room: int
) -> Plan:
    """Plan the request. ``room``: bytes to reserve for a signature. Raises ``Invalid``."""
    attachments = _attachments(request)
    content = {
        "subject": settings.subject,
        **request.content(),
        "_sender": _sender(request, settings),
    }
    if attachments:
        content["attachments"] = [_described(a) for a in attachments]
    recipients, entries = once_each(request.recipients(), wire_address)
    violations = [*_sender_violations(request, settings), *html_violations(content)]
    longest = max(recipients, key=lambda r: len(wire_address(r.destination).encode()))
    measured_draft = Draft(municipality_id, content, longest, attachments)
    violations += _size_violations(measured_draft, settings.limit, room)
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


def _size_violations(draft: Draft, limit: int, room: int) -> list[Violation]:
    """Return a violation if the message is too large. It is composed only where it may be."""
    if is_surely_within(draft, limit - room):
        return []
    size = measured(draft, _NO_KEY, AttachmentCache(0)) + room
    if size <= limit:
        return []
    return [
        Violation(
            _largest_member(draft.content),
            f"the encoded message would be {size} bytes; the limit is {limit}",
        )
    ]


def is_surely_within(draft: Draft, octets: int) -> bool:
    """Return whether an upper bound of the composed size is within ``octets``.

    A character takes at most 12 octets, an octet of an attachment fewer than 2.
    """
    content = draft.content
    texts = sum(len(content.get(name) or "") for name in ("subject", "message", "htmlMessage"))
    if is_blank(content.get("message") or ""):
        texts += longest_text(len(content.get("htmlMessage") or ""))
    return (
        12 * texts
        + sum(2 * len(a.data) + _ROOM_FOR_FIELDS for a in draft.attachments)
        + _ROOM_FOR_FIELDS
        <= octets
    )


def _largest_member(content: Mapping[str, Any]) -> str:
    """Return the member of the request to blame for a message that is too large."""
    for name in ("attachments", "htmlMessage"):
        if name in content:
            return name
    return "message"


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
    if not isinstance(request, EmailRequest | EmailBatchRequest):
        return foreign_sender("sender", request.sender, settings.domains)
    if request.sender is None:
        return []
    return foreign_sender("sender.address", request.sender.address, settings.domains)


def foreign_sender(field: str, address: str, domains: Sequence[str] | None) -> list[Violation]:
    """Return a violation unless the address is of one of the domains; None allows every domain."""
    if domains is None or domain_of(address) in domains:
        return []
    return [
        Violation(
            field,
            "must belong to one of the domains that the municipality may send from:"
            f" [{', '.join(domains)}]",
        )
    ]


def html_violations(content: Mapping[str, Any]) -> list[Violation]:
    """Return a violation where the HTML is no text in its own encoding."""
    html = content.get("htmlMessage")
    if html is None:
        return []
    try:
        decode_html(decode_base64(html))
    except UndecodableHtml as fault:
        return [Violation("htmlMessage", str(fault))]
    return []


def sender_of(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the sender of content, as planned or as supplied by a routed request."""
    found: Mapping[str, Any] | None = content.get("_sender") or content.get("sender")
    return found


def allowed_domains(content: Mapping[str, Any], settings: EmailSettings) -> Sequence[str] | None:
    """Return the domains allowed for the sender of routed content; None allows every domain.

    The default sender is always allowed.
    """
    if "_domains" in content:  # set by ``completed`` of a channel with other settings
        domains: Sequence[str] | None = content["_domains"]
        return domains
    sender = sender_of(content)
    return (
        None if sender is None or sender["address"] == settings.sender.address else settings.domains
    )
