"""Tests of the Microsoft Graph simulator, called by the e-mail channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.channels.email.wire import SENDER, draft
from tests.contracts.provider import SILENT
from utskick.channels.email.channel import EmailChannel, build
from utskick.channels.email.settings import EmailSettings
from utskick.domain.attachment import Attachment
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.graph import GraphSimulator, account
from utskick.sandbox.ledger import Ledger


class ConnectedTenant:
    """Started simulator, and a channel that calls it."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.faults = Ledger(), Faults()
        self.addresses = SandboxAddresses(0, 0, folder, "http://127.0.0.1:9")
        self.graph = GraphSimulator(self.ledger, self.faults, self.addresses)

    async def start(self) -> None:
        app = web.Application(client_max_size=100 * 1_048_576)
        app.add_routes(self.graph.routes())
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.addresses = replace(self.addresses, http_port=self.server.port or 0)
        self.channel = self.channel_with()

    def channel_with(self, **members: Any) -> EmailChannel:
        accounts = {"graph": {**account(self.addresses), "read_timeout": SILENT, **members}}
        return build(EmailSettings.model_validate({"sender": SENDER, "accounts": accounts}))

    async def send(self, to: str = "anna@example.com", **content: Any) -> Outcome:
        return await self.channel.send(draft(to, **content), new_id(), "graph")

    async def close(self) -> None:
        await self.graph.close()
        await self.channel.close()
        await self.server.close()


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[ConnectedTenant]:
    tenant = ConnectedTenant(tmp_path)
    await tenant.start()
    yield tenant
    await tenant.close()


async def test_a_message_is_in_the_ledger_as_mail(tenant: ConnectedTenant) -> None:
    key = new_id()
    sent = replace(
        draft("åsa@example.com", subject="Räksmörgås", message="Hej\nå €"),
        attachments=(Attachment.of("ö.pdf", None, b"%PDF-"),),
    )
    outcome = await tenant.channel.send(sent, key, "graph")
    [received] = tenant.ledger.of("email", "åsa@example.com")
    assert outcome == Sent(received.reference)
    assert received.key == f"<{key}@sundsvall.se>"
    assert (received.subject, received.text, received.provider) == (
        "Räksmörgås",
        "Hej\nå €",
        "graph",
    )
    assert received.sender == "Sundsvalls kommun <noreply@sundsvall.se>"


@pytest.mark.parametrize(
    ("fault", "kind", "arrives"),
    [
        (ProviderFault.REFUSE, Rejected, False),
        (ProviderFault.THROTTLE, Deferred, False),
        (ProviderFault.TEMPORARY, Deferred, False),
        (ProviderFault.TIMEOUT, Uncertain, True),
        (ProviderFault.DROP, Uncertain, True),
        (ProviderFault.GARBAGE, Uncertain, True),
    ],
)
async def test_a_fault_applies_as_often_as_configured(
    tenant: ConnectedTenant, fault: ProviderFault, kind: type, arrives: bool
) -> None:
    tenant.faults.add(FaultRule(fault, "graph", "anna", times=1))
    assert type(await tenant.send()) is kind
    assert len(tenant.ledger.of("email", "anna@example.com")) == arrives
    assert isinstance(await tenant.send(), Sent)


async def test_a_login_that_is_accepted_back_is_renewed_once(tenant: ConnectedTenant) -> None:
    tenant.faults.add(FaultRule(ProviderFault.LOGIN, "graph", "anna", times=1))
    assert isinstance(await tenant.send(), Sent)
    tenant.faults.add(FaultRule(ProviderFault.LOGIN, "graph", "berit", times=2))
    assert isinstance(await tenant.send("berit@example.com"), Misconfigured)


async def test_a_magic_address_has_a_fault(tenant: ConnectedTenant) -> None:
    assert isinstance(await tenant.send("anna+refuse@example.com"), Rejected)
    outcomes = [await tenant.send("anna+throttle@example.com") for _ in range(3)]
    assert [type(o) for o in outcomes] == [Deferred, Deferred, Sent]


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"client_secret": "wrong"}, Misconfigured),
        ({"scope": "x"}, Misconfigured),
        ({"mailbox": "other@sundsvall.se"}, Misconfigured),
    ],
)
async def test_it_rejects_what_microsoft_rejects(
    tenant: ConnectedTenant, members: dict[str, Any], kind: type
) -> None:
    channel = tenant.channel_with(**members)
    assert isinstance(await channel.send(draft(), new_id(), "graph"), kind)
    assert len(tenant.ledger) == 0
    await channel.close()


async def test_a_request_beyond_four_megabytes_is_rejected(tenant: ConnectedTenant) -> None:
    channel = tenant.channel_with(request_limit=8_000_000)
    large = replace(draft(), attachments=(Attachment.of("a.bin", None, b"x" * 3_000_000),))
    outcome = await channel.send(large, new_id(), "graph")
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "too-large"
    await channel.close()


async def test_a_body_that_is_not_base64_is_rejected(tenant: ConnectedTenant) -> None:
    from aiohttp import ClientSession, encode_basic_auth

    base = f"http://127.0.0.1:{tenant.addresses.http_port}/graph"
    form = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
    login = {"Authorization": encode_basic_auth("utskick", "sandbox")}
    async with ClientSession() as session:
        async with session.post(
            f"{base}/login/sandbox/oauth2/v2.0/token", data=form, headers=login
        ) as answer:
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
        async with session.post(
            f"{base}/v1.0/users/a@b.se/sendMail", data=b"From: a@b.se", headers=headers
        ) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["code"] == "ErrorMimeContentInvalidBase64String"
