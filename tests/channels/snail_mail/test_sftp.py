"""SFTP against a real server on 127.0.0.1: the provider contract, and what only SFTP has."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pydantic import ValidationError

from tests.channels.snail_mail.pdfs import letter
from tests.channels.snail_mail.stage import BATCH, batch, channel, files, pdf, prepared
from tests.contracts.provider import PATIENCE, SECRET, ProviderContract
from utskick.channels.snail_mail.settings import SnailMailSettings
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Sent

HOME = f"Kultur/joe01doe_{BATCH}"
#: OpenSSH ends the connection at an SFTP packet over 256 KiB, its header included.
LONGEST_WRITE = 256 * 1024 - 1024


class Server(asyncssh.SFTPServer):
    """A disk of the test that misbehaves as its stage says."""

    def __init__(self, chan: Any, stage: SftpStage) -> None:
        super().__init__(chan, chroot=os.fsencode(stage.root))
        self._connection = chan.get_connection()
        self._stage = stage

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        super().mkdir(path, attrs)
        parts = os.path.normpath(path).split(b"/")
        if parts[0] == b".utskick" and len(parts) == 3:
            self._stage.keys.append(parts[1].decode())

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if pflags & asyncssh.FXF_WRITE:
            self._stage.writes += 1
            if self._stage.how == "refuse":
                raise asyncssh.SFTPPermissionDenied("no")
            if self._stage.how == "throttle":
                raise asyncssh.SFTPQuotaExceeded("too much for now")
        return super().open(path, pflags, attrs)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if self._stage.how == "temporary" and self._stage.writes > 1:
            raise asyncssh.SFTPNoSpaceOnFilesystem("full")
        if self._stage.how == "cut" and self._stage.writes > 1:
            self._connection.abort()
        if len(data) > LONGEST_WRITE:
            self._connection.abort()
            raise asyncssh.SFTPConnectionLost("a packet over 256 KiB")
        return super().write(file_obj, offset, data)  # type: ignore[return-value]

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if os.path.lexists(self.map_path(newpath)):
            raise asyncssh.SFTPFailure("taken")
        super().rename(oldpath, newpath)
        if b".utskick" in newpath:
            return
        if self._stage.how == "timeout":
            await asyncio.sleep(5)
        elif self._stage.how == "drop":
            self._connection.abort()
        elif self._stage.how == "garbage":
            raise asyncssh.SFTPError(4711, "nobody knows")
        elif self._stage.how == "oversized":
            raise asyncssh.SFTPFailure("x" * 2_000_000)

    def fsync(self, file_obj: object) -> None:
        self._stage.syncs += 1
        if not self._stage.has_fsync:
            raise asyncssh.SFTPOpUnsupported("no")
        super().fsync(file_obj)


class Door(asyncssh.SSHServer):
    def __init__(self, stage: SftpStage) -> None:
        self._stage = stage

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return self._stage.client_key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._stage.client_key is not None and key == self._stage.client_key

    def validate_password(self, username: str, password: str) -> bool:
        return self._stage.how != "login" and password == SECRET


class SftpStage:
    carries_key = True
    names_retry_time = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "inbox"
        self.keys: list[str] = []
        self.how = "well"
        self.writes = 0
        self.syncs = 0
        self.has_fsync = True
        self.client_key: asyncssh.SSHKey | None = None

    async def open(self) -> SftpStage:
        self.root.mkdir()
        key = asyncssh.generate_private_key("ssh-ed25519")
        self.server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[key],
            server_factory=lambda: Door(self),
            sftp_factory=lambda chan: Server(chan, self),
        )
        (self.folder / "known_hosts").write_text(
            f"[127.0.0.1]:{self.server.get_port()} {key.export_public_key().decode()}"
        )
        self.channel = channel(accounts={"house": self.account()})
        return self

    def account(self, **more: Any) -> dict[str, Any]:
        members = {
            "provider": "sftp",
            "host": "127.0.0.1",
            "port": self.server.get_port(),
            "username": "municipality",
            "password": SECRET,
            "known_hosts": self.folder / "known_hosts",
            **PATIENCE,
            "profile": "free-v2",
        }
        return {name: value for name, value in {**members, **more}.items() if value is not None}

    async def misbehave(self, how: str) -> None:
        self.how = how
        self.writes = 0
        if how == "gone":
            self.server.close()
            await self.server.wait_closed()

    async def send(self, key: Any) -> Outcome:
        return await self.channel.send(batch(prepared(), prepared()), key, "house")

    async def close(self) -> None:
        await self.channel.close()
        self.server.close()
        await self.server.wait_closed()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[SftpStage]:
    opened = await SftpStage(tmp_path).open()
    yield opened
    await opened.close()


class TestSftp(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: SftpStage) -> SftpStage:
        return stage

    async def test_a_refused_recipient_is_rejected(self, stage: SftpStage) -> None:
        """A printing house refuses no letter: what it can refuse is the account's right to
        write."""
        await stage.misbehave("refuse")
        assert isinstance(await stage.send(new_id()), Misconfigured)

    @pytest.mark.parametrize("how", ["timeout", "drop", "garbage", "oversized"])
    async def test_an_unknown_answer_is_uncertain(self, stage: SftpStage, how: str) -> None:
        """Other than a message, a folder can be seen to have arrived."""
        await stage.misbehave(how)
        assert await stage.send(new_id()) == Sent(f"joe01doe_{BATCH}")
        assert len(files(stage.root)) == 6


async def test_a_root_that_is_not_there_is_our_mistake(stage: SftpStage) -> None:
    letters = channel(accounts={"house": stage.account(path="nowhere")})
    outcome = await letters.send(batch(prepared()), new_id(), "house")
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "no-folder"


@pytest.mark.parametrize("how", ["temporary", "cut", "refuse", "throttle"])
async def test_full_or_gone_in_the_middle_shows_nothing_and_is_resumed(
    stage: SftpStage, how: str
) -> None:
    key = new_id()
    await stage.misbehave(how)
    outcome = await stage.send(key)
    assert isinstance(outcome, Misconfigured if how == "refuse" else Deferred)
    assert files(stage.root) == []
    await stage.misbehave("well")
    assert await stage.send(key) == Sent(f"joe01doe_{BATCH}")
    assert len(files(stage.root)) == 6
    assert os.listdir(stage.root / ".utskick" / str(key)) == ["ready"]


@pytest.mark.parametrize("how", ["timeout", "drop"])
async def test_a_lost_answer_to_the_last_rename_doubles_nothing(stage: SftpStage, how: str) -> None:
    key = new_id()
    await stage.misbehave(how)
    assert await stage.send(key) == Sent(f"joe01doe_{BATCH}")
    assert len(files(stage.root)) == 6
    os.rename(stage.root / "Kultur", stage.folder / "printed")
    await stage.misbehave("well")
    assert await stage.send(key) == Sent(f"joe01doe_{BATCH}")
    assert files(stage.root) == []


async def test_what_is_written_is_the_pdf_and_not_its_base64(stage: SftpStage) -> None:
    data = letter(3)
    await stage.channel.send(batch(prepared(pdf(data=data))), new_id(), "house")
    assert (stage.root / HOME / "beslut.pdf").read_bytes() == data


async def test_every_file_is_on_disk_where_the_server_can_say_so(stage: SftpStage) -> None:
    await stage.send(new_id())
    assert stage.syncs == 7
    stage.syncs, stage.has_fsync = 0, False
    assert isinstance(await stage.send(new_id()), Sent)
    assert 0 < stage.syncs < 7


async def test_a_server_that_known_hosts_does_not_name_gets_neither_login_nor_letters(
    stage: SftpStage,
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (stage.folder / "known_hosts").write_text(f"[127.0.0.1]:{stage.server.get_port()} {other}")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "host-key"
    assert stage.keys == []


async def test_a_key_file_logs_in(stage: SftpStage) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    stage.client_key = key.convert_to_public()
    (stage.folder / "id").write_bytes(key.export_private_key("pkcs8-pem", passphrase=SECRET))
    account = stage.account(password=None, key_file=stage.folder / "id", key_passphrase=SECRET)
    letters = channel(accounts={"house": account, "wrong": {**account, "key_passphrase": "wrong"}})
    try:
        assert isinstance(await letters.send(batch(prepared()), new_id(), "house"), Sent)
        refused = await letters.send(batch(prepared()), new_id(), "wrong")
    finally:
        await letters.close()
    assert isinstance(refused, Misconfigured)
    assert SECRET not in repr(refused)


async def test_a_path_below_the_login_is_the_root(stage: SftpStage) -> None:
    (stage.root / "in").mkdir()
    letters = channel(accounts={"house": stage.account(path="in")})
    try:
        assert isinstance(await letters.send(batch(prepared()), new_id(), "house"), Sent)
    finally:
        await letters.close()
    assert all(name.startswith("in/Kultur/") for name in files(stage.root))


async def test_a_look_logs_in(stage: SftpStage) -> None:
    assert [(h.ok) for h in await stage.channel.look()] == [True]
    await stage.misbehave("login")
    assert [(h.ok) for h in await stage.channel.look()] == [False]
    await stage.misbehave("gone")
    assert [(h.ok) for h in await stage.channel.look()] == [False]


@pytest.mark.parametrize("missing", ["known_hosts", "password"])
def test_settings_without_a_host_key_or_a_login_are_refused(tmp_path: Path, missing: str) -> None:
    (tmp_path / "known").write_text("")
    account = {
        "provider": "sftp",
        "host": "h",
        "username": "u",
        "password": SECRET,
        "known_hosts": tmp_path / "known",
    }
    SnailMailSettings.model_validate({"accounts": {"a": account}})
    with pytest.raises(ValueError, match=missing) as fault:
        SnailMailSettings.model_validate(
            {"accounts": {"a": {k: v for k, v in account.items() if k != missing}}}
        )
    assert SECRET not in str(fault.value)


def test_a_profile_that_nobody_wrote_is_refused() -> None:
    with pytest.raises(ValueError, match=r"accounts\.a\.profile: must be one of"):
        SnailMailSettings.model_validate(
            {"accounts": {"a": {"provider": "folder", "path": "x", "profile": "another"}}}
        )


async def test_many_letters_are_handed_over(stage: SftpStage) -> None:
    one = prepared(pdf(data=letter() + b"%" + b"x" * 300_000))
    assert isinstance(await stage.channel.send(batch(*[one] * 150), new_id(), "house"), Sent)


async def test_a_key_and_the_servers_need_no_file(stage: SftpStage) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    stage.client_key = key.convert_to_public()
    said = {
        "key": key.export_private_key("pkcs8-pem", passphrase=SECRET).decode(),
        "key_passphrase": SECRET,
    }
    account = stage.account(
        password=None,
        known_hosts=None,
        host_keys=(stage.folder / "known_hosts").read_text(),
        **said,
    )
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    strange = {**account, "host_keys": f"[127.0.0.1]:{stage.server.get_port()} {other}"}
    letters = channel(accounts={"house": account, "strange": strange})
    try:
        assert isinstance(await letters.send(batch(prepared()), new_id(), "house"), Sent)
        refused = await letters.send(batch(prepared()), new_id(), "strange")
    finally:
        await letters.close()
    assert isinstance(refused, Misconfigured)
    assert refused.reason.code == "host-key"


PUBLIC = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()


@pytest.mark.parametrize(
    ("more", "place", "words"),
    [
        ({"key": SECRET}, "key", "must be a private SSH key"),
        ({"key": PUBLIC}, "key", "must be a private SSH key"),
        ({"key": SECRET, "key_file": __file__}, "key", "must be omitted where key_file is set"),
        ({"host_keys": "nothing"}, "host_keys", "must be known_hosts lines"),
        (
            {"host_keys": f"other.example.se {PUBLIC}"},
            "host_keys",
            "must contain a key of the server [h]:2022",
        ),
        (
            {"host_keys": "[h]:2022 ssh-ed25519 AAAA"},
            "host_keys",
            "must contain a key of the server",
        ),
        (
            {"host_keys": f"[h]:2022 {PUBLIC}", "known_hosts": __file__},
            "host_keys",
            "must be omitted where known_hosts is set",
        ),
    ],
)
def test_keys_that_cannot_be_used_are_told_when_the_settings_are_read(
    more: dict[str, Any], place: str, words: str
) -> None:
    account = {
        "provider": "sftp",
        "host": "h",
        "port": 2022,
        "username": "u",
        "password": SECRET,
        "accept_any_host_key": True,
        **more,
    }
    with pytest.raises(ValidationError) as fault:
        SnailMailSettings.model_validate({"accounts": {"a": account}})
    (told,) = fault.value.errors()
    assert (told["loc"][-1], told["input"]) == (place, None)
    assert words in told["msg"]
    assert SECRET not in str(fault.value)
