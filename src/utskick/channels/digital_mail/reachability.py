"""Whether somebody can be reached by digital mail, and if not, why: one table, the commonest cause
first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlsplit

from utskick.channels.digital_mail.settings import MailboxOperator
from utskick.channels.digital_mail.soap_responses import Standing
from utskick.domain.outcome import Misconfigured, Outcome, Reason, Rejected

#: From this age one may have a mailbox.
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
#: All that may be said against a delivery.
AGAINST: Final = (
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
    "The register names an address that the settings do not allow for this operator (see operators.<id>.hosts)",
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where a delivery goes. ``supplier``: the operator's id."""

    supplier: str
    name: str
    address: str


def verdict(
    standing: Standing | None, recipient: str, today: date, operators: Mapping[str, MailboxOperator]
) -> Mailbox | Reason:
    """``recipient``: 12 digits. *No mailbox* is asked first: FaR also says ``SenderAccepted`` false
    of those who have none."""
    if standing is None:
        return UNKNOWN
    if standing.type == "Not" or standing.supplier is None:
        return NO_MAILBOX
    tests = (
        (standing.pending, PENDING),
        (not standing.accepted, BLOCKED),
        (is_minor(recipient, today), MINOR),
        (standing.supplier not in operators, UNSUPPORTED),
        (not standing.address, NO_ADDRESS),
    )
    for holds, reason in tests:
        if holds:
            return reason
    operator = operators[standing.supplier]
    if not is_allowed(standing.address, operator):
        return FOREIGN_ADDRESS
    return Mailbox(standing.supplier, operator.name, standing.address)


def unreachable(reason: Reason) -> Outcome:
    """What a reason against it means for a delivery. An address that is not allowed is for our own
    people to look into.

    Not polite: the peer calls this FAILED and answers 404 (contract Q28); its NOT_SENT is only an
    operator's Delivered=false.
    """
    return Misconfigured(reason) if reason is FOREIGN_ADDRESS else Rejected(reason)


def is_allowed(address: str, operator: MailboxOperator) -> bool:
    """An address that came from outside is called only where it is https, on a host of the list,
    and nothing but an address."""
    if re.search(r"[\s\\@#\x00-\x20]", address):
        return False
    try:
        parts = urlsplit(address)
        host = f"{parts.hostname}:{parts.port}" if parts.port not in (None, 443) else parts.hostname
    except ValueError:
        return False
    return parts.scheme == "https" and host in operator.hosts


def is_minor(recipient: str, today: date) -> bool:
    """By the date in a personal or coordination number (day + 60); organisations are of age. A date
    that is none proves nothing."""
    if recipient.startswith("16"):
        return False
    year, month, day = int(recipient[:4]), int(recipient[4:6]), int(recipient[6:8])
    born = (year, month, day - 60 if day > 60 else day)
    return (today.year - ADULT, today.month, today.day) < born
