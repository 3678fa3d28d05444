"""Tokens, genuine and forged: each forgery is refused for what is wrong with it, and the token
without it is taken."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.auth.issuers import EC, OTHER_EC, RSA, Issuer, issuing, public
from utskick.auth.claims import Claims
from utskick.auth.discovery import PAUSE, RemoteKeys
from utskick.auth.jwks import KeySet, read_set
from utskick.auth.tokens import LEEWAY, InvalidToken, Tokens, TrustedIssuer
from utskick.domain.errors import IssuerAway


@pytest.fixture
async def tokens(issuer: Issuer) -> AsyncIterator[Tokens]:
    # The issuer may be asked for its keys at every call.
    keys = RemoteKeys(issuer.section(), count(0, PAUSE).__next__)
    yield Tokens([TrustedIssuer(issuer.url, ("utskick",), Claims.of(issuer.section()), keys)])
    await keys.close()


def part(members: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def by_hmac(issuer: Issuer, key: Any, form: Encoding) -> str:
    """The public key as the secret of an HMAC: what a verifier that believes the token's ``alg``
    would take."""
    secret = key.public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa', 'typ': 'at+jwt'})}.{part(issuer.claims())}"
    digest = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def unsigned(issuer: Issuer, alg: str) -> str:
    return f"{part({'alg': alg, 'kid': 'ec', 'typ': 'at+jwt'})}.{part(issuer.claims())}."


def changed(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{part(issuer.claims(scope='admin'))}.{signature}"


def with_own_key(issuer: Issuer, **header: Any) -> str:
    """Signed with the forger's key, and brings it along."""
    return jwt.encode(issuer.claims(), OTHER_EC, "ES256", {"kid": "ec", "typ": "at+jwt", **header})


