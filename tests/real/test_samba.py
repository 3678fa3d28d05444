"""Letters handed over to a share of Samba's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.handing_over import HANDED_OVER, HandOverContract, code_of, hand_over, looks
from tests.real.samba import Samba
from tests.real.server import LoginUser
from utskick.channels.snail_mail.settings import SnailMailSettings
from utskick.channels.snail_mail.smb import Smb
from utskick.channels.snail_mail.storage import StorageLocation
from utskick.domain.outcome import Misconfigured


@pytest.fixture(scope="module")
def running(user: LoginUser) -> Iterator[Samba]:
    with Samba(user) as server:
        yield server


@pytest.fixture
def storage(running: Samba) -> Samba:
    running.uses += 1
    return running


class TestSamba(HandOverContract):
    def location(self, account: dict[str, Any]) -> StorageLocation:
        read = SnailMailSettings.model_validate({"accounts": {"house": account}})
        return Smb(read.accounts["house"])  # type: ignore[arg-type]

    async def test_a_share_without_the_right_to_write_is_ours(
        self, storage: Samba, inbox: Path
    ) -> None:
        account = storage.account(inbox, share="locked")
        assert code_of(await hand_over(account), Misconfigured) == "refused-access"
        assert not await looks(account)

    async def test_a_share_that_does_not_exist_is_ours(self, storage: Samba, inbox: Path) -> None:
        account = storage.account(inbox, share="none")
        assert code_of(await hand_over(account), Misconfigured) == "no-folder"
        assert not await looks(account)

    async def test_without_encryption_it_works_if_that_is_allowed(
        self, storage: Samba, inbox: Path
    ) -> None:
        assert await hand_over(storage.account(inbox, encrypt=False)) == HANDED_OVER
