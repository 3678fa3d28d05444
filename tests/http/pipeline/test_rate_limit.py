"""How many calls a client may make, and how many may wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.conftest import serving
from utskick.domain.errors import TooMany
from utskick.http.pipeline.rate_limit import RateLimiter
from utskick.store.database import Database

SMS = {"mobileNumber": "+46701740605", "message": "Hej"}


async def test_one_client_too_many_calls_and_the_others_as_before(
    database: Database, tmp_path: Path
) -> None:
    http = {"port": 0, "sync_wait": 4, "rate": 2}
    async with serving(database, tmp_path, http=http) as client:
        answers = [await client.get("/2281/statistics") for _ in range(8)]
        assert {answer.status for answer in answers} == {200, 429}
        refused = answers[-1]
        assert (refused.status, refused.json["code"]) == (429, "too-many-requests")
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await client.get("/health/live")).status == 200, "health is nobody's call"


async def test_a_municipality_may_lower_its_rate_and_not_raise_it_above_the_operators(
    database: Database, tmp_path: Path
) -> None:
    http = {"port": 0, "sync_wait": 4, "rate": 10}
    async with serving(database, tmp_path, http=http) as client:
        for wanted, counts in ((2, "2"), (1000, "10")):
            answer = await client.call("PUT", "/2281/configuration/limits", {"rate": wanted})
            assert answer.status in (200, 201), answer.text
            found = await asyncio.gather(*(client.get("/2281/statistics") for _ in range(150)))
            refused = next(each for each in found if each.status == 429)
            assert refused.json["detail"].startswith(f"more than {counts} calls a second")
            await asyncio.sleep(1)


async def test_who_finds_too_many_waiting_is_not_kept(database: Database, tmp_path: Path) -> None:
    async with serving(
        database, tmp_path, http={"port": 0, "sync_wait": 4, "sync_waits": 0}
    ) as client:
        answer = await client.post("/2281/sms", SMS)
        assert answer.status == 201
        assert answer.json["deliveries"][0]["status"] in ("PENDING", "SENT")


@given(st.floats(1, 1000), st.lists(st.floats(0, 3), min_size=1, max_size=200))
def test_no_more_than_the_rate_in_any_time_beside_the_first_burst(
    rate: float, pauses: list[float]
) -> None:
    now, first = 0.0, None
    rates = RateLimiter(rate, lambda: now)
    for taken, pause in enumerate(pauses, 1):
        now += pause
        first = now if first is None else first
        try:
            rates.take("a")
        except TooMany as fault:
            wait = int(fault.headers["Retry-After"])
            now += wait
            rates.take("a")
        assert taken <= 2 * rate + rate * (now - first) + 1
    rates.take("another")


def test_a_bucket_that_is_empty_says_when_it_is_not() -> None:
    rates = RateLimiter(0.5, lambda: 0.0)
    rates.take("a")
    with pytest.raises(TooMany) as refused:
        rates.take("a")
    assert refused.value.headers["Retry-After"] == "2"
