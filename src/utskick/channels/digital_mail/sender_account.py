"""One organisation that sends through one account: its certificates, its connections, and what the
register told it lately."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from utskick.channels.digital_mail.c14n import RECIPIENT_3, SOAP, element
from utskick.channels.digital_mail.credentials import Credentials, load
from utskick.channels.digital_mail.key_pair import UnusableKey
from utskick.channels.digital_mail.settings import MinaMeddelandenAccount, SendingOrganisation
from utskick.channels.digital_mail.soap_responses import (
    ApplicationFault,
    Standing,
    delivered,
    standings,
)
from utskick.domain.channel import AccountHealth
from utskick.domain.clock import Clock
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Uncertain
from utskick.outgoing.batch_loader import Groups
from utskick.outgoing.http_client import Answer, HttpRequest, Outgoing, Timeouts
from utskick.outgoing.ttl_cache import Memory

log = structlog.get_logger(__name__)

#: SOAP 1.1 section 6.1.1; the WSDL's soapAction is empty.
HEADERS: Final = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
#: Calls to the register at the same time.
_LOOKUPS: Final = 4
_WARNING: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the files of an organisation gave: ``current`` first, then those that a repeat may need.
    ``far``, ``operators``: connections."""

    all: Sequence[Credentials]
    far: Outgoing
    operators: Outgoing

    @property
    def current(self) -> Credentials:
        return self.all[0]

    def of(self, fingerprint: str) -> Credentials | None:
        return next((one for one in self.all if one.fingerprint == fingerprint), None)


