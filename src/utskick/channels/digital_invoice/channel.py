"""Digital invoice channel: planning, recipient match, and byte-identical repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel

from utskick.channels.digital_invoice.content import EDITION, Receiver, encode_content
from utskick.channels.digital_invoice.kivra import UNREACHABLE, Kivra
from utskick.channels.digital_invoice.planning import plan
from utskick.channels.digital_invoice.requests import DigitalInvoiceRequest
from utskick.channels.digital_invoice.settings import DigitalInvoiceSettings
from utskick.domain.attachment import listed
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Draft,
    Plan,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.clock import SWEDEN, utc_now
from utskick.domain.directory_ports import LegalIds, Neighbours
from utskick.domain.errors import NotBuilt
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason, Rejected
from utskick.domain.preparation import Prepared, Ready

_NO_LEGAL_ID: Final = Reason(
    "no-legal-id", "the party has no known personal or organisation number"
)
_NO_ACCOUNT: Final = Misconfigured(
    Reason("no-account", "no account for the municipality's invoices is configured"),
    Concern.OURSELVES,
)

FORMS: Final = (
    SendEndpoint(
        "digital-invoice",
        "sendDigitalInvoice",
        "Send a digital invoice",
        DigitalInvoiceRequest,
        None,
        many=False,
        limit=24 * 1_048_576,
    ),
)


class DigitalInvoiceChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for invoices."""

    name = "digital_invoice"
    message_type = "DIGITAL_INVOICE"
    titled = True
    integration = "DigitalMailSender"
    label = "Digital faktura"
    history_facts = HistoryFacts(in_statistics=False)
    forms: tuple[SendEndpoint, ...] = FORMS
    ahead = 200

    def __init__(
        self,
        settings: DigitalInvoiceSettings,
        legal_ids: LegalIds,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self._legal_ids = legal_ids
        self._clock = clock
        ordered = sorted(settings.accounts.items(), key=lambda item: item[1].priority)
        self._tenants = {name: Kivra(name, account) for name, account in ordered}
        self.accounts = tuple(
            Account(name, a.provider, a.priority, a.concurrency, a.rate) for name, a in ordered
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not isinstance(request, DigitalInvoiceRequest):
            raise TypeError(f"{type(request).__name__} is not an invoice request")
        if not self._serving(asked.municipality_id):
            raise NotBuilt(
                "no account for digital invoices is configured for this municipality; see section"
                " [digital_invoice] of the settings"
            )
        return plan(request, self._settings, self._clock().astimezone(SWEDEN).date())

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        """Look up the recipient's number and whether Kivra reaches it, once for all attempts."""
        if draft.frozen is not None:
            return Ready(draft.frozen)
        party_id = draft.recipient.party_id
        assert party_id is not None
        legal_ids = await self._legal_ids.legal_ids(draft.municipality_id, [party_id])
        if isinstance(legal_ids, Deferred):
            return legal_ids
        legal_id = legal_ids.get(party_id)
        if legal_id is None:
            return Rejected(_NO_LEGAL_ID)
        today = self._clock().astimezone(SWEDEN).date().isoformat()
        if legal_id.is_organization:
            return Ready(Receiver("vat_number", f"SE{legal_id.number}01", today, EDITION).encode())
        names = self.able(draft)
        if not names:
            return _NO_ACCOUNT
        matched = await self._tenants[names[0]].reaches(legal_id.number)
        if matched is True:
            return Ready(Receiver("ssn", legal_id.number, today, EDITION).encode())
        return Rejected(UNREACHABLE, polite=True) if matched is False else matched

    def able(self, draft: Draft) -> tuple[str, ...]:
        return self._serving(draft.municipality_id)

    def _serving(self, municipality_id: str) -> tuple[str, ...]:
        tenants = ((name, tenant.account.municipalities) for name, tenant in self._tenants.items())
        return tuple(
            name
            for name, municipalities in tenants
            if not municipalities or municipality_id in municipalities
        )

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        return "resend" if self._tenants[account].account.deduplicates else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:  # noqa: ARG002
        assert draft.frozen is not None, "an invoice must be prepared before it is sent"
        content = encode_content(Receiver.decode(draft.frozen), draft.content, draft.attachments)
        return await self._tenants[account].send(content)

    def show(self, draft: Draft) -> dict[str, Any]:
        visible = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        files = listed(visible.pop("files"), draft.attachments)
        return {
            "party": {"partyId": draft.recipient.party_id, **visible.pop("party", {})},
            **visible,
            "files": files,
        }

    async def look(self) -> list[AccountHealth]:
        return list(await asyncio.gather(*(tenant.check() for tenant in self._tenants.values())))

    async def close(self) -> None:
        await asyncio.gather(*(tenant.close() for tenant in self._tenants.values()))


def build(settings: DigitalInvoiceSettings, neighbours: Neighbours) -> DigitalInvoiceChannel:
    """Build the channel with one client per tenant."""
    return DigitalInvoiceChannel(settings, neighbours.directory)
