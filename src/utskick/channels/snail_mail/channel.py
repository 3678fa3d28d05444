"""Snail mail channel: letters are collected in a print batch and handed over as files.

The stored content of a letter, which another channel may also hand over (``domain.leg``):

- ``department``: required; ``folderName``, ``deviation``: as in the request;
- ``attachments``: one member for each attachment of the draft, in order: ``{"filename",
  "contentType", "digest", "envelopeType"?}``;
- ``subject``, ``text``: a letter typeset from text; ``coverPage``: true for an address page before
  the PDFs;
- ``_sentBy``: the requester, where known.

The recipient's destination is the JSON of an address in the contract's form (``firstName`` …
``country``, ``organizationName``, ``organizationNumber``), or "" if the party's address is looked
up.

Members of a hand-over's content: ``batchId``, ``sequence`` (1 for the first of a batch),
``sentBy``, ``municipalityId``, ``department``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

import orjson
import structlog
from pydantic import BaseModel

from utskick.channels.snail_mail import planning
from utskick.channels.snail_mail.file_names import STAGING
from utskick.channels.snail_mail.folder import Folder
from utskick.channels.snail_mail.handover import HandOver
from utskick.channels.snail_mail.handover_writer import UNPRINTABLE
from utskick.channels.snail_mail.letters import LetterComposer, preflight_of
from utskick.channels.snail_mail.requests import SnailMailRequest
from utskick.channels.snail_mail.settings import (
    PROFILES,
    EnvelopeWindow,
    FolderAccount,
    SftpAccount,
    SnailMailSettings,
)
from utskick.channels.snail_mail.settings import Account as AccountSettings
from utskick.channels.snail_mail.storage import (
    Storage,
    StorageFault,
    StorageLocation,
    probe,
    with_timeouts,
)
from utskick.channels.snail_mail.typesetting import MissingGlyphs
from utskick.domain.attachment import Attachment, listed
from utskick.domain.batch_policy import BatchPolicy
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Draft,
    Parameter,
    Plan,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.directory_ports import Hidden, Neighbours
from utskick.domain.errors import NotBuilt, Unavailable, Violation
from utskick.domain.notice import Notice
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Uncertain
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
    "the person has a protected identity; letters are not addressed automatically",
)
_NOWHERE: Final = Reason(
    "undeliverable-no-address", "the register has no address for the recipient"
)
_INCOMPLETE: Final = Reason(
    "undeliverable-incomplete-address", "the recipient's address in the register is incomplete"
)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _PrintingHouse:
    """An account with its storage and letter composer."""

    name: str
    settings: AccountSettings
    location: StorageLocation
    composer: LetterComposer

    async def check(self) -> AccountHealth:
        try:
            async with (
                asyncio.timeout(self.settings.connect_timeout + 5),
                with_timeouts(self.location, self.settings.read_timeout) as target,
            ):
                await target.names("")
                await probe(target, f"{STAGING}-check")
        except StorageFault as fault:
            return AccountHealth(self.name, False, fault.reason.sentence)
        except TimeoutError:
            return AccountHealth(self.name, False, "the printing house did not respond in time")
        return AccountHealth(self.name, True, "the printing house's folder is writable")


class SnailMailChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for physical letters."""

    name = "snail_mail"
    message_type = "SNAIL_MAIL"
    titled = True
    integration = "SnailmailSender"
    label = "Brev på papper"
    forms: tuple[SendEndpoint, ...] = FORMS
    #: A whole batch is prepared before the hand-over begins.
    ahead = 500

    def __init__(self, settings: SnailMailSettings, neighbours: Neighbours) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self.gathering = BatchPolicy(
            "snail-mail/batch/{batchId}",
            "triggerSnailMailBatchProcessing",
            "Close a print batch and hand it over to the printing house",
            timedelta(seconds=settings.close_after),
        )
        self._directory = neighbours.directory
        self._preflight = preflight_of(settings.limits)
        #: Checks the PDFs of municipalities without a printing house.
        self._default_composer = LetterComposer(
            PROFILES["postnord-v2"], self._preflight, settings.limits
        )
        ordered = sorted(settings.accounts.items(), key=lambda item: item[1].priority)
        self._houses = {name: self._house(name, account) for name, account in ordered}
        self.accounts = tuple(
            Account(name, a.provider, a.priority, a.concurrency, a.rate) for name, a in ordered
        )

    def _house(self, name: str, account: AccountSettings) -> _PrintingHouse:
        profile = self._settings.profile(account.profile)
        composer = LetterComposer(profile, self._preflight, self._settings.limits)
        return _PrintingHouse(name, account, _location(account), composer)

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not isinstance(request, SnailMailRequest):
            raise TypeError(f"{type(request).__name__} is not a letter request")
        if self._house_of(asked.municipality_id) is None:
            raise NotBuilt(
                "no printing house is configured for this municipality; see section [snail_mail] of"
                " the settings"
            )
        return planning.plan(request, asked)

    async def inspect(
        self, content: Mapping[str, Any], attachments: Sequence[Attachment], asked: RequestContext
    ) -> list[Violation | Notice]:
        house = self._house_of(asked.municipality_id)
        composer = house.composer if house else self._default_composer
        try:
            found = await attachment_faults(content, attachments, composer)
            return [*found, *await _text_faults(content, composer)]
        except OSError as fault:
            raise Unavailable(
                "attachments cannot be checked at the moment; try again later"
            ) from fault

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:
        if draft.letters is not None:
            return READY
        prepared = await self._addressed(draft)
        if isinstance(prepared, Gathered) and not await self._is_printable(prepared, draft, key):
            return Rejected(UNPRINTABLE)
        return prepared

    async def _addressed(self, draft: Draft) -> Prepared:
        """Freeze the address of a letter."""
        if draft.frozen is not None:
            return Gathered(draft.frozen)
        if draft.recipient.destination:
            return Gathered(Addressee.read(orjson.loads(draft.recipient.destination)).freeze())
        return await self._with_registered_address(draft)

    async def _is_printable(self, gathered: Gathered, draft: Draft, key: UUID) -> bool:
        """Compose a letter that is typeset, so that it fails alone and not with its batch."""
        if not (draft.content.get("text") or draft.content.get("coverPage")):
            return True
        house = self._house_of(draft.municipality_id)
        composer = house.composer if house else self._default_composer
        try:
            await composer.compose(key, replace(draft, frozen=gathered.frozen))
        except Exception:
            log.exception("unprintable-letter", delivery=str(key))
            return False
        return True

    async def _with_registered_address(self, draft: Draft) -> Prepared:
        """Look up the party's address.

        A protected identity is rejected even where the PDF shows an address of its own.
        """
        shows_address = planning.carries_address(draft.content)
        unknown: Prepared = Gathered(Addressee().freeze()) if shows_address else Rejected(_NOWHERE)
        if draft.recipient.party_id is None:
            return unknown
        address = await self._directory.address(draft.municipality_id, draft.recipient.party_id)
        if isinstance(address, Deferred):
            return address
        if address is Hidden.PROTECTED:
            return Rejected(_PROTECTED)
        if isinstance(address, Hidden):
            return unknown
        addressee = Addressee.registered(address)
        if addressee.faults() and not shows_address:
            return Rejected(_INCOMPLETE)
        return Gathered(addressee.freeze())

    def able(self, draft: Draft) -> tuple[str, ...]:
        """Return the municipality's printing house only, as a second one could print it again."""
        house = self._house_of(draft.municipality_id)
        return (house.name,) if house else ()

    def _house_of(self, municipality_id: str) -> _PrintingHouse | None:
        served = (
            h
            for h in self._houses.values()
            if not h.settings.municipalities or municipality_id in h.settings.municipalities
        )
        return next(served, None)

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        """Resend: a repeated hand-over only completes what is missing (``handover.py``)."""
        return "resend"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        """Hand over a print batch; ``prepare`` gathers single letters, which are never sent."""
        if draft.letters is None:
            raise TypeError("a letter is handed over with its print batch")
        house = self._houses.get(account)
        if house is None:
            return Misconfigured(Reason("no-account", "the printing house is no longer configured"))
        try:
            async with with_timeouts(house.location, house.settings.read_timeout) as target:
                outcome = await self._hand_over(house, target, key).run(draft)
        except StorageFault as fault:
            return fault.outcome()
        return await self._repeated(house, key, outcome)

    async def _repeated(self, house: _PrintingHouse, key: UUID, outcome: Outcome) -> Outcome:
        """Look up, over a new connection, what became of a hand-over whose answer was lost."""
        if not isinstance(outcome, Uncertain):
            return outcome
        try:
            async with with_timeouts(house.location, house.settings.read_timeout) as target:
                return await self._hand_over(house, target, key).repeat() or outcome
        except StorageFault:
            return outcome

    def _hand_over(self, house: _PrintingHouse, target: Storage, key: UUID) -> HandOver:
        return HandOver(target, self._settings.layout, house.composer, key)

    def show(self, draft: Draft) -> dict[str, Any]:
        visible = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        if draft.letters is not None:
            return visible
        if "attachments" in visible:
            visible["attachments"] = listed(visible["attachments"], draft.attachments)
        party = {
            **({"partyId": draft.recipient.party_id} if draft.recipient.party_id else {}),
            **visible.pop("party", {}),
        }
        address = (
            orjson.loads(draft.recipient.destination)
            if draft.recipient.destination
            else Addressee.thaw(draft.frozen).members()
        )
        return {
            **({"party": party} if party else {}),
            **({"address": address} if address else {}),
            **visible,
        }

    async def look(self) -> list[AccountHealth]:
        return list(await asyncio.gather(*(house.check() for house in self._houses.values())))

    async def start(self) -> None:
        self._preflight.warm()

    async def close(self) -> None:
        await self._preflight.close()


