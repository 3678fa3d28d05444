"""SMB against a real server on 127.0.0.1 (impacket's, which signs but cannot encrypt), with a line
in between that can be cut."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from impacket import smbserver
from impacket.nt_errors import STATUS_OBJECT_NAME_NOT_FOUND
from impacket.ntlm import compute_lmhash, compute_nthash

from tests.channels.snail_mail.pdfs import letter
from tests.channels.snail_mail.stage import BATCH, batch, channel, files, pdf, prepared
from tests.contracts.provider import PATIENCE, SECRET
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Sent

HOME = f"Kultur/joe01doe_{BATCH}"
#: MS-SMB2 section 2.2.1.2: SET_INFO and WRITE, at byte 12 of the header, behind four bytes of
#: length.
SET_INFO, WRITE = 0x11, 0x09


class Line:
    """Bytes from client to server and back, until it is told to be cut or to fall silent at a
    command that holds some words."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.cut: tuple[str, int, bytes] | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._over = asyncio.Event()

    async def open(self) -> Line:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        self._server.close()
        self._over.set()
        for end in self._ends:
            end.close()
        await asyncio.sleep(0.1)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        self._ends |= {writer, forth}
        answers = asyncio.create_task(self._answers(back, writer))
        try:
            while data := await reader.readexactly(4):
                message = await reader.readexactly(int.from_bytes(data[1:], "big"))
                forth.write(data + message)
                if self.cut and message[12] == self.cut[1] and self.cut[2] in message:
                    answers.cancel()
                    await forth.drain()
                    if self.cut[0] == "silence":
                        await self._over.wait()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await asyncio.sleep(0.05)  # the server does what it was asked
            answers.cancel()
            for end in (writer, forth):
                end.close()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


class Stage:
    def __init__(self, root: Path, line: Line) -> None:
        self.root, self.line = root, line

    def account(self, **more: Any) -> dict[str, Any]:
        members = {
            "provider": "smb",
            "host": "127.0.0.1",
            "port": self.line.port,
            "share": "PRINT",
            "username": "municipality",
            "password": SECRET,
            "encrypt": False,
            "path": self.root.name,
            **PATIENCE,
            "profile": "free-v2",
        }
        return {**members, **more}

    async def send(self, key: Any = None, *letters: Any, **more: Any) -> Outcome:
        opened = channel(accounts={"house": self.account(**more)})
        try:
            return await opened.send(
                batch(*(letters or (prepared(), prepared()))), key or new_id(), "house"
            )
        finally:
            await opened.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """It says NO_SUCH_FILE where Windows and Samba say OBJECT_NAME_NOT_FOUND (MS-FSA section
    2.1.5.1), and is taught to."""
    share, port = tmp_path_factory.mktemp("share"), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smbserver, "STATUS_NO_SUCH_FILE", STATUS_OBJECT_NAME_NOT_FOUND)
        made = smbserver.SimpleSMBServer("127.0.0.1", port)
        made.addShare("PRINT", str(share), "", readOnly="no")
        made.setSMB2Support(True)
        made.setLogFile(os.devnull)
        made.addCredential("municipality", 0, compute_lmhash(SECRET), compute_nthash(SECRET))
        # Threads of lines that were cut wait for ever; nothing waits for them.
        made.getServer().block_on_close, made.getServer().daemon_threads = False, True
        thread = threading.Thread(target=made.start, daemon=True)
        thread.start()
        yield port, share
        made.getServer().shutdown()
        made.stop()
        thread.join(5)


@pytest.fixture
async def stage(server: tuple[int, Path]) -> AsyncIterator[Stage]:
    port, share = server
    root = share / str(new_id())
    root.mkdir()
    line = await Line(port).open()
    yield Stage(root, line)
    await line.close()


async def test_a_batch_is_handed_over_signed_and_once(stage: Stage) -> None:
    key, data = new_id(), letter(2)
    letters = (prepared(pdf(data=data)), prepared(), prepared(department="Skola"))
    for _ in range(2):
        assert await stage.send(key, *letters) == Sent(f"joe01doe_{BATCH}")
    assert len(files(stage.root)) == 6 + 5
    assert (stage.root / HOME / "beslut.pdf").read_bytes() == data


async def test_anothers_folder_of_the_same_name_is_left_alone(stage: Stage) -> None:
    keys = [new_id(), new_id()]
    for key in keys:
        assert isinstance(await stage.send(key), Sent)
    assert sorted(os.listdir(stage.root / "Kultur")) == [
        f"joe01doe_{BATCH}",
        f"joe01doe_{BATCH}-{keys[1].hex[-8:]}",
    ]


async def test_a_path_below_the_share_is_the_root(stage: Stage) -> None:
    (stage.root / "in" / "post").mkdir(parents=True)
    assert isinstance(await stage.send(path=f"{stage.root.name}/in/post"), Sent)
    assert all(name.startswith("in/post/Kultur/") for name in files(stage.root))


async def test_a_server_that_cannot_encrypt_gets_no_letters(stage: Stage) -> None:
    outcome = await stage.send(encrypt=True)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "no-protection"
    assert list(stage.root.iterdir()) == []


async def test_a_refused_login_is_our_mistake(stage: Stage) -> None:
    outcome = await stage.send(password="wrong-" + SECRET)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "refused-login"
    assert SECRET not in repr(outcome)


async def test_a_server_that_is_gone_defers(stage: Stage) -> None:
    await stage.line.close()
    assert isinstance(await stage.send(), Deferred)


async def test_a_line_that_breaks_in_the_middle_shows_nothing_and_is_resumed(stage: Stage) -> None:
    key = new_id()
    stage.line.cut = ("cut", WRITE, b"%PDF-")
    assert isinstance(await stage.send(key), Deferred)
    assert files(stage.root) == []
    stage.line.cut = None
    assert isinstance(await stage.send(key), Sent)
    assert len(files(stage.root)) == 6


@pytest.mark.parametrize("how", ["cut", "silence"])
async def test_a_lost_answer_to_the_last_rename_doubles_nothing(stage: Stage, how: str) -> None:
    key = new_id()
    stage.line.cut = (how, SET_INFO, f"{stage.root.name}\\Kultur".encode("utf-16-le"))
    assert isinstance(await stage.send(key), Sent)
    stage.line.cut = None
    os.rename(stage.root / "Kultur", stage.root / ".printed")
    assert isinstance(await stage.send(key), Sent)
    assert files(stage.root) == []
    assert (stage.root / ".printed" / f"joe01doe_{BATCH}" / "KLAR").exists()
