"""Letters handed over to OpenSSH's sftp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.real.handing_over import HANDED_OVER, HandOverContract, code_of, hand_over, looks
from tests.real.openssh import OpenSsh
from tests.real.server import LoginUser
from utskick.channels.snail_mail.settings import SnailMailSettings
from utskick.channels.snail_mail.sftp import Sftp
from utskick.channels.snail_mail.storage import StorageLocation
from utskick.domain.outcome import Misconfigured


@pytest.fixture(scope="module")
def running(user: LoginUser) -> Iterator[OpenSsh]:
    with OpenSsh(user) as server:
        yield server


@pytest.fixture
def storage(running: OpenSsh) -> OpenSsh:
    running.uses += 1
    return running


class TestOpenSsh(HandOverContract):
    def location(self, account: dict[str, Any]) -> StorageLocation:
        read = SnailMailSettings.model_validate({"accounts": {"house": account}})
        return Sftp(read.accounts["house"])  # type: ignore[arg-type]

    def with_password(self, account: dict[str, Any], password: str) -> dict[str, Any]:
        return {**account, "key_file": None, "password": password}

    async def test_a_key_that_the_server_does_not_know_is_ours(
        self, storage: OpenSsh, inbox: Path
    ) -> None:
        stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        account = storage.account(inbox, key_file=None, key=stranger)
        assert code_of(await hand_over(account), Misconfigured) == "refused-login"

    async def test_another_host_key_gets_neither_login_nor_letters(
        self, storage: OpenSsh, inbox: Path
    ) -> None:
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        account = storage.account(inbox, host_keys=f"[127.0.0.1]:{storage.port} {other}")
        assert code_of(await hand_over(account), Misconfigured) == "host-key"
        assert not await looks(account)

    async def test_a_server_without_the_right_to_write_is_ours(
        self, storage: OpenSsh, inbox: Path
    ) -> None:
        account = storage.account(inbox, port=storage.read_only_port)
        assert code_of(await hand_over(account), Misconfigured) == "refused-access"
        assert not await looks(account)

    async def test_a_path_relative_to_the_home_is_taken(
        self, storage: OpenSsh, inbox: Path
    ) -> None:
        account = {**storage.account(inbox), "path": inbox.name}
        assert await hand_over(account) == HANDED_OVER
