"""From a draft to its envelope: frozen at the first attempt, and made anew from that, the same to
the byte, at every later one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.channels.digital_mail.attachments import Enclosures
from utskick.channels.digital_mail.credentials import Credentials
from utskick.channels.digital_mail.envelope import LIMIT, Letterhead, delivery
from utskick.channels.digital_mail.planning import sealed_on
from utskick.channels.digital_mail.reachability import Mailbox
from utskick.channels.digital_mail.sender_account import Equipment, SenderAccount
from utskick.channels.digital_mail.settings import DigitalMailSettings
from utskick.channels.digital_mail.signature import Sealing
from utskick.domain.channel import Draft
from utskick.domain.clock import Clock
from utskick.domain.outcome import Outcome, Reason, Rejected, Uncertain


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """``id``: of the message; ``date``: of the seal, with its zone; ``certificate``: SHA-256 in
    hex; ``fingerprint``: of all that the envelope is made of, in hex (see ``Sealing.fingerprint``);
    ``subject``, ``support_info``: only what the content has not itself.

    The envelope itself is not kept: a batch of 10 000 letters would keep it 10 000 times.
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

    def written(self) -> bytes:
        return orjson.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def read(cls, data: bytes) -> Snapshot:
        """Raises ``ValueError`` or ``TypeError`` for what was not written here."""
        return cls(**orjson.loads(data))


#: Bytes of files and text from which building an envelope is no work for the event loop.
_HEAVY: Final = 65_536
#: Nothing is sent, and what an earlier attempt came to may not be known: a person decides. A no
#: would be wrong, since the first copy may
#: have arrived (a letter would go out on paper too), and another copy would not be known again by
#: the operator.
_CHANGED: Final = Uncertain(
    Reason(
        "changed-since-first-attempt",
        "the certificate or the settings changed since the first attempt: a repeat would not be the same message, and nothing was sent now",
    )
)


class Composer:
    """Keeps the encoded files that many letters share."""

    def __init__(self, settings: DigitalMailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._enclosures = Enclosures()

    def unsaid(
        self, content: Mapping[str, Any], desk: SenderAccount | None
    ) -> tuple[str, Mapping[str, str]]:
        """The subject and the support info of a content that has none of its own; nothing where it
        has."""
        default = (desk and desk.sender.support_info) or self._settings.support_info
        subject = (
            "" if content.get("subject") else content.get("_subject") or self._settings.subject
        )
        told = (content.get("sender") or {}).get("supportInfo")
        return subject, {} if told else content.get("_supportInfo") or default.members()

    async def freeze(
        self,
        draft: Draft,
        key: UUID,
        desk: SenderAccount,
        to: tuple[str, Mailbox],
        credentials: Credentials,
    ) -> Snapshot:
        """``to``: the recipient's 12 digits, and the mailbox."""
        recipient, mailbox = to
        subject, support_info = self.unsaid(draft.content, desk)
        first = Snapshot(
            account=desk.account_name,
            id=str(key),
            organization=desk.organization,
            sender_name=desk.sender.name,
            recipient=recipient,
            supplier=mailbox.supplier,
            address=mailbox.address,
            date=sealed_on(self._clock()),
            certificate=credentials.fingerprint,
            subject=subject,
            support_info=support_info,
        )
        sealing = await self._sealing(draft, first, credentials)
        return replace(first, fingerprint=sealing.fingerprint.hex())

    async def envelope(
        self, draft: Draft, frozen: Snapshot, equipment: Equipment
    ) -> bytes | Outcome:
        """What was frozen, signed and sealed; what would differ by a byte is not made."""
        credentials = equipment.of(frozen.certificate)
        if credentials is None:
            return _CHANGED
        sealing = await self._sealing(draft, frozen, credentials)
        if sealing.fingerprint.hex() != frozen.fingerprint:
            return _CHANGED
        envelope = sealing.envelope()
        if len(envelope) > LIMIT:
            return Rejected(
                Reason(
                    "too-large",
                    f"the envelope would be {len(envelope)} bytes, and operators take at most {LIMIT}",
                )
            )
        return envelope

    async def _sealing(self, draft: Draft, frozen: Snapshot, credentials: Credentials) -> Sealing:
        weight = sum(len(file.data) for file in draft.attachments) + len(
            draft.content.get("body") or ""
        )
        if weight > _HEAVY:
            return await asyncio.to_thread(self._seal, draft, frozen, credentials)
        return self._seal(draft, frozen, credentials)

    def _seal(self, draft: Draft, frozen: Snapshot, credentials: Credentials) -> Sealing:
        letterhead = Letterhead(
            id=frozen.id,
            recipient=frozen.recipient,
            sender="16" + frozen.organization,
            sender_name=frozen.sender_name,
            date=frozen.date,
            # What was begun by an older release has left these to the content.
            subject=frozen.subject or draft.content.get("_subject", ""),
            support_info=frozen.support_info or draft.content.get("_supportInfo", {}),
        )
        return Sealing(
            delivery(letterhead, draft.content, draft.attachments, self._enclosures),
            frozen.date,
            credentials.signer,
        )
