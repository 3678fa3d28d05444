"""Register (FaR) and mailbox operators of Mina Meddelanden, on a port with client TLS.

The register is at ``/Recipient/v3``, Kivra at ``/kivra/Service/v3`` and Min myndighetspost at
``/minmyndighetspost/Service/v3``. The behaviour depends on the citizen's number (``citizens``) and
on the fault script, with the providers ``far``, ``kivra`` and ``minmyndighetspost``.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from base64 import b64decode
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.digital_mail.certificates import Authority
from utskick.sandbox.digital_mail.citizens import (
    CRASH,
    MAGIC,
    OPERATORS,
    CitizenMailbox,
    CitizenOperator,
    mailbox_of,
)
from utskick.sandbox.digital_mail.schema_check import RECIPIENT_ID, SERVICE_3, check
from utskick.sandbox.digital_mail.signature import MESSAGE_3, InvalidDelivery, verify
from utskick.sandbox.digital_mail.soap import application_fault, body_of, client_fault, envelope
from utskick.sandbox.fault_responses import ResponseFaults, drop_connection
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

FAR: Final = "far"
#: Size limit of operators for a SOAP envelope, and of the HTTP server for a body, in bytes.
LIMIT: Final = 2_097_152
_MAX_BODY: Final = 4 * 1024 * 1024
#: Maximum number of recipients of isReachable (Recipient.xsd v3).
_MAX_RECIPIENTS: Final = 1000

_SCHEMA: Final = "http://minameddelanden.gov.se/schema"
_R1, _R3, _S1 = f"{_SCHEMA}/Recipient", f"{_SCHEMA}/Recipient/v3", f"{_SCHEMA}/Service"
_M1, _M2, _SENDER = f"{_SCHEMA}/Message", f"{_SCHEMA}/Message/v2", f"{_SCHEMA}/Sender"
_XML: Final = "text/xml; charset=utf-8"

#: Organisations of the sandbox: number → (name, municipality).
ORGANIZATIONS: Final = {
    "2120002411": ("Sundsvalls kommun", "2281"),
    "2120002395": ("Timrå kommun", "2262"),
    "2120002387": ("Ånge kommun", "2260"),
}
_FOLDER: Final = "digital_mail"


@dataclass(frozen=True, slots=True)
class _Delivery:
    """Validated delivery to an operator."""

    operator: str
    received: Received
    digest: bytes


class DigitalMailSimulator:
    """Simulator of register and operators.

    ``port`` is set by ``start``. The certificates are in ``addresses.folder / "digital_mail"``.
    """

    def __init__(self, ledger: Ledger, faults: Faults, addresses: SandboxAddresses) -> None:
        self._ledger = ledger
        self._faults = faults
        self._register_counts: dict[tuple[int, str], int] = {}
        self._magic_counts: dict[str, int] = {}
        self._addresses = addresses
        self.authority = Authority(addresses.folder / _FOLDER)
        self._trusted: x509.Certificate | None = None
        self._accepted: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._runner: web.AppRunner | None = None
        self._response_faults = ResponseFaults()
        self.port = addresses.https_port

    def routes(self) -> list[web.RouteDef]:
        """Return no routes for the HTTP port, since every call requires a client certificate."""
        return []

    async def start(self) -> None:
        await asyncio.to_thread(create_files, self._addresses)
        self._trusted = self.authority.certificate
        app = web.Application(client_max_size=_MAX_BODY)
        app.add_routes(
            [
                web.post("/Recipient/v3", self._is_reachable),
                web.post("/{operator}/Service/v3", self._deliver),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(
            self._runner,
            HOST,
            self._addresses.https_port,
            backlog=1024,
            ssl_context=self.authority.server_tls(),
        ).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        self._response_faults.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # -- register ----------------------------------------

    async def _is_reachable(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            _check_headers(request)
            operation = body_of(body, f"{{{_R3}}}isReachable")
            recipients = _parse_recipients(operation)
        except InvalidDelivery as fault:
            return _soap(500, client_fault(str(fault)))
        rules = {number: self._register_fault(number) for number in recipients}
        request_rule = next(
            (rule for rule in rules.values() if rule and rule.fault is not ProviderFault.REFUSE),
            None,
        )
        if request_rule is not None:
            return await self._fault_response(request, request_rule)
        refused = {number for number, rule in rules.items() if rule}
        returns = "".join(
            self._account_status(
                number, CitizenMailbox.NONE if number in refused else mailbox_of(number)
            )
            for number in recipients
        )
        return _soap(
            200,
            envelope(
                f'<ns3:isReachableResponse xmlns:ns3="{_R3}" '
                f'xmlns:ns2="{_R1}">{returns}</ns3:isReachableResponse>'
            ),
        )

    def _register_fault(self, number: str) -> FaultRule | None:
        """Apply rules that name the register; rules for all providers are for the delivery."""
        rules = [rule for rule in self._faults.rules if rule.provider == FAR]
        return Faults(rules, self._register_counts).apply(FAR, number) if rules else None

    def _account_status(self, number: str, mailbox: CitizenMailbox) -> str:
        if mailbox is CitizenMailbox.OMITTED:
            return ""
        none = mailbox is CitizenMailbox.NONE
        supplier = "" if none else self._supplier(mailbox)
        kind = "Not" if none else "Secure"
        pending = _word(mailbox is CitizenMailbox.PENDING)
        accepted = _word(not none and mailbox is not CitizenMailbox.BLOCKED)
        return (
            f"<ns3:return><ns2:AccountStatus><ns2:RecipientId>{number}</ns2:RecipientId>"
            f"<ns2:Type>{kind}</ns2:Type><ns2:Pending>{pending}</ns2:Pending>{supplier}"
            f"</ns2:AccountStatus><ns2:SenderAccepted>{accepted}</ns2:SenderAccepted></ns3:return>"
        )

    def _supplier(self, mailbox: CitizenMailbox) -> str:
        name = "minmyndighetspost" if mailbox is CitizenMailbox.MYNDIGHETSPOST else "kivra"
        operator, address = OPERATORS[name], f"https://{HOST}:{self.port}/{name}/Service/v3"
        if mailbox is CitizenMailbox.UNKNOWN_OPERATOR:
            operator = CitizenOperator("165590000003", "Brevdosan", deduplicates=False)
        if mailbox is CitizenMailbox.FOREIGN_ADDRESS:
            address = "http://169.254.169.254/latest/meta-data"
        if mailbox is CitizenMailbox.NO_ADDRESS:
            address = ""
        return (
            f"<ns2:ServiceSupplier><ns2:Id>{operator.id}</ns2:Id><ns2:Name>{operator.name}</ns2:Name>"
            f"<ns2:ServiceAdress>{address}</ns2:ServiceAdress><ns2:InternalServiceAdress></ns2:InternalServiceAdress></ns2:ServiceSupplier>"
        )

    # -- operators ----------------------------------------

    async def _deliver(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["operator"]
        if name not in OPERATORS:
            raise web.HTTPNotFound
        body = await request.read()
        try:
            _check_headers(request)
            delivery = (
                await asyncio.to_thread(self._parse_delivery, name, body)
                if len(body) > 65_536
                else self._parse_delivery(name, body)
            )
        except InvalidDelivery as fault:
            return _soap(500, client_fault(str(fault)))
        number = delivery.received.recipient
        if number[-2:] == CRASH and self._count_call(number) <= 1:
            return web.Response(status=500, text="Internal Server Error")
        rule = self._faults.apply(name, number) or self._magic(number)
        if rule is None or rule.fault in (
            ProviderFault.TIMEOUT,
            ProviderFault.DROP,
            ProviderFault.GARBAGE,
        ):
            reference = self._accept(delivery)
            return (
                _delivered(number, reference, delivered=True)
                if rule is None
                else await self._fault_response(request, rule)
            )
        if rule.fault is ProviderFault.REFUSE:
            return _delivered(number, str(uuid4()), delivered=False)
        return await self._fault_response(request, rule)

    def _magic(self, number: str) -> FaultRule | None:
        rule = MAGIC.get(number[-2:])
        return (
            rule
            if rule and (rule.times is None or self._count_call(number) <= rule.times)
            else None
        )

    def _count_call(self, number: str) -> int:
        self._magic_counts[number] = self._magic_counts.get(number, 0) + 1
        return self._magic_counts[number]

    def _parse_delivery(self, name: str, body: bytes) -> _Delivery:
        """Validate the delivery; raise ``InvalidDelivery`` if an operator would reject it."""
        if len(body) > LIMIT:
            raise InvalidDelivery(f"the envelope is larger than {LIMIT} bytes")
        wrapper = body_of(body, f"{{{SERVICE_3}}}deliverSecure")
        if len(wrapper) != 1 or wrapper.attrib or (wrapper.text or "").strip():
            raise InvalidDelivery("deliverSecure must hold exactly one element")
        sealed = wrapper[0]
        check(sealed)
        assert self._trusted is not None
        sender, _ = verify(sealed, self._trusted)
        received = _received(name, sealed, body)
        if f"16{_organization_of(sender)}" != f"{sealed.findtext(f'.//{{{_SENDER}}}Id')}":
            raise InvalidDelivery("the signer is neither the sender nor an authorised mediator")
        if mailbox_of(received.recipient) not in (
            CitizenMailbox.KIVRA,
            CitizenMailbox.MYNDIGHETSPOST,
        ):
            raise InvalidDelivery("the recipient has no mailbox here")
        return _Delivery(name, received, hashlib.sha256(body).digest())

    def _accept(self, delivery: _Delivery) -> str:
        """Deliver to the mailbox, and return the TransId.

        An operator that deduplicates recognises an identical repetition.
        """
        received, key = delivery.received, (delivery.operator, delivery.received.key or "")
        earlier = self._accepted.get(key)
        if (
            earlier is not None
            and earlier[0] == delivery.digest
            and OPERATORS[delivery.operator].deduplicates
        ):
            return earlier[1]
        assert received.reference
        self._accepted[key] = (delivery.digest, received.reference)
        self._ledger.add(received)
        return received.reference

    # -- faults ----------------------------------------

    async def _fault_response(self, request: web.Request, rule: FaultRule) -> web.StreamResponse:
        match rule.fault:
            case ProviderFault.THROTTLE:
                return web.Response(
                    status=429, headers={"Retry-After": str(math.ceil(rule.seconds))}
                )
            case ProviderFault.LOGIN:
                return web.Response(status=403, text="Forbidden")
            case ProviderFault.TIMEOUT | ProviderFault.DROP:
                return await self._response_faults.response(request, rule) or drop_connection(
                    request
                )
            case ProviderFault.GARBAGE:
                return web.Response(
                    text="<html><h1>It works!</h1></html>", content_type="text/html"
                )
        return _soap(500, application_fault(5000, "Internal error"))


def create_files(addresses: SandboxAddresses) -> None:
    """Create the authority and all certificates, if they are missing or expire within a week."""
    Authority(addresses.folder / _FOLDER).prepare(
        {number: name for number, (name, _) in ORGANIZATIONS.items()}
    )


def section(addresses: SandboxAddresses) -> dict[str, Any]:
    """Return the settings of the channel for this simulator."""
    authority = Authority(addresses.folder / _FOLDER)
    authority_netloc = f"{HOST}:{addresses.https_port}"
    senders = {
        number: {
            "name": name,
            "municipality": municipality,
            "certificate_file": str(authority.files_of(number).certificate),
            "key_file": str(authority.files_of(number).key),
        }
        for number, (name, municipality) in ORGANIZATIONS.items()
    }
    account = {
        "provider": "minameddelanden",
        "url": f"https://{authority_netloc}/Recipient/v3",
        "ca_file": str(authority.ca_file),
        "senders": senders,
        "operators": {
            o.id: {"name": o.name, "hosts": [authority_netloc], "deduplicates": o.deduplicates}
            for o in OPERATORS.values()
        },
        "concurrency": 20,
        "connect_timeout": 2,
        "read_timeout": 3,
        "lookup_timeout": 3,
        "reachable_seconds": 30,
    }
    return {"accounts": {"sandbox": account}}


def _parse_recipients(operation: Any) -> list[str]:
    sender, *recipient_elements = operation if len(operation) else (None,)
    if (
        sender is None
        or sender.tag != f"{{{_R3}}}senderOrgNr"
        or not (sender.text or "").startswith("16")
        or len(sender.text) != 12
    ):
        raise InvalidDelivery("isReachable must begin with senderOrgNr, 16 and ten digits")
    if sender.text[2:] not in ORGANIZATIONS:
        raise InvalidDelivery("the sender is not connected to Mina Meddelanden")
    numbers = [element.text or "" for element in recipient_elements]
    if any(element.tag != f"{{{_R3}}}recipientId" for element in recipient_elements) or not all(
        map(RECIPIENT_ID.match, numbers)
    ):
        raise InvalidDelivery(
            "recipientId must be a personal number, a coordination number, or 16 and an "
            "organisation number"
        )
    if len(numbers) > _MAX_RECIPIENTS:
        raise InvalidDelivery(f"at most {_MAX_RECIPIENTS} recipients are allowed")
    return list(dict.fromkeys(numbers))


def _received(name: str, sealed: Any, body: bytes) -> Received:
    header = sealed.find(f".//{{{MESSAGE_3}}}Message/{{{MESSAGE_3}}}Header")
    text = b64decode(
        sealed.findtext(f".//{{{MESSAGE_3}}}Message/{{{MESSAGE_3}}}Body/{{{_M1}}}Body") or ""
    )
    return Received(
        channel="digital_mail",
        provider=name,
        recipient=sealed.findtext(f".//{{{_M2}}}Recipient"),
        sender=sealed.findtext(f".//{{{_SENDER}}}Name"),
        text=text.decode("utf-8", "replace"),
        key=header.findtext(f"{{{MESSAGE_3}}}Id"),
        reference=str(uuid4()),
        subject=header.findtext(f"{{{MESSAGE_3}}}Subject"),
        raw=body,
    )


def _organization_of(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    return str(found[0].value)[2:] if found else ""


def _check_headers(request: web.Request) -> None:
    """Check the SOAP headers (SOAP 1.1 section 6.1; soapAction is empty in the WSDL)."""
    if request.content_type != "text/xml" or (request.charset or "utf-8").lower() != "utf-8":
        raise InvalidDelivery("Content-Type must be text/xml; charset=utf-8")
    if request.headers.get("SOAPAction") not in ('""', ""):
        raise InvalidDelivery('SOAPAction must be ""')


def _delivered(number: str, reference: str, *, delivered: bool) -> web.Response:
    content = (
        f'<ns8:deliverSecureResponse xmlns:ns8="{SERVICE_3}" '
        f'xmlns:ns10="{_S1}"><ns8:return><ns10:TransId>{reference}</ns10:TransId>'
        f"<ns10:Status><ns10:RecipientId>{number}</ns10:RecipientId><ns10:Delivered>{_word(delivered)}</ns10:Delivered></ns10:Status>"
        f"</ns8:return></ns8:deliverSecureResponse>"
    )
    return _soap(200, envelope(content))


def _word(value: bool) -> str:
    return "true" if value else "false"


def _soap(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": _XML})
