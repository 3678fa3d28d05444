"""Physical letters: collected in a print batch, handed over to a printing house as files.

The stored content of a letter, which another channel may also hand over (``domain.leg``):

- ``department``: required; ``folderName``, ``deviation``: as the request has them;
- ``attachments``: one member for each attachment of the draft, in its order: ``{"filename",
"contentType", "digest", "envelopeType"?}``;
- ``subject``, ``text``: a letter that is set from text; ``coverPage``: true for an address page
before the PDFs;
- ``_sentBy``: who asked for it, where the store knows.

The destination of its recipient is the JSON of an address as the contract writes it (``firstName``
… ``country``, ``organizationName``, ``organizationNumber``), or "" where the party's address is
looked up.

The content of a hand-over: ``batchId``, ``sequence`` (1 for the batch's first), ``sentBy``,
``municipalityId``, ``department``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel

from utskick.channels.snail_mail import planning
from utskick.channels.snail_mail.folder import Folder
from utskick.channels.snail_mail.handover import HandOver
from utskick.channels.snail_mail.letters import Bench
from utskick.channels.snail_mail.preflight_client import PreflightClient
from utskick.channels.snail_mail.requests import SnailMailRequest
from utskick.channels.snail_mail.settings import (
    PROFILES,
    FolderAccount,
    SftpAccount,
    SnailMailSettings,
)
from utskick.channels.snail_mail.settings import Account as AccountSettings
from utskick.channels.snail_mail.storage import StorageFault, StorageLocation, patient
from utskick.channels.snail_mail.typesetting import Undrawable
from utskick.domain.attachment import Attachment, listed
from utskick.domain.channel import (
    Account,
    AccountHealth,
    BatchPolicy,
    Draft,
    Parameter,
    Plan,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.directory_ports import Hidden, Neighbours
from utskick.domain.errors import NotBuilt, Unavailable, Violation
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected
from utskick.domain.postal_recipient import Addressee
from utskick.domain.preparation import READY, Gathered, Prepared

FORMS: Final = (
    SendEndpoint(
        "snail-mail",
        "addSnailMailToBatch",
        "Add a letter to a print batch",
        SnailMailRequest,
        None,
        many=False,
        limit=96 * 1_048_576,
        parameters=(Parameter("batchId", "uuid"),),
    ),
)
_PROTECTED: Final = Reason(
    "undeliverable-protected-identity",
    "the person has a protected identity: a letter is not addressed automatically",
)
_NOWHERE: Final = Reason(
    "undeliverable-no-address", "there is no address for the recipient in the register"
)
_INCOMPLETE: Final = Reason(
    "undeliverable-incomplete-address", "the recipient's address in the register is not whole"
)


@dataclass(frozen=True, slots=True)
class _House:
    """One account: its settings, the way there, and where its letters are put together."""

    name: str
    settings: AccountSettings
    place: StorageLocation
    bench: Bench

    async def look(self) -> AccountHealth:
        try:
            async with (
                asyncio.timeout(self.settings.connect_timeout + 5),
                patient(self.place, self.settings.read_timeout) as target,
            ):
                await target.names("")
        except StorageFault as fault:
            return AccountHealth(self.name, False, fault.reason.sentence)
        except TimeoutError:
            return AccountHealth(self.name, False, "the printing house did not answer in time")
        return AccountHealth(self.name, True, "the printing house's folder can be read")


class SnailMailChannel(ChannelDefaults):
    """``domain.channel.Channel`` for physical letters."""

    name = "snail_mail"
    message_type = "SNAIL_MAIL"
    titled = True
    integration = "SnailmailSender"
    forms: tuple[SendEndpoint, ...] = FORMS
    #: A whole batch is addressed before anything of it is handed over.
    ahead = 500

    def __init__(self, settings: SnailMailSettings, neighbours: Neighbours) -> None:
        self._settings = settings
        self.gathering = BatchPolicy(
            "snail-mail/batch/{batchId}",
            "triggerSnailMailBatchProcessing",
            "Close a print batch: it is handed over to the printing house",
            timedelta(seconds=settings.close_after),
        )
        self._directory = neighbours.directory
        self._inspection = PreflightClient(settings.limits)
        #: Where no printing house has been set up for a municipality: its PDFs are looked at all
        #: the same.
        self._no_house = Bench(PROFILES["postnord-v2"], self._inspection)
        ordered = sorted(settings.accounts.items(), key=lambda item: item[1].priority)
        self._houses = {name: self._house(name, account) for name, account in ordered}
        self.accounts = tuple(
            Account(name, a.provider, a.priority, a.concurrency, a.rate) for name, a in ordered
        )

    def _house(self, name: str, account: AccountSettings) -> _House:
        return _House(
            name,
            account,
            _place(account),
            Bench(self._settings.profile(account.profile), self._inspection),
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not isinstance(request, SnailMailRequest):
            raise TypeError(f"{type(request).__name__} is no request for a letter")
        if self._house_of(asked.municipality_id) is None:
            raise NotBuilt(
                "no printing house is configured for this municipality; see the settings of [snail_mail]"
            )
        return planning.plan(request, asked)

    async def inspect(
        self, content: Mapping[str, Any], attachments: Sequence[Attachment], asked: RequestContext
    ) -> list[Violation]:
        house = self._house_of(asked.municipality_id)
        bench = house.bench if house else self._no_house
        try:
            found = await asyncio.gather(*(bench.look(attachment) for attachment in attachments))
            violations = [
                Violation(f"attachments[{i}]", said)
                for i, one in enumerate(found)
                for said in one.findings
            ]
            return violations + await _text_faults(content, bench)
        except OSError as fault:
            raise Unavailable(
                "attachments cannot be opened at the moment; try again later"
            ) from fault

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        if draft.letters is not None:
            return READY
        if draft.frozen is not None:
            return Gathered(draft.frozen)
        if draft.recipient.destination:
            return Gathered(Addressee.read(orjson.loads(draft.recipient.destination)).freeze())
        return await self._looked_up(draft)

    async def _looked_up(self, draft: Draft) -> Prepared:
        """A protected identity is never printed from the register, not even where the PDF carries
        an address of its own."""
        carried = planning.carries_address(draft.content)
        nobody: Prepared = Gathered(Addressee().freeze()) if carried else Rejected(_NOWHERE)
        if draft.recipient.party_id is None:
            return nobody
        found = await self._directory.address(draft.municipality_id, draft.recipient.party_id)
        if isinstance(found, Deferred):
            return found
        if found is Hidden.PROTECTED:
            return Rejected(_PROTECTED)
        if isinstance(found, Hidden):
            return nobody
        addressee = Addressee.registered(found)
        return (
            Rejected(_INCOMPLETE)
            if addressee.faults() and not carried
            else Gathered(addressee.freeze())
        )

    def able(self, draft: Draft) -> tuple[str, ...]:
        """One at most. What is known of a hand-over lies at the house that was begun with: another
        one could only print it again."""
        house = self._house_of(draft.municipality_id)
        return (house.name,) if house else ()

    def _house_of(self, municipality_id: str) -> _House | None:
        served = (
            h
            for h in self._houses.values()
            if not h.settings.municipalities or municipality_id in h.settings.municipalities
        )
        return next(served, None)

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        """A hand-over that is asked for again only finishes what is unfinished
        (``handover.py``)."""
        return "resend"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        """The hand-over of a print batch. A letter alone is never sent: ``prepare`` gathers it."""
        if draft.letters is None:
            raise TypeError("a letter is handed over with its print batch")
        house = self._houses.get(account)
        if house is None:
            return Misconfigured(
                Reason("no-account", "the settings have no such printing house any more")
            )
        try:
            async with patient(house.place, house.settings.read_timeout) as target:
                return await HandOver(target, self._settings.layout, house.bench, key).run(draft)
        except StorageFault as fault:
            return fault.outcome()

    def show(self, draft: Draft) -> dict[str, Any]:
        shown = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        if draft.letters is not None:
            return shown
        if "attachments" in shown:
            shown["attachments"] = listed(shown["attachments"], draft.attachments)
        party = {
            **({"partyId": draft.recipient.party_id} if draft.recipient.party_id else {}),
            **shown.pop("party", {}),
        }
        address = (
            orjson.loads(draft.recipient.destination)
            if draft.recipient.destination
            else Addressee.thaw(draft.frozen).members()
        )
        return {
            **({"party": party} if party else {}),
            **({"address": address} if address else {}),
            **shown,
        }

    async def look(self) -> list[AccountHealth]:
        return list(await asyncio.gather(*(house.look() for house in self._houses.values())))

    async def start(self) -> None:
        self._inspection.warm()

    async def close(self) -> None:
        await self._inspection.close()


async def _text_faults(content: Mapping[str, Any], bench: Bench) -> list[Violation]:
    """A text is set once, to see whether it can be, and on how many pages."""
    if not content.get("text"):
        return []
    try:
        made = await bench.prove(
            bench.page({**content, "department": ""}, ["Namn Namnsson", "Gatan 1", "111 11  ORTEN"])
        )
    except Undrawable as fault:
        named = ", ".join(f"U+{ord(ch):04X}" for ch in fault.characters[:5])
        return [
            Violation(
                "text",
                f"must not hold characters, in the text or the subject, that the letter's fonts lack: {named}",
            )
        ]
    found = await bench.look(Attachment.of("text", "application/pdf", made))
    return [Violation("text", f"set as a letter {said}") for said in found.findings]


def _place(account: AccountSettings) -> StorageLocation:
    if isinstance(account, FolderAccount):
        return Folder(account)
    if isinstance(account, SftpAccount):
        from utskick.channels.snail_mail.sftp import Sftp

        return Sftp(account)
    from utskick.channels.snail_mail.smb import Smb

    return Smb(account)


def build(settings: SnailMailSettings, neighbours: Neighbours) -> SnailMailChannel:
    return SnailMailChannel(settings, neighbours)
