"""The sandbox's Open-E, met by the channel of web messages itself: each fault once, and what the
ledger holds after it."""

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
from utskick.sandbox.open_e import CaseMessage, OpenESimulator, open_case_message, section

ANNA = "6a5c3d04-412d-11ec-973a-0242ac130003"
PDF = Attachment.of("Beslut å.pdf", "application/pdf", b"%PDF-1.7")
BASIC = "Basic c2FuZGJveDpzYW5kYm94"


class Everybody:
    """Any party is the same person."""

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId]:
        return dict.fromkeys(party_ids, LegalId("199001012385"))


class Town:
    """The simulator on a real port, and the channel that its own section makes."""

    def __init__(self, folder: Path) -> None:
        self.place = SandboxAddresses(unused_port(), 0, folder, "http://127.0.0.1:9")
        self.ledger, self.faults = Ledger(), Faults()
        self.open_e = OpenESimulator(self.ledger, self.faults, self.place)

    async def open(self) -> Town:
        app = web.Application()
        app.add_routes(self.open_e.routes())
        self.server = TestServer(app, host="127.0.0.1", port=self.place.http_port)
        await self.server.start_server()
        await self.open_e.start()
        settings = section(self.place)
        for account in settings["accounts"].values():
            account |= PATIENCE
        self.channel = build(WebMessageSettings.model_validate(settings), Everybody())
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
        url = f"http://127.0.0.1:{self.place.http_port}/open-e/{instance}/api/callback"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=named) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = await Town(tmp_path).open()
    yield town
    await town.close()


async def test_what_was_written_stands_in_the_case(town: Town) -> None:
    assert await town.send("102251", "external", PDF) == Sent("1", delivered=True)
    assert await town.send(oepInstance="INTERNAL", account="internal") == Sent("2", delivered=True)
    first, second = town.ledger.of("web_message", "102251")
    assert (first.provider, first.sender, first.text, first.key, first.reference) == (
        "open-e",
        "joe01doe",
        "Ditt ärende",
        None,
        "1",
    )
    assert (first.subject, second.subject) == ("EXTERNAL", "INTERNAL")
    assert open_case_message(first.raw) == CaseMessage(
        "102251", "joe01doe", "Ditt ärende", False, ((PDF.name, PDF.data),)
    )


async def test_the_owner_writes_by_an_operation_of_its_own(town: Town) -> None:
    draft = Draft("2281", {"message": "Hej", "sendAsOwner": True}, Recipient("7", ANNA))
    assert await town.channel.send(draft, new_id(), "external") == Sent("1", delivered=True)
    (entry,) = town.ledger.of("web_message", "7")
    assert open_case_message(entry.raw) == CaseMessage("7", ANNA, "Hej", True)


async def test_an_attachment_beyond_the_parsers_own_limit_arrives(town: Town) -> None:
    large = Attachment.of("stor.bin", None, bytes(12_000_000))
    settings = section(town.place)
    channel = build(WebMessageSettings.model_validate(settings), Everybody())
    draft = Draft("2281", {"message": "Hej"}, Recipient("7"), (large,))
    assert isinstance(await channel.send(draft, new_id(), "external"), Sent)
    await channel.close()
    opened = open_case_message(town.ledger.of("web_message", "7")[0].raw)
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
async def test_a_magic_case_says_no(town: Town, case: str, kind: type, code: str) -> None:
    outcome = await town.send(case)
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Sent)
    assert outcome.reason.provider_code == code
    assert len(town.ledger) == 0


@pytest.mark.parametrize("case", ["408408", "444444", "222222"])
async def test_a_magic_case_takes_the_message_and_says_nothing_once(town: Town, case: str) -> None:
    assert isinstance(await town.send(case), Uncertain)
    assert len(town.ledger.of("web_message", case)) == 1
    assert isinstance(await town.send(case), Sent)


async def test_temporary_once_then_well(town: Town) -> None:
    assert isinstance(await town.send("503503"), Deferred)
    assert isinstance(await town.send("503503"), Sent)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ProviderFault.REFUSE, Rejected),
        (ProviderFault.LOGIN, Misconfigured),
        (ProviderFault.THROTTLE, Deferred),
        (ProviderFault.TEMPORARY, Deferred),
    ],
)
async def test_the_script_of_faults_goes_for_every_case(
    town: Town, fault: ProviderFault, kind: type
) -> None:
    town.faults.add(FaultRule(fault, provider="open-e", recipient="^102251$", seconds=7))
    outcome = await town.send()
    assert isinstance(outcome, kind)
    if fault is ProviderFault.THROTTLE:
        assert isinstance(outcome, Deferred)
        assert outcome.retry_after == timedelta(seconds=7)
    assert isinstance(await town.send(), Sent)


async def test_a_wrong_login_is_refused(town: Town) -> None:
    status, _ = await town.post(b"", Authorization="Basic d3Jvbmc6bG9naW4=")
    assert status == 401
    assert [health.ok for health in await town.channel.look()] == [True, True]


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
        (b"<flowInstanceID>7</flowInstanceID>", b"", "flowInstanceID is the only way"),
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
        (b"addMessage", b"setAttribute", "no operation that the sandbox knows"),
        (b"oeplatform", b"elsewhere", "no operation that the sandbox knows"),
        (b'"UTF-8"?>', b'"UTF-8"?><!DOCTYPE x>', "document type declaration"),
        (b"</S:Body>", b"", "this is not XML"),
    ],
)
async def test_what_the_schema_refuses_is_refused(
    town: Town, old: bytes, new: bytes, words: str
) -> None:
    assert old in GOOD
    status, text = await town.post(GOOD.replace(old, new))
    assert status == 500
    assert "S:Client" in text
    assert words in text
    assert len(town.ledger) == 0


async def test_another_media_type_and_another_instance_are_not_there(town: Town) -> None:
    assert (await town.post(GOOD, Content_Type="application/json"))[0] == 415
    assert (await town.post(GOOD, instance="secret"))[0] == 404
    assert (await town.post(GOOD))[0] == 200


def test_what_is_no_message_opens_as_nothing() -> None:
    assert open_case_message(b"nonsense") is None
