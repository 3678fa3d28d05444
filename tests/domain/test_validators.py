"""The contract's validators."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.email_address import is_email
from utskick.domain.phone_number import is_msisdn, is_swedish_mobile, national_to_msisdn
from utskick.domain.validators import decode_base64, is_base64, is_clean, path_of


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("+46701740605", True),
        ("+4612345678", True),
        ("+1234", True),
        ("+123", False),
        ("+0701740605", False),
        ("46701740605", False),
        ("+46701740605\n", False),
        ("+4670174060x", False),
        ("", False),
        ("+" + "1" * 16, False),
        ("+４６701740605", False),
    ],
)
def test_msisdn(text: str, valid: bool) -> None:
    assert is_msisdn(text) is valid


@pytest.mark.parametrize(
    "text", ["0701740605", "070-174 06 05", "+46701740605", "0046701740605", "+46 (0)70 174 06 05"]
)
def test_a_number_as_people_write_it(text: str) -> None:
    assert national_to_msisdn(text) == "+46701740605"


@pytest.mark.parametrize("text", ["0700-KATT", "0701740605 anknytning 7", "hej", "", "12", "+" * 9])
def test_what_is_no_number_is_none(text: str) -> None:
    assert national_to_msisdn(text) is None


def test_only_the_mobile_ranges_are_mobiles() -> None:
    assert is_swedish_mobile("+46701740605")
    assert not is_swedish_mobile("+4660191000")
    assert not is_swedish_mobile("+4741234567")


@given(st.binary())
def test_all_base64_is_base64_with_and_without_padding(data: bytes) -> None:
    text = b64encode(data).decode()
    if text:
        assert is_base64(text)
        assert decode_base64(text) == data
        assert is_base64(text.rstrip("="))
        assert decode_base64(text.rstrip("=")) == data


@pytest.mark.parametrize(
    "text", ["", " ", "a", "YQ= =", "YQ==\n", "YQ", "å", "YQ===", "YQ=", "Y-Q_"]
)
def test_what_java_refuses_is_refused(text: str) -> None:
    assert is_base64(text) is (text == "YQ")


@given(st.emails())
def test_real_addresses_are_addresses(text: str) -> None:
    assert is_email(text) or "/" in text or any(c in text for c in "[]'")


@given(st.text())
def test_no_address_can_end_a_line(text: str) -> None:
    if is_email(text):
        assert is_clean(text)
        assert not any(c.isspace() for c in text)


def test_paths_are_written_as_the_contract_writes_them() -> None:
    assert path_of(("parties", 0, "mobileNumber")) == "parties[0].mobileNumber"
    assert path_of(("headers", "Message-ID")) == "headers.Message-ID"
    assert path_of(("headers", "X", "[key]")) == "headers.X"
