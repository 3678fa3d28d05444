"""Readable names of accounts, and back."""

from __future__ import annotations

import pytest

from tests.channels.sms.stage import account, channel
from utskick.domain.account_label import label_of, stored_name
from utskick.domain.channel import Account, Channel

TAG = "2281..13c7624b"
ACCOUNTS = [
    Account("link", "link", 1, 1),
    Account("link@2281", "link", 1, 1, label="link@2281"),
    Account(f"link@{TAG}", "link", 1, 1, label="link@2281/Skola"),
    Account("link@2281..00000001", "link", 1, 1, label="link@2281/a/b"),
    Account("link@2281..00000002", "link", 1, 1, label="link@2281/a.b"),
]


@pytest.fixture
def channels() -> dict[str, Channel]:
    made = channel(link=account("link", "http://127.0.0.1:9"))
    made.accounts = tuple(ACCOUNTS)
    return {"sms": made}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("link", "link"),
        ("link@2281", "link@2281"),
        (f"link@{TAG}", "link@2281/Skola"),
        (f"former@{TAG}", "former@2281/Skola"),  # an account that its unit has no longer
        ("link@2281..ffffffff", "link@2281..ffffffff"),
    ],
)
def test_an_account_is_shown_by_its_units_name(
    channels: dict[str, Channel], name: str, label: str
) -> None:
    assert label_of(channels, name) == label


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("link", "link"),
        (f"link@{TAG}", f"link@{TAG}"),
        ("link@2281.Skola", f"link@{TAG}"),
        ("link@2281.Bygg", None),
        ("link@2281.a.b", None),  # of two units
        ("telia", None),
    ],
)
def test_a_call_names_an_account_by_its_stored_or_its_readable_name(
    name: str, stored: str | None
) -> None:
    assert stored_name(ACCOUNTS, name) == stored
