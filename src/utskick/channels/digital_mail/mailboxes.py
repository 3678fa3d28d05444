"""Query ``POST …/mailboxes``: which parties can be reached by digital mail (contract 4.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from utskick.channels.digital_mail.mailbox_lookup import LookupResult, MailboxLookup
from utskick.channels.digital_mail.reachability import NO_LEGAL_ID, Mailbox
from utskick.channels.digital_mail.sender_account import SenderAccount
from utskick.domain.errors import UtskickError
from utskick.domain.outcome import Outcome, Sent
from utskick.outgoing.batch_loader import MOST


class MailboxResult(BaseModel):
    """Whether a party can be reached in a digital mailbox."""

    model_config = ConfigDict(title="Mailbox", alias_generator=to_camel)

    party_id: str | None = Field(
        default=None,
        description="Party id of the recipient",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    supplier: str | None = Field(default=None, description="Mailbox operator", examples=["Kivra"])
    reachable: bool | None = Field(
        default=None, description="Whether a message can be delivered there", examples=[True]
    )
    reason: str | None = Field(
        default=None, description="Why it cannot", examples=["No mailbox found"]
    )


class RegisterUnavailable(UtskickError):
    """Mailbox lookup is unavailable; try again later."""

    code, status, title = "register-unavailable", 502, "Bad Gateway"


async def mailboxes(
    senders: Sequence[SenderAccount],
    lookup: MailboxLookup,
    municipality_id: str,
    party_ids: list[str],
) -> list[dict[str, Any]]:
    """Look up each party, in the order given. Raises ``RegisterUnavailable``."""
    answers: list[dict[str, Any]] = []
    for start in range(0, len(party_ids), MOST):
        part = party_ids[start : start + MOST]
        results = await asyncio.gather(
            *(lookup.find(senders, municipality_id, party_id) for party_id in part)
        )
        answers.extend(_members(*pair) for pair in zip(part, results, strict=True))
    return answers


def _members(party_id: str, result: LookupResult | Outcome) -> dict[str, Any]:
    if not isinstance(result, LookupResult):
        reason = "unknown" if isinstance(result, Sent) else result.reason.sentence
        raise RegisterUnavailable(
            f"DigitalMailSender error: {{detail={reason}, status=502 Bad Gateway,"
            " title=Bad Gateway}"
        )
    is_reachable = isinstance(result.mailbox, Mailbox)
    members: dict[str, Any] = {"partyId": party_id, "reachable": is_reachable}
    if result.supplier is not None:
        members["supplier"] = result.supplier
    if not isinstance(result.mailbox, Mailbox):
        members["reason"] = (
            f"No legal Id found for partyId: {party_id}"
            if result.mailbox is NO_LEGAL_ID
            else result.mailbox.sentence
        )
    return members
