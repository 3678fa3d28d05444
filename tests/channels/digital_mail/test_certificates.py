"""Certificates: those that expire, those that nobody takes, and what a look tells of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.channels.digital_mail.pki import ORGANIZATION, Authority, pem_of
from tests.channels.digital_mail.stage import KIVRA, NUMBER, Stage
from tests.contracts.provider import SECRET
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Sent
from utskick.domain.preparation import Ready


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = await Stage(tmp_path).open()
    yield stage
    await stage.close()


async def test_an_expired_certificate_is_ours_and_nothing_is_called(
    stage: Stage, tmp_path: Path
) -> None:
    expired = stage.authority.sender(tmp_path / "old", days=-1)
    channel = stage.channel_with(
        senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **expired}}
    )
    outcome = await stage.send(new_id(), channel=channel)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "certificate-expired"
    assert stage.questions == []
    (health,) = await channel.look()
    assert not health.ok
    assert "expired on" in health.sentence


class Doorman:
    """A server that ends the handshake with the alert that TLS has for a wrong certificate, as real
    ones do (asyncio's just hangs up)."""

    def __init__(self, folder: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "server.pem")
        self._tls.load_verify_locations(folder / "ca.pem")
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.read = b""
        self.refusals = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                try:
                    with self._tls.wrap_socket(caller, server_side=True) as line:
                        self.read += line.recv(100_000)
                except ssl.SSLError:
                    self.refusals += 1
                    caller.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(2)


@pytest.fixture
def doorman(stage: Stage, tmp_path: Path) -> Iterator[Doorman]:
    doorman = Doorman(tmp_path)
    yield doorman
    doorman.close()


@pytest.mark.parametrize("which", ["strange", "expired"])
async def test_a_certificate_that_an_operator_does_not_take_is_ours_and_nothing_was_sent(
    stage: Stage, doorman: Doorman, tmp_path: Path, which: str
) -> None:
    stage.reachability[NUMBER] = {"address": f"https://127.0.0.1:{doorman.port}/Service/v3"}
    operators = {KIVRA: {"name": "Kivra", "hosts": [f"127.0.0.1:{doorman.port}"]}}
    key = new_id()
    prepared = await stage.channel_with(operators=operators).prepare(stage.draft(), key)
    assert isinstance(prepared, Ready)
    files = (
        Authority().sender(tmp_path / "new")
        if which == "strange"
        else stage.authority.sender(tmp_path / "new", days=-1)
    )
    sender = {"name": "Sundsvalls kommun", "municipality": "2281", **files, "former": [stage.files]}
    stage.clock.now -= timedelta(
        days=2
    )  # our own clock is late: only the operator sees that it expired
    channel = stage.channel_with(operators=operators, senders={ORGANIZATION: sender})
    outcome = await channel.send(replace(stage.draft(), frozen=prepared.frozen), key, "mm")
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "tls"
    await asyncio.to_thread(doorman.close)
    assert (doorman.refusals, doorman.read) == (1, b"")


async def test_a_handshake_that_is_just_broken_off_has_sent_nothing_either(
    stage: Stage, tmp_path: Path
) -> None:
    strange = Authority().sender(tmp_path / "strange")
    channel = stage.channel_with(
        senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **strange}}
    )
    outcome = await stage.send(new_id(), channel=channel)
    assert isinstance(outcome, Deferred)
    assert outcome.reason.code == "unreachable"
    assert (stage.questions, stage.envelopes) == ([], [])


async def test_a_server_that_nobody_vouches_for_gets_nothing(stage: Stage, tmp_path: Path) -> None:
    channel = stage.channel_with(ca_file=None)
    outcome = await stage.send(new_id(), channel=channel)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "tls"
    assert stage.questions == []


@pytest.mark.parametrize(
    ("days", "words"),
    [(31, "certificate until"), (29.5, "expires in 29 days"), (0.5, "expires in 0 days")],
)
async def test_a_look_warns_thirty_days_ahead(
    stage: Stage, tmp_path: Path, days: float, words: str
) -> None:
    files = stage.authority.sender(tmp_path / "soon", days=days)
    channel = stage.channel_with(
        senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **files}}
    )
    (health,) = await channel.look()
    assert health.ok
    assert words in health.sentence
    assert stage.questions == [[]]