@pytest.mark.parametrize(("kid", "alg"), [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256")])
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT"])
async def test_a_genuine_token_is_taken(
    issuer: Issuer, tokens: Tokens, kid: str, alg: str, typ: str
) -> None:
    grant = await tokens.verify(issuer.token(kid, alg, typ=typ))
    assert (grant.client, grant.municipalities, grant.scopes) == (
        "skolappen@kommun",
        {"2281"},
        {"sms:send", "status:read"},
    )


FORGED: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "none": (lambda i: unsigned(i, "none"), "must be signed"),
    "None": (lambda i: unsigned(i, "None"), "must be signed"),
    "an empty signature": (lambda i: unsigned(i, "ES256"), "signature"),
    "HMAC with the public key, PEM": (lambda i: by_hmac(i, RSA, Encoding.PEM), "must be signed"),
    "HMAC with the public key, DER": (lambda i: by_hmac(i, RSA, Encoding.DER), "must be signed"),
    "a stronger algorithm than is agreed": (lambda i: i.token("rsa", "RS512"), "must be signed"),
    "RSA's algorithm with the id of a curve's key": (
        lambda i: i.token("ec", "RS256", key=RSA),
        "does not match its key",
    ),
    "the curve's algorithm with the id of an RSA key": (
        lambda i: i.token("rsa", "ES256", key=EC),
        "does not match its key",
    ),
    "another's key": (lambda i: i.token(key=OTHER_EC), "signature"),
    "a changed payload": (changed, "signature"),
    "a key of its own in jwk": (lambda i: with_own_key(i, jwk=public(OTHER_EC, "ec")), "signature"),
    "a key of its own behind jku": (lambda i: with_own_key(i, jku=f"{i.url}/keys"), "signature"),
    "a key of its own behind x5u": (lambda i: with_own_key(i, x5u=f"{i.url}/keys"), "signature"),
    "an extension that must be understood": (
        lambda i: jwt.encode(
            i.claims(), EC, "ES256", {"kid": "ec", "typ": "at+jwt", "crit": ["b64"]}
        ),
        "not a signed JWT",
    ),
    "an unknown kid": (lambda i: i.token("nobody", key=EC), "does not publish"),
    "no kid, signed by another": (
        lambda i: jwt.encode(i.claims(), OTHER_EC, "ES256", {"typ": "at+jwt"}),
        "signature",
    ),
    "a kid that is no text": (
        lambda i: f"{part({'alg': 'ES256', 'kid': 7, 'typ': 'JWT'})}.{part(i.claims())}.AAAA",
        "not a signed JWT",
    ),
    "another issuer": (lambda i: i.token(iss="https://login.example.com"), "not trusted"),
    "an issuer that only begins alike": (lambda i: i.token(iss=i.url + "/"), "not trusted"),
    "no issuer": (lambda i: i.token(iss=None), "not trusted"),
    "a list of issuers": (
        lambda i: (
            f"{part({'alg': 'ES256', 'kid': 'ec', 'typ': 'JWT'})}.{part({'iss': [i.url]})}.AAAA"
        ),
        "trusted",
    ),
    "another audience": (lambda i: i.token(aud="another"), "another audience"),
    "no audience": (lambda i: i.token(aud=None), "lacks the claim aud"),
    "an audience that is no text": (lambda i: i.token(aud={"utskick": 1}), "another audience"),
    "expired": (lambda i: i.token(exp=int(time.time()) - LEEWAY - 1), "expired"),
    "no expiry": (lambda i: i.token(exp=None), "lacks the claim exp"),
    "an expiry that is no number": (lambda i: i.token(exp="soon"), "are not valid"),
    "an endless expiry": (lambda i: i.token(exp=float("inf")), "are not valid"),
    "an expiry beyond every number": (lambda i: i.token(exp=10**400), "are not valid"),
    "not yet valid": (lambda i: i.token(nbf=int(time.time()) + LEEWAY + 5), "not valid yet"),
    "made in the future": (lambda i: i.token(iat=int(time.time()) + LEEWAY + 5), "not valid yet"),
    "no type, nor a claim of access tokens": (
        lambda i: i.token(typ=None, client_id=None, azp="skolappen", scope=None),
        "not an access token",
    ),
    "no type, and a nonce": (lambda i: i.token(typ=None, nonce="n"), "not an access token"),
    "Cognito's ID token": (lambda i: i.token(typ=None, token_use="id"), "not an access token"),
    "Keycloak's ID token": (
        lambda i: i.token(typ="JWT", typ_claim="ID"),
        "not an access token",
    ),
    "Keycloak's refresh token": (
        lambda i: i.token(typ="JWT", typ_claim="Refresh"),
        "not an access token",
    ),
    "Keycloak's access token with a hash of an ID token": (
        lambda i: i.token(typ="JWT", at_hash="h", typ_claim="Bearer"),
        "not an access token",
    ),
    "another type": (lambda i: i.token(typ="id+jwt"), "type"),
    "an ID token": (lambda i: i.token(typ="JWT", nonce="n"), "not an access token"),
    "an ID token by at_hash": (lambda i: i.token(typ="JWT", at_hash="h"), "not an access token"),
    "an ID token by c_hash": (lambda i: i.token(typ="JWT", c_hash="h"), "not an access token"),
    "no client": (lambda i: i.token(client_id=None, sub=None), "does not identify its client"),
    "a client that is no text": (lambda i: i.token(client_id=7), "does not identify its client"),
    "bound in an unknown way": (lambda i: i.token(cnf={"jkt": "x"}), "bound"),
    "bound in two ways": (lambda i: i.token(cnf={"x5t#S256": "x", "jkt": "y"}), "bound"),
    "no token at all": (lambda _: "abc", "not a signed JWT"),
    "five parts, as of an encrypted one": (lambda _: "a.b.c.d.e", "not a signed JWT"),
    "endless": (lambda i: i.token(scope="x" * 20_000), "longer"),
}


@pytest.mark.parametrize(("forge", "why"), FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_refused_for_what_is_wrong_with_it(
    issuer: Issuer, tokens: Tokens, forge: Callable[[Issuer], str], why: str
) -> None:
    assert await tokens.verify(issuer.token())
    with pytest.raises(InvalidToken, match=why) as refused:
        await tokens.verify(forge(issuer))
    assert "skolappen" not in str(refused.value)


async def test_clocks_may_differ_by_half_a_minute(issuer: Issuer, tokens: Tokens) -> None:
    now = int(time.time())
    assert await tokens.verify(issuer.token(exp=now - LEEWAY + 10))
    assert await tokens.verify(issuer.token(nbf=now + LEEWAY - 10, iat=now + LEEWAY - 10))


GENUINE: dict[str, dict[str, Any]] = {
    "Keycloak": {"typ": "JWT", "typ_claim": "Bearer", "azp": "skolappen", "client_id": None},
    "Keycloak before 25, of a user": {
        "typ": "JWT",
        "typ_claim": "Bearer",
        "nonce": "n",
        "session_state": "s",
        "client_id": None,
        "azp": "skolappen",
    },
    "Cognito": {"typ": None, "token_use": "access"},
    "no type, by its scope": {"typ": None, "client_id": None, "azp": "skolappen"},
    "no type, by its client_id": {"typ": None, "scope": None, "roles": ["sms:send", "status:read"]},
    "Entra ID": {"typ": "JWT", "client_id": None, "azp": "skolappen", "scope": None}
    | {"roles": ["sms:send", "status:read"]},
}


@pytest.mark.parametrize("members", GENUINE.values(), ids=GENUINE.keys())
async def test_the_access_tokens_of_well_known_issuers_are_taken(
    issuer: Issuer, tokens: Tokens, members: dict[str, Any]
) -> None:
    grant = await tokens.verify(issuer.token(**members))
    assert grant.client == "skolappen@kommun"
    assert grant.scopes == {"sms:send", "status:read"}


async def trusting(issuer: Issuer, **settings: Any) -> tuple[Tokens, RemoteKeys]:
    section = issuer.section(**settings)
    keys = RemoteKeys(section)
    audiences = section.audience or ("utskick",)
    return (
        Tokens(
            [
                TrustedIssuer(
                    section.name, audiences, Claims.of(section), keys, section.audience_claim
                )
            ]
        ),
        keys,
    )


async def test_an_issuer_without_aud_is_judged_by_another_claim(issuer: Issuer) -> None:
    tokens, keys = await trusting(
        issuer, audience_claim="client_id", audience=["other", "skolappen"]
    )
    cognito = {"typ": None, "token_use": "access", "aud": None}
    assert (await tokens.verify(issuer.token(**cognito))).client == "skolappen@kommun"
    for wrong in ({"client_id": "else"}, {"client_id": None}, {"client_id": 7}):
        with pytest.raises(InvalidToken, match="another audience"):
            await tokens.verify(issuer.token(**{**cognito, **wrong}))
    await keys.close()
    tokens, keys = await trusting(issuer, audience="one")
    assert await tokens.verify(issuer.token(aud=["two", "one"]))
    with pytest.raises(InvalidToken, match="another audience"):
        await tokens.verify(issuer.token(aud=["two"]))
    await keys.close()


def nameless(issuer: Issuer, key: Any = EC, alg: str = "ES256") -> str:
    return jwt.encode(issuer.claims(), key, alg, {"typ": "at+jwt"})


async def test_without_a_kid_the_only_key_that_fits_verifies(
    issuer: Issuer, tokens: Tokens
) -> None:
    assert await tokens.verify(nameless(issuer)), "of an RSA key and a curve's one fits"
    assert await tokens.verify(nameless(issuer, RSA, "PS256"))


async def test_without_a_kid_and_with_two_that_fit_none_is_chosen(issuer: Issuer) -> None:
    issuer.keys["second"] = OTHER_EC
    tokens, keys = await trusting(issuer)
    with pytest.raises(InvalidToken, match="does not name its key"):
        await tokens.verify(nameless(issuer))
    assert await tokens.verify(nameless(issuer, RSA, "RS256"))
    await keys.close()


async def test_a_key_without_a_kid_verifies_tokens_with_any_and_is_read_anew_when_replaced(
    issuer: Issuer,
) -> None:
    now = 0.0
    keys = RemoteKeys(issuer.section(), lambda: now)
    tokens = Tokens([TrustedIssuer(issuer.url, ("utskick",), Claims.of(issuer.section()), keys)])
    issuer.keys = {None: EC}
    assert await tokens.verify(issuer.token("whatever", key=EC))
    issuer.keys = {None: OTHER_EC}
    now += PAUSE
    assert await tokens.verify(issuer.token("whatever", key=OTHER_EC))
    now += PAUSE
    with pytest.raises(InvalidToken, match="signature"):
        await tokens.verify(issuer.token("whatever", key=EC))
    with pytest.raises(IssuerAway):
        await tokens.verify(issuer.token("whatever", key=EC))
    await keys.close()


async def test_every_one_of_many_keys_verifies(issuer: Issuer) -> None:
    issuer.keys = {f"key-{n}": OTHER_EC for n in range(300)} | {"last": EC}
    tokens, keys = await trusting(issuer)
    assert await tokens.verify(issuer.token("last"))
    await keys.close()


@pytest.mark.parametrize("slash", ["", "/"], ids=["without", "with"])
async def test_an_issuers_url_is_compared_as_it_is_written(slash: str) -> None:
    async with issuing() as issuer:
        written = issuer.url
        issuer.url += slash
        issuer.metadata = {"jwks_uri": f"{written}/keys"}
        tokens, keys = await trusting(issuer)
        assert await tokens.verify(issuer.token())
        other = written if slash else f"{written}/"
        with pytest.raises(InvalidToken, match="not trusted"):
            await tokens.verify(issuer.token(iss=other))
        await keys.close()


async def test_only_keys_that_sign_and_are_strong_enough_are_read() -> None:
    weak, other = rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())
    private = {**public(EC, "private"), "d": "AAAA"}
    found = read_set(
        {
            "keys": [
                public(RSA, "rsa"),
                public(RSA, "rsa-pss", alg="PS256"),
                public(EC, "ec"),
                public(RSA, "enc", use="enc"),
                public(weak, "weak"),
                public(other, "p384"),
                public(RSA, "hmac", alg="HS256"),
                private,
                {"kty": "oct", "k": "AAAA", "kid": "oct"},
                {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
                {**public(EC, "x"), "kid": 7},
                "nonsense",
                public(OTHER_EC, "ec"),
                {name: value for name, value in public(OTHER_EC, "").items() if name != "kid"},
            ]
        }
    )
    assert {kid: key.algorithms for kid, key in found.named.items()} == {
        "rsa": ("RS256", "PS256"),
        "rsa-pss": ("PS256",),
        "ec": ("ES256",),
    }
    assert found.named["ec"].key == EC.public_key(), "the first of a name counts"
    assert [key.key for key in found.unnamed] == [OTHER_EC.public_key()]
    assert len(found) == len(list(found)) == 4
    assert read_set({"keys": "nonsense"}) == read_set({}) == KeySet()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)
_NAMES = (
    "client_id",
    "azp",
    "sub",
    "scope",
    "scp",
    "roles",
    "municipalities",
    "cnf",
    "typ",
    "nonce",
    "realm_access",
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(st.sampled_from(_NAMES), _JSON),
    st.sampled_from([None, ("realm_access", "roles"), ("a", "b", "c"), ("scope",)]),
)
def test_whatever_claims_hold_they_make_a_grant_or_are_refused(
    members: dict[str, Any], scope: tuple[str, ...] | None
) -> None:
    claims = Claims(scope=(scope,)) if scope else Claims()
    try:
        grant = claims.grant({"exp": 1.0, **members})
    except ValueError:
        return
    assert 1 <= len(grant.client) <= 255
    assert all(word and isinstance(word, str) for word in (*grant.scopes, *grant.municipalities))
    said = str(members)
    assert all(
        word in said or word.encode("unicode_escape").decode() in said or repr(word)[1:-1] in said
        for word in grant.scopes
    )


async def test_no_text_is_more_than_refused() -> None:
    for text in (
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "\x00.\x00.\x00",
        "å.ä.ö",
        "e30.e30.",
        "W10.W10.x",
        f"{'e' * 16_000}.e30.x",
        "eyJ9.e30.x",
    ):
        with pytest.raises(InvalidToken):
            await Tokens([]).verify(text)
