"""Who a party is, and where its mailbox is: the directory's answer and the register's, put
together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from utskick.channels.digital_mail.reachability import NO_LEGAL_ID, Mailbox, verdict
from utskick.channels.digital_mail.sender_account import SenderAccount
from utskick.channels.digital_mail.soap_responses import Standing
from utskick.domain.clock import SWEDEN, Clock
from utskick.domain.directory_ports import Directory, LegalId
from utskick.domain.outcome import Outcome, Reason
from utskick.outgoing.batch_loader import Groups


@dataclass(frozen=True, slots=True, repr=False)
class LookupResult:
    """``recipient``: 12 digits; ``mailbox``: it can be reached there, or why not; ``supplier``: its
    operator's name, where one is known."""

    recipient: str
    mailbox: Mailbox | Reason
    supplier: str | None = None


class Whereabouts:
    """Reads only. Deliveries that wait at the same time are looked up together."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._people: dict[str, Groups[LegalId]] = {}

    async def find(
        self, desk: SenderAccount, municipality_id: str, party_id: str
    ) -> LookupResult | Outcome:
        """The outcome: nobody can tell now."""
        legal_id = await self._group(municipality_id).get(party_id)
        if legal_id is None:
            return LookupResult("", NO_LEGAL_ID)
        if not isinstance(legal_id, LegalId):
            return legal_id
        recipient = legal_id.twelve
        standing = await desk.standing(recipient)
        if standing is not None and not isinstance(standing, Standing):
            return standing
        mailbox = verdict(
            standing, recipient, self._clock().astimezone(SWEDEN).date(), desk.account.operators
        )
        return LookupResult(recipient, mailbox, _supplier_name(standing, desk))

    def _group(self, municipality_id: str) -> Groups[LegalId]:
        if municipality_id not in self._people:
            self._people[municipality_id] = Groups(partial(self._legal_ids, municipality_id))
        return self._people[municipality_id]

    async def _legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Outcome:
        """By party id as it was asked for: a directory may answer in another letter case."""
        found = await self._directory.legal_ids(municipality_id, party_ids)
        if not isinstance(found, Mapping):
            return found
        lower = {party_id.lower(): legal_id for party_id, legal_id in found.items()}
        return {
            party_id: lower[party_id.lower()] for party_id in party_ids if party_id.lower() in lower
        }

    async def close(self) -> None:
        for group in self._people.values():
            await group.close()


def _supplier_name(standing: Standing | None, desk: SenderAccount) -> str | None:
    if standing is None or standing.supplier is None:
        return None
    operator = desk.account.operators.get(standing.supplier)
    return operator.name if operator else standing.supplier_name or None
