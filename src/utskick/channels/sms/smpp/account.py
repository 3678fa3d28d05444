"""SMPP account: holds one bound session and rebinds with backoff when it is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from smpp34 import DeliverSm

from utskick.cache import Cache
from utskick.channels.sms.provider import Sms
from utskick.channels.sms.settings import SmppAccount
from utskick.channels.sms.smpp.command_status import OK, TEMPORARY_ERROR, UNSUPPORTED
from utskick.channels.sms.smpp.receipts import delivery_status, is_receipt
from utskick.channels.sms.smpp.session import Accepted, Session, open_session
from utskick.channels.sms.smpp.submit_sm import parts_of
from utskick.domain.channel import AccountHealth, Keep, ProviderCallback, Receipt
from utskick.domain.errors import Unreadable
from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Sent,
    Uncertain,
)

log = structlog.get_logger(__name__)

#: Backoff between bind attempts in seconds: initial value, doubled each time, and maximum.
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
#: Number of part ids remembered, and for how long (seconds): most receipts arrive within a day.
_PARTS, _PART_LIFE = 100_000, 3 * 86_400.0

_SENDER: Final = Misconfigured(
    Reason(
        "refused-sender",
        "the sender name must be plain ASCII for SMPP",
    ),
    Concern.OURSELVES,
)


class Smpp:
    """``SmsProvider`` over a standing session.

    Several processes may each hold one; the message centre sends receipts to any of them.
    """

    def __init__(self, name: str, account: SmppAccount) -> None:
        self._name = name
        self._account = account
        self._session: Session | None = None
        self._binding: asyncio.Task[Session | Outcome] | None = None
        self._rebinder: asyncio.Task[None] | None = None
        self._keep: Keep | None = None
        self._refusal: tuple[Outcome, float] | None = None
        self._pause = _PAUSE
        self._first_ids: Cache[str, str] = Cache(_PARTS, seconds=_PART_LIFE)

    def supports(self, number: str) -> bool:  # noqa: ARG002 (protocol signature)
        return True

    def report_to(self, keep: Keep) -> None:
        self._keep = keep

    async def start(self) -> None:
        """Stay bound if receipts can be stored; otherwise bind on demand."""
        if self._keep is not None:
            self._rebinder = asyncio.create_task(self._stay_bound())

    async def close(self) -> None:
        tasks = [task for task in (self._rebinder, self._binding) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.leave()

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        if not (sms.sender.isascii() and sms.sender.isprintable()):
            return _SENDER
        session = await self._bound()
        if not isinstance(session, Session):
            return session
        # The first part is sent alone, so that its rejection is definite for the whole message.
        first, *others = parts_of(sms, key, self._account)
        answer = await session.submit(first)
        if not isinstance(answer, Accepted):
            return answer
        others_answers = await asyncio.gather(*(session.submit(part) for part in others))
        return self._combine([answer, *others_answers])

    def _combine(self, answers: Sequence[Accepted | Outcome]) -> Outcome:
        """Combine the parts' answers to one outcome; its reference is the first part's id."""
        for answer in answers:
            if not isinstance(answer, Accepted):
                code = None if isinstance(answer, Sent) else answer.reason.provider_code
                return Uncertain(
                    Reason(
                        "in-part",
                        "the provider accepted only some parts of the message",
                        code,
                    ),
                    getattr(answer, "concerns", Concern.RECIPIENT),
                )
        ids = [
            answer.message_id
            for answer in answers
            if isinstance(answer, Accepted) and answer.message_id
        ]
        for part in ids[1:]:
            self._first_ids.put(part, ids[0])
        return Sent(ids[0] if ids else None)

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        raise Unreadable(
            f"account {hook.account} receives reports over its SMPP session, not over HTTP"
        )

    async def check(self) -> AccountHealth:
        session = await self._bound()
        if isinstance(session, Session):
            return AccountHealth(self._name, True, "bound to the message centre")
        reason = getattr(session, "reason", None)
        return AccountHealth(
            self._name, False, reason.sentence if reason else "the message centre cannot be used"
        )

    async def _receive(self, message: DeliverSm) -> int:
        if not is_receipt(message):
            return UNSUPPORTED  # a mobile-originated SMS: no one would read it here
        status = delivery_status(message)
        if status is None:
            return UNSUPPORTED
        if self._keep is None:
            return TEMPORARY_ERROR
        try:
            reference = self._first_ids.get(status.reference) or status.reference
            await self._keep(self._name, [status.receipt(reference)])
        except Exception as fault:  # noqa: BLE001 (whatever kept it from being stored, the message centre still has it and repeats it)
            # Only the exception's name: a traceback could contain the receipt.
            log.warning("receipt-not-stored", account=self._name, fault=type(fault).__name__)
            return TEMPORARY_ERROR
        return OK

    async def _bound(self) -> Session | Outcome:
        """Return the session, binding if needed.

        Concurrent callers share one bind attempt; after a failed one, its outcome is returned until
        the backoff has passed.
        """
        if self._session is not None and self._session.usable:
            return self._session
        if self._refusal is not None and (left := self._refusal[1] - time.monotonic()) > 0:
            outcome = self._refusal[0]
            return (
                Deferred(outcome.reason, timedelta(seconds=left))
                if isinstance(outcome, Deferred)
                else outcome
            )
        if self._binding is None or self._binding.done():
            self._binding = asyncio.create_task(self._bind())
        return await asyncio.shield(self._binding)

    async def _bind(self) -> Session | Outcome:
        opened = await open_session(self._account, self._receive)
        if isinstance(opened, Session):
            self._session, self._refusal, self._pause = opened, None, _PAUSE
        else:
            self._refusal = opened, time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return opened

    async def _stay_bound(self) -> None:
        while True:
            session = await self._bound()
            if isinstance(session, Session):
                await session.ended.wait()
            elif self._refusal is not None:
                await asyncio.sleep(max(0.0, self._refusal[1] - time.monotonic()))