async def attachment_faults(
    content: Mapping[str, Any], attachments: Sequence[Attachment], composer: LetterComposer
) -> list[Violation | Notice]:
    """Check the PDFs of a letter. Raises ``OSError`` if no worker process can be started."""
    windowed = planning.carries_address(content)
    results = await asyncio.gather(
        *(
            composer.check(attachment, addresses_itself=windowed and index == 0)
            for index, attachment in enumerate(attachments)
        )
    )
    found: list[Violation | Notice] = []
    for index, result in enumerate(results):
        field = f"attachments[{index}]"
        found += [Violation(field, text, code) for code, text in result.findings]
        found += [Notice(code, field, value) for code, value in result.notices]
        if result.blank:
            found.append(Violation("coverPage", _blank_window(field, composer.window)))
    return found


def _blank_window(field: str, window: EnvelopeWindow) -> str:
    return (
        f"must be true, or {field} must show the address in the envelope's window"
        f" ({window.left:g}-{window.left + window.width:g} mm from the left,"
        f" {window.top:g}-{window.top + window.height:g} mm from the top): its envelopeType is"
        " WINDOWED, and nothing is printed there"
    )


async def _text_faults(content: Mapping[str, Any], composer: LetterComposer) -> list[Violation]:
    """Typeset a letter's text with a sample address, to check its characters and page count."""
    if not content.get("text"):
        return []
    try:
        pdf = await composer.typeset_strictly(
            composer.page(
                {**content, "department": ""}, ["Namn Namnsson", "Gatan 1", "111 11  ORTEN"]
            )
        )
    except MissingGlyphs as fault:
        codes = ", ".join(f"U+{ord(ch):04X}" for ch in fault.characters[:5])
        return [
            Violation(
                "text",
                "text and subject must not contain characters that the letter's fonts lack:"
                f" {codes}",
            )
        ]
    result = await composer.check(Attachment.of("text", "application/pdf", pdf))
    return [Violation("text", f"typeset as a letter {text}") for _, text in result.findings]


def _location(account: AccountSettings) -> StorageLocation:
    if isinstance(account, FolderAccount):
        return Folder(account)
    if isinstance(account, SftpAccount):
        from utskick.channels.snail_mail.sftp import Sftp

        return Sftp(account)
    from utskick.channels.snail_mail.smb import Smb

    return Smb(account)


def build(settings: SnailMailSettings, neighbours: Neighbours) -> SnailMailChannel:
    """Build the channel with one storage location per configured account."""
    return SnailMailChannel(settings, neighbours)
