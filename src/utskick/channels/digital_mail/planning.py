"""Planning of digital mail, and its checks at acceptance: HTML and size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from utskick.channels.digital_mail import html_check
from utskick.channels.digital_mail.envelope import LIMIT, Letterhead, body_of, length
from utskick.channels.digital_mail.requests import DigitalMailRequest
from utskick.channels.digital_mail.signature import envelope_length
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Plan, Priority, RequestContext
from utskick.domain.clock import SWEDEN
from utskick.domain.errors import Violation
from utskick.domain.ids import new_id
from utskick.domain.recipient import once_each

NOT_A_SENDER: Final = "Sending organization is not registered as authorized sender"
#: Code of a message that is larger than mailboxes take.
TOO_LARGE: Final = "too-large-for-mailbox"
#: Bytes reserved for a signature where the certificate cannot be read at acceptance: more than one
#: with a chain of a single certificate takes.
SIGNATURE_ROOM: Final = 8192


def plan(request: DigitalMailRequest, asked: RequestContext) -> Plan:
    """Plan the request. Pure: slow checks are made by ``content_violations``."""
    attachments = tuple(file.decoded() for file in request.attachments or ())
    content = request.content()
    if attachments:
        content["attachments"] = [
            {"filename": file.name, "contentType": file.content_type, "digest": file.digest.hex()}
            for file in attachments
        ]
    if asked.organization_number is not None:
        content["_organization"] = asked.organization_number
    recipients, entries = once_each(request.recipients())
    return Plan(
        content=content,
        recipients=recipients,
        entries=entries,
        attachments=attachments,
        priority=_queue_priority(request, len(recipients)),
        department=request.department,
        reference=request.reference,
        send_at=request.send_at,
        valid_until=request.valid_until,
    )


def _queue_priority(request: DigitalMailRequest, recipients: int) -> Priority:
    """Map the request's priority to a queue; requests with several recipients rank a step lower."""
    if recipients > 1:
        return Priority.NORMAL if request.priority == "HIGH" else Priority.BULK
    return Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL


def body_violations(content: Mapping[str, Any]) -> list[Violation]:
    """Check an HTML body; slow for a large text."""
    if content.get("contentType") != "text/html":
        return []
    try:
        text = body_of(content).decode()
    except UnicodeDecodeError as fault:
        return [Violation("body", f"must be HTML in UTF-8: byte {fault.start} is not")]
    except ValueError:
        return [Violation("body", "not a valid BASE64-encoded string")]
    return [
        Violation("body", f"must be HTML that mailboxes accept: {fault}")
        for fault in html_check.faults(text)
    ]


def may_be_too_large(content: Mapping[str, Any], attachments: Sequence[Attachment]) -> bool:
    """Return whether the exact size must be computed, which encodes the body."""
    plain = sum(len(file.data) for file in attachments) + 4 * len(content.get("body") or "")
    return plain * 4 // 3 > LIMIT // 2


def size_violations(
    content: Mapping[str, Any],
    attachments: Sequence[Attachment],
    letterhead: Letterhead,
    signature: int,
) -> list[Violation]:
    """Check the exact size of the envelope, which is the same for all recipients."""
    size = envelope_length(length(letterhead, content, attachments), letterhead.date, signature)
    if size <= LIMIT:
        return []
    sentence = (
        f"Message is too big to be sent as a digital mail: its envelope would be {size} bytes; the"
        f" limit is {LIMIT}"
    )
    return [Violation("attachments" if attachments else "body", sentence, TOO_LARGE)]


def sample_letterhead(
    organization: str, sender_name: str, subject: str, support_info: Mapping[str, str]
) -> Letterhead:
    """Build a letterhead of the same length as every other of this sender."""
    return Letterhead(
        id=str(new_id()),
        recipient="0" * 12,
        sender="16" + organization,
        sender_name=sender_name,
        date="2026-01-01+01:00",
        subject=subject,
        support_info=support_info,
    )


def seal_date(moment: datetime) -> str:
    """Format as xs:date with the Swedish time zone (``2023-10-11+02:00``)."""
    local = moment.astimezone(SWEDEN).isoformat()
    return local[:10] + local[-6:]
