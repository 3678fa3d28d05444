"""The embedded issuer's keys: published before they sign, kept until their tokens have ended,
shared by processes, sealed on disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.auth.key_rotation import AFTER, AHEAD, TERM, TokenSigner, plan_rotation
from utskick.store.administration.signing_keys import SigningKey, SigningKeys
from utskick.store.crypto.cipher import Cipher, Locked
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database

START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Calendar:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


def signer(keys: list[SigningKey], now: datetime) -> str:
    return next(key.id for key in reversed(keys) if key.signs_from <= now)


@given(st.lists(st.timedeltas(timedelta(minutes=1), timedelta(days=45)), min_size=1, max_size=30))
def test_whenever_somebody_looks_a_key_is_published_before_it_signs_and_until_its_tokens_have_ended(
    steps: list[timedelta],
) -> None:
    now, keys = START, list[SigningKey]()
    seen: dict[str, datetime] = {}
    signed_until: dict[str, datetime] = {}
    for step in steps:
        added, gone = plan_rotation(keys, now)
        keys = [
            key for key in sorted([*keys, *added], key=lambda k: k.signs_from) if key.id not in gone
        ]
        assert not set(gone) & {
            id for id, until in signed_until.items() if until + timedelta(hours=1) > now
        }
        for key in added:
            seen[key.id] = now
        first = len(seen) == 1
        used = signer(keys, now)
        assert first or now - seen[used] >= AHEAD or used == min(seen, key=lambda k: seen[k])
        signed_until[used] = now
        assert len(keys) <= 3
        now += step


async def test_tokens_verify_with_what_is_published_through_a_change_of_keys(
    database: Database,
) -> None:
    clock = Calendar()
    signing, other = (
        TokenSigner(SigningKeys(database), clock),
        TokenSigner(SigningKeys(database), clock),
    )
    first = jwt.get_unverified_header(await signing.sign({"a": 1}, "at+jwt"))
    assert (first["alg"], first["typ"]) == ("ES256", "at+jwt")
    assert await other.find(first["kid"], "ES256")
    clock.now = START + TERM - AHEAD
    published = await signing.published()
    assert len(published["keys"]) == 2
    assert jwt.get_unverified_header(await signing.sign({}, "at+jwt"))["kid"] == first["kid"], (
        "the new one is only published"
    )
    clock.now = START + TERM
    second = jwt.get_unverified_header(await signing.sign({}, "at+jwt"))["kid"]
    assert second != first["kid"]
    assert await other.find(second, "ES256")
    assert await other.find(first["kid"], "ES256"), "its tokens may still be on their way"
    clock.now = START + TERM + AFTER
    assert await other.find(first["kid"], "ES256") is None
    assert not {"d", "p", "q"} & {name for key in published["keys"] for name in key}


async def test_processes_that_start_at_once_make_one_key(database: Database) -> None:
    signing = [TokenSigner(SigningKeys(database), Calendar()) for _ in range(8)]
    published = await asyncio.gather(*(each.published() for each in signing))
    assert len({each["keys"][0]["kid"] for each in published}) == 1
    assert {len(each["keys"]) for each in published} == {1}


async def test_private_halves_are_sealed_on_disk(database: Database) -> None:
    await TokenSigner(SigningKeys(database), Calendar()).published()
    sealed = await database.pool.fetchval("SELECT sealed FROM signing_keys")
    assert b"\x30\x81\x87\x02\x01\x00" not in sealed, "PKCS#8 of a P-256 key"
    database.vault = Vault(Cipher([bytes([1]) * 32]))
    with pytest.raises(Locked):
        await TokenSigner(SigningKeys(database), Calendar()).sign({}, "at+jwt")
