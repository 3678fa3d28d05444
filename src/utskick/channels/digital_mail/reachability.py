"""Assessment of whether a recipient can be reached by digital mail, and if not, why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlsplit

from utskick.channels.digital_mail.settings import MailboxOperator
from utskick.channels.digital_mail.soap_responses import ReachabilityStatus
from utskick.domain.outcome import Concern, Misconfigured, Outcome, Reason, Rejected

#: Minimum age of a mailbox owner.
ADULT: Final = 18

NO_LEGAL_ID: Final = Reason("no-legal-id", "No legal id was found for the party")
UNKNOWN: Final = Reason(
    "not-in-register", "The register of mailboxes gave no answer for the recipient"
)
NO_MAILBOX: Final = Reason("no-mailbox", "No service supplier available")
PENDING: Final = Reason("pending", "Mailbox is pending activation")
BLOCKED: Final = Reason("sender-blocked", "Sender not accepted by recipient")
MINOR: Final = Reason("minor", "Recipient is not an adult")
UNSUPPORTED: Final = Reason("unsupported-operator", "Unsupported service supplier")
NO_ADDRESS: Final = Reason("no-service-address", "Service address is blank")
#: All reasons why a recipient cannot be reached.
UNREACHABLE_REASONS: Final = (
    NO_LEGAL_ID,
    UNKNOWN,
    NO_MAILBOX,
    PENDING,
    BLOCKED,
    MINOR,
    UNSUPPORTED,
    NO_ADDRESS,
)
FOREIGN_ADDRESS: Final = Reason(
    "address-not-allowed",
    "The register returned an address that the settings do not allow for this operator (see"
    " operators.<id>.hosts)",
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox's address. ``supplier``: the operator's id."""

    supplier: str
    name: str
    address: str


def assess(
    status: ReachabilityStatus | None,
    recipient: str,
    today: date,
    operators: Mapping[str, MailboxOperator],
) -> Mailbox | Reason:
    """Return the mailbox, or the reason why there is none. ``recipient``: 12 digits.

    *No mailbox* comes first, as the register also reports ``SenderAccepted`` false without one.
    """
    if status is None:
        return UNKNOWN
    if status.type == "Not" or status.supplier is None:
        return NO_MAILBOX
    tests = (
        (status.pending, PENDING),
        (not status.accepted, BLOCKED),
        (is_minor(recipient, today), MINOR),
        (status.supplier not in operators, UNSUPPORTED),
        (not status.address, NO_ADDRESS),
    )
    for applies, reason in tests:
        if applies:
            return reason
    operator = operators[status.supplier]
    if not is_allowed(status.address, operator):
        return FOREIGN_ADDRESS
    return Mailbox(status.supplier, operator.name, status.address)


def unreachable(reason: Reason) -> Outcome:
    """Map a reason to an outcome; an address that is not allowed is for the operator to resolve.

    Never polite: the contract reports FAILED and answers 404 (Q28), and reserves NOT_SENT for a
    mailbox operator's Delivered=false.
    """
    return (
        Misconfigured(reason, Concern.OURSELVES) if reason is FOREIGN_ADDRESS else Rejected(reason)
    )


def is_allowed(address: str, operator: MailboxOperator) -> bool:
    """Return whether an address from the register is https on a host allowed for the operator."""
    if re.search(r"[\s\\@#\x00-\x20]", address):
        return False
    try:
        parts = urlsplit(address)
        host = f"{parts.hostname}:{parts.port}" if parts.port not in (None, 443) else parts.hostname
    except ValueError:
        return False
    return parts.scheme == "https" and host in operator.hosts


def may_have_mailbox(recipient: str) -> bool:
    """Return whether the register can be asked about a number (Recipient.xsd).

    A coordination number whose month is unknown is none of its numbers; a query that has one is
    refused for all of its recipients.
    """
    return recipient.startswith("16") or recipient[4:6] != "00"


def is_minor(recipient: str, today: date) -> bool:
    """Return whether a personal or coordination number (day + 60) is a minor's.

    False for organisations and for invalid dates. Of an unknown day (60) it is the last.
    """
    if recipient.startswith("16"):
        return False
    year, month, day = int(recipient[:4]), int(recipient[4:6]), int(recipient[6:8])
    born = (year, month, 31 if day == 60 else day - 60 if day > 60 else day)
    return (today.year - ADULT, today.month, today.day) < born
