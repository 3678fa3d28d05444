"""E-mail addresses: what nobody sees is removed, and what nobody can have is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.email_address import cleaned, hidden, is_email


@pytest.mark.parametrize(
    ("address", "valid"),
    [
        ("anna@example.se", True),
        ("anna@localhost", True),
        ("anna@exämple.se", True),
        ("anna@xn--exmple-cua.se", True),
        ("åsa@example.se", True),
        ("anna+skola@example.se", True),
        ("anna@example.123", False),
        ("anna@example.１２３", False),
        ("anna@123", False),
        ("anna@127.0.0.1", False),
        ("anna@[127.0.0.1]", False),
        ("anna@[IPv6:::1]", False),
        ("anna@example.se.", False),
        ("anna.@example.se", False),
        ('"anna b"@example.se', False),
        ("anna@example..se", False),
        ("anna(skola)@example.se", False),
        ("anna@@example.se", False),
        ("anna@3com.com", True),
        ("anna@example.x1", True),
    ],
)
def test_the_form_of_an_address(address: str, valid: bool) -> None:
    assert is_email(address) is valid


@given(st.sampled_from("\u200b\u200e\u2060\ufeff\u00ad\u202a\u202c\u202d\u2066\u2069\ufe0f"))
def test_what_nobody_sees_is_removed_anywhere(unseen: str) -> None:
    for place in range(len("anna@example.se") + 1):
        text = "anna@example.se"[:place] + unseen + "anna@example.se"[place:]
        assert cleaned(text) == "anna@example.se"


@pytest.mark.parametrize(
    ("address", "unseen"),
    [
        ("anna\u202e@example.se", "U+202E"),
        ("anna@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.ir", "U+200C"),
        ("anna\u200d@example.se", None),
    ],
)
def test_what_changes_an_address_is_named(address: str, unseen: str | None) -> None:
    assert hidden(cleaned(address)) == unseen
