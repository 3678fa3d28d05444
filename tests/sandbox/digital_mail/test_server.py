"""Mina Meddelanden's sandbox, met by the channel itself through the settings that the sandbox gives
it."""

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
from utskick.sandbox.digital_mail.citizens import MOST, number
from utskick.sandbox.digital_mail.server import LIMIT, ORGANIZATIONS, DigitalMail, section
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger

ANNA = "6a5c3d04-412d-11ec-973a-0242ac130003"
FILE = Attachment.of("beslut.pdf", None, b"%PDF-1.7 beslut")
DESCRIBED = [{"filename": "beslut.pdf", "digest": FILE.digest.hex()}]


class Town:
    """The simulator on a free port, and a channel to it."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.faults, self.people = Ledger(), Faults(), People({})
        self.place = SandboxAddresses(0, 0, folder, "http://127.0.0.1:9")
        self.simulator = DigitalMail(self.ledger, self.faults, self.place)
        self._frozen: dict[UUID, bytes | None] = {}

    async def open(self) -> Town:
        await self.simulator.start()
        self.place = replace(self.place, https_port=self.simulator.port)
        self.settings = section(self.place)
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
            pair = self.simulator.authority.pair(organization)
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    async def post(
        self, path: str, body: bytes, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        said = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', **(headers or {})}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.tls())) as session,
            session.post(
                f"https://{HOST}:{self.simulator.port}{path}", data=body, headers=said
            ) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates are made once."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
async def town(folder: Path) -> AsyncIterator[Town]:
    town = await Town(folder).open()
    yield town
    await town.close()


async def test_what_is_sent_stands_in_the_ledger_as_the_citizen_sees_it(town: Town) -> None:
    key = new_id()
    outcome = await town.send(number(0), key, attachments=DESCRIBED)
    assert isinstance(outcome, Sent)
    (entry,) = town.ledger.of("digital_mail", number(0))
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
    town: Town, municipality_id: str, name: str
) -> None:
    assert isinstance(await town.send(number(1), municipality_id=municipality_id), Sent)
    assert town.ledger.of("digital_mail", number(1))[-1].sender == name


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
async def test_a_citizen_with_this_number_gets_nothing(
    town: Town, magic: str, kind: type, code: str
) -> None:
    outcome = await town.send(number(7, magic))
    assert isinstance(outcome, kind)
    assert outcome.reason.code == code  # type: ignore[attr-defined]
    assert len(town.ledger) == 0


@pytest.mark.parametrize("magic", ["24", "25", "26"])
async def test_what_was_taken_without_an_answer_is_uncertain_and_a_repeat_makes_no_second_copy(
    town: Town, magic: str
) -> None:
    key = new_id()
    assert isinstance(await town.send(number(8, magic), key), Uncertain)
    again = await town.send(number(8, magic), key)
    assert isinstance(again, Sent)
    (entry,) = town.ledger.of("digital_mail", number(8, magic))
    assert again.reference == entry.reference


@pytest.mark.parametrize(("magic", "attempts"), [("21", 1), ("23", 1), ("27", 2)])
async def test_what_passes_passes(town: Town, magic: str, attempts: int) -> None:
    key = new_id()
    outcomes = [await town.send(number(9, magic), key) for _ in range(attempts + 1)]
    assert [type(outcome) for outcome in outcomes] == [*[Deferred] * attempts, Sent]
    assert len(town.ledger) == 1


@pytest.mark.parametrize("magic", ["22", "28"])
async def test_what_lasts_lasts(town: Town, magic: str) -> None:
    outcomes = [await town.send(number(10, magic)) for _ in range(3)]
    assert not any(isinstance(outcome, Sent) for outcome in outcomes)


async def test_min_myndighetspost_does_not_know_a_repeat(town: Town) -> None:
    key, recipient = new_id(), number(3, "15")
    for _ in range(2):
        assert isinstance(await town.send(recipient, key), Sent)
    assert [entry.provider for entry in town.ledger.of("digital_mail", recipient)] == [
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
    town: Town, fault: ProviderFault, kind: type, entries: int, provider: str | None
) -> None:
    town.faults.add(FaultRule(fault, provider, number(4), seconds=7))
    outcome = await town.send(number(4))
    assert isinstance(outcome, kind)
    if fault is ProviderFault.THROTTLE:
        assert outcome.retry_after == timedelta(seconds=7)  # type: ignore[attr-defined]
    assert len(town.ledger) == entries
    assert isinstance(await town.send(number(4)), Sent)


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
    town: Town, fault: ProviderFault, kind: type
) -> None:
    town.faults.add(FaultRule(fault, "far", number(4)))
    assert isinstance(await town.send(number(5)), Sent)
    assert isinstance(await town.send(number(4)), kind)
    assert isinstance(await town.send(number(4)), Sent)


async def test_organisations_have_mailboxes_too(town: Town) -> None:
    assert isinstance(await town.send("165591628136"), Sent)


async def test_a_look_finds_every_organisation_well(town: Town) -> None:
    (health,) = await town.channel.look()
    assert (health.account, health.ok) == ("sandbox", True)
    assert all(organization in health.sentence for organization in ORGANIZATIONS)


async def test_nobody_comes_in_without_a_certificate(town: Town) -> None:
    connector = aiohttp.TCPConnector(ssl=town.tls(None))
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"https://{HOST}:{town.simulator.port}/Recipient/v3", data=b"x")


async def one_envelope(town: Town) -> bytes:
    await town.send(number(6), attachments=DESCRIBED)
    return town.ledger.of("digital_mail", number(6))[-1].raw


async def test_an_operator_refuses_what_is_wrong_and_says_why(town: Town) -> None:
    envelope = await one_envelope(town)
    before = len(town.ledger)
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
        status, said = await town.post("/kivra/Service/v3", body, headers)
        assert status == 500
        assert "Client" in said
        assert words in said, words
    assert len(town.ledger) == before
    assert (await town.post("/kivra/Service/v3", envelope))[0] == 200
    assert (await town.post("/nobody/Service/v3", envelope))[0] == 404


async def test_a_signer_may_not_send_for_another(town: Town) -> None:
    """Sundsvall's certificate, Timrå's name."""
    settings = section(town.place)
    senders = settings["accounts"]["sandbox"]["senders"]
    for member in ("certificate_file", "key_file"):
        senders["2120002395"][member] = senders["2120002411"][member]
    channel = build(
        DigitalMailSettings.model_validate(settings), Neighbours(town.people, EmptyDirectory())
    )
    own, town.channel = town.channel, channel
    outcome = await town.send(number(6), municipality_id="2262")
    assert isinstance(outcome, Rejected)
    assert len(town.ledger) == 0
    town.channel = own
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
async def test_the_register_refuses_what_is_wrong(town: Town, inside: str, words: str) -> None:
    r3, soap = (
        "http://minameddelanden.gov.se/schema/Recipient/v3",
        "http://schemas.xmlsoap.org/soap/envelope/",
    )
    body = f'<Envelope xmlns="{soap}"><Body><isReachable xmlns="{r3}">{inside}</isReachable></Body></Envelope>'
    status, said = await town.post("/Recipient/v3", body.encode())
    assert status == 500
    assert words in said


async def test_certificates_last_and_are_nobody_elses_to_read(town: Town, tmp_path: Path) -> None:
    authority = town.simulator.authority
    before = authority.ca_file.read_bytes()
    again = DigitalMail(Ledger(), Faults(), replace(town.place, https_port=0))
    await again.start()
    assert authority.ca_file.read_bytes() == before
    await again.close()
    for organization in ORGANIZATIONS:
        assert stat.S_IMODE(authority.pair(organization).key.stat().st_mode) == 0o600


async def test_a_port_that_is_taken_is_told(town: Town) -> None:
    with pytest.raises(OSError, match="in use"):
        await DigitalMail(Ledger(), Faults(), town.place).start()


async def test_many_at_once(town: Town) -> None:
    keys = [new_id() for _ in range(60)]
    town.people.known = {}
    outcomes = await asyncio.gather(*(town.send(number(11), key) for key in keys))
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert {entry.key for entry in town.ledger.of("digital_mail", number(11))} == {
        str(key) for key in keys
    }


def test_the_numbers_are_of_adults_valid_and_each_another() -> None:
    made = [number(serial, magic) for magic in ("00", "21", "99") for serial in range(0, MOST, 97)]
    assert len(set(made)) == len(made)
    assert all(luhn.is_valid(one[2:]) for one in made)
    assert all(one.startswith("190") and len(one) == 12 for one in made)
    assert number(5, "14") > "2080"
    for wrong in ((-1, "00"), (MOST, "00"), (0, "1"), (0, "ab")):
        with pytest.raises(ValueError):
            number(*wrong)
