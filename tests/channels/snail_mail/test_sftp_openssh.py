"""SFTP against OpenSSH's own server on 127.0.0.1: files of every size arrive whole."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.channels.snail_mail.pdfs import letter
from tests.channels.snail_mail.stage import BATCH, batch, channel, files, pdf, prepared
from tests.contracts.provider import PATIENCE
from utskick.channels.snail_mail.settings import SnailMailSettings
from utskick.channels.snail_mail.sftp import Sftp
from utskick.domain.ids import new_id
from utskick.domain.outcome import Sent

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SFTP_SERVER = next(
    (
        path
        for path in ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")
        if os.access(path, os.X_OK)
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    SSHD is None or SFTP_SERVER is None,
    reason="needs OpenSSH's sshd and sftp-server (Debian: apt-get install openssh-server)",
)
#: OpenSSH's limit of an SFTP packet, its header included.
PACKET = 256 * 1024
SIZES = [0, 1, 255_000, PACKET - 64, PACKET - 1, PACKET, PACKET + 1, 300_000, 5_000_000, 20_000_000]


@dataclass(frozen=True, slots=True)
class OpenSsh:
    """A running server: the settings of an account, and its folder."""

    account: dict[str, Any]
    inbox: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _answers(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(10):
        while server.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
    pytest.fail(f"sshd has ended: {log.read_text()}")


@pytest.fixture
async def openssh(tmp_path: Path) -> AsyncIterator[OpenSsh]:
    assert SSHD is not None
    inbox, port = tmp_path / "inbox", _free_port()
    inbox.mkdir()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's folder without rights
    host, login = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    for name, key in (("host_key", host), ("login_key", login)):
        key.write_private_key(str(tmp_path / name))
        (tmp_path / name).chmod(0o600)
    (tmp_path / "authorized_keys").write_bytes(login.export_public_key())
    told = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": tmp_path / "host_key",
        "PidFile": "none",
        "AuthorizedKeysFile": tmp_path / "authorized_keys",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",
        "UsePAM": "no",
        "Subsystem": f"sftp {SFTP_SERVER}",
    }
    (tmp_path / "sshd_config").write_text("".join(f"{k} {v}\n" for k, v in told.items()))
    log = tmp_path / "sshd.log"
    with log.open("wb") as errors:
        server = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=errors
        )
    try:
        await _answers(port, server, log)
        account = {
            "provider": "sftp",
            "host": "127.0.0.1",
            "port": port,
            "username": getpass.getuser(),
            "key_file": tmp_path / "login_key",
            "host_keys": f"[127.0.0.1]:{port} {host.export_public_key().decode()}",
            "path": str(inbox),
            **PATIENCE,
            "connect_timeout": 10,
            "read_timeout": 60,
            "profile": "free-v2",
        }
        yield OpenSsh(account, inbox)
    finally:
        server.terminate()
        await asyncio.to_thread(server.wait, 10)


async def test_files_of_every_size_arrive_whole_and_can_be_read_back(openssh: OpenSsh) -> None:
    read = SnailMailSettings.model_validate({"accounts": {"house": openssh.account}})
    async with Sftp(read.accounts["house"]).open() as storage:  # type: ignore[arg-type]
        for size in SIZES:
            data = os.urandom(size)
            await storage.write(f"{size}.pdf", data)
            assert (openssh.inbox / f"{size}.pdf").read_bytes() == data
            assert await storage.read(f"{size}.pdf") == data


async def test_a_letter_of_several_megabytes_is_handed_over(openssh: OpenSsh) -> None:
    large = letter() + b"%" + b"x" * 5_000_000
    letters = channel(accounts={"house": openssh.account})
    try:
        outcome = await letters.send(
            batch(prepared(pdf(data=large)), prepared()), new_id(), "house"
        )
    finally:
        await letters.close()
    assert outcome == Sent(f"joe01doe_{BATCH}")
    assert (openssh.inbox / f"Kultur/joe01doe_{BATCH}" / "beslut.pdf").read_bytes() == large
    assert len(files(openssh.inbox)) == 6
