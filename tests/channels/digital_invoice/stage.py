"""Kivra of the test: the sandbox's simulator on a port of its own, or a server that answers as
told."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from stdnum import luhn

from tests.contracts.faulty_server import FaultyServer, Reply, json, text
from tests.contracts.provider import PATIENCE, SECRET
from utskick.channels.digital_invoice.channel import DigitalInvoiceChannel
from utskick.channels.digital_invoice.requests import DigitalInvoiceRequest
from utskick.channels.digital_invoice.settings import DigitalInvoiceSettings
from utskick.domain.channel import Draft, Plan, RequestContext
from utskick.domain.directory_ports import LegalId
from utskick.domain.outcome import Deferred, Outcome
from utskick.domain.preparation import Prepared, Ready
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.faults import Faults
from utskick.sandbox.kivra import TENANT, KivraSimulator
from utskick.sandbox.ledger import Ledger

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF\n"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DETAILS = {
    "amount": 1234.5,
    "dueDate": "2026-12-21",
    "paymentReferenceType": "SE_OCR",
    "paymentReference": "4711" + luhn.calc_check_digit("4711"),
    "accountType": "BANKGIRO",
    "accountNumber": "991-2346",
}
FILES = [
    {
        "contentType": "application/pdf",
        "content": b64encode(PDF).decode(),
        "filename": "faktura.pdf",
    }
]


def body(party: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "party": {"partyId": party or str(uuid4())},
        "type": "INVOICE",
        "subject": "Faktura",
        "details": DETAILS,
        "files": FILES,
        **more,
    }


def person(magic: str = "20") -> str:
    """A personal number whose two digits before the check digit are these."""
    bare = f"8001019{magic}"
    return "19" + bare + luhn.calc_check_digit(bare)


class Roll:
    """A directory of the test."""

    def __init__(self) -> None:
        self.numbers: dict[str, str] = {}
        self.away = False

    def enter(self, number: str) -> str:
        party = str(uuid4())
        self.numbers[party] = number
        return party

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        from utskick.domain.outcome import Reason

        if self.away:
            return Deferred(Reason("directory-away", "nobody can tell"))
        return {p: LegalId(self.numbers[p]) for p in party_ids if p in self.numbers}


def channel_at(url: str, roll: Roll, **more: Any) -> DigitalInvoiceChannel:
    account = {
        "url": url,
        "tenant_key": TENANT,
        "client_id": "user",
        "client_secret": SECRET,
        **PATIENCE,
        "matched_seconds": 0,
        **more,
    }
    return DigitalInvoiceChannel(
        DigitalInvoiceSettings(accounts={"kivra": account}), roll, lambda: NOW
    )


def planned(channel: DigitalInvoiceChannel, said: dict[str, Any]) -> Plan:
    return channel.plan(
        DigitalInvoiceRequest.model_validate_json(orjson.dumps(said)), RequestContext("2281")
    )


def draft_of(plan: Plan, frozen: bytes | None = None) -> Draft:
    return Draft("2281", plan.content, plan.recipients[0], plan.attachments, frozen=frozen)


class Town:
    """The simulator and a channel towards it."""

    async def open(self, tmp_path: Path) -> Town:
        self.ledger, self.faults, self.roll = Ledger(), Faults(), Roll()
        self.kivra = KivraSimulator(self.ledger, self.faults, SandboxAddresses(0, 0, tmp_path, ""))
        app = web.Application()
        app.add_routes(self.kivra.routes())
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.channel = channel_at(
            str(self.server.make_url("/kivra")), self.roll, client_secret="secret"
        )
        return self

    async def close(self) -> None:
        await self.kivra.close()
        await self.channel.close()
        await self.server.close()

    async def prepare(self, said: dict[str, Any]) -> tuple[Draft, Prepared]:
        plan = planned(self.channel, said)
        prepared = await self.channel.prepare(draft_of(plan), uuid4())
        return draft_of(plan, prepared.frozen if isinstance(prepared, Ready) else None), prepared

    async def send(self, said: dict[str, Any]) -> Outcome:
        draft, prepared = await self.prepare(said)
        return (
            await self.channel.send(draft, uuid4(), "kivra")
            if isinstance(prepared, Ready)
            else prepared
        )  # type: ignore[return-value]


def _no(code: str, **headers: str) -> Reply:
    members = {"code": code, "short_message": "no"}
    return json(int(code[:3]), members, x_error_code=code, **headers)


REPLIES: dict[str, Reply] = {
    "throttle": _no("42900", Retry_After="30"),
    "temporary": _no("50000"),
    "login": _no("40100"),
    "refuse": _no("40044"),
    "garbage": text(200, "<html>It works!</html>"),
}


class KivraStage(FaultyServer):
    """Kivra of the test, with the channel in front of it."""

    carries_key = False
    names_retry_time = True

    def __init__(self) -> None:
        super().__init__(REPLIES, text(201, kivra_objkey="obj-1"))

    async def open(self) -> KivraStage:
        await self.open_server("/v1/auth")
        self.roll = Roll()
        self.channel = channel_at(self.url("/").rstrip("/"), self.roll)
        plan = planned(self.channel, body(self.roll.enter(person())))
        prepared = await self.channel.prepare(draft_of(plan), uuid4())
        assert isinstance(prepared, Ready)
        self.draft = draft_of(plan, prepared.frozen)
        await self.channel.close()  # so that the first call of a test opens its own connection
        self.channel = channel_at(self.url("/").rstrip("/"), self.roll)
        return self

    async def close(self) -> None:
        await self.channel.close()
        await self.close_server()

    async def send(self, key: object) -> Outcome:
        assert isinstance(key, UUID)
        return await self.channel.send(self.draft, key, "kivra")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/usermatch/ssn"):
            return web.json_response({"list": orjson.loads(await request.read())["list"]})
        return await super().answer(request)
