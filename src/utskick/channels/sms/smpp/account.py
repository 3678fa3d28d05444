"""SMPP account: sends over its bound sessions, and stores what the message centre reports."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog
from smpp34 import DeliverSm

from utskick.cache import Cache
from utskick.channels.sms.provider import Sms
from utskick.channels.sms.segments import measure
from utskick.channels.sms.settings import SmppAccount
from utskick.channels.sms.smpp.binding import Binding
from utskick.channels.sms.smpp.command_status import OK, TEMPORARY_ERROR, UNSUPPORTED
from utskick.channels.sms.smpp.inbound import inbound_part
from utskick.channels.sms.smpp.message_ids import canonical
from utskick.channels.sms.smpp.receipts import delivery_status, is_receipt
from utskick.channels.sms.smpp.session import Accepted, Session
from utskick.channels.sms.smpp.submit_sm import parts_of
from utskick.channels.sms.smpp.transmission import Transmission
from utskick.domain.channel import AccountHealth, ProviderCallback
from utskick.domain.clock import utc_now
from utskick.domain.errors import Unreadable
from utskick.domain.inbound import InboundPart
from utskick.domain.outcome import (
    Concern,
    Misconfigured,
    Outcome,
    Reason,
    Sent,
)
from utskick.domain.receipt import Keep, Receipt

log = structlog.get_logger(__name__)

#: Messages of which some parts were accepted that are remembered, and for how long (seconds). Later
#: a phone may have given up the parts that it has, and would show the missing ones alone.
_PARTLY, _PARTLY_LIFE = 10_000, 3600.0

_SENDER: Final = Misconfigured(
    Reason(
        "refused-sender",
        "the sender name must be plain ASCII for SMPP",
    ),
    Concern.OURSELVES,
)


class Smpp:
    """``SmsProvider`` over standing sessions.

    Several processes may each hold some; the message centre sends receipts to any of them.
    """

    def __init__(self, name: str, account: SmppAccount) -> None:
        self._name = name
        self._account = account
        self._bindings = [Binding(account, self._receive) for _ in range(account.binds)]
        self._transmission = Transmission(self._bound, account.part_patience)
        self._keep: Keep | None = None
        self._partly: Cache[UUID, dict[int, Accepted]] = Cache(_PARTLY, seconds=_PARTLY_LIFE)

    def supports(self, number: str) -> bool:  # noqa: ARG002 (protocol signature)
        return True

    def units(self, text: str) -> int:
        """Return the number of submit_sm that a text takes: that is what centres count."""
        return 1 if self._account.long_messages == "payload" else measure(text).segments

    def report_to(self, keep: Keep) -> None:
        self._keep = keep

    async def start(self) -> None:
        """Stay bound if receipts can be stored; otherwise bind on demand."""
        if self._keep is not None:
            for binding in self._bindings:
                binding.keep_open()

    async def close(self) -> None:
        await asyncio.gather(*(binding.close() for binding in self._bindings))

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        if not (sms.sender.isascii() and sms.sender.isprintable()):
            return _SENDER
        parts = parts_of(sms, key, self._account, utc_now())
        # Where the delivery is sent again, what an earlier attempt got accepted is not repeated.
        accepted = self._partly.get(key) or {}
        outcome = await self._transmission.send(parts, accepted)
        if outcome is not None:
            if accepted:
                self._partly.put(key, accepted)
            return outcome
        self._partly.drop(key)
        return self._sent([accepted[at].message_id for at in range(len(parts))])

    def _sent(self, answers: Sequence[str | None]) -> Sent:
        """Build the outcome; the reference of the message is the first part's id."""
        notation = self._account.submit_id_format
        ids = [canonical(answer, notation) for answer in answers if answer]
        if not ids:
            return Sent()
        # Some centres give all parts one id; and with an id too few, nobody can tell that all parts
        # have been delivered.
        distinct = tuple(dict.fromkeys(ids))
        whole = len(ids) == len(answers) and len(distinct) > 1
        return Sent(ids[0], parts=distinct if whole else ())

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        raise Unreadable(
            f"account {hook.account} receives reports over its SMPP session, not over HTTP"
        )

    async def check(self) -> AccountHealth:
        """Bind where needed; with some binds refused the account works, but not as configured."""
        results = await asyncio.gather(*(binding.bound() for binding in self._bindings))
        refused = [result for result in results if not isinstance(result, Session)]
        if not refused:
            return AccountHealth(self._name, True, "bound to the message centre")
        reason = getattr(refused[0], "reason", None)
        sentence = reason.sentence if reason else "the message centre cannot be used"
        if len(refused) == len(results):
            return AccountHealth(self._name, False, sentence)
        sentence = f"{len(refused)} of {len(results)} binds failed: {sentence}"
        return AccountHealth(self._name, True, sentence, warns=True)

    async def _receive(self, message: DeliverSm) -> int:
        reported: Receipt | InboundPart | None
        if is_receipt(message):
            status = delivery_status(message, self._account)
            reported = status.receipt() if status is not None else None
        else:
            reported = inbound_part(message)
        if reported is None:
            return UNSUPPORTED
        if self._keep is None:
            return TEMPORARY_ERROR
        try:
            await self._keep(self._name, [reported])
        except Exception as fault:  # noqa: BLE001 (whatever kept it from being stored, the message centre still has it and repeats it)
            # Only the exception's name: a traceback could contain the text.
            log.warning("receipt-not-stored", account=self._name, fault=type(fault).__name__)
            return TEMPORARY_ERROR
        return OK

    async def _bound(self) -> Session | Outcome:
        """Return the least busy session, binding if there is none."""
        sessions = [each for binding in self._bindings if (each := binding.session) is not None]
        if sessions:
            return min(sessions, key=lambda session: session.outstanding)
        return await self._bindings[0].bound()
