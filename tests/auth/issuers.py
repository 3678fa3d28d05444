"""An issuer of tokens on 127.0.0.1, with keys that come and go, and whatever token a test wants to
be given."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from utskick.auth.settings import IssuerSection

#: Made once: an RSA key takes a while.
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER_EC = ec.generate_private_key(ec.SECP256R1())


def public(key: Any, kid: str | None, **members: Any) -> dict[str, Any]:
    """As a JWK."""
    kind = (
        jwt.algorithms.RSAAlgorithm
        if isinstance(key, rsa.RSAPrivateKey)
        else jwt.algorithms.ECAlgorithm
    )
    named = {"kid": kid} if kid is not None else {}
    return {**kind.to_jwk(key.public_key(), as_dict=True), **named, "use": "sig", **members}


class Issuer:
    """``keys``: what it publishes, by kid. ``away``: answers 503. ``asked``: how often its keys
    were asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str | None, Any] = {"rsa": RSA, "ec": EC}
        self.metadata: dict[str, Any] = {}
        self.away = False
        self.asked = 0

    def section(self, **more: Any) -> IssuerSection:
        return IssuerSection(url=self.url, label="kommun", **more)

    def claims(self, **over: Any) -> dict[str, Any]:
        """Of a good token; None takes a claim away."""
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": "utskick",
            "exp": now + 300,
            "iat": now,
            "sub": "s-1",
            "client_id": "skolappen",
            "jti": "j-1",
            "scope": "sms:send status:read",
            "municipalities": ["2281"],
        }
        return {name: value for name, value in {**good, **over}.items() if value is not None}

    def token(
        self,
        kid: str = "ec",
        alg: str = "ES256",
        *,
        key: Any = None,
        typ: str | None = "at+jwt",
        typ_claim: str | None = None,
        **over: Any,
    ) -> str:
        over |= {"typ": typ_claim}
        header = {"kid": kid, "typ": typ}
        return jwt.encode(
            self.claims(**over), key if key is not None else self.keys[kid], alg, header
        )

    async def _metadata(self, _request: web.Request) -> web.Response:
        found: Mapping[str, Any] = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            **self.metadata,
        }
        return web.Response(status=503) if self.away else web.json_response(found)

    async def _keys(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return (
            web.Response(status=503)
            if self.away
            else web.json_response({"keys": [public(k, kid) for kid, k in self.keys.items()]})
        )


@asynccontextmanager
async def issuing(port: int = 0) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer._metadata)
    app.router.add_get("/keys", issuer._keys)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield issuer
    finally:
        await runner.cleanup()
