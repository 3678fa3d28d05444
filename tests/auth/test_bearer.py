"""The door: what is remembered, what is told to those who are not let in, and tokens that are bound
to a certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.auth.issuers import Issuer
from tests.auth.test_discovery import Time
from utskick.auth.bearer import BearerAuthenticator
from utskick.auth.claims import Claims
from utskick.auth.discovery import RemoteKeys
from utskick.auth.tokens import Tokens, TrustedIssuer
from utskick.domain.errors import OtherMunicipality, ScopeMissing, Unauthorized


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def door(issuer: Issuer, clock: Time) -> AsyncIterator[BearerAuthenticator]:
    keys = RemoteKeys(issuer.section())
    trusted = TrustedIssuer(issuer.url, ("utskick",), Claims.of(issuer.section()), keys)
    yield BearerAuthenticator(
        Tokens([trusted]), "Get one from here", certificate_header="x-thumb", clock=clock
    )
    await keys.close()


async def refused(
    door: BearerAuthenticator, authorization: str | None, certificate: str | None = None
) -> Unauthorized:
    with pytest.raises(Unauthorized) as fault:
        await door.grant(authorization, certificate)
    return fault.value


async def test_a_token_that_was_verified_is_known_again_for_a_while(
    issuer: Issuer, door: BearerAuthenticator, clock: Time
) -> None:
    token = issuer.token()
    first = await door.grant(f"Bearer {token}")
    issuer.keys = {}
    assert await door.grant(f"bearer  {token} ") is first
    clock.now += 301
    again = await door.grant(f"Bearer {token}")
    assert (again, again is first) == (first, False)


async def test_who_shows_nothing_is_told_where_to_get_a_token_and_no_error(
    door: BearerAuthenticator,
) -> None:
    for shown in (None, "", "Bearer", "Bearer ", "Basic Zm9vOmJhcg==", "DPoP x"):
        fault = await refused(door, shown)
        assert fault.headers == {"WWW-Authenticate": 'Bearer realm="utskick"'}
        assert "Get one from here" in fault.detail


async def test_who_shows_a_wrong_token_is_told_what_is_wrong(door: BearerAuthenticator) -> None:
    fault = await refused(door, "Bearer abc")
    challenge = (
        'Bearer realm="utskick", error="invalid_token", error_description="the token is not'
        ' a signed JWT"'
    )
    assert fault.headers == {"WWW-Authenticate": challenge}
    assert fault.detail == "the token is not a signed JWT. Get one from here"


async def test_a_bound_token_needs_its_certificate_each_time(
    issuer: Issuer, door: BearerAuthenticator
) -> None:
    token = (
        f"Bearer {issuer.token(cnf={'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2'})}"
    )
    grant = await door.grant(token, "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2")
    assert grant.client == "skolappen@kommun"
    for certificate in (None, "", "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg3", "å"):
        assert "certificate" in (await refused(door, token, certificate)).detail
    assert await door.grant(f"Bearer {issuer.token()}", "another")


async def test_scope_and_municipality_are_refused_by_the_rule(
    issuer: Issuer, door: BearerAuthenticator
) -> None:
    grant = await door.grant(f"Bearer {issuer.token()}")
    door.check_scope(grant, "sms:send")
    door.check_municipality(grant, "2281")
    with pytest.raises(ScopeMissing) as scope:
        door.check_scope(grant, "admin")
    assert 'error="insufficient_scope"' in scope.value.headers["WWW-Authenticate"]
    assert 'scope="admin"' in scope.value.headers["WWW-Authenticate"]
    with pytest.raises(OtherMunicipality) as municipality:
        door.check_municipality(grant, "2262")
    assert "2262" not in municipality.value.detail
    assert "2281" not in municipality.value.detail
    with pytest.raises(OtherMunicipality):
        door.check_municipality(replace(grant, municipalities=frozenset()), "2281")
