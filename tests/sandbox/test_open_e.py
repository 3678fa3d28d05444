"""Tests of the Open-E simulator, called by the web message channel: faults and ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from tests.contracts.provider import PATIENCE
from utskick.channels.web_message.channel import build
from utskick.channels.web_message.settings import WebMessageSettings
from utskick.channels.web_message.soap_request import Principal, WebMessage, write
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft
from utskick.domain.clock import utc_now
from utskick.domain.directory_ports import LegalId
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.domain.recipient import Recipient
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.open_e import CaseMessage, OpenESimulator, parse_case_message, section

ANNA = "6a5c3d04-412d-11ec-973a-0242ac130003"
PDF = Attachment.of("Beslut å.pdf", "application/pdf", b"%PDF-1.7")
BASIC = "Basic c2FuZGJveDpzYW5kYm94"


class OnePersonDirectory:
    """Directory in which every party is the same person."""

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId]:
        return dict.fromkeys(party_ids, LegalId("199001012385"))


class ConnectedSimulator:
    """Simulator on a real port, and a channel with the sandbox's settings."""

    def __init__(self, folder: Path) -> None:
        self.addresses = SandboxAddresses(unused_port(), 0, folder, "http://127.0.0.1:9")
        self.ledger, self.faults = Ledger(), Faults()
        self.open_e = OpenESimulator(self.ledger, self.faults, self.addresses)

    async def open(self) -> ConnectedSimulator:
        app = web.Application()
        app.add_routes(self.open_e.routes())
        self.server = TestServer(app, host="127.0.0.1", port=self.addresses.http_port)
        await self.server.start_server()
        await self.open_e.start()
        settings = section(self.addresses)
        for account in settings["accounts"].values():
            account |= PATIENCE
        self.channel = build(WebMessageSettings.model_validate(settings), OnePersonDirectory())
        return self

    async def close(self) -> None:
        await self.channel.close()
        await self.open_e.close()
        await self.server.close()

    async def send(
        self, case: str = "102251", account: str = "external", *files: Attachment, **content: Any
    ) -> Outcome:
        draft = Draft(
            "2281",
            {"message": "Ditt ärende", "sender": {"userId": "joe01doe"}, **content},
            Recipient(case),
            files,
        )
        return await self.channel.send(draft, new_id(), account)

    async def post(
        self, body: bytes, instance: str = "external", **headers: str
    ) -> tuple[int, str]:
        named = {
            "Authorization": BASIC,
            "Content-Type": "text/xml",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        url = f"http://127.0.0.1:{self.addresses.http_port}/open-e/{instance}/api/callback"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=named) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[ConnectedSimulator]:
    sandbox = await ConnectedSimulator(tmp_path).open()
    yield sandbox
    await sandbox.close()


async def test_a_message_is_in_the_ledger_of_the_case(sandbox: ConnectedSimulator) -> None:
    assert await sandbox.send("102251", "external", PDF) == Sent("1", delivered=True)
    assert await sandbox.send(oepInstance="INTERNAL", account="internal") == Sent(
        "2", delivered=True
    )
    first, second = sandbox.ledger.of("web_message", "102251")
    assert (first.provider, first.sender, first.text, first.key, first.reference) == (
        "open-e",
        "joe01doe",
        "Ditt ärende",
        None,
        "1",
    )
    assert (first.subject, second.subject) == ("EXTERNAL", "INTERNAL")
    assert parse_case_message(first.raw) == CaseMessage(
        "102251", "joe01doe", "Ditt ärende", False, ((PDF.name, PDF.data),)
    )


async def test_the_owner_writes_by_an_operation_of_its_own(sandbox: ConnectedSimulator) -> None:
    draft = Draft("2281", {"message": "Hej", "sendAsOwner": True}, Recipient("7", ANNA))
    assert await sandbox.channel.send(draft, new_id(), "external") == Sent("1", delivered=True)
    (entry,) = sandbox.ledger.of("web_message", "7")
    assert parse_case_message(entry.raw) == CaseMessage("7", ANNA, "Hej", True)


async def test_an_attachment_beyond_the_parsers_own_limit_arrives(
    sandbox: ConnectedSimulator,
) -> None:
    large = Attachment.of("stor.bin", None, bytes(12_000_000))
    settings = section(sandbox.addresses)
    channel = build(WebMessageSettings.model_validate(settings), OnePersonDirectory())
    draft = Draft("2281", {"message": "Hej"}, Recipient("7"), (large,))
    assert isinstance(await channel.send(draft, new_id(), "external"), Sent)
    await channel.close()
    opened = parse_case_message(sandbox.ledger.of("web_message", "7")[0].raw)
    assert opened is not None
    assert opened.files == (("stor.bin", large.data),)


