"""The SMS section of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.channels.sms.stage import account
from tests.contracts.provider import SECRET
from utskick.channels.sms.settings import SmsSettings

BASE = "https://sms.example.se"


def refused(**members: Any) -> str:
    with pytest.raises(ValidationError) as fault:
        SmsSettings(**members)
    assert SECRET not in str(fault.value)
    return str(fault.value)


def test_an_empty_section_is_whole() -> None:
    assert (SmsSettings().sender, SmsSettings().segment_limit, SmsSettings().accounts) == (
        "Utskick",
        10,
        {},
    )


def test_the_three_providers_are_known_by_their_names() -> None:
    settings = SmsSettings(
        accounts={name: account(name, BASE + "/") for name in ("link", "telia", "elks")}
    )
    assert [a.provider for a in settings.accounts.values()] == ["link", "telia", "46elks"]
    assert settings.accounts["link"].url == BASE
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"sender": "Sundsvalls kommun"}, "size must be between 3 and 11"),
        ({"senders": {"2281": "Sundsvall"}}, "Extra inputs are not permitted"),
        ({"segment_limit": 256}, "less than or equal to 255"),
        ({"public_url": "utskick.example.se"}, "must be a complete address"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
        ({"accounts": {"a/b": account("link", BASE)}}, "should match pattern"),
        (
            {"accounts": {"a": account("link", BASE, provider="twilio")}},
            "'link', 'telia', '46elks', 'smpp'",
        ),
        ({"accounts": {"a": account("link", BASE, passwrod=SECRET)}}, "passwrod"),
        (
            {"accounts": {"a": account("link", f"https://u:{SECRET}@sms.example.se")}},
            "without user",
        ),
        ({"accounts": {"a": account("link", BASE, receipt_secret="")}}, "receipt_secret"),
        ({"accounts": {"a": account("link", BASE, concurrency=0)}}, "concurrency"),
        ({"accounts": {"a": account("telia", BASE, deduplicates=True)}}, "carries no reference"),
        ({"accounts": {"a": account("telia", BASE, ca_file="/no/such/file")}}, "ca_file"),
    ],
)
def test_what_is_wrong_is_said_and_no_secret_with_it(members: dict[str, Any], words: str) -> None:
    assert words in refused(**members)


def smpp(**more: Any) -> dict[str, Any]:
    return {
        "provider": "smpp",
        "host": "smsc.example.se",
        "port": 3550,
        "system_id": "municipality",
        "password": SECRET,
        **more,
    }


def test_an_smpp_account_is_secured_unless_plain_is_said() -> None:
    settings = SmsSettings(accounts={"a": smpp(), "b": smpp(security="plain")})
    secure, plain = settings.accounts.values()
    assert secure.tls() is not None
    assert plain.tls() is None
    assert (secure.concurrency, secure.reports) == (10, True)
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"security": "none"}, "security"),
        ({"port": 0}, "port"),
        ({"system_id": "x" * 16}, "at most 15"),
        ({"system_id": "a\x00b"}, "printable ASCII"),
        ({"system_type": "å"}, "printable ASCII"),
        ({"password": SECRET + "\x00"}, "NUL"),
        ({"window": 0}, "window"),
        ({"concurrency": 5}, "Extra inputs"),
        ({"ca_file": "/no/such/file"}, "ca_file"),
        ({"ca_file": __file__}, "PEM"),
        ({"ca": "none"}, "PEM"),
        ({"source_ton": 7}, "source_ton"),
        ({"long_messages": "sar"}, "long_messages"),
    ],
)
def test_an_smpp_account_that_cannot_work_is_refused(more: dict[str, Any], words: str) -> None:
    assert words in refused(accounts={"a": smpp(**more)})


def test_a_ca_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate")
    assert "PEM" in refused(accounts={"a": account("telia", BASE, ca_file=str(path))})
