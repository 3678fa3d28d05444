"""Google service account: key file and access token by signed assertion (RFC 7523)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import jwt
from pydantic import SecretStr

from utskick.domain.outcome import Misconfigured, Outcome, Reason
from utskick.outgoing.http_client import HttpClient, HttpRequest
from utskick.outgoing.parsing import members
from utskick.outgoing.token import Token, TokenSource

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
#: Lifetime of an assertion in seconds; Google accepts at most an hour.
_LIFE: Final = 3600
_UNREADABLE: Final = Misconfigured(
    Reason("service-account", "the service account file cannot be read or contains no valid key")
)


@dataclass(frozen=True, slots=True, repr=False)
class ServiceAccount:
    """Required members of the key file. ``token_uri``: the token endpoint it is valid for."""

    client_email: str
    private_key: str
    private_key_id: str | None
    token_uri: str

    @staticmethod
    def parse(text: bytes) -> ServiceAccount:
        """Parse the key file's JSON. Raises ``ValueError``, which reveals nothing of the input."""
        fields = members(text)
        email, key, key_id, uri = (
            fields.get(n) for n in ("client_email", "private_key", "private_key_id", "token_uri")
        )
        if not isinstance(email, str) or not isinstance(key, str):
            raise ValueError(
                "must be a service account's JSON: an object with client_email and private_key"
            )
        return ServiceAccount(
            email,
            key,
            key_id if isinstance(key_id, str) else None,
            uri if isinstance(uri, str) else _TOKEN_URL,
        )

    def verify(self) -> None:
        """Raise ``ValueError`` if the key cannot sign."""
        self.assertion(self.token_uri, 0)

    def assertion(self, audience: str, now: float) -> str:
        """Sign an assertion (RFC 7523 section 3) with Google's claims. Raises ``ValueError``."""
        claims = {
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + _LIFE,
        }
        headers = {"kid": self.private_key_id} if self.private_key_id else None
        try:
            return jwt.encode(claims, self.private_key, algorithm="RS256", headers=headers)
        except (jwt.PyJWTError, TypeError, ValueError) as fault:
            raise ValueError("private_key must be an RSA key in PEM") from fault


class AssertedToken(Token):
    """Access token of a service account, given as JSON or as a file.

    The file is read for every token, so that a rotated key takes effect without a restart.
    """

    def __init__(self, source: Path | SecretStr, url: str | None, wire: HttpClient) -> None:
        super().__init__(TokenSource(url or _TOKEN_URL, "", ""), wire)
        self._source = source
        self._url = url

    async def _fetch(self) -> str | Outcome:
        try:
            self._call = await asyncio.to_thread(self._token_request)
        except (OSError, ValueError):
            return _UNREADABLE
        return await super()._fetch()

    def _token_request(self) -> HttpRequest:
        source = self._source
        account = ServiceAccount.parse(
            source.read_bytes() if isinstance(source, Path) else source.get_secret_value().encode()
        )
        url = self._url or account.token_uri
        body = urlencode(
            {"grant_type": GRANT, "assertion": account.assertion(url, time.time())}
        ).encode("ascii")
        return HttpRequest(
            "POST",
            url,
            body,
            {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        )