@pytest.mark.parametrize(
    ("case", "kind", "code"),
    [
        ("404404", Rejected, "FlowInstanceNotFoundFault"),
        ("403403", Misconfigured, "AccessDeniedFault"),
        ("500500", Deferred, "Server"),
    ],
)
async def test_a_magic_case_rejects(
    sandbox: ConnectedSimulator, case: str, kind: type, code: str
) -> None:
    outcome = await sandbox.send(case)
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Sent)
    assert outcome.reason.provider_code == code
    assert len(sandbox.ledger) == 0


@pytest.mark.parametrize("case", ["408408", "444444", "222222"])
async def test_a_magic_case_accepts_the_message_without_a_response_once(
    sandbox: ConnectedSimulator, case: str
) -> None:
    assert isinstance(await sandbox.send(case), Uncertain)
    assert len(sandbox.ledger.of("web_message", case)) == 1
    assert isinstance(await sandbox.send(case), Sent)


async def test_a_temporary_error_occurs_once(sandbox: ConnectedSimulator) -> None:
    assert isinstance(await sandbox.send("503503"), Deferred)
    assert isinstance(await sandbox.send("503503"), Sent)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ProviderFault.REFUSE, Rejected),
        (ProviderFault.LOGIN, Misconfigured),
        (ProviderFault.THROTTLE, Deferred),
        (ProviderFault.TEMPORARY, Deferred),
    ],
)
async def test_the_fault_script_applies_to_every_case(
    sandbox: ConnectedSimulator, fault: ProviderFault, kind: type
) -> None:
    sandbox.faults.add(FaultRule(fault, provider="open-e", recipient="^102251$", seconds=7))
    outcome = await sandbox.send()
    assert isinstance(outcome, kind)
    if fault is ProviderFault.THROTTLE:
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after == timedelta(seconds=7)
    assert isinstance(await sandbox.send(), Sent)


async def test_a_wrong_login_is_rejected(sandbox: ConnectedSimulator) -> None:
    status, _ = await sandbox.post(b"", Authorization="Basic d3Jvbmc6bG9naW4=")
    assert status == 401
    assert [health.ok for health in await sandbox.channel.look()] == [True, True]


GOOD = write(WebMessage(7, utc_now(), "Hej", "joe", Principal("joe"), attachments=(PDF,)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"<userID>joe</userID></message>", b"</message>", "userID is expected here"),
        (
            b"<message>Hej</message><userID>joe</userID>",
            b"<userID>joe</userID><message>Hej</message>",
            "message is expected here",
        ),
        (
            b"<flowInstanceID>7</flowInstanceID>",
            b"",
            "the sandbox identifies cases by flowInstanceID",
        ),
        (b"<flowInstanceID>7<", b"<flowInstanceID>seven<", "flowInstanceID is not of its type"),
        (
            b"<flowInstanceID>7<",
            b"<flowInstanceID>2147483648<",
            "flowInstanceID is not of its type",
        ),
        (b"<added>", b"<added>x", "added is not of its type"),
        (b"<encodedData>", b"<encodedData>!", "encodedData is not of its type"),
        (b"<size>8</size>", b"", "size is expected here"),
        (
            b"</principal>",
            b"<citizenID>1</citizenID></principal>",
            "citizenID is not expected here",
        ),
        (b"<message>Hej<", b"<message>Hej<b/><", "message may hold no elements"),
        (b"addMessage", b"setAttribute", "this operation is not supported"),
        (b"oeplatform", b"elsewhere", "this operation is not supported"),
        (b'"UTF-8"?>', b'"UTF-8"?><!DOCTYPE x>', "document type declaration"),
        (b"</S:Body>", b"", "this is not XML"),
    ],
)
async def test_a_request_that_violates_the_schema_is_rejected(
    sandbox: ConnectedSimulator, old: bytes, new: bytes, words: str
) -> None:
    assert old in GOOD
    status, text = await sandbox.post(GOOD.replace(old, new))
    assert status == 500
    assert "S:Client" in text
    assert words in text
    assert len(sandbox.ledger) == 0


async def test_another_media_type_and_another_instance_are_rejected(
    sandbox: ConnectedSimulator,
) -> None:
    assert (await sandbox.post(GOOD, Content_Type="application/json"))[0] == 415
    assert (await sandbox.post(GOOD, instance="secret"))[0] == 404
    assert (await sandbox.post(GOOD))[0] == 200


def test_content_that_is_no_message_parses_as_none() -> None:
    assert parse_case_message(b"nonsense") is None
