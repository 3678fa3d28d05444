"""A register and an operator of the test: one real TLS server on 127.0.0.1 that asks for a
certificate, and the real channel before it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.channels.digital_mail.pki import ORGANIZATION, Authority, name
from tests.contracts.faulty_server import FaultyServer, Reply, text
from tests.contracts.provider import PATIENCE, SILENT
from utskick.channels.digital_mail.channel import DigitalMailChannel, build
from utskick.channels.digital_mail.settings import DigitalMailSettings
from utskick.directory.empty import EmptyDirectory
from utskick.domain.channel import Draft
from utskick.domain.directory_ports import LegalId, Neighbours
from utskick.domain.outcome import Deferred, Outcome
from utskick.domain.preparation import Ready
from utskick.domain.recipient import Recipient
from utskick.outgoing.http_client import ANSWER_LIMIT

ANNA = "6a5c3d04-412d-11ec-973a-0242ac130003"
NUMBER = "190101010159"
KIVRA, OTHER = "165568402266", "162021006883"
TRANS_ID = "3832352f-fa74-4c17-ab6a-a6e3ab8324f3"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
R1, R3 = (
    "http://minameddelanden.gov.se/schema/Recipient",
    "http://minameddelanden.gov.se/schema/Recipient/v3",
)
S1, S3 = (
    "http://minameddelanden.gov.se/schema/Service",
    "http://minameddelanden.gov.se/schema/Service/v3",
)
C3 = "http://minameddelanden.gov.se/schema/Common/v3"


def soap(inside: str, status: int = 200) -> Reply:
    body = f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{inside}</soap:Body></soap:Envelope>'
    return lambda: web.Response(
        status=status, body=body.encode(), headers={"Content-Type": "text/xml; charset=utf-8"}
    )


def result(delivered: str, recipient: str = NUMBER) -> Reply:
    return soap(
        f'<ns8:deliverSecureResponse xmlns:ns8="{S3}" xmlns:ns10="{S1}">\n <ns8:return>'
        f"<ns10:TransId>{TRANS_ID}</ns10:TransId>"
        f"<ns10:Status><ns10:RecipientId>{recipient}</ns10:RecipientId><ns10:Delivered>{delivered}</ns10:Delivered></ns10:Status>"
        f"</ns8:return></ns8:deliverSecureResponse>"
    )


def fault(code: int = 5000, call_id: str = TRANS_ID, words: str = "x") -> Reply:
    said = (
        f"<ErrorCode>{code}</ErrorCode><Description>{words}</Description><CallId>{call_id}</CallId>"
    )
    detail = f'<applicationFault xmlns="{C3}">{said}</applicationFault>'
    return soap(
        f"<soap:Fault><faultcode>soap:Server</faultcode><faultstring>x</faultstring><detail>{detail}</detail></soap:Fault>",
        500,
    )


def plain_fault(who: str, words: str = "x") -> Reply:
    return soap(
        f"<soap:Fault><faultcode>soap:{who}</faultcode><faultstring>{words}</faultstring></soap:Fault>",
        500,
    )


ANSWERS: dict[str, Reply] = {
    "well": result("true"),
    "temporary": fault(),
    "login": text(403, "no"),
    "refuse": result("false"),
    "garbage": text(200, "<html>It works!</html>"),
    "throttle": text(429, "slow down", Retry_After="30"),
    "oversized": lambda: web.Response(body=b"x" * (ANSWER_LIMIT + 1)),
}


def standing(recipient: str, address: str, **changes: str) -> str:
    """One return element. ``changes``: type, pending, accepted, supplier ("" for none), name."""
    said = {
        "type": "Secure",
        "pending": "false",
        "accepted": "true",
        "supplier": KIVRA,
        "name": "Kivra",
        **changes,
    }
    supplier = (
        f"<ns2:ServiceSupplier><ns2:Id>{said['supplier']}</ns2:Id><ns2:Name>{said['name']}</ns2:Name>"
        f"<ns2:ServiceAdress>{address}</ns2:ServiceAdress><ns2:InternalServiceAdress/></ns2:ServiceSupplier>"
        if said["supplier"]
        else ""
    )
    return (
        f"<ns3:return><ns2:AccountStatus><ns2:RecipientId>{recipient}</ns2:RecipientId><ns2:Type>{said['type']}</ns2:Type>"
        f"<ns2:Pending>{said['pending']}</ns2:Pending>{supplier}</ns2:AccountStatus>"
        f"<ns2:SenderAccepted>{said['accepted']}</ns2:SenderAccepted></ns3:return>"
    )


class People(EmptyDirectory):
    """A directory of the test: ``known``: party → number; ``asked``: the groups that were asked
    for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self.asked: list[list[str]] = []
        self.away: Deferred | None = None

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        self.asked.append(list(party_ids))
        return self.away or {
            party: LegalId(self.known[party]) for party in party_ids if party in self.known
        }


