"""The settings of push: keys, contacts, hosts and origins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.channels.push.stage import vapid_pem
from utskick.channels.push.settings import PushSettings

KEY = vapid_pem()


def web_push(**changes: Any) -> PushSettings:
    account = {
        "provider": "webpush",
        "vapid_private_key": KEY,
        "subject": "mailto:push@example.se",
        **changes,
    }
    return PushSettings.model_validate(
        {"accounts": {"browsers": {k: v for k, v in account.items() if v is not None}}}
    )


def test_a_key_may_stand_in_the_settings_or_in_a_file(tmp_path: Path) -> None:
    assert web_push()
    assert web_push(vapid_private_key=None, vapid_private_key_file=tmp_path / "not-yet-there.pem")


@pytest.mark.parametrize(
    "changes",
    [
        {"vapid_private_key": None},
        {"vapid_private_key_file": "a.pem"},
        {"vapid_private_key": "none"},
        {"subject": "push@example.se"},
        {"subject": "http://example.se"},
        {"subject": None},
        {"hosts": ["https://push.example.com"]},
        {"hosts": ["localhost"]},
        {"hosts": ["*.*.example.com"]},
        {"hosts": ["127.0.0.1"]},
        {"origins": ["https://push.example.com/path"]},
        {"origins": ["push.example.com"]},
        {"url": "https://push.example.com"},
        {"ttl": 60},
    ],
)
def test_a_fault_is_found_when_the_settings_are_read(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        web_push(**changes)
    assert KEY[40:80] not in str(caught.value)


def test_an_origin_is_kept_as_it_will_be_compared() -> None:
    account = web_push(origins=["https://Push.Example.com:443/", "http://127.0.0.1:8081"]).accounts[
        "browsers"
    ]
    assert account.model_dump()["origins"] == ("https://push.example.com", "http://127.0.0.1:8081")


@pytest.mark.parametrize("ttl", [-1, 2_419_201])
def test_no_push_service_keeps_a_message_for_longer_than_four_weeks(ttl: int) -> None:
    with pytest.raises(ValidationError):
        PushSettings(ttl=ttl)


def test_an_fcm_account_needs_no_address() -> None:
    account = {
        "provider": "fcm",
        "project": "sundsvall-app",
        "service_account_file": "/run/secrets/fcm.json",
    }
    found = PushSettings.model_validate({"accounts": {"apps": account}}).accounts["apps"]
    assert found.model_dump()["url"] == "https://fcm.googleapis.com"
