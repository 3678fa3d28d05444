"""Mailbox lookup of a party: legal id from the directory, reachability from the register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from utskick.channels.digital_mail.reachability import (
    FOREIGN_ADDRESS,
    NO_LEGAL_ID,
    NO_MAILBOX,
    UNSUPPORTED,
    Mailbox,
    assess,
    may_have_mailbox,
)
from utskick.channels.digital_mail.sender_account import SenderAccount
from utskick.channels.digital_mail.soap_responses import ReachabilityStatus
from utskick.domain.clock import SWEDEN, Clock
from utskick.domain.directory_ports import Directory, LegalId
from utskick.domain.outcome import Outcome, Reason
from utskick.outgoing.batch_loader import BatchLoader

#: Reasons that an account's settings give, so that another account may reach the mailbox.
_OF_SETTINGS: Final = (UNSUPPORTED, FOREIGN_ADDRESS)


@dataclass(frozen=True, slots=True, repr=False)
class LookupResult:
    """Result for one party.

    ``recipient``: 12 digits. ``mailbox``: the mailbox, or why there is none. ``sender``: the
    account that reaches it, else the first. ``supplier``: name of the mailbox operator, if known.
    """

    recipient: str
    mailbox: Mailbox | Reason
    sender: SenderAccount
    supplier: str | None = None


class MailboxLookup:
    """Looks up mailboxes; concurrent lookups are combined into batches."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._loaders: dict[str, BatchLoader[LegalId]] = {}

    async def find(
        self, senders: Sequence[SenderAccount], municipality_id: str, party_id: str
    ) -> LookupResult | Outcome:
        """Look up one party. An ``Outcome`` means that the lookup failed.

        ``senders``: accounts of one organisation, at least one; the first whose settings have the
        mailbox's operator is chosen.
        """
        legal_id = await self._loader(municipality_id).get(party_id)
        if legal_id is None:
            return LookupResult("", NO_LEGAL_ID, senders[0])
        if not isinstance(legal_id, LegalId):
            return legal_id
        if not may_have_mailbox(legal_id.twelve):
            return LookupResult(legal_id.twelve, NO_MAILBOX, senders[0])
        first: LookupResult | Outcome | None = None
        for sender in senders:
            result = await self._at(sender, legal_id.twelve)
            if not isinstance(result, LookupResult) or result.mailbox not in _OF_SETTINGS:
                return result
            first = first or result
        assert first is not None, "there is at least one sender"
        return first

    async def _at(self, sender: SenderAccount, recipient: str) -> LookupResult | Outcome:
        status = await sender.reachability(recipient)
        if status is not None and not isinstance(status, ReachabilityStatus):
            return status
        today = self._clock().astimezone(SWEDEN).date()
        mailbox = assess(status, recipient, today, sender.account.operators)
        return LookupResult(recipient, mailbox, sender, _supplier_name(status, sender))

    def _loader(self, municipality_id: str) -> BatchLoader[LegalId]:
        if municipality_id not in self._loaders:
            self._loaders[municipality_id] = BatchLoader(partial(self._legal_ids, municipality_id))
        return self._loaders[municipality_id]

    async def _legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Outcome:
        """Key the ids as requested, as a directory may return party ids in another letter case."""
        legal_ids = await self._directory.legal_ids(municipality_id, party_ids)
        if not isinstance(legal_ids, Mapping):
            return legal_ids
        lower = {party_id.lower(): legal_id for party_id, legal_id in legal_ids.items()}
        return {
            party_id: lower[party_id.lower()] for party_id in party_ids if party_id.lower() in lower
        }

    async def close(self) -> None:
        for loader in self._loaders.values():
            await loader.close()


def _supplier_name(status: ReachabilityStatus | None, sender: SenderAccount) -> str | None:
    if status is None or status.supplier is None:
        return None
    operator = sender.account.operators.get(status.supplier)
    return operator.name if operator else status.supplier_name or None
