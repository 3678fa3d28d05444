"""DKIM, checked as a receiver checks it."""

from __future__ import annotations

from base64 import b64encode
from email import message_from_bytes
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import SecretStr, ValidationError

from tests.channels.email.wire import NOON, ScriptedServer, draft
from utskick.channels.email.channel import build
from utskick.channels.email.dkim import SIGNATURE_ROOM, Signatures
from utskick.channels.email.mime import AttachmentCache, ComposedMail, compose
from utskick.channels.email.settings import DkimKey, EmailSettings
from utskick.domain.errors import SettingsFault
from utskick.domain.ids import new_id
from utskick.domain.outcome import Sent

KEY = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(
        KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def published(name: bytes, timeout: int = 5) -> bytes:
    public = KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return (
        b"v=DKIM1; k=rsa; p=" + b64encode(public) if name == b"s1._domainkey.sundsvall.se." else b""
    )


def verifies(data: bytes) -> bool:
    return bool(dkim.verify(data, dnsfunc=published))


def mail(**content: Any) -> ComposedMail:
    return compose(draft(**content), new_id(), AttachmentCache())


def signatures(key_file: Path) -> Signatures:
    return Signatures({"sundsvall.se": DkimKey(selector="s1", key_file=key_file)})


def test_a_signed_message_verifies_and_a_changed_one_does_not(key_file: Path) -> None:
    signed = (
        signatures(key_file)
        .sign(mail(subject="Räksmörgås " * 10, message="å\r\n.\r\nö"), NOON)
        .data
    )
    assert verifies(signed)
    assert not verifies(signed.replace(b"To: anna", b"To: anne"))
    assert not verifies(signed.replace(b"Auto-Submitted: auto-generated", b"Auto-Submitted: no"))
    assert not verifies(signed[:-4] + b"x\r\n")


def test_no_second_from_can_be_added(key_file: Path) -> None:
    signed = signatures(key_file).sign(mail(), NOON).data
    fields = str(message_from_bytes(signed)["DKIM-Signature"]).partition("h=")[2].partition(";")[0]
    assert [name.strip() for name in fields.split(":")].count("from") == 2
    head, _, rest = signed.partition(b"\r\nFrom:")
    assert not verifies(head + b"\r\nFrom: e@v.il\r\nFrom:" + rest)


def test_unsubscribing_is_signed_and_cannot_be_added(key_file: Path) -> None:
    headers = {
        "List-Unsubscribe": ["<https://sundsvall.se/avsluta?id=1>"],
        "List-Unsubscribe-Post": ["List-Unsubscribe=One-Click"],
    }
    signed = signatures(key_file).sign(mail(headers=headers), NOON).data
    assert verifies(signed)
    fields = str(message_from_bytes(signed)["DKIM-Signature"]).partition("h=")[2].partition(";")[0]
    assert {"list-unsubscribe", "list-unsubscribe-post"} <= {f.strip() for f in fields.split(":")}
    assert not verifies(signed.replace(b"avsluta?id=1", b"avsluta?id=2"))
    plain = signatures(key_file).sign(mail(), NOON).data
    assert not verifies(
        plain.replace(b"\r\nFrom:", b"\r\nList-Unsubscribe: <https://e.v>\r\nFrom:")
    )


def test_a_signature_is_the_same_on_every_attempt(key_file: Path) -> None:
    one, signer = mail(), signatures(key_file)
    signed = signer.sign(one, NOON).data
    assert signed == signer.sign(one, NOON).data
    assert f"t={int(NOON.timestamp())};".encode() in signed
    assert len(signed) - len(one.data) <= SIGNATURE_ROOM


def test_other_domains_are_not_signed(key_file: Path) -> None:
    one = mail(_sender={"name": "x", "address": "a@timra.se"})
    assert signatures(key_file).sign(one, NOON) == one


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_key_may_stand_in_the_settings(key_file: Path, ends: str) -> None:
    key = SecretStr(key_file.read_text().replace("\n", ends))
    assert verifies(
        Signatures({"sundsvall.se": DkimKey(selector="s1", key=key)}).sign(mail(), NOON).data
    )


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    lock = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
    ).decode()


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"key": pem(KEY), "key_file": "key.pem"},
        {"key": pem(KEY, b"x")},
        {"key": pem(KEY)[:-300]},
        {"key": pem(ec.generate_private_key(ec.SECP256R1()))},
    ],
    ids=["none", "two", "locked", "cut off", "no RSA"],
)
def test_a_key_that_cannot_sign_is_told_when_the_settings_are_read(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as fault:
        DkimKey.model_validate({"selector": "s1", **members})
    (told,) = fault.value.errors()
    assert (told["loc"][0], told["input"]) == ("key" if members else "key_file", None)
    assert "MII" not in str(fault.value)


@pytest.mark.parametrize("content", [None, b"no key"])
def test_a_key_that_cannot_sign_is_told_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsFault, match=r"dkim\.sundsvall\.se\.key_file"):
        signatures(path)


async def test_the_channel_signs_what_it_sends(key_file: Path) -> None:
    server = ScriptedServer()
    await server.start()
    settings = {
        "sender": {"name": "K", "address": "k@sundsvall.se"},
        "accounts": {
            "relay": {"host": "127.0.0.1", "port": server.port, "security": "plain", "helo": "x"}
        },
        "dkim": {"sundsvall.se": {"selector": "s1", "key_file": str(key_file)}},
    }
    channel = build(EmailSettings.model_validate(settings))
    assert isinstance(await channel.send(draft(), new_id(), "relay"), Sent)
    assert verifies(server.messages[0])
    await channel.close()
    await server.close()
