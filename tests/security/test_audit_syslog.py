"""The audit log at a syslog server: RFC 5424 over TLS, in order, and nothing lost without a trace."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from tests.http.audit.test_audit import chained
from tests.http.conftest import serving
from utskick.engine.audit_syslog import AuditSyslog
from utskick.outgoing import syslog
from utskick.outgoing.syslog import SyslogServer
from utskick.store.administration.audit import Audit
from utskick.store.administration.audit_heads import AuditHeads
from utskick.store.database import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: RFC 5424 section 6, with its lengths and characters.
MESSAGE = re.compile(
    rb"<(?P<pri>[1-9]?\d{1,2})>1 "
    rb"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<kind>[!-~]{1,32}) "
    rb"\[(?P<id>[!#-<>-\\^-~]{1,32})(?P<data>(?: [!#-<>-\\^-~]{1,32}=\"(?:[^\"\\\]]|\\[\"\\\]])*\")*)\] "
    rb"\xef\xbb\xbf(?P<text>.*)",
    re.DOTALL,
)
MEMBER = re.compile(rb' ([^= ]+)="((?:[^"\\\]]|\\["\\\]])*)"')


@dataclass
class Receiver:
    """A strict receiver on 127.0.0.1. ``broken``: connections that it cuts after some bytes."""

    port: int = 0
    broken: int = 0
    messages: list[tuple[str, dict[str, str], str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            self.broken -= 1
            await reader.read(10)
            writer.transport.abort()
            return
        while head := await reader.read(1):
            while not head.endswith(b" "):
                head += await reader.readexactly(1)
            assert re.fullmatch(rb"[1-9]\d* ", head), "octet counting (RFC 5425 section 4.3)"
            self._take(await reader.readexactly(int(head)))
        writer.close()

    def _take(self, raw: bytes) -> None:
        found = MESSAGE.fullmatch(raw)
        assert found, raw
        assert int(found["pri"]) == 13 * 8 + 6
        members = {
            name.decode(): re.sub(rb"\\(.)", rb"\1", value).decode()
            for name, value in MEMBER.findall(found["data"])
        }
        self.messages.append((found["kind"].decode(), members, found["text"].decode()))


def certificate(folder: Path) -> Path:
    """A self-signed certificate of 127.0.0.1, and its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syslog")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "syslog.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return file


@asynccontextmanager
async def listening(receiver: Receiver, file: Path) -> AsyncIterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port, ssl=context)
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return certificate(tmp_path)


def delivery(database: Database, receiver: Receiver, ca_file: Path | None) -> AuditSyslog:
    server = SyslogServer("127.0.0.1", receiver.port, ca_file)
    return AuditSyslog(
        database, partial(syslog.deliver, server), syslog.message, lambda: datetime.now(UTC)
    )


async def test_entries_and_heads_arrive_in_the_order_of_the_chain(
    database: Database, file: Path
) -> None:
    audit = await chained(database, 3)
    await AuditHeads(database).sign(NOW)
    async with listening(Receiver(), file) as receiver:
        sender = delivery(database, receiver, file)
        assert await sender.round()
        assert await sender.round(), "and once"
    assert [(kind, members["number"]) for kind, members, _ in receiver.messages] == [
        ("entry", "1"),
        ("entry", "2"),
        ("entry", "3"),
        ("head", "3"),
    ]
    _, members, text = receiver.messages[2]
    assert members["digest"] == (await audit.verify("2281")).head.digest.hex()
    assert (members["issuer"], members["address"]) == ("joe01doe", "127.0.0.1")
    assert text == '{"n":2,"å":"ö"}'


async def test_what_was_not_delivered_waits_and_is_told(database: Database, file: Path) -> None:
    await chained(database, 700)
    async with listening(Receiver(broken=1), file) as receiver:
        sender = delivery(database, receiver, file)
        assert not await sender.round(), "cut in the middle"
        assert receiver.messages == []
    assert not await sender.round(), "nobody listens"
    fault = await database.pool.fetchval("SELECT fault FROM audit_positions")
    assert "ConnectionRefused" in fault
    async with listening(receiver, file):
        await asyncio.gather(sender.round(), delivery(database, receiver, file).round())
        assert await sender.round()
    numbers = [int(members["number"]) for _, members, _ in receiver.messages]
    assert numbers == list(range(1, 701))
    assert await database.pool.fetchval("SELECT fault FROM audit_positions") is None
    await Audit(database).link()


async def test_a_receiver_that_cannot_prove_who_it_is_gets_nothing(
    database: Database, file: Path
) -> None:
    await chained(database, 1)
    async with listening(Receiver(), file) as receiver:
        assert not await delivery(database, receiver, None).round()
    assert receiver.messages == []
    fault = await database.pool.fetchval("SELECT fault FROM audit_positions")
    assert "CertVerification" in fault


async def test_a_worker_delivers_what_was_called(
    database: Database, file: Path, tmp_path: Path
) -> None:
    async with listening(Receiver(), file) as receiver:
        where = {
            "syslog_host": "127.0.0.1",
            "syslog_port": receiver.port,
            "syslog_ca_file": str(file),
        }
        async with serving(database, tmp_path, audit=where) as client:
            await client.get("/2281/configuration", X_Sent_By="joe01doe; type=adAccount")
            for _ in range(400):
                if any(m.get("issuer") == "joe01doe" for _, m, _ in receiver.messages):
                    break
                await asyncio.sleep(0.05)
    [told] = [(m, text) for _, m, text in receiver.messages if m.get("issuer") == "joe01doe"]
    assert told[0]["action"] == "read-configuration"
    assert told[1] == '{"operation":"getConfigurations"}'


def test_what_stands_in_a_value_does_not_end_it() -> None:
    receiver = Receiver()
    members = {"origin": 'a"b]c\\d', "issuer": "å\n"}
    receiver._take(syslog.message(NOW, "entry", members, "text"))
    assert receiver.messages == [("entry", members, "text")]