class Clock:
    """A time that stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Stage(FaultyServer):
    """``ProviderContract``'s stage: what misbehaves is the operator, unless ``register`` gives an
    answer of its own."""

    carries_key = True
    names_retry_time = True

    def __init__(self, folder: Path, **account: Any) -> None:
        super().__init__(ANSWERS, text(500))
        self.authority = Authority()
        self.clock = Clock()
        self.people = People({ANNA: NUMBER})
        self.register: Reply | None = None
        self.reachability: dict[str, dict[str, str]] = {}
        self.envelopes: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.questions: list[list[str]] = []
        self.channels: list[DigitalMailChannel] = []
        self.folder, self._account = folder, account
        self._frozen: dict[UUID, bytes | None] = {}

    async def open(self) -> Stage:
        app = web.Application(client_max_size=8_000_000)
        app.router.add_post("/Recipient/v3", self._ask)
        app.router.add_post("/Service/v3", self._deliver)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=self._server_tls()).start()
        self.port = self.runner.addresses[0][1]
        self.files = self.authority.sender(self.folder)
        self.channel = self.channel_with()
        return self

    def _server_tls(self) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.authority.issue(
            name("localhost"), key.public_key(), hosts=(x509.IPAddress(ip_address("127.0.0.1")),)
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (self.folder / "server.pem").write_bytes(
            pem + certificate.public_bytes(serialization.Encoding.PEM)
        )
        (self.folder / "ca.pem").write_bytes(
            self.authority.certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem")
        context.load_verify_locations(self.folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def settings(self, **account: Any) -> dict[str, Any]:
        sender = {"name": "Sundsvalls kommun", "municipality": "2281", **self.files}
        return {
            "provider": "minameddelanden",
            "url": f"https://127.0.0.1:{self.port}/Recipient/v3",
            "ca_file": str(self.folder / "ca.pem"),
            **PATIENCE,
            "lookup_timeout": SILENT,
            "senders": {ORGANIZATION: sender},
            "operators": {KIVRA: {"name": "Kivra", "hosts": [f"127.0.0.1:{self.port}"]}},
            **self._account,
            **account,
        }

    def channel_with(self, **account: Any) -> DigitalMailChannel:
        return self.channel_of({}, **account)

    def channel_of(self, members: dict[str, Any], **account: Any) -> DigitalMailChannel:
        """``members``: of the section, beside its account."""
        section = DigitalMailSettings.model_validate(
            {**members, "accounts": {"mm": self.settings(**account)}}
        )
        made = build(section, Neighbours(self.people, EmptyDirectory()), self.clock)
        self.channels.append(made)
        return made

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}/Service/v3"

    async def close(self) -> None:
        self._over.set()
        for channel in self.channels:
            await channel.close()
        await self.runner.cleanup()

    async def stop_listening(self) -> None:
        await self.runner.cleanup()

    def draft(self, party_id: str | None = ANNA, **content: Any) -> Draft:
        members = {
            "contentType": "text/plain",
            "body": "Hej",
            "_organization": ORGANIZATION,
            **content,
        }
        return Draft("2281", members, Recipient("", party_id))

    async def send(
        self, key: object, draft: Draft | None = None, channel: DigitalMailChannel | None = None
    ) -> Outcome:
        """Prepares and sends, as the engine does: what was frozen comes back at every later
        attempt."""
        assert isinstance(key, UUID)
        channel = channel or self.channel
        wanted = replace(draft or self.draft(), frozen=self._frozen.get(key))
        prepared = await channel.prepare(wanted, key)
        if not isinstance(prepared, Ready):
            return prepared  # type: ignore[return-value]
        self._frozen[key] = prepared.frozen
        return await channel.send(replace(wanted, frozen=prepared.frozen), key, "mm")

    async def _ask(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        recipients = re.findall(r"<recipientId>(\d+)</recipientId>", body)
        self.questions.append(recipients)
        if self.register is not None:
            return self.register()
        said = {
            r: self.reachability.get(r, {})
            for r in recipients
            if self.reachability.get(r, {}) != {"omitted": "yes"}
        }
        returns = "".join(
            standing(
                r,
                changes.get("address", self.address),
                **{k: v for k, v in changes.items() if k != "address"},
            )
            for r, changes in said.items()
        )
        return soap(
            f'<ns3:isReachableResponse xmlns:ns3="{R3}" xmlns:ns2="{R1}">{returns}'
            "</ns3:isReachableResponse>"
        )()

    async def _deliver(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.envelopes.append(body)
        self.headers.append(dict(request.headers))
        self.keys.extend(re.findall(r"<Header><Id>([^<]+)</Id>", body.decode())[:1])
        return await self.fail(request) or self.replies.get(self._how, self._default)()
