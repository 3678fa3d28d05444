"""What looks like personal data does not reach the log."""

from __future__ import annotations

import pytest

from utskick.logs import mask, mask_values


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("sent to +46701740605 now", "sent to *** now"),
        ("anna.svensson@example.se bounced", "*** bounced"),
        ("person 19900101-1234", "person ***"),
        ("person 900101-1234 and 199001011234", "person *** and ***"),
        ("batch of 100000 in 3 s", "batch of 100000 in 3 s"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_the_names_of_accounts_and_units_are_readable() -> None:
    event = {
        "account": "mm@2281/2120002411/Barn.Skola",
        "unit": "2281/2120002411",
        "fault": "no mailbox for 190001010000",
    }
    assert mask_values(None, "info", dict(event)) == {**event, "fault": "no mailbox for ***"}
