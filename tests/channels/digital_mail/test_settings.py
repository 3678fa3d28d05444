"""The section of the settings: what it takes, and that it says what is wrong without any secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.contracts.provider import SECRET
from utskick.channels.digital_mail.settings import DigitalMailSettings

SENDER = {
    "name": "Sundsvalls kommun",
    "municipality": "2281",
    "certificate_file": "a.pem",
    "key_file": "b.pem",
    "password": SECRET,
}
OPERATOR = {"name": "Kivra", "hosts": ["MM.kivra.com:443"]}
ACCOUNT = {
    "provider": "minameddelanden",
    "url": "https://far.example.se/Recipient/v3",
    "senders": {"2120002411": SENDER},
    "operators": {"165568402266": OPERATOR},
}


def section(**account: Any) -> DigitalMailSettings:
    return DigitalMailSettings.model_validate({"accounts": {"mm": {**ACCOUNT, **account}}})


def test_an_empty_section_is_whole() -> None:
    empty = DigitalMailSettings()
    assert (empty.accounts, empty.organization_of("2281")) == ({}, None)


def test_an_account_has_its_defaults() -> None:
    account = section().accounts["mm"]
    assert (account.read_timeout, account.reachable_seconds, account.newest_tls) == (
        120.0,
        300.0,
        "1.2",
    )
    assert account.operators["165568402266"].hosts == ("mm.kivra.com",)
    assert not account.operators["165568402266"].deduplicates
    assert SECRET not in repr(account)


def test_the_organisation_is_that_of_the_settings_or_the_only_one_of_the_municipality() -> None:
    angehem = {**SENDER, "name": "Ånge", "municipality": "2260"}
    accounts = {
        "mm": {
            **ACCOUNT,
            "senders": {"2120002411": SENDER, "2120002387": angehem, "5567891234": angehem},
        }
    }
    settings = DigitalMailSettings.model_validate({"accounts": accounts})
    assert [settings.organization_of(m) for m in ("2281", "2260", "2262")] == [
        "2120002411",
        None,
        None,
    ]
    said = DigitalMailSettings.model_validate({"organization": "5567891234", "accounts": accounts})
    assert {said.organization_of(m) for m in ("2281", "2260", "2262")} == {"5567891234"}


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ({"url": "http://far.example.se"}, "must begin with https"),
        ({"senders": {}}, "at least 1 item"),
        ({"senders": {"212000-2411": SENDER}}, "should match pattern"),
        ({"senders": {"2120002411": {**SENDER, "name": "x"}}}, "at least 2 characters"),
        (
            {"senders": {"2120002411": {**SENDER, "key_file": None}}},
            "must have either certificate_file and key_file, or pkcs12_file",
        ),
        ({"senders": {"2120002411": {**SENDER, "pkcs12_file": "c.p12"}}}, "must have either"),
        (
            {"senders": {"2120002411": {"name": "Sundsvall", "municipality": "2281"}}},
            "must have either",
        ),
        (
            {"senders": {"2120002411": {**SENDER, "former": [{"key_file": "b.pem"}]}}},
            "must have either",
        ),
        (
            {
                "senders": {
                    "2120002411": {**SENDER, "support_info": {"text": "a", "email_address": "a@b"}}
                }
            },
            "email_address",
        ),
        ({"operators": {}}, "at least 1 item"),
        ({"operators": {"5568402266": OPERATOR}}, "should match pattern"),
        ({"operators": {"165568402266": {**OPERATOR, "hosts": []}}}, "at least 1 item"),
        (
            {"operators": {"165568402266": {**OPERATOR, "hosts": ["https://mm.kivra.com"]}}},
            "must be a host name",
        ),
        (
            {"operators": {"165568402266": {**OPERATOR, "hosts": ["*.kivra.com"]}}},
            "must be a host name",
        ),
        ({"newest_tls": "1.1"}, "'1.2' or '1.3'"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_said_and_no_secret_with_it(account: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as fault:
        section(**account)
    assert words in str(fault.value)
    assert SECRET not in str(fault.value)
