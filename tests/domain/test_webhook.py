"""Secrets, signatures and waits of webhooks, held against the Standard Webhooks library."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from utskick.domain.webhook import SCHEDULE, new_secret, signatures, wait_after


def test_a_secret_has_the_form_and_the_length_of_the_specification() -> None:
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert 24 <= len(b64decode(secret.removeprefix("whsec_"))) <= 64
    assert secret != new_secret()


@given(
    st.binary(max_size=200).map(lambda raw: raw.hex().encode()),
    st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)),
)
def test_signatures_are_those_of_the_library(body: bytes, naive: datetime) -> None:
    at, secrets = naive.replace(tzinfo=UTC), [new_secret(), new_secret()]
    assert signatures(secrets, "msg-1", at, body).split() == [
        Webhook(secret).sign("msg-1", at, body.decode()) for secret in secrets
    ]


def test_a_call_is_tried_for_about_three_days() -> None:
    waits = [wait_after(failures, None, 0.5) for failures in range(1, len(SCHEDULE) + 2)]
    assert waits == [*SCHEDULE, None]
    assert timedelta(hours=70) < sum(SCHEDULE, timedelta()) < timedelta(hours=74)
    assert [wait.total_seconds() for wait in SCHEDULE[:8]] == [
        5,
        30,
        120,
        600,
        1800,
        3600,
        7200,
        14400,
    ]


@given(st.integers(1, len(SCHEDULE)), st.floats(0, 1))
def test_chance_moves_a_wait_by_a_fifth_at_most(failures: int, chance: float) -> None:
    wait = wait_after(failures, None, chance)
    assert wait is not None
    assert SCHEDULE[failures - 1] * 0.799 <= wait <= SCHEDULE[failures - 1] * 1.201


def test_what_a_receiver_asks_for_counts_where_it_is_longer_up_to_eight_hours() -> None:
    hour = timedelta(hours=1)
    assert wait_after(1, hour, 0.5) == hour
    assert wait_after(1, timedelta(days=7), 0.5) == 8 * hour
    assert wait_after(8, hour, 0.5) == 4 * hour
    assert wait_after(len(SCHEDULE) + 1, hour, 0.5) is None
