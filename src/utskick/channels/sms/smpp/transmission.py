"""Transmission of the parts of one message, each until it is accepted or the attempt must end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from utskick.channels.sms.smpp.session import Accepted, Session
from utskick.channels.sms.smpp.submit_sm import Part
from utskick.domain.outcome import Concern, Deferred, Outcome, Reason, Uncertain

#: Seconds between repetitions of refused parts: initial value, doubled each time, and maximum.
_PAUSE, _LONGEST_PAUSE = 0.5, 4.0


@dataclass(frozen=True, slots=True)
class Transmission:
    """Sends parts over the sessions of an account.

    ``patience``: seconds after the first acceptance during which refused parts are repeated.
    """

    bound: Callable[[], Awaitable[Session | Outcome]]
    patience: float

    async def send(self, parts: Sequence[Part], accepted: dict[int, Accepted]) -> Outcome | None:
        """Send the parts that are not in ``accepted``, and add those that become it.

        None: all are accepted. A part is repeated as it was, with the same user data header, and
        only where the message centre refused it for the moment. Where some parts are accepted and
        others cannot be, the outcome is uncertain: part of the message arrives.
        """
        left = [at for at in range(len(parts)) if at not in accepted]
        session = await self.bound()
        if not isinstance(session, Session):
            return _in_part(session) if accepted else session
        if not accepted:
            # The first part is sent alone, so that its refusal is that of the whole message.
            answer = await session.submit(parts[0])
            if not isinstance(answer, Accepted):
                return answer
            accepted[0] = answer
            left = left[1:]
        return await self._rest(parts, left, accepted)

    async def _rest(
        self, parts: Sequence[Part], left: list[int], accepted: dict[int, Accepted]
    ) -> Outcome | None:
        deadline, pause = time.monotonic() + self.patience, _PAUSE
        fault: Outcome | None = None
        while left:
            answers = await self._round([parts[at] for at in left])
            refused: list[int] = []
            for at, answer in zip(left, answers, strict=True):
                if isinstance(answer, Accepted):
                    accepted[at] = answer
                elif isinstance(answer, Deferred):
                    refused.append(at)
                    last = answer
                else:
                    fault = answer
            if not refused:
                break
            # After a refusal for good the message can never be whole.
            hopeless = fault is not None and not isinstance(fault, Uncertain)
            if hopeless or time.monotonic() + pause > deadline:
                fault = fault or last
                break
            await asyncio.sleep(pause)
            left, pause = refused, min(2 * pause, _LONGEST_PAUSE)
        return _in_part(fault) if fault is not None else None

    async def _round(self, parts: Sequence[Part]) -> Sequence[Accepted | Outcome]:
        session = await self.bound()
        if isinstance(session, Session):
            return await asyncio.gather(*(session.submit(part) for part in parts))
        # Not bound: nothing was sent, whatever the reason, and it may be bound again soon.
        reason: Final = getattr(session, "reason", _NOT_BOUND)
        return [Deferred(reason)] * len(parts)


_NOT_BOUND: Final = Reason("unreachable", "the message centre cannot be used")


def _in_part(answer: Outcome) -> Uncertain:
    reason = getattr(answer, "reason", None)
    return Uncertain(
        Reason(
            "in-part",
            "the provider accepted only some parts of the message",
            reason.provider_code if reason is not None else None,
        ),
        getattr(answer, "concerns", Concern.RECIPIENT),
    )
