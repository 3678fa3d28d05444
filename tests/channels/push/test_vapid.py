"""VAPID: the forms of a key, and how long a token is used."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from utskick.channels.push.vapid import LIFE, MARGIN, Vapid, from_base64url, read_key, to_base64url

KEY = ec.generate_private_key(ec.SECP256R1())


class Clock:
    now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


def pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    form: PrivateFormat = PrivateFormat.PKCS8,
    word: bytes = b"",
) -> str:
    return key.private_bytes(
        Encoding.PEM, form, BestAvailableEncryption(word) if word else NoEncryption()
    ).decode()


def octets(size: int = 32) -> str:
    return to_base64url(KEY.private_numbers().private_value.to_bytes(32)[:size])


FORMS = [
    pem(KEY),
    pem(KEY, PrivateFormat.TraditionalOpenSSL),
    octets(),
    octets() + "=",
    f" {octets()}\n",
]


@pytest.mark.parametrize("text", FORMS, ids=range(len(FORMS)))
def test_a_key_is_read_in_every_form_that_tools_give(text: str) -> None:
    assert read_key(text).private_numbers() == KEY.private_numbers()


OTHER = [
    *(
        "",
        "secret",
        octets(31),
        octets() + octets(),
        "A" * 43,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ),
    *(
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
        pem(KEY, word=b"word"),
    ),
]


@pytest.mark.parametrize("text", OTHER, ids=range(len(OTHER)))
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="must be a P-256 private key") as caught:
        read_key(text)
    assert not text or text not in str(caught.value)


def test_a_token_is_used_until_shortly_before_its_end() -> None:
    clock = Clock()
    vapid = Vapid(KEY, "mailto:push@example.se", clock)
    first = vapid.authorization("https://push.example.net")
    clock.now += LIFE - MARGIN - 1
    assert vapid.authorization("https://push.example.net") == first
    clock.now += 2
    assert vapid.authorization("https://push.example.net") != first


def test_a_token_is_for_one_push_service_and_lives_less_than_a_day() -> None:
    clock = Clock()
    vapid = Vapid(KEY, "mailto:push@example.se", clock)
    for origin in ("https://push.example.net", "https://fcm.googleapis.com"):
        token = vapid.authorization(origin).removeprefix("vapid t=").partition(",")[0]
        claims = jwt.decode(token, KEY.public_key(), ["ES256"], audience=origin)
        assert clock.now < claims["exp"] <= clock.now + 24 * 3600


def test_only_so_many_services_are_remembered() -> None:
    vapid = Vapid(KEY, "mailto:push@example.se", Clock())
    first = vapid.authorization("https://first.example")
    for number in range(100):
        vapid.authorization(f"https://{number}.example")
    assert vapid.authorization("https://first.example") != first


@pytest.mark.parametrize("text", ["!", "a b", "åäö", "A"])
def test_what_is_no_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_base64url(text)
