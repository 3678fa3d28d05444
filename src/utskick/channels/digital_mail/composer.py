"""Composition of envelopes: fixed at the first attempt, reproduced byte for byte at later ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.channels.digital_mail.attachments import AttachmentElements
from utskick.channels.digital_mail.credentials import Credentials
from utskick.channels.digital_mail.envelope import LIMIT, Letterhead, delivery
from utskick.channels.digital_mail.planning import seal_date
from utskick.channels.digital_mail.reachability import Mailbox
from utskick.channels.digital_mail.sender_account import SenderAccount, SenderClients
from utskick.channels.digital_mail.settings import DigitalMailSettings
from utskick.channels.digital_mail.signature import Sealing
from utskick.domain.channel import Draft
from utskick.domain.clock import Clock
from utskick.domain.outcome import Concern, Outcome, Reason, Rejected, Uncertain


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """Parts of an envelope that are fixed at the first attempt.

    ``id``: of the message. ``date``: of the seal, with its time zone. ``certificate``: SHA-256 in
    hex. ``fingerprint``: of everything the envelope is made of, in hex (see
    ``Sealing.fingerprint``). ``subject``, ``support_info``: defaults used for the content.

    The envelope itself is not stored, since a batch of 10 000 letters would store it 10 000 times.
    """

    account: str
    id: str
    organization: str
    sender_name: str
    recipient: str
    supplier: str
    address: str
    date: str
    certificate: str
    subject: str = ""
    support_info: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    def encode(self) -> bytes:
        """Encode as JSON, omitting empty members."""
        return orjson.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def decode(cls, data: bytes) -> Snapshot:
        """Decode. Raises ``ValueError`` or ``TypeError`` for data not from ``encode``."""
        return cls(**orjson.loads(data))


#: Bytes of files and text beyond which an envelope is built in a thread.
_HEAVY: Final = 65_536
#: Nothing was sent now, but an earlier attempt may have succeeded, so a person has to decide. A
#: rejection would be wrong, as the first copy may have arrived (a letter would be sent on paper
#: too), and the operator would not recognise a different copy.
_CHANGED: Final = Uncertain(
    Reason(
        "changed-since-first-attempt",
        "the certificate or the settings changed since the first attempt; a repeat would be a"
        " different message, so nothing was sent now",
    ),
    Concern.OURSELVES,
)


class Composer:
    """Composer of envelopes, with a cache of encoded attachments."""

    def __init__(self, settings: DigitalMailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._attachments = AttachmentElements()

    def defaults(
        self, content: Mapping[str, Any], sender: SenderAccount | None
    ) -> tuple[str, Mapping[str, str]]:
        """Return the default subject and support info, each empty if the content has its own."""
        default = (sender and sender.sender.support_info) or self._settings.support_info
        subject = (
            "" if content.get("subject") else content.get("_subject") or self._settings.subject
        )
        own = (content.get("sender") or {}).get("supportInfo")
        return subject, {} if own else content.get("_supportInfo") or default.members()

    async def freeze(
        self,
        draft: Draft,
        key: UUID,
        sender: SenderAccount,
        to: tuple[str, Mailbox],
        credentials: Credentials,
    ) -> Snapshot:
        """Fix the envelope's parts. ``to``: the recipient's 12 digits and the mailbox."""
        recipient, mailbox = to
        subject, support_info = self.defaults(draft.content, sender)
        first = Snapshot(
            account=sender.account_name,
            id=str(key),
            organization=sender.organization,
            sender_name=sender.sender.name,
            recipient=recipient,
            supplier=mailbox.supplier,
            address=mailbox.address,
            date=seal_date(self._clock()),
            certificate=credentials.fingerprint,
            subject=subject,
            support_info=support_info,
        )
        sealing = await self._sealing(draft, first, credentials)
        return replace(first, fingerprint=sealing.fingerprint.hex())

    async def envelope(
        self, draft: Draft, snapshot: Snapshot, clients: SenderClients
    ) -> bytes | Outcome:
        """Build the signed and sealed envelope; ``Uncertain`` if it would differ from the first."""
        credentials = clients.credentials_of(snapshot.certificate)
        if credentials is None:
            return _CHANGED
        sealing = await self._sealing(draft, snapshot, credentials)
        if sealing.fingerprint.hex() != snapshot.fingerprint:
            return _CHANGED
        envelope = sealing.envelope()
        if len(envelope) > LIMIT:
            return Rejected(
                Reason(
                    "too-large",
                    f"the envelope would be {len(envelope)} bytes; the operators' limit is {LIMIT}",
                )
            )
        return envelope

    async def _sealing(self, draft: Draft, snapshot: Snapshot, credentials: Credentials) -> Sealing:
        weight = sum(len(file.data) for file in draft.attachments) + len(
            draft.content.get("body") or ""
        )
        if weight > _HEAVY:
            return await asyncio.to_thread(self._seal, draft, snapshot, credentials)
        return self._seal(draft, snapshot, credentials)

    def _seal(self, draft: Draft, snapshot: Snapshot, credentials: Credentials) -> Sealing:
        letterhead = Letterhead(
            id=snapshot.id,
            recipient=snapshot.recipient,
            sender="16" + snapshot.organization,
            sender_name=snapshot.sender_name,
            date=snapshot.date,
            # Snapshots of older releases leave these to the content.
            subject=snapshot.subject or draft.content.get("_subject", ""),
            support_info=snapshot.support_info or draft.content.get("_supportInfo", {}),
        )
        return Sealing(
            delivery(letterhead, draft.content, draft.attachments, self._attachments),
            snapshot.date,
            credentials.signer,
        )
