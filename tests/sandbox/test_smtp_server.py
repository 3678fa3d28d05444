"""Tests of the SMTP server, called by the e-mail channel."""

from __future__ import annotations

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest

from tests.channels.email.wire import draft
from tests.contracts.provider import SILENT
from utskick.channels.email.channel import EmailChannel, build
from utskick.channels.email.settings import EmailSettings
from utskick.domain.attachment import Attachment
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.smtp_server import MailServer


class ConnectedMailServer:
    """Started server, and a channel that calls it."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.faults = Ledger(), Faults()
        self.server = MailServer(self.ledger, self.faults, folder)

    async def start(self) -> None:
        await self.server.start("127.0.0.1", 0)
        self.channel = self.channel_with()

    def channel_with(self, **account: Any) -> EmailChannel:
        settings = {
            "host": "127.0.0.1",
            "port": self.server.port,
            "ca_file": self.server.ca_file,
            "username": self.server.login.username,
            "password": self.server.login.password,
            "read_timeout": SILENT,
            "helo": "utskick.test",
            **account,
        }
        sender = {"name": "K", "address": "k@sundsvall.se"}
        return build(
            EmailSettings.model_validate({"sender": sender, "accounts": {"sandbox": settings}})
        )

    async def send(self, to: str = "anna@example.com", **content: Any) -> Outcome:
        return await self.channel.send(draft(to, **content), new_id(), "sandbox")

    async def close(self) -> None:
        await self.channel.close()
        await self.server.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ConnectedMailServer]:
    server = ConnectedMailServer(tmp_path / "mail")
    await server.start()
    yield server
    await server.close()


async def test_a_message_is_in_the_ledger(server: ConnectedMailServer) -> None:
    key = new_id()
    sent = replace(
        draft("åsa@example.com", subject="Räksmörgås 🐻", message="Hej\nå €"),
        attachments=(Attachment.of("ö.pdf", None, b"%PDF-"),),
    )
    outcome = await server.channel.send(sent, key, "sandbox")
    [received] = server.ledger.of("email", "åsa@example.com")
    assert isinstance(outcome, Sent)
    assert outcome.reference is not None
    assert received.reference in outcome.reference
    assert received.key == f"<{key}@sundsvall.se>"
    assert (received.subject, received.text, received.provider) == (
        "Räksmörgås 🐻",
        "Hej\nå €",
        "smtp",
    )
    assert received.sender == "Sundsvalls kommun <noreply@sundsvall.se>"
    assert b"Content-Type: application/pdf" in received.raw


async def test_its_certificate_may_be_trusted_without_a_file(server: ConnectedMailServer) -> None:
    channel = server.channel_with(ca_file=None, ca=server.server.ca_file.read_text())
    assert isinstance(await channel.send(draft("anna@example.com"), new_id(), "sandbox"), Sent)
    await channel.close()
    public = server.channel_with(ca_file=None)
    assert isinstance(
        await public.send(draft("anna@example.com"), new_id(), "sandbox"), Misconfigured
    )
    await public.close()


@pytest.mark.parametrize(
    ("fault", "kind", "arrives"),
    [
        (ProviderFault.REFUSE, Rejected, False),
        (ProviderFault.THROTTLE, Deferred, False),
        (ProviderFault.TEMPORARY, Deferred, False),
        (ProviderFault.LOGIN, Misconfigured, False),
        (ProviderFault.TIMEOUT, Uncertain, True),
        (ProviderFault.DROP, Uncertain, True),
        (ProviderFault.GARBAGE, Uncertain, True),
    ],
)
async def test_a_fault_applies_as_often_as_configured(
    server: ConnectedMailServer, fault: ProviderFault, kind: type, arrives: bool
) -> None:
    server.faults.add(FaultRule(fault, "smtp", "anna", times=1))
    assert type(await server.send()) is kind
    assert len(server.ledger.of("email", "anna@example.com")) == arrives
    assert isinstance(await server.send("berit@example.com"), Sent)
    assert isinstance(await server.send(), Sent)


async def test_a_magic_address_has_a_fault(server: ConnectedMailServer) -> None:
    assert isinstance(await server.send("anna+refuse@example.com"), Rejected)
    outcomes = [await server.send("anna+throttle@example.com") for _ in range(3)]
    assert [type(o) for o in outcomes] == [Deferred, Deferred, Sent]


async def test_a_message_id_that_is_malformed_is_stored_unchanged(
    server: ConnectedMailServer,
) -> None:
    assert isinstance(await server.send(headers={"Message-ID": ["<<a@b@c>>"]}), Sent)
    assert server.ledger.of("email", "anna@example.com")[0].key == "<<a@b@c>>"


async def test_a_wrong_password_is_rejected(server: ConnectedMailServer) -> None:
    channel = server.channel_with(password="wrong")
    assert isinstance(await channel.send(draft(), new_id(), "sandbox"), Misconfigured)
    assert len(server.ledger) == 0
    await channel.close()


@pytest.mark.parametrize("way", ["auth_plain", "auth_login"])
async def test_both_ways_to_log_in_work_and_only_over_tls(
    server: ConnectedMailServer, way: str
) -> None:
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=server.server.port, start_tls=False, local_hostname="x"
    )
    await client.connect()
    await client.ehlo()
    assert not client.supports_extension("auth")
    assert {"starttls", "size", "smtputf8"} <= set(client.esmtp_extensions)
    await client.starttls(tls_context=ssl.create_default_context(cafile=server.server.ca_file))
    await client.ehlo()
    reply = await getattr(client, way)(server.server.login.username, server.server.login.password)
    assert reply.code == 235
    client.close()


async def test_a_certificate_without_a_trusted_issuer_is_not_trusted(
    server: ConnectedMailServer,
) -> None:
    channel = server.channel_with(ca_file=None)
    outcome = await channel.send(draft(), new_id(), "sandbox")
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "tls"
    assert len(server.ledger) == 0
    await channel.close()


async def test_a_restarted_server_keeps_its_certificate(server: ConnectedMailServer) -> None:
    before = server.server.ca_file.read_bytes()
    other = MailServer(server.ledger, server.faults, server.server.ca_file.parent)
    await other.start("127.0.0.1", 0)
    assert other.ca_file.read_bytes() == before
    await other.close()
    [key] = [f for f in other.ca_file.parent.iterdir() if f != other.ca_file]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


async def test_a_server_closes_while_a_client_waits(tmp_path: Path) -> None:
    server = ConnectedMailServer(tmp_path)
    await server.start()
    server.faults.add(FaultRule(ProviderFault.TIMEOUT))
    sending = asyncio.create_task(server.send())
    while not len(server.ledger):
        await asyncio.sleep(0.005)
    await server.close()
    assert isinstance(await sending, Uncertain)


async def test_a_hundred_messages_at_once_arrive(server: ConnectedMailServer) -> None:
    outcomes = await asyncio.gather(*(server.send(f"p{n}@example.com") for n in range(100)))
    assert all(isinstance(o, Sent) for o in outcomes)
    assert len(server.ledger) == 100


async def test_the_channel_health_check_succeeds(server: ConnectedMailServer) -> None:
    [health] = await server.channel.look()
    assert health.ok, health.sentence
