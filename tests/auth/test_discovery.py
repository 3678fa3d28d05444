"""An issuer's keys: found by its metadata, kept while it is away, asked for again when an unknown
one comes, and not too often."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.auth.issuers import Issuer
from utskick.auth.discovery import AGE, PAUSE, RemoteKeys
from utskick.domain.errors import IssuerAway


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def keys(issuer: Issuer, clock: Time) -> AsyncIterator[RemoteKeys]:
    made = RemoteKeys(issuer.section(), clock)
    yield made
    await made.close()


async def test_many_who_come_at_once_ask_once(issuer: Issuer, keys: RemoteKeys) -> None:
    found = await asyncio.gather(*(keys.find("ec", "ES256") for _ in range(50)))
    assert all(found)
    assert issuer.asked == 1


async def test_a_new_key_is_found_when_it_is_first_used_and_an_old_one_is_gone(
    issuer: Issuer, keys: RemoteKeys, clock: Time
) -> None:
    assert await keys.find("ec", "ES256")
    issuer.keys = {"new": ec.generate_private_key(ec.SECP256R1())}
    with pytest.raises(IssuerAway) as away:
        await keys.find("new", "ES256")
    assert away.value.headers == {"Retry-After": "30"}, "it was looked at a moment ago"
    clock.now += PAUSE - 1
    with pytest.raises(IssuerAway) as away:
        await keys.find("new", "ES256")
    assert away.value.headers == {"Retry-After": "1"}
    clock.now += 1
    assert await keys.find("new", "ES256")
    clock.now += PAUSE
    assert await keys.find("ec", "ES256") is None


async def test_a_forged_kid_does_not_make_a_new_key_invalid(
    issuer: Issuer, keys: RemoteKeys, clock: Time
) -> None:
    assert await keys.find("ec", "ES256")
    clock.now += PAUSE
    assert await keys.find("forged", "ES256") is None, "the issuer has just been asked"
    issuer.keys["new"] = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(IssuerAway):
        await keys.find("new", "ES256")
    clock.now += PAUSE
    assert await keys.find("new", "ES256")


async def test_unknown_keys_make_nobody_ask_more_often_than_twice_a_minute(
    issuer: Issuer, keys: RemoteKeys, clock: Time
) -> None:
    absent = 0
    for n in range(100):
        clock.now += 1
        try:
            assert await keys.find(f"forged-{n}", "ES256") is None
            absent += 1
        except IssuerAway:
            continue
    assert absent == issuer.asked <= 100 / PAUSE + 1


async def test_who_has_a_known_key_does_not_wait_for_the_hourly_look(
    issuer: Issuer, keys: RemoteKeys, clock: Time
) -> None:
    assert await keys.find("ec", "ES256")
    del issuer.keys["ec"]
    clock.now += AGE
    assert await keys.find("ec", "ES256"), (
        "answered from what is known, while the issuer is asked beside"
    )
    with contextlib.suppress(IssuerAway):
        while await keys.find("ec", "ES256"):
            await asyncio.sleep(0.01)
    assert issuer.asked == 2


async def test_an_issuer_that_is_away_keeps_its_keys(
    issuer: Issuer, keys: RemoteKeys, clock: Time
) -> None:
    assert await keys.find("ec", "ES256")
    issuer.away = True
    for _ in range(5):
        clock.now += AGE
        assert await keys.find("ec", "ES256")
        with pytest.raises(IssuerAway):
            await keys.find("other", "ES256")


async def test_before_the_first_answer_nothing_can_be_told(
    issuer: Issuer, keys: RemoteKeys, clock: Time
) -> None:
    issuer.away = True
    with pytest.raises(IssuerAway):
        await keys.find("ec", "ES256")
    issuer.away = False
    with pytest.raises(IssuerAway):
        await keys.find("ec", "ES256")
    clock.now += PAUSE
    assert await keys.find("ec", "ES256")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://somebody.else"},
        {"jwks_uri": "http://login.example.se/keys"},
        {"jwks_uri": 7},
    ],
)
async def test_metadata_of_somebody_else_or_with_keys_over_an_open_line_are_refused(
    issuer: Issuer, keys: RemoteKeys, metadata: dict[str, object]
) -> None:
    issuer.metadata = metadata
    with pytest.raises(IssuerAway):
        await keys.find("ec", "ES256")
    assert issuer.asked == 0


async def test_an_issuer_without_metadata_is_told_where_its_keys_are(issuer: Issuer) -> None:
    keys = RemoteKeys(issuer.section(issuer="urn:kommun:idp", jwks_url=f"{issuer.url}/keys"))
    assert await keys.find("ec", "ES256")
    await keys.close()
