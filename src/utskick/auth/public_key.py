"""Reading of a client's public key file: PEM, a JWK, or a JWK set."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import Any, Final

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from utskick.domain.errors import Unreadable

#: RFC 7638 section 3.2 (required members), and RFC 7518 section 6 (other public members).
_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
_MORE: Final = ("alg", "use", "kid")


def read(data: bytes) -> dict[str, Any]:
    """Return a JWK set of public members, each key with an id. Raises ``Unreadable``."""
    jwks = _of_pem(data) if b"-----BEGIN" in data else _of_json(data)
    keys = [_public(jwk) for jwk in jwks]
    if not keys:
        raise Unreadable(
            "the file contains no public key: PEM (BEGIN PUBLIC KEY), a JWK or a JWK set is"
            " supported"
        )
    return {"keys": keys}


def _public(jwk: Any) -> dict[str, Any]:
    members = _MEMBERS.get(jwk.get("kty", "")) if isinstance(jwk, dict) else None
    if members is None or any(not isinstance(jwk.get(name), str) for name in members):
        raise Unreadable("the key must be an RSA or an EC key")
    if "d" in jwk:
        raise Unreadable("this is a private key: keep it secret, and give the public key")
    bare = {name: jwk[name] for name in members}
    thumbprint = (
        urlsafe_b64encode(hashlib.sha256(orjson.dumps(bare)).digest()).rstrip(b"=").decode()
    )
    return {
        **bare,
        **{name: jwk[name] for name in _MORE if isinstance(jwk.get(name), str)},
        "kid": str(jwk.get("kid") or thumbprint),
    }


def _of_pem(data: bytes) -> list[Any]:
    if b"PRIVATE KEY" in data:
        raise Unreadable("this is a private key: keep it secret, and give the public key")
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise Unreadable("the file contains no public key in PEM") from None
    if isinstance(key, RSAPublicKey):
        return [jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)]
    if isinstance(key, EllipticCurvePublicKey):
        return [jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)]
    return [None]


def _of_json(data: bytes) -> list[Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Unreadable("the file is neither PEM nor JSON") from None
    listed = value.get("keys", [value]) if isinstance(value, dict) else None
    return listed if isinstance(listed, list) else []
