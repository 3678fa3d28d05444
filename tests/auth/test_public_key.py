"""A client's public key file: every form that is read, and private keys that are not."""

from __future__ import annotations

from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from utskick.auth.public_key import read
from utskick.domain.errors import Unreadable

RSA, EC = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def jwk(kind: Any, key: Any) -> dict[str, Any]:
    found: dict[str, Any] = kind.to_jwk(key, as_dict=True)
    return found


@pytest.mark.parametrize(("key", "kind"), [(RSA, "RSA"), (EC, "EC")])
def test_a_public_key_is_read_from_pem_with_an_id_of_its_own(key: Any, kind: str) -> None:
    [found] = read(pem(key.public_key()))["keys"]
    assert found["kty"] == kind
    assert found["kid"]
    [again] = read(orjson.dumps(found))["keys"]
    assert again == found


def test_a_jwk_set_keeps_the_ids_that_it_gives() -> None:
    keys = [
        {**jwk(jwt.algorithms.RSAAlgorithm, RSA.public_key()), "kid": "1"},
        jwk(jwt.algorithms.ECAlgorithm, EC.public_key()),
    ]
    first, second = read(orjson.dumps({"keys": keys}))["keys"]
    assert first["kid"] == "1"
    assert second["kid"] not in ("1", "None", "")


def test_a_private_key_is_refused_and_said_to_be_one() -> None:
    secret = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data in (secret, orjson.dumps(jwk(jwt.algorithms.ECAlgorithm, EC))):
        with pytest.raises(Unreadable, match="private key"):
            read(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "no public key in PEM"),
        (b'{"keys": []}', "no public key"),
        (b'{"kty": "oct", "k": "x"}', "RSA or an EC key"),
        (b"[1]", "no public key"),
        (pem(ed25519.Ed25519PrivateKey.generate().public_key()), "RSA or an EC"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read(data)
