"""Secrets are kept as digests; guessing at them takes longer each time."""

from __future__ import annotations

from tests.auth.test_discovery import Time
from utskick.auth.login_throttle import LoginThrottle
from utskick.auth.secret_digest import decoy_digest, digest_of, matches, new_secret


def test_a_digest_knows_its_secret_and_no_other() -> None:
    secret = new_secret()
    assert secret.startswith("ucs_")
    assert len(secret) == 4 + 43
    digest = digest_of(secret)
    assert secret not in digest
    assert digest != digest_of(secret), "each has a salt of its own"
    assert matches(digest, secret)
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), "\udcff"):
        assert not matches(digest, wrong)
        assert not matches(decoy_digest(), wrong)


def test_a_few_wrong_tries_cost_nothing_and_more_cost_ever_longer() -> None:
    clock = Time()
    lookout, waits = LoginThrottle(clock), []
    for _ in range(14):
        clock.now += lookout.wait("192.0.2.1", "a")
        lookout.failed("192.0.2.1", "a")
        waits.append(lookout.wait("192.0.2.1", "a"))
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4:] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert lookout.wait("192.0.2.1", "b") == 0
    lookout.passed("192.0.2.1", "a")
    assert lookout.wait("192.0.2.1", "a") == 0


def test_what_is_remembered_has_an_end() -> None:
    lookout = LoginThrottle(Time())
    for n in range(10_500):
        lookout.failed("192.0.2.1", str(n))
    assert len(lookout._failures) == 10_000
