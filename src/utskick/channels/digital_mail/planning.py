"""From a request to a plan, and what is looked at before anything is stored: HTML, PDF, size, and
who may send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from utskick.channels.digital_mail import html_check as markup
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
#: Where the certificate cannot be read at acceptance: more than a signature with a chain of one
#: takes.
SIGNATURE_ROOM: Final = 8192


def plan(request: DigitalMailRequest, asked: RequestContext) -> Plan:
    """Of what was said alone. Pure: what needs certificates or time is looked at by
    ``content_violations``."""
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
        priority=_lane(request, len(recipients)),
        department=request.department,
        reference=request.reference,
        send_at=request.send_at,
        valid_until=request.valid_until,
    )


def _lane(request: DigitalMailRequest, recipients: int) -> Priority:
    """Many wait behind single messages: their HIGH is the others' NORMAL."""
    if recipients > 1:
        return Priority.NORMAL if request.priority == "HIGH" else Priority.BULK
    return Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL


def content_violations(
    content: Mapping[str, Any], attachments: Sequence[Attachment]
) -> list[Violation]:
    """HTML and PDF; of a large text it takes a while."""
    found = [
        Violation(f"attachments[{n}].content", "must be a PDF: its bytes do not begin with %PDF-")
        for n, file in enumerate(attachments)
        if not file.data.startswith(b"%PDF-")
    ]
    if content.get("contentType") == "text/html":
        found.extend(_html_violations(content))
    return found


def _html_violations(content: Mapping[str, Any]) -> list[Violation]:
    try:
        text = body_of(content).decode()
    except UnicodeDecodeError as fault:
        return [Violation("body", f"must be HTML in UTF-8: byte {fault.start} is not")]
    except ValueError:
        return [Violation("body", "not a valid BASE64-encoded string")]
    return [
        Violation("body", f"must be HTML that a mailbox takes: {fault}")
        for fault in markup.faults(text)
    ]


def size_violations(
    content: Mapping[str, Any],
    attachments: Sequence[Attachment],
    letterhead: Letterhead,
    signature: int,
) -> list[Violation]:
    """The envelope to the byte; all recipients take the same room."""
    size = envelope_length(length(letterhead, content, attachments), letterhead.date, signature)
    if size <= LIMIT:
        return []
    said = f"Message is too big to be sent as a digital mail: its envelope would be {size} bytes, and at most {LIMIT} are taken"
    return [Violation("attachments" if attachments else "body", said)]


def specimen(
    organization: str, sender_name: str, subject: str, support_info: Mapping[str, str]
) -> Letterhead:
    """A letterhead as long as every other of this sender."""
    return Letterhead(
        id=str(new_id()),
        recipient="0" * 12,
        sender="16" + organization,
        sender_name=sender_name,
        date="2026-01-01+01:00",
        subject=subject,
        support_info=support_info,
    )


def sealed_on(moment: datetime) -> str:
    """xs:date with its zone, of Sweden (``2023-10-11+02:00``)."""
    local = moment.astimezone(SWEDEN).isoformat()
    return local[:10] + local[-6:]
