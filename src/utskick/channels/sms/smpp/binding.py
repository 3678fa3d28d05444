"""One bind to a message centre: held, and renewed with backoff when it is lost."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from utskick.channels.sms.settings import SmppAccount
from utskick.channels.sms.smpp.session import Receive, Session, open_session
from utskick.domain.outcome import Deferred, Outcome

#: Backoff between bind attempts in seconds: initial value, doubled each time, and maximum.
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


class Binding:
    """At most one session at a time, opened on demand or kept open."""

    def __init__(self, account: SmppAccount, receive: Receive) -> None:
        self._account = account
        self._receive = receive
        self._session: Session | None = None
        self._opening: asyncio.Task[Session | Outcome] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._refusal: tuple[Outcome, float] | None = None
        self._pause = _PAUSE

    @property
    def session(self) -> Session | None:
        """The session, if it can be used now."""
        session = self._session
        return session if session is not None and session.usable else None

    def keep_open(self) -> None:
        self._keeper = asyncio.create_task(self._stay_bound())

    async def close(self) -> None:
        tasks = [task for task in (self._keeper, self._opening) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.leave()

    async def bound(self) -> Session | Outcome:
        """Return the session, binding if needed.

        Concurrent callers share one bind attempt; after a failed one, its outcome is returned until
        the backoff has passed.
        """
        if (session := self.session) is not None:
            return session
        if self._refusal is not None and (left := self._refusal[1] - time.monotonic()) > 0:
            outcome = self._refusal[0]
            return (
                Deferred(outcome.reason, timedelta(seconds=left))
                if isinstance(outcome, Deferred)
                else outcome
            )
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._bind())
        return await asyncio.shield(self._opening)

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
            session = await self.bound()
            if isinstance(session, Session):
                await session.ended.wait()
            elif self._refusal is not None:
                await asyncio.sleep(max(0.0, self._refusal[1] - time.monotonic()))
