"""What a hand-over must do on every real storage, written once for OpenSSH and Samba."""

from __future__ import annotations

import io
import os
import random
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import pikepdf
import pytest

from tests.channels.snail_mail.pdfs import letter
from tests.channels.snail_mail.stage import BATCH, batch, channel, files, pdf, prepared
from tests.real.cut_line import CutLine, Direction
from tests.real.server import LoginUser, SmallDisk
from utskick.channels.snail_mail.channel import SnailMailChannel
from utskick.channels.snail_mail.storage import StorageLocation
from utskick.domain.channel import Draft
from utskick.domain.ids import new_id
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Sent

HANDED_OVER = Sent(f"joe01doe_{BATCH}")
#: 256 KiB is OpenSSH's limit of a packet, its header included.
SIZES = (0, 1, 255_000, 262_080, 262_143, 262_144, 262_145, 300_000, 5_000_000, 20_000_000)
#: Shares of a session's bytes after which its line is cut: from before the login to the last byte.
SHARES = (0.0, 0.05, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99, 1.0)


class StorageServer(Protocol):
    """A real server of files."""

    uses: int
    port: int
    user: LoginUser

    def account(self, path: Path, **more: Any) -> dict[str, Any]: ...


def letter_of(size: int) -> bytes:
    """A whole PDF of a little more than so many bytes, which is printed as it is."""
    with pikepdf.open(io.BytesIO(letter())) as made:
        made.Root.Filling = made.make_stream(random.Random(1).randbytes(size))
        made.save(stream := io.BytesIO())
    return stream.getvalue()


@asynccontextmanager
async def letters(account: dict[str, Any]) -> AsyncIterator[SnailMailChannel]:
    opened = channel(accounts={"house": account})
    try:
        yield opened
    finally:
        await opened.close()


async def hand_over(account: dict[str, Any], *drafts: Draft, key: UUID | None = None) -> Outcome:
    async with letters(account) as opened:
        return await opened.send(batch(*(drafts or (prepared(),))), key or new_id(), "house")


async def looks(account: dict[str, Any]) -> bool:
    async with letters(account) as opened:
        [health] = await opened.look()
    return health.ok


def code_of(outcome: Outcome, kind: type) -> str:
    assert type(outcome) is kind, outcome
    assert not isinstance(outcome, Sent)
    return outcome.reason.code


def complete(inbox: Path, department: str) -> int:
    """Return how many folders of a department are to be seen; all of them are complete."""
    seen = [name for name in files(inbox) if name.startswith(f"{department}/")]
    folders = {name.rpartition("/")[0] for name in seen}
    assert all(f"{folder}/KLAR" in seen for folder in folders), seen
    return len(folders)


