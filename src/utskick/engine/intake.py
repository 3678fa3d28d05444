"""Acceptance: number the plan, persist it and enqueue it in one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from utskick.domain.channel import Channel, Plan, RequestContext
from utskick.domain.clock import Clock
from utskick.domain.delivery import LIFETIME
from utskick.domain.errors import Invalid, Violation
from utskick.domain.ids import new_id
from utskick.domain.leg import Leg
from utskick.domain.message import Caller, Key, NumberedRequest, Replay
from utskick.domain.notice import Notice, noted, notices_of
from utskick.engine.failpoints import Failpoints
from utskick.store.database import Database
from utskick.store.messages.acceptance import Messages
from utskick.store.messages.idempotency import IdempotencyKeys

#: How far ahead ``sendAt`` may lie.
HORIZON = timedelta(days=366)
#: How far behind it may lie: clocks differ, and requests take their time.
TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class AcceptRequest:
    """One request to accept: the plan of a channel, the caller, and how it is to be answered.

    ``answer``: makes the asynchronous answer, which is kept with an Idempotency-Key; None where the
    answer comes later. ``limit``: of a synchronous call whose answer is final, how long it waits;
    no attempt is begun after it.
    """

    channel: Channel
    plan: Plan
    caller: Caller
    awaited: bool
    key: Key | None = None
    answer: Callable[[NumberedRequest], Replay] | None = None
    limit: timedelta | None = None

    def final(self, now: datetime) -> bool:
        """Return whether the answer is final. Nothing that is sent later is waited for."""
        return self.limit is not None and (self.plan.send_at is None or self.plan.send_at <= now)


@dataclass(frozen=True, slots=True)
class DuplicateRequest:
    """A request whose key was used before for the same request, and not answered then.

    ``mark``: what was accepted (``NumberedRequest.mark``).
    """

    mark: UUID


class Intake:
    """Accepts requests. What it returns is committed."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        clock: Clock,
        failpoints: Failpoints,
        accepted: Callable[[NumberedRequest], None] | None = None,
    ) -> None:
        self._database = database
        self._channels = channels
        self._types = {channel.name: channel.message_type for channel in channels.values()}
        self._messages = Messages(database)
        self._clock = clock
        self._failpoints = failpoints
        self._accepted = accepted
        self.keys = IdempotencyKeys(database)

    def number(self, request: AcceptRequest) -> NumberedRequest:
        now, plan = self._clock(), request.plan
        due = max(now, plan.send_at) if plan.send_at else now
        expires = plan.valid_until or min(due, now + HORIZON) + LIFETIME
        final = request.final(now)
        if request.limit is not None and final:
            expires = min(expires, now + request.limit)
        return NumberedRequest(
            batch_id=plan.batch_id or new_id(),
            caller=request.caller,
            channel=request.channel.name,
            message_type=request.channel.message_type,
            plan=plan,
            ids=[(new_id(), new_id()) for _ in plan.recipients],
            created_at=now,
            due_at=due,
            expires_at=expires,
            awaited=request.awaited,
            final=final,
            types=self._types,
        )

    async def inspect(self, channel: Channel, plan: Plan, context: RequestContext) -> Plan:
        """Inspect the content for every channel that the request may go by.

        Return the plan with what is worth knowing of it. Raises ``Invalid``.
        """
        found = await channel.inspect(plan.content, plan.attachments, context)
        faults, notices = _sorted(found)
        legs, leg_faults = await self._inspect_legs(plan.legs, plan, context)
        faults += leg_faults
        recipients = list(plan.recipients)
        for index, recipient in enumerate(recipients):
            if recipient.content is not None and recipient.own_legs:
                own, own_faults = await self._inspect_legs(recipient.own_legs, plan, context)
                recipients[index] = replace(recipient, own_legs=own)
                faults += [
                    replace(fault, field=f"{plan.each}[{index}].{fault.field}")
                    for fault in own_faults
                ]
        if faults:
            raise Invalid(list(dict.fromkeys(faults)))
        every = [*notices, *(each for leg in legs.values() for each in notices_of(leg.content))]
        return replace(
            plan,
            content=noted(plan.content, notices),
            legs=legs,
            recipients=recipients,
            notices=tuple(dict.fromkeys(every)),
        )

    async def _inspect_legs(
        self, legs: Mapping[str, Leg], plan: Plan, context: RequestContext
    ) -> tuple[dict[str, Leg], list[Violation]]:
        """Return the legs with their notices, and the faults that refuse the request."""
        inspected, refused = dict[str, Leg](), list[Violation]()
        for name, leg in legs.items():
            attachments = [plan.attachments[i] for i in leg.attachments]
            found = await self._channels[name].inspect(leg.content, attachments, context)
            faults, notices = _sorted(found)
            spared = [fault for fault in faults if fault.code in leg.spared]
            refused += [
                replace(fault, field=_as_in_request(fault.field, leg.attachments))
                for fault in faults
                if fault not in spared and fault.field not in leg.deferred
            ]
            notices += [Notice(fault.code, fault.field) for fault in spared]
            placed = [n.at(_as_in_request(n.field, leg.attachments)) for n in notices]
            inspected[name] = replace(leg, content=noted(leg.content, placed))
        return inspected, refused

    async def accept(
        self, request: AcceptRequest, numbered: NumberedRequest
    ) -> Replay | DuplicateRequest | None:
        """Accept a request.

        None: accepted now. With a key that was used before: the answer given then, or what was
        accepted then.
        """
        self._failpoints.reach("before-accept")
        found: Replay | DuplicateRequest | None = None
        if request.key is None:
            _check_times(numbered)
            await self._messages.add(numbered)
        else:
            await self._messages.ready(numbered)
            found = await self._accept_keyed(request, request.key, numbered)
        if found is None and self._accepted is not None:
            self._accepted(numbered)
        self._failpoints.reach("after-accept")
        return found

    async def _accept_keyed(
        self, request: AcceptRequest, key: Key, numbered: NumberedRequest
    ) -> Replay | DuplicateRequest | None:
        async with self._database.transaction() as connection:
            earlier = await self.keys.reserve(connection, numbered, key)
            if isinstance(earlier, Replay):
                return earlier
            if earlier is not None:
                return DuplicateRequest(earlier)
            # Not before: a request that is repeated late gets the answer of the first time.
            _check_times(numbered)
            await self._messages.write(connection, [numbered])
            if request.answer is not None:
                await self.keys.answer(
                    connection, request.caller.municipality_id, key, request.answer(numbered)
                )
        return None


def _sorted(found: Sequence[Violation | Notice]) -> tuple[list[Violation], list[Notice]]:
    faults = [each for each in found if isinstance(each, Violation)]
    return faults, [each for each in found if isinstance(each, Notice)]


def _as_in_request(path: str, indexes: Sequence[int]) -> str:
    """Return the path of a leg's field as a path of the request.

    ``attachments[0]`` of a leg may be ``attachments[2]`` of the request.
    """
    return re.sub(
        r"^attachments\[(\d+)\]", lambda found: f"attachments[{indexes[int(found[1])]}]", path
    )


def _check_times(numbered: NumberedRequest) -> None:
    """Raise ``Invalid`` where a message would never be sent, or not for years."""
    faults = []
    send_at = numbered.plan.send_at
    if send_at is not None and send_at < numbered.created_at - TOLERANCE:
        faults.append(Violation("sendAt", "must not be in the past"))
    if numbered.due_at > numbered.created_at + HORIZON:
        faults.append(Violation("sendAt", "must be within a year"))
    if numbered.plan.valid_until is not None and numbered.expires_at <= numbered.due_at:
        faults.append(Violation("validUntil", "must be after the time of sending"))
    if faults:
        raise Invalid(faults)
