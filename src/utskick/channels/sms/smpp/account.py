"""One account at a message centre: bound for as long as the process lives, and bound again when the
session is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from smpp34 import DeliverSm

from utskick.channels.sms.provider import Sms
from utskick.channels.sms.settings import SmppAccount
from utskick.channels.sms.smpp.command_status import COME_AGAIN, NOT_TAKEN, OK
from utskick.channels.sms.smpp.receipts import is_receipt, word_of
from utskick.channels.sms.smpp.session import Accepted, Session, open_session
from utskick.channels.sms.smpp.submit_sm import parts_of
from utskick.domain.channel import AccountHealth, Keep, ProviderCallback, Receipt
from utskick.domain.errors import Unreadable
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Sent, Uncertain
from utskick.outgoing.ttl_cache import Memory

log = structlog.get_logger(__name__)

#: Who keeps receipts: (account, receipts). It returns when they are on disk, and raises when they
#: are not.


#: Seconds between attempts to bind: the first, doubled each time, and the longest.
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
#: The ids of parts whose message is remembered, and for how long (seconds): most receipts come
#: within a day.
_PARTS, _PART_LIFE = 100_000, 3 * 86_400.0

_SENDER: Final = Misconfigured(
    Reason(
        "refused-sender",
        "the sender's name has characters that SMPP cannot carry; it must be plain ASCII",
    )
)


class Smpp:
    """``Provider`` over a standing session. Any number of processes may hold one each; the centre
    reports to any of them."""

    def __init__(self, name: str, account: SmppAccount) -> None:
        self._name = name
        self._account = account
        self._session: Session | None = None
        self._binding: asyncio.Task[Session | Outcome] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._keep: Keep | None = None
        self._refusal: tuple[Outcome, float] | None = None
        self._pause = _PAUSE
        self._wholes: Memory[str, str] = Memory(limit=_PARTS, life=_PART_LIFE)

    def carries(self, number: str) -> bool:  # noqa: ARG002
        return True

    def report_to(self, keep: Keep) -> None:
        self._keep = keep

    async def start(self) -> None:
        """Bound from now on where somebody keeps receipts; else when there is something to send."""
        if self._keep is not None:
            self._keeper = asyncio.create_task(self._stay_bound())

    async def close(self) -> None:
        tasks = [task for task in (self._keeper, self._binding) if task is not None]
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
        # The first part goes alone: refused, it is a clear answer for the whole message.
        first, *others = parts_of(sms, key, self._account)
        answer = await session.submit(first)
        if not isinstance(answer, Accepted):
            return answer
        return self._whole(
            [answer, *await asyncio.gather(*(session.submit(part) for part in others))]
        )

    def _whole(self, answers: Sequence[Accepted | Outcome]) -> Outcome:
        """Known by the id of its first part; receipts of the others are led to it."""
        for answer in answers:
            if not isinstance(answer, Accepted):
                code = None if isinstance(answer, Sent) else answer.reason.provider_code
                return Uncertain(
                    Reason(
                        "in-part",
                        "the provider took a part of the message, and not the whole of it",
                        code,
                    )
                )
        ids = [
            answer.message_id
            for answer in answers
            if isinstance(answer, Accepted) and answer.message_id
        ]
        for part in ids[1:]:
            self._wholes.put(part, ids[0])
        return Sent(ids[0] if ids else None)

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        raise Unreadable(f"the account {hook.account} reports over its own session, not by HTTP")

    async def look(self) -> AccountHealth:
        session = await self._bound()
        if isinstance(session, Session):
            return AccountHealth(self._name, True, "bound to the message centre")
        reason = getattr(session, "reason", None)
        return AccountHealth(
            self._name, False, reason.sentence if reason else "the message centre cannot be used"
        )

    async def _hear(self, message: DeliverSm) -> int:
        if not is_receipt(message):
            return NOT_TAKEN  # a citizen's own SMS: nobody here would read it
        word = word_of(message)
        if word is None:
            return NOT_TAKEN
        if self._keep is None:
            return COME_AGAIN
        try:
            await self._keep(
                self._name, [word.receipt(self._wholes.get(word.reference) or word.reference)]
            )
        except Exception as fault:  # noqa: BLE001
            # By its name only: a traceback may be printed with the receipt in it.
            log.warning("receipt-not-kept", account=self._name, fault=type(fault).__name__)
            return COME_AGAIN
        return OK

    async def _bound(self) -> Session | Outcome:
        """The session; one attempt to bind serves all who wait, and after a failure nobody knocks
        again at once."""
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
        opened = await open_session(self._account, self._hear)
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