class HandOverContract:
    """Inherit, and give fixtures ``storage`` (the running server) and ``location``."""

    def location(self, account: dict[str, Any]) -> StorageLocation:
        raise NotImplementedError

    async def test_files_of_every_size_arrive_whole_and_can_be_read_back(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        async with self.location(storage.account(inbox)).open() as target:
            for size in SIZES:
                data = os.urandom(size)
                await target.write(f"{size}.pdf", data)
                assert (inbox / f"{size}.pdf").read_bytes() == data
                if size <= 300_000:
                    assert await target.read(f"{size}.pdf") == data

    async def test_a_letter_of_several_megabytes_is_handed_over_and_a_repeat_changes_nothing(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        large, key = letter_of(5_000_000), new_id()
        for _ in range(2):
            drafts = prepared(pdf(data=large)), prepared()
            assert await hand_over(storage.account(inbox), *drafts, key=key) == HANDED_OVER
        assert (inbox / f"Kultur/joe01doe_{BATCH}" / "beslut.pdf").read_bytes() == large
        assert len(files(inbox)) == 6

    async def test_another_batch_of_the_same_name_is_left_alone(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        for _ in range(2):
            assert await hand_over(storage.account(inbox)) == HANDED_OVER
        assert len([name for name in files(inbox) if name.endswith("KLAR")]) == 2

    async def test_a_look_writes_and_leaves_nothing(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        assert await looks(storage.account(inbox))
        assert list(inbox.iterdir()) == []

    async def test_a_wrong_password_is_ours(self, storage: StorageServer, inbox: Path) -> None:
        account = self.with_password(storage.account(inbox), "wrong")
        assert code_of(await hand_over(account), Misconfigured) == "refused-login"
        assert not await looks(account)

    async def test_the_right_password_logs_in(self, storage: StorageServer, inbox: Path) -> None:
        account = self.with_password(storage.account(inbox), LoginUser.password)
        assert await hand_over(account) == HANDED_OVER

    def with_password(self, account: dict[str, Any], password: str) -> dict[str, Any]:
        return {**account, "password": password}

    async def test_a_folder_that_does_not_exist_is_ours(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        account = storage.account(inbox / "nowhere")
        assert code_of(await hand_over(account), Misconfigured) == "no-folder"
        assert not await looks(account)

    async def test_a_folder_of_somebody_else_is_ours(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        shutil.chown(inbox, "root", "root")
        account = storage.account(inbox)
        assert code_of(await hand_over(account), Misconfigured) == "refused-access"
        assert not await looks(account)

    async def test_one_department_that_may_not_be_written_stops_no_other_batch(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        (inbox / "Kultur").mkdir()  # root's
        outcome = await hand_over(storage.account(inbox))
        assert code_of(outcome, Misconfigured) == "refused-access"
        assert getattr(outcome, "concerns", None) is Concern.RECIPIENT
        skola = prepared(department="Skola")
        assert await hand_over(storage.account(inbox), skola) == HANDED_OVER

    async def test_a_full_disk_is_told_as_full_shows_nothing_and_is_resumed(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        key, large = new_id(), prepared(pdf(data=letter_of(3_000_000)))
        with SmallDisk(inbox / "disk", 1024) as disk:
            account = storage.account(disk.folder)
            assert code_of(await hand_over(account, large, key=key), Deferred) == "target-full"
            assert files(disk.folder) == []
            assert await hand_over(account, prepared(), key=key) == HANDED_OVER

    async def test_a_disk_without_a_byte_left_is_told_as_full(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        with SmallDisk(inbox / "disk", 256) as disk:
            try:
                with (disk.folder / "others").open("wb", buffering=0) as file:
                    while file.write(b"x" * 4096):
                        pass
            except OSError:
                pass
            account = storage.account(disk.folder)
            assert code_of(await hand_over(account), Deferred) == "target-full"
            assert not await looks(account)

    async def test_a_read_only_disk_is_told_as_such(
        self, storage: StorageServer, inbox: Path
    ) -> None:
        with SmallDisk(inbox / "disk", 1024) as disk:
            disk.make_read_only()
            account = storage.account(disk.folder)
            assert code_of(await hand_over(account), Misconfigured) == "refused-access"
            assert not await looks(account)

    async def test_a_server_that_is_gone_defers(self, storage: StorageServer, inbox: Path) -> None:
        async with CutLine(storage.port, "up", 0) as line:
            gone = line.port
        account = self.through(storage.account(inbox), gone)
        assert code_of(await hand_over(account), Deferred) == "unreachable"

    def through(self, account: dict[str, Any], port: int) -> dict[str, Any]:
        """Return the account as reached through a line on another port."""
        keys = account.get("host_keys")
        known = {"host_keys": re.sub(r"\]:\d+", f"]:{port}", keys)} if keys else {}
        return {**account, "port": port, **known}

    @pytest.mark.parametrize("direction", ["up", "down"])
    async def test_wherever_the_line_is_cut_nothing_is_lost_doubled_or_in_doubt(
        self, storage: StorageServer, inbox: Path, direction: Direction
    ) -> None:
        async with CutLine(storage.port) as line:
            account = self.through(storage.account(inbox), line.port)
            assert await hand_over(account) == HANDED_OVER
        whole, handed_over = line.passed[direction], 0
        for number, share in enumerate(SHARES):
            key, department = new_id(), f"Del{number}"
            async with CutLine(storage.port, direction, int(whole * share)) as line:
                account = self.through(storage.account(inbox), line.port)
                outcome = await hand_over(account, prepared(department=department), key=key)
            assert isinstance(outcome, Sent | Deferred), (share, outcome)
            seen = complete(inbox, department)
            assert seen == isinstance(outcome, Sent), (share, outcome, seen)
            handed_over += isinstance(outcome, Sent)
            again = await hand_over(
                storage.account(inbox), prepared(department=department), key=key
            )
            assert again == HANDED_OVER
            assert complete(inbox, department) == 1, share
        assert 0 < handed_over < len(SHARES)
