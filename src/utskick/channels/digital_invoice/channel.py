"""The digital invoice as the engine sees it: numbers are checked, the recipient is asked for, and a
repeat is the same to the byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel

from utskick.channels.digital_invoice.content import Receiver, written
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
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected
from utskick.domain.preparation import Prepared, Ready

_NO_LEGAL_ID: Final = Reason(
    "no-legal-id", "no personal or organisation number is known for the party"
)
_NO_ACCOUNT: Final = Misconfigured(
    Reason("no-account", "no account of the settings carries the municipality's invoices")
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
    """``domain.channel.Channel`` for invoices."""

    name = "digital_invoice"
    message_type = "DIGITAL_INVOICE"
    titled = True
    integration = "DigitalMailSender"
    forms: tuple[SendEndpoint, ...] = FORMS
    ahead = 200

    def __init__(
        self,
        settings: DigitalInvoiceSettings,
        legal_ids: LegalIds,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._legal_ids = legal_ids
        self._clock = clock
        ordered = sorted(settings.accounts.items(), key=lambda item: item[1].priority)
        self._tenants = {name: Kivra(name, account) for name, account in ordered}
        self.accounts = tuple(
            Account(name, a.provider, a.priority, a.concurrency, a.rate) for name, a in ordered
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not isinstance(request, DigitalInvoiceRequest):
            raise TypeError(f"{type(request).__name__} is no invoice")
        if not self._serving(asked.municipality_id):
            raise NotBuilt(
                "no account for digital invoices is configured for this municipality; see the settings of [digital_invoice]"
            )
        return plan(request, self._settings, self._clock().astimezone(SWEDEN).date())

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        """Who is it, and can they be reached: asked once, before the first attempt."""
        if draft.frozen is not None:
            return Ready(draft.frozen)
        party_id = draft.recipient.party_id
        assert party_id is not None
        found = await self._legal_ids.legal_ids(draft.municipality_id, [party_id])
        if isinstance(found, Deferred):
            return found
        legal_id = found.get(party_id)
        if legal_id is None:
            return Rejected(_NO_LEGAL_ID)
        today = self._clock().astimezone(SWEDEN).date().isoformat()
        if legal_id.is_organization:
            return Ready(Receiver("vat_number", f"SE{legal_id.number}01", today).written())
        names = self.able(draft)
        if not names:
            return _NO_ACCOUNT
        reached = await self._tenants[names[0]].reaches(legal_id.number)
        if reached is True:
            return Ready(Receiver("ssn", legal_id.number, today).written())
        return Rejected(UNREACHABLE, polite=True) if reached is False else reached

    def able(self, draft: Draft) -> tuple[str, ...]:
        return self._serving(draft.municipality_id)

    def _serving(self, municipality_id: str) -> tuple[str, ...]:
        served = ((name, tenant.account.municipalities) for name, tenant in self._tenants.items())
        return tuple(
            name
            for name, municipalities in served
            if not municipalities or municipality_id in municipalities
        )

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        return "resend" if self._tenants[account].account.deduplicates else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:  # noqa: ARG002
        assert draft.frozen is not None, "an invoice is prepared before it is sent"
        return await self._tenants[account].send(
            written(Receiver.read(draft.frozen), draft.content, draft.attachments)
        )

    def show(self, draft: Draft) -> dict[str, Any]:
        shown = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        files = listed(shown.pop("files"), draft.attachments)
        return {
            "party": {"partyId": draft.recipient.party_id, **shown.pop("party", {})},
            **shown,
            "files": files,
        }

    async def look(self) -> list[AccountHealth]:
        return list(await asyncio.gather(*(tenant.look() for tenant in self._tenants.values())))

    async def close(self) -> None:
        await asyncio.gather(*(tenant.close() for tenant in self._tenants.values()))


def build(settings: DigitalInvoiceSettings, neighbours: Neighbours) -> DigitalInvoiceChannel:
    return DigitalInvoiceChannel(settings, neighbours.directory)