async def test_one_organisation_that_is_ill_makes_the_account_ill_and_is_told_first(
    stage: Stage, tmp_path: Path
) -> None:
    expired = stage.authority.sender(tmp_path / "old", days=-1, number="2120002387")
    senders = {
        ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **stage.files},
        "2120002387": {"name": "Ånge kommun", "municipality": "2260", **expired},
    }
    (health,) = await stage.channel_with(senders=senders).look()
    assert not health.ok
    assert health.sentence.startswith("the certificate of 2120002387 expired on")
    assert f"the register accepts {ORGANIZATION}" in health.sentence


async def test_a_look_finds_a_register_that_is_gone(stage: Stage) -> None:
    await stage.misbehave("gone")
    (health,) = await stage.channel.look()
    assert (health.account, health.ok) == ("mm", False)
    assert SECRET not in health.sentence


async def test_a_pkcs12_file_will_do_and_files_that_will_not_are_told(
    stage: Stage, tmp_path: Path
) -> None:
    def of(files: dict[str, str]) -> Any:
        return stage.channel_with(
            senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **files}}
        )

    assert isinstance(
        await stage.send(new_id(), channel=of(stage.authority.pkcs12(tmp_path))), Sent
    )
    other = Authority().sender(tmp_path / "other", which=1)
    wrong = [
        {**stage.files, "password": "wrong"},
        {**stage.files, "key_file": other["key_file"]},
        {**stage.files, "key_file": str(tmp_path / "nothing-there")},
        {**stage.files, "certificate_file": stage.files["key_file"]},
    ]
    for files in wrong:
        outcome = await stage.send(new_id(), channel=of(files))
        assert isinstance(outcome, Misconfigured)
        assert outcome.reason.code == "certificate"
        assert SECRET not in repr(outcome)


def contents(files: dict[str, str]) -> dict[str, str]:
    """What stands in them, as the settings name it."""
    read = {
        member.removesuffix("_file"): Path(path).read_bytes()
        for member, path in files.items()
        if member.endswith("_file")
    }
    said = {
        member: b64encode(data).decode() if member == "pkcs12" else data.decode()
        for member, data in read.items()
    }
    return {**said, "password": files["password"]}


@pytest.mark.parametrize("kind", ["pem", "pkcs12"])
async def test_certificates_need_no_file(stage: Stage, tmp_path: Path, kind: str) -> None:
    files = stage.files if kind == "pem" else stage.authority.pkcs12(tmp_path)
    sender = {
        "name": "Sundsvalls kommun",
        "municipality": "2281",
        **contents(files),
        "former": [contents(stage.files)],
    }
    channel = stage.channel_with(
        ca_file=None, ca=pem_of(stage.authority.certificate), senders={ORGANIZATION: sender}
    )
    for file in (*stage.folder.glob("*.pem"), *tmp_path.glob("*.p12")):
        file.unlink()
    assert isinstance(await stage.send(new_id(), channel=channel), Sent)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"password": "wrong"},
            (
                "key\n  cannot be used: it is not a private key in PEM, or the password does"
                " not decrypt it"
            ),
        ),
        (
            {"other": True},
            "key\n  cannot be used: the certificate does not belong to the key",
        ),
        ({"key_file": "a.pem"}, "must be omitted where key_file is set"),
        ({"pkcs12": "AAAA"}, "must have either certificate_file and key_file, or pkcs12_file"),
    ],
)
async def test_contents_that_do_not_fit_are_told_when_the_settings_are_read(
    stage: Stage, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    said: dict[str, Any] = {
        "name": "Sundsvalls kommun",
        "municipality": "2281",
        **contents(stage.files),
        **change,
    }
    if said.pop("other", False):
        said["key"] = contents(Authority().sender(tmp_path / "other", which=1))["key"]
    with pytest.raises(ValidationError) as fault:
        stage.channel_with(senders={ORGANIZATION: said})
    assert words in str(fault.value)
    assert SECRET not in str(fault.value)


async def test_an_organisation_of_another_municipality_is_no_sender(stage: Stage) -> None:
    outcome = await stage.send(new_id(), replace(stage.draft(), municipality_id="2260"))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "no-sender"
