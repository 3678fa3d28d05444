"""``POST …/mailboxes``: who of these parties can be reached by digital mail, and why not (contract
4.7)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from utskick.channels.digital_mail.mailbox_lookup import LookupResult, Whereabouts
from utskick.channels.digital_mail.reachability import NO_LEGAL_ID, Mailbox
from utskick.channels.digital_mail.sender_account import SenderAccount
from utskick.domain.errors import UtskickError
from utskick.domain.outcome import Outcome, Sent
from utskick.outgoing.batch_loader import MOST

#: The answer's schema.
SHAPE: Final = {"type": "array", "items": {"$ref": "#/components/schemas/Mailbox"}}


class RegisterUnavailable(UtskickError):
    """Who has a mailbox cannot be told now; ask again later."""

    code, status, title = "register-unavailable", 502, "Bad Gateway"


async def mailboxes(
    desk: SenderAccount, whereabouts: Whereabouts, municipality_id: str, party_ids: list[str]
) -> list[dict[str, Any]]:
    """One answer each, in the order asked. Raises ``RegisterUnavailable``."""
    answers: list[dict[str, Any]] = []
    for start in range(0, len(party_ids), MOST):
        part = party_ids[start : start + MOST]
        found = await asyncio.gather(
            *(whereabouts.find(desk, municipality_id, party_id) for party_id in part)
        )
        answers.extend(_shown(party_id, one) for party_id, one in zip(part, found, strict=True))
    return answers


def _shown(party_id: str, found: LookupResult | Outcome) -> dict[str, Any]:
    if not isinstance(found, LookupResult):
        reason = "unknown" if isinstance(found, Sent) else found.reason.sentence
        raise RegisterUnavailable(
            f"DigitalMailSender error: {{detail={reason}, status=502 Bad Gateway, title=Bad Gateway}}"
        )
    said: dict[str, Any] = {"partyId": party_id, "reachable": isinstance(found.mailbox, Mailbox)}
    if found.supplier is not None:
        said["supplier"] = found.supplier
    if not isinstance(found.mailbox, Mailbox):
        said["reason"] = (
            f"No legal Id found for partyId: {party_id}"
            if found.mailbox is NO_LEGAL_ID
            else found.mailbox.sentence
        )
    return said
