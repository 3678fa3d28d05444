"""Who may be reached by others asks for tokens."""

from __future__ import annotations

from typing import Any

import pytest

from utskick import bootstrap
from utskick.domain.errors import SettingsFault

ACCOUNT = {
    "accounts": {
        "e": {"provider": "46elks", "url": "http://127.0.0.1:1", "username": "u", "password": "p"}
    }
}


def checked(host: str, **more: Any) -> None:
    bootstrap.check_host(bootstrap.read_settings(None, over={"http": {"host": host}, **more}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "utskick.example.se"])
def test_whoever_asks_for_no_tokens_stays_on_this_machine(host: str) -> None:
    checked(host, sms=ACCOUNT)
    with pytest.raises(SettingsFault, match=r'auth\.mode is "off"'):
        checked(host, sms=ACCOUNT, auth={"mode": "off"})
    with pytest.raises(SettingsFault, match="the sandbox may only listen on"):
        checked(host)
    checked("127.0.0.1", sms=ACCOUNT, auth={"mode": "off"})
