"""Tests of the Mina Meddelanden simulator, called by the channel with the sandbox's settings."""

from __future__ import annotations

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from stdnum import luhn

from tests.channels.digital_mail.stage import People
from tests.contracts.provider import SILENT
from utskick.channels.digital_mail.channel import build
from utskick.channels.digital_mail.settings import DigitalMailSettings
from utskick.directory.empty import EmptyDirectory
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft
from utskick.domain.directory_ports import Neighbours
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.domain.preparation import Ready
from utskick.domain.recipient import Recipient
from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.digital_mail.citizens import SERIALS, number
from utskick.sandbox.digital_mail.server import LIMIT, ORGANIZATIONS, DigitalMailSimulator, section
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger

ANNA = "6a5c3d04-412d-11ec-973a-0242ac130003"
FILE = Attachment.of("beslut.pdf", None, b"%PDF-1.7 beslut")
DESCRIBED = [{"filename": "beslut.pdf", "digest": FILE.digest.hex()}]


class ConnectedSimulator:
    """Simulator on a free port, and a channel that calls it."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.faults, self.people = Ledger(), Faults(), People({})
        self.addresses = SandboxAddresses(0, 0, folder, "http://127.0.0.1:9")
        self.simulator = DigitalMailSimulator(self.ledger, self.faults, self.addresses)
        self._frozen: dict[UUID, bytes | None] = {}

    async def open(self) -> ConnectedSimulator:
        await self.simulator.start()
        self.addresses = replace(self.addresses, https_port=self.simulator.port)
        self.settings = section(self.addresses)
        self.settings["accounts"]["sandbox"]["read_timeout"] = SILENT
        self.settings["accounts"]["sandbox"]["reachable_seconds"] = 0
        self.channel = build(
            DigitalMailSettings.model_validate(self.settings),
            Neighbours(self.people, EmptyDirectory()),
        )
        return self

    async def close(self) -> None:
        await self.channel.close()
        await self.simulator.close()

    async def send(
        self, recipient: str, key: UUID | None = None, municipality_id: str = "2281", **content: Any
    ) -> Outcome:
        key = key or new_id()
        self.people.known[ANNA] = recipient.removeprefix("16")
        members = {"subject": "Beslut", "body": "Hej å", "contentType": "text/plain", **content}
        files = (FILE,) if "attachments" in content else ()
        draft = Draft(
            municipality_id, members, Recipient("", ANNA), files, frozen=self._frozen.get(key)
        )
        prepared = await self.channel.prepare(draft, key)
        if not isinstance(prepared, Ready):
            return prepared  # type: ignore[return-value]
        self._frozen[key] = prepared.frozen
        return await self.channel.send(replace(draft, frozen=prepared.frozen), key, "sandbox")

    def tls(self, organization: str | None = "2120002411") -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.simulator.authority.ca_file))
        if organization is not None:
            files_of = self.simulator.authority.files_of(organization)
            context.load_cert_chain(files_of.certificate, files_of.key)
        return context

    async def post(
        self, path: str, body: bytes, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        sent = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', **(headers or {})}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.tls())) as session,
            session.post(
                f"https://{HOST}:{self.simulator.port}{path}", data=body, headers=sent
            ) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose certificates are issued once."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
async def sandbox(folder: Path) -> AsyncIterator[ConnectedSimulator]:
    sandbox = await ConnectedSimulator(folder).open()
    yield sandbox
    await sandbox.close()


async def test_a_message_is_in_the_ledger_as_the_citizen_sees_it(
    sandbox: ConnectedSimulator,
) -> None:
    key = new_id()
    outcome = await sandbox.send(number(0), key, attachments=DESCRIBED)
    assert isinstance(outcome, Sent)
    (entry,) = sandbox.ledger.of("digital_mail", number(0))
    assert (entry.provider, entry.sender, entry.subject, entry.text) == (
        "kivra",
        "Sundsvalls kommun",
        "Beslut",
        "Hej å",
    )
    assert (entry.key, entry.reference) == (str(key), outcome.reference)
    assert b"<deliverSecure" in entry.raw


@pytest.mark.parametrize(
    ("municipality_id", "name"),
    [("2281", "Sundsvalls kommun"), ("2262", "Timrå kommun"), ("2260", "Ånge kommun")],
)
async def test_each_municipality_sends_with_its_own_certificate(
    sandbox: ConnectedSimulator, municipality_id: str, name: str
) -> None:
    assert isinstance(await sandbox.send(number(1), municipality_id=municipality_id), Sent)
    assert sandbox.ledger.of("digital_mail", number(1))[-1].sender == name


@pytest.mark.parametrize(
    ("magic", "kind", "code"),
    [
        ("10", Rejected, "no-mailbox"),
        ("11", Rejected, "pending"),
        ("12", Rejected, "sender-blocked"),
        ("13", Rejected, "not-in-register"),
        ("14", Rejected, "minor"),
        ("16", Rejected, "unsupported-operator"),
        ("17", Misconfigured, "address-not-allowed"),
        ("18", Rejected, "no-service-address"),
        ("20", Rejected, "not-delivered"),
        ("21", Deferred, "application-fault"),
        ("23", Deferred, "provider-fault"),
        ("27", Deferred, "throttled"),
    ],
)
async def test_a_citizen_with_this_number_receives_nothing(
    sandbox: ConnectedSimulator, magic: str, kind: type, code: str
) -> None:
    outcome = await sandbox.send(number(7, magic))
    assert isinstance(outcome, kind)
    assert outcome.reason.code == code  # type: ignore[attr-defined]
    assert len(sandbox.ledger) == 0


@pytest.mark.parametrize("magic", ["24", "25", "26"])
async def test_a_message_accepted_without_a_response_is_uncertain_and_a_repeat_makes_no_second_copy(
    sandbox: ConnectedSimulator, magic: str
) -> None:
    key = new_id()
    assert isinstance(await sandbox.send(number(8, magic), key), Uncertain)
    again = await sandbox.send(number(8, magic), key)
    assert isinstance(again, Sent)
    (entry,) = sandbox.ledger.of("digital_mail", number(8, magic))
    assert again.reference == entry.reference


@pytest.mark.parametrize(("magic", "attempts"), [("21", 1), ("23", 1), ("27", 2)])
async def test_what_passes_passes(sandbox: ConnectedSimulator, magic: str, attempts: int) -> None:
    key = new_id()
    outcomes = [await sandbox.send(number(9, magic), key) for _ in range(attempts + 1)]
    assert [type(outcome) for outcome in outcomes] == [*[Deferred] * attempts, Sent]
    assert len(sandbox.ledger) == 1


@pytest.mark.parametrize("magic", ["22", "28"])
async def test_what_lasts_lasts(sandbox: ConnectedSimulator, magic: str) -> None:
    outcomes = [await sandbox.send(number(10, magic)) for _ in range(3)]
    assert not any(isinstance(outcome, Sent) for outcome in outcomes)


async def test_min_myndighetspost_does_not_know_a_repeat(sandbox: ConnectedSimulator) -> None:
    key, recipient = new_id(), number(3, "15")
    for _ in range(2):
        assert isinstance(await sandbox.send(recipient, key), Sent)
    assert [entry.provider for entry in sandbox.ledger.of("digital_mail", recipient)] == [
        "minmyndighetspost"
    ] * 2


@pytest.mark.parametrize(
    ("fault", "kind", "entries"),
    [
        (ProviderFault.REFUSE, Rejected, 0),
        (ProviderFault.THROTTLE, Deferred, 0),
        (ProviderFault.TEMPORARY, Deferred, 0),
        (ProviderFault.LOGIN, Misconfigured, 0),
        (ProviderFault.TIMEOUT, Uncertain, 1),
        (ProviderFault.DROP, Uncertain, 1),
        (ProviderFault.GARBAGE, Uncertain, 1),
    ],
)
@pytest.mark.parametrize("provider", ["kivra", None])
async def test_the_script_is_obeyed(
    sandbox: ConnectedSimulator,
    fault: ProviderFault,
    kind: type,
    entries: int,
    provider: str | None,
) -> None:
    sandbox.faults.add(FaultRule(fault, provider, number(4), seconds=7))
    outcome = await sandbox.send(number(4))
    assert isinstance(outcome, kind)
    if fault is ProviderFault.THROTTLE:
        assert outcome.retry_after == timedelta(seconds=7)  # type: ignore[attr-defined]
    assert len(sandbox.ledger) == entries
    assert isinstance(await sandbox.send(number(4)), Sent)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ProviderFault.REFUSE, Rejected),
        (ProviderFault.TEMPORARY, Deferred),
        (ProviderFault.THROTTLE, Deferred),
        (ProviderFault.LOGIN, Misconfigured),
    ],
)
async def test_the_register_has_a_script_of_its_own(
    sandbox: ConnectedSimulator, fault: ProviderFault, kind: type
) -> None:
    sandbox.faults.add(FaultRule(fault, "far", number(4)))
    assert isinstance(await sandbox.send(number(5)), Sent)
    assert isinstance(await sandbox.send(number(4)), kind)
    assert isinstance(await sandbox.send(number(4)), Sent)


async def test_organisations_have_mailboxes_too(sandbox: ConnectedSimulator) -> None:
    assert isinstance(await sandbox.send("165591628136"), Sent)


async def test_the_health_check_succeeds_for_every_organisation(
    sandbox: ConnectedSimulator,
) -> None:
    (health,) = await sandbox.channel.look()
    assert (health.account, health.ok) == ("sandbox", True)
    assert all(organization in health.sentence for organization in ORGANIZATIONS)


async def test_a_connection_without_a_certificate_is_rejected(sandbox: ConnectedSimulator) -> None:
    connector = aiohttp.TCPConnector(ssl=sandbox.tls(None))
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"https://{HOST}:{sandbox.simulator.port}/Recipient/v3", data=b"x")


async def one_envelope(sandbox: ConnectedSimulator) -> bytes:
    await sandbox.send(number(6), attachments=DESCRIBED)
    return sandbox.ledger.of("digital_mail", number(6))[-1].raw


async def test_an_operator_rejects_an_invalid_delivery_with_a_reason(
    sandbox: ConnectedSimulator,
) -> None:
    envelope = await one_envelope(sandbox)
    before = len(sandbox.ledger)
    attempts: list[tuple[bytes, dict[str, str], str]] = [
        (envelope.replace(b"Beslut", b"Avslag", 1), {}, "digest"),
        (envelope.replace(b"</Subject>", b"</Subject><Subject>a</Subject>"), {}, "Supportinfo"),
        (
            envelope.replace(b"<Checksum ", b"<Sum ").replace(b"</Checksum>", b"</Sum>"),
            {},
            "Checksum",
        ),
        (b"<!DOCTYPE a>" + envelope, {}, "document type"),
        (b"garbage", {}, "not well-formed"),
        (b"<a/>", {}, "not a SOAP"),
        (envelope, {"SOAPAction": '"deliverSecure"'}, "SOAPAction"),
        (envelope, {"Content-Type": "application/soap+xml"}, "Content-Type"),
        (envelope[:-1] + b" " * (LIMIT - len(envelope) + 1) + b">", {}, "larger than"),
    ]
    for body, headers, words in attempts:
        status, text = await sandbox.post("/kivra/Service/v3", body, headers)
        assert status == 500
        assert "Client" in text
        assert words in text, words
    assert len(sandbox.ledger) == before
    assert (await sandbox.post("/kivra/Service/v3", envelope))[0] == 200
    assert (await sandbox.post("/nobody/Service/v3", envelope))[0] == 404


async def test_a_signer_may_not_send_for_another(sandbox: ConnectedSimulator) -> None:
    """Use Sundsvall's certificate with Timrå's name."""
    settings = section(sandbox.addresses)
    senders = settings["accounts"]["sandbox"]["senders"]
    for member in ("certificate_file", "key_file"):
        senders["2120002395"][member] = senders["2120002411"][member]
    channel = build(
        DigitalMailSettings.model_validate(settings), Neighbours(sandbox.people, EmptyDirectory())
    )
    own, sandbox.channel = sandbox.channel, channel
    outcome = await sandbox.send(number(6), municipality_id="2262")
    assert isinstance(outcome, Rejected)
    assert len(sandbox.ledger) == 0
    sandbox.channel = own
    await channel.close()


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("", "senderOrgNr"),
        ("<senderOrgNr>2120002411</senderOrgNr>", "senderOrgNr"),
        ("<senderOrgNr>165590000003</senderOrgNr>", "not connected"),
        ("<senderOrgNr>162120002411</senderOrgNr><recipientId>12</recipientId>", "recipientId"),
        (
            "<senderOrgNr>162120002411</senderOrgNr>"
            + "<recipientId>190001010001</recipientId>" * 1001,
            "at most 1000",
        ),
    ],
)
async def test_the_register_rejects_an_invalid_request(
    sandbox: ConnectedSimulator, inside: str, words: str
) -> None:
    r3, soap = (
        "http://minameddelanden.gov.se/schema/Recipient/v3",
        "http://schemas.xmlsoap.org/soap/envelope/",
    )
    body = (
        f'<Envelope xmlns="{soap}"><Body><isReachable '
        f'xmlns="{r3}">{inside}</isReachable></Body></Envelope>'
    )
    status, text = await sandbox.post("/Recipient/v3", body.encode())
    assert status == 500
    assert words in text


async def test_certificates_are_reused_and_readable_by_the_owner_only(
    sandbox: ConnectedSimulator, tmp_path: Path
) -> None:
    authority = sandbox.simulator.authority
    before = authority.ca_file.read_bytes()
    again = DigitalMailSimulator(Ledger(), Faults(), replace(sandbox.addresses, https_port=0))
    await again.start()
    assert authority.ca_file.read_bytes() == before
    await again.close()
    for organization in ORGANIZATIONS:
        assert stat.S_IMODE(authority.files_of(organization).key.stat().st_mode) == 0o600


async def test_a_port_that_is_accepted_is_reported(sandbox: ConnectedSimulator) -> None:
    with pytest.raises(OSError, match="in use"):
        await DigitalMailSimulator(Ledger(), Faults(), sandbox.addresses).start()


async def test_many_at_once(sandbox: ConnectedSimulator) -> None:
    keys = [new_id() for _ in range(60)]
    sandbox.people.known = {}
    outcomes = await asyncio.gather(*(sandbox.send(number(11), key) for key in keys))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert {entry.key for entry in sandbox.ledger.of("digital_mail", number(11))} == {
        str(key) for key in keys
    }


def test_the_numbers_are_of_adults_valid_and_each_another() -> None:
    made = [
        number(serial, magic) for magic in ("00", "21", "99") for serial in range(0, SERIALS, 97)
    ]
    assert len(set(made)) == len(made)
    assert all(luhn.is_valid(one[2:]) for one in made)
    assert all(one.startswith("190") and len(one) == 12 for one in made)
    assert number(5, "14") > "2080"
    for wrong in ((-1, "00"), (SERIALS, "00"), (0, "1"), (0, "ab")):
        with pytest.raises(ValueError):
            number(*wrong)
