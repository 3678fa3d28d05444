"""One organisation sending through one account: credentials, HTTP clients, reachability cache."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from utskick.cache import Cache
from utskick.channels.digital_mail.c14n import RECIPIENT_3, SOAP, element
from utskick.channels.digital_mail.credentials import Credentials, load
from utskick.channels.digital_mail.key_pair import UnusableKey
from utskick.channels.digital_mail.settings import MinaMeddelandenAccount, SendingOrganisation
from utskick.channels.digital_mail.soap_responses import (
    ApplicationFault,
    ReachabilityStatus,
    parse_delivery,
    parse_reachability,
)
from utskick.domain.channel import AccountHealth
from utskick.domain.clock import Clock
from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Uncertain,
    of_destination,
)
from utskick.outgoing.batch_loader import BatchLoader
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts

log = structlog.get_logger(__name__)

#: SOAP 1.1 section 6.1.1; the WSDL's soapAction is empty.
HEADERS: Final = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
#: Maximum number of concurrent calls to the register.
_LOOKUPS: Final = 4
_WARNING: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SenderClients:
    """Credentials and HTTP clients of an organisation.

    ``all``: the current credentials first, then former ones that a repeat may need. ``far``: client
    of the register of mailboxes (FaR). ``operators``: client of the mailbox operators.
    """

    all: Sequence[Credentials]
    far: HttpClient
    operators: HttpClient

    @property
    def current(self) -> Credentials:
        return self.all[0]

    def credentials_of(self, fingerprint: str) -> Credentials | None:
        """Return the credentials whose certificate has this fingerprint, if any."""
        return next((each for each in self.all if each.fingerprint == fingerprint), None)


class SenderAccount:
    """Client for one organisation. Files are read on first use, as a sandbox creates them late."""

    def __init__(
        self, name: str, organization: str, account: MinaMeddelandenAccount, clock: Clock
    ) -> None:
        self.account_name = name
        self._clock = clock
        self.organization = organization
        self.account = account
        self.sender: SendingOrganisation = account.senders[organization]
        self._clients: SenderClients | None = None
        self._loading: asyncio.Task[SenderClients | Misconfigured] | None = None
        self._cache: Cache[str, ReachabilityStatus] = Cache(
            20_000, seconds=account.reachable_seconds
        )
        self._loader: BatchLoader[ReachabilityStatus] = BatchLoader(self._query_register)

    async def clients(self) -> SenderClients | Misconfigured:
        """Load the credentials once; after a failure the next call tries again."""
        if self._clients is not None:
            return self._clients
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
        return await asyncio.shield(self._loading)

    async def _load(self) -> SenderClients | Misconfigured:
        try:
            self._clients = await asyncio.to_thread(self._make_clients)
        except UnusableKey as fault:
            return Misconfigured(
                Reason(
                    "certificate", f"the certificate of {self.organization} cannot be used: {fault}"
                )
            )
        return self._clients

    def _make_clients(self) -> SenderClients:
        every = [load(own) for own in (self.sender, *self.sender.former)]
        tls = every[0].tls(self.account)
        if self.account.newest_tls == "1.2":
            tls.maximum_version = ssl.TLSVersion.TLSv1_2
        connect = self.account.connect_timeout
        return SenderClients(
            every,
            HttpClient(
                concurrency=_LOOKUPS,
                timeouts=Timeouts(connect, self.account.lookup_timeout),
                tls=lambda: tls,
                reach=self.account.reach,
            ),
            HttpClient(
                concurrency=self.account.concurrency,
                timeouts=Timeouts(connect, self.account.read_timeout),
                tls=lambda: tls,
                reach=self.account.reach,
            ),
        )

    # -- the register ----------------------------------------

    async def reachability(self, recipient: str) -> ReachabilityStatus | Outcome | None:
        """Query the register for ``recipient`` (12 digits); concurrent queries share a call.

        None: the register has no status for the recipient. An ``Outcome``: the query failed.
        """
        cached = self._cache.get(recipient)
        return cached if cached is not None else await self._loader.get(recipient)

    def forget(self, recipient: str) -> None:
        """Drop the cached status, which the mailbox operator has contradicted."""
        self._cache.drop(recipient)

    async def _query_register(
        self, recipients: Sequence[str]
    ) -> Mapping[str, ReachabilityStatus] | Outcome:
        clients = await self.clients()
        if isinstance(clients, Misconfigured):
            return clients
        if expired := _expired(clients.current, self._clock()):
            return expired
        answer = await clients.far.call(
            HttpRequest("POST", self.account.url, self._is_reachable(recipients), HEADERS)
        )
        statuses = parse_reachability(answer) if isinstance(answer, HttpResponse) else answer
        if isinstance(statuses, ApplicationFault):
            log.warning(
                "register-fault",
                code=statuses.code,
                call_id=statuses.call_id,
                account=self.account_name,
            )
            sentence = "the register of mailboxes reported an application fault"
            reason = Reason("register-fault", sentence, str(statuses.code))
            return statuses.outcome(Deferred(reason, concerns=Concern.RECIPIENT))
        if not isinstance(statuses, Mapping):
            return _query_failure(statuses, is_answer=isinstance(answer, HttpResponse))
        for recipient, status in statuses.items():
            self._cache.put(recipient, status)
        return statuses

    def _is_reachable(self, recipients: Sequence[str]) -> bytes:
        members = element("senderOrgNr", "16" + self.organization) + "".join(
            element("recipientId", recipient) for recipient in recipients
        )
        return (
            f'<Envelope xmlns="{SOAP}"><Body><isReachable xmlns="{RECIPIENT_3}">{members}'
            "</isReachable></Body></Envelope>"
        ).encode()

    # -- the operators ----------------------------------------

    async def deliver(
        self, address: str, envelope: bytes, recipient: str
    ) -> ApplicationFault | Outcome:
        """Call deliverSecure once. What fails concerns the operator."""
        clients = await self.clients()
        if isinstance(clients, Misconfigured):
            return clients
        if expired := _expired(clients.current, self._clock()):
            return expired
        answer = await clients.operators.call(HttpRequest("POST", address, envelope, HEADERS))
        outcome = parse_delivery(answer, recipient) if isinstance(answer, HttpResponse) else answer
        if isinstance(outcome, Rejected) and outcome.polite:
            self.forget(recipient)
        return outcome if isinstance(outcome, ApplicationFault) else of_destination(outcome)

    # -- health ----------------------------------------

    async def check(self) -> AccountHealth:
        """Check the certificate, and call isReachable without recipients."""
        clients = await self.clients()
        if isinstance(clients, Misconfigured):
            return AccountHealth(self.account_name, False, clients.reason.sentence)
        left, until = clients.current.expires - self._clock(), clients.current.expires.date()
        if left <= timedelta(0):
            return AccountHealth(
                self.account_name,
                False,
                f"the certificate of {self.organization} expired on {until}",
            )
        statuses = await self._query_register(())
        if not isinstance(statuses, Mapping):
            return AccountHealth(
                self.account_name,
                False,
                f"{self.organization}: {getattr(statuses, 'reason', _NO_ANSWER).sentence}",
            )
        soon = left <= _WARNING
        expiry = (
            f"its certificate expires in {left.days} days, on {until}: replace it"
            if soon
            else f"certificate until {until}"
        )
        return AccountHealth(
            self.account_name,
            True,
            f"the register accepts {self.organization}; {expiry}",
            warns=soon,
        )

    async def close(self) -> None:
        await self._loader.close()
        if self._clients is not None:
            await asyncio.gather(self._clients.far.close(), self._clients.operators.close())


#: Codes of answers that one recipient may have caused: a SOAP fault, and what cannot be parsed.
_OF_ONE: Final = frozenset({"refused", "garbage"})
_FAULTS: Final = frozenset({"Server", "500"})
_NO_ANSWER: Final = Reason("no-answer", "the register of mailboxes does not respond")


def _expired(credentials: Credentials, now: datetime) -> Misconfigured | None:
    if now < credentials.expires:
        return None
    return Misconfigured(
        Reason(
            "certificate-expired",
            f"the sender's certificate expired on {credentials.expires.date()}",
        )
    )


def _query_failure(outcome: Outcome, *, is_answer: bool) -> Outcome:
    """Map the outcome of a failed query, which has sent no message in any case.

    ``is_answer``: the register answered. A recipient may have caused what it said, or that the
    answer for all is too long; not that it is overloaded or refuses the sender.
    """
    reason = getattr(outcome, "reason", _NO_ANSWER)
    of_one = reason.code == "oversized-answer" or (
        is_answer and (reason.code in _OF_ONE or reason.provider_code in _FAULTS)
    )
    concerns = Concern.RECIPIENT if of_one else Concern.ACCOUNT
    if isinstance(outcome, Uncertain):
        silent = Reason("register-silent", _NO_ANSWER.sentence, reason.provider_code)
        return Deferred(silent, concerns=concerns)
    if isinstance(outcome, Rejected):
        sentence = f"the register of mailboxes rejected the query: {reason.sentence}"
        return Misconfigured(Reason("register-refuses", sentence, reason.provider_code), concerns)
    return replace(outcome, concerns=concerns) if isinstance(outcome, Deferred) else outcome