class SenderAccount:
    """Files are read when they are first needed: in a sandbox they may not be there before."""

    def __init__(
        self, name: str, organization: str, account: MinaMeddelandenAccount, clock: Clock
    ) -> None:
        self.account_name = name
        self._clock = clock
        self.organization = organization
        self.account = account
        self.sender: SendingOrganisation = account.senders[organization]
        self._equipment: Equipment | None = None
        self._loading: asyncio.Task[Equipment | Misconfigured] | None = None
        self._memory: Memory[str, Standing] = Memory(limit=20_000, life=account.reachable_seconds)
        self._groups: Groups[Standing] = Groups(self._ask_register)

    async def equipment(self) -> Equipment | Misconfigured:
        """Read once; files that cannot be used are tried again at the next call."""
        if self._equipment is not None:
            return self._equipment
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
        return await asyncio.shield(self._loading)

    async def _load(self) -> Equipment | Misconfigured:
        try:
            self._equipment = await asyncio.to_thread(self._equip)
        except UnusableKey as fault:
            return Misconfigured(
                Reason(
                    "certificate", f"the certificate of {self.organization} cannot be used: {fault}"
                )
            )
        return self._equipment

    def _equip(self) -> Equipment:
        every = [load(own) for own in (self.sender, *self.sender.former)]
        tls = every[0].tls(self.account)
        if self.account.newest_tls == "1.2":
            tls.maximum_version = ssl.TLSVersion.TLSv1_2
        connect = self.account.connect_timeout
        return Equipment(
            every,
            Outgoing(
                concurrency=_LOOKUPS,
                timeouts=Timeouts(connect, self.account.lookup_timeout),
                tls=lambda: tls,
            ),
            Outgoing(
                concurrency=self.account.concurrency,
                timeouts=Timeouts(connect, self.account.read_timeout),
                tls=lambda: tls,
            ),
        )

    # -- the register ----------------------------------------

    async def standing(self, recipient: str) -> Standing | Outcome | None:
        """``recipient``: 12 digits. Those who are asked for at the same time go in one call."""
        kept = self._memory.get(recipient)
        return kept if kept is not None else await self._groups.get(recipient)

    def forget(self, recipient: str) -> None:
        """The operator contradicts what the register said."""
        self._memory.drop(recipient)

    async def _ask_register(self, recipients: Sequence[str]) -> Mapping[str, Standing] | Outcome:
        equipment = await self.equipment()
        if isinstance(equipment, Misconfigured):
            return equipment
        if expired := _expired(equipment.current, self._clock()):
            return expired
        answer = await equipment.far.call(
            HttpRequest("POST", self.account.url, self._question(recipients), HEADERS)
        )
        if (
            isinstance(answer, Uncertain)
            and answer.reason.code == "oversized-answer"
            and len(recipients) > 1
        ):
            return await self._ask_halves(recipients)
        found = standings(answer) if isinstance(answer, Answer) else answer
        if isinstance(found, ApplicationFault):
            log.warning(
                "register-fault", code=found.code, call_id=found.call_id, account=self.account_name
            )
            return Deferred(
                Reason(
                    "register-fault",
                    "the register of mailboxes reported a fault of its own",
                    str(found.code),
                )
            )
        if not isinstance(found, Mapping):
            return _unasked(found)
        for recipient, standing in found.items():
            self._memory.put(recipient, standing)
        return found

    async def _ask_halves(self, recipients: Sequence[str]) -> Mapping[str, Standing] | Outcome:
        middle = len(recipients) // 2
        first = await self._ask_register(recipients[:middle])
        second = (
            await self._ask_register(recipients[middle:]) if isinstance(first, Mapping) else first
        )
        return (
            {**first, **second}
            if isinstance(first, Mapping) and isinstance(second, Mapping)
            else second
        )

    def _question(self, recipients: Sequence[str]) -> bytes:
        inside = element("senderOrgNr", "16" + self.organization) + "".join(
            element("recipientId", r) for r in recipients
        )
        return f'<Envelope xmlns="{SOAP}"><Body><isReachable xmlns="{RECIPIENT_3}">{inside}</isReachable></Body></Envelope>'.encode()

    # -- the operators ----------------------------------------

    async def deliver(
        self, address: str, envelope: bytes, recipient: str
    ) -> ApplicationFault | Outcome:
        """One call of deliverSecure."""
        equipment = await self.equipment()
        if isinstance(equipment, Misconfigured):
            return equipment
        if expired := _expired(equipment.current, self._clock()):
            return expired
        answer = await equipment.operators.call(HttpRequest("POST", address, envelope, HEADERS))
        outcome = delivered(answer, recipient) if isinstance(answer, Answer) else answer
        if isinstance(outcome, Rejected) and outcome.polite:
            self.forget(recipient)
        return outcome

    # -- health ----------------------------------------

    async def look(self) -> AccountHealth:
        """Whether it could send now, and a sentence: isReachable without recipients is the smallest
        question there is."""
        equipment = await self.equipment()
        if isinstance(equipment, Misconfigured):
            return AccountHealth(self.account_name, False, equipment.reason.sentence)
        left, until = equipment.current.expires - self._clock(), equipment.current.expires.date()
        if left <= timedelta(0):
            return AccountHealth(
                self.account_name,
                False,
                f"the certificate of {self.organization} expired on {until}",
            )
        found = await self._ask_register(())
        if not isinstance(found, Mapping):
            return AccountHealth(
                self.account_name,
                False,
                f"{self.organization}: {getattr(found, 'reason', UNSAID).sentence}",
            )
        soon = left <= _WARNING
        told = (
            f"its certificate expires in {left.days} days, on {until}: replace it"
            if soon
            else f"certificate until {until}"
        )
        return AccountHealth(
            self.account_name, True, f"the register answers {self.organization}; {told}", warns=soon
        )

    async def close(self) -> None:
        await self._groups.close()
        if self._equipment is not None:
            await asyncio.gather(self._equipment.far.close(), self._equipment.operators.close())


UNSAID: Final = Reason("no-answer", "the register of mailboxes does not answer")


def _expired(credentials: Credentials, now: datetime) -> Misconfigured | None:
    if now < credentials.expires:
        return None
    return Misconfigured(
        Reason("certificate-expired", f"our certificate expired on {credentials.expires.date()}")
    )


def _unasked(outcome: Outcome) -> Outcome:
    """A question that failed has sent no message, however it failed."""
    if isinstance(outcome, Uncertain):
        return Deferred(Reason("register-silent", UNSAID.sentence, outcome.reason.provider_code))
    if isinstance(outcome, Rejected):
        return Misconfigured(
            Reason(
                "register-refuses",
                "the register of mailboxes refused our question",
                outcome.reason.provider_code,
            )
        )
    return outcome
