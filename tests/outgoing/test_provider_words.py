"""Words of a provider in a reason: what is kept, and what is masked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.outcome import Deferred, Misconfigured, Reason, Rejected, Sent
from utskick.outgoing.provider_words import LONGEST, call_id, masked, with_words

CALL = "3832352f-fa74-4c17-ab6a-a6e3ab8324f3"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Sender is not authorized", "Sender is not authorized"),
        ("Avsändaren saknar\r\n  behörighet", "Avsändaren saknar behörighet"),
        ("no mailbox for 190001010000", "no mailbox for …"),
        ("no mailbox for 19000101-0000", "no mailbox for …"),
        ("no mailbox for 900101+0000.", "no mailbox for …."),
        ("no mailbox for Åsa von Ek-Östlund 19000101-0000", "no mailbox for …"),
        ("Anna Maria 190001010000 Andersson is not a user", "… is not a user"),
        ("not +46 70 174 06 05", "not …"),
        ("account 991-2346 refused", "account … refused"),
        ("anna.andersson@example.se is unknown", "… is unknown"),
        ("value 'Anna Andersson' is not valid", "value … is not valid"),
        ('value "Anna" is not "1"', "value … is not …"),
        ("<b>fault</b> 5003", "fault 5003"),
        ("token eyJhbGciOiJSUzI1NiJ9.e30 expired", "token … expired"),
        ("a\x00b\u202ec", "a b c"),
        ("", ""),
    ],
)
def test_what_may_be_personal_is_masked(text: str, kept: str) -> None:
    assert masked(text) == kept


@given(st.text(max_size=400))
def test_words_are_one_line_within_the_limit_and_hold_no_long_number(text: str) -> None:
    words = masked(f"{text} 198001012384 {text}")
    assert len(words) <= LONGEST
    assert "\n" not in words
    assert "198001012384" not in words


def test_words_and_call_id_are_added_to_the_reason_and_nothing_else_changes() -> None:
    reason = Reason("refused", "the provider refused it", "5003")
    assert with_words(Rejected(reason, polite=True), "No permission", CALL) == Rejected(
        Reason("refused", f"the provider refused it: No permission (call {CALL})", "5003"),
        polite=True,
    )
    assert with_words(Deferred(reason), None) == Deferred(reason)
    assert with_words(Deferred(reason), {"a": 1}) == Deferred(reason)
    assert with_words(Sent("1"), "well") == Sent("1")


def test_words_about_a_login_may_repeat_the_credentials_and_are_left_out() -> None:
    refused = Misconfigured(Reason("refused-login", "the provider rejected the credentials"))
    assert with_words(refused, "password hemligt is wrong") == refused


@pytest.mark.parametrize(
    ("text", "is_one"),
    [(CALL, True), ("0d45e356d817", True), ("198001012384", False), ("a b", False), (7, False)],
)
def test_a_call_id_has_the_form_of_one(text: object, is_one: bool) -> None:
    assert (call_id(text) is not None) is is_one
