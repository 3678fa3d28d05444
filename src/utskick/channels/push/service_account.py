"""A Google service account: its key file, and the access token that a signed assertion is exchanged
for (RFC 7523)."""

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
from utskick.outgoing.http_client import HttpRequest, Outgoing
from utskick.outgoing.parsing import members
from utskick.outgoing.token import Token, TokenSource

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105
#: Seconds that an assertion is good; Google takes no more than an hour.
_LIFE: Final = 3600
_UNREADABLE: Final = Misconfigured(
    Reason("service-account", "the service account cannot be read, or holds no key")
)


@dataclass(frozen=True, slots=True, repr=False)
class ServiceAccount:
    """What of the key file is needed. ``token_uri``: where it is good."""

    client_email: str
    private_key: str
    private_key_id: str | None
    token_uri: str

    @staticmethod
    def parse(text: bytes) -> ServiceAccount:
        """From the key file's JSON. Raises ``ValueError`` where it is none, without a word of what
        was found."""
        said = members(text)
        email, key, key_id, uri = (
            said.get(n) for n in ("client_email", "private_key", "private_key_id", "token_uri")
        )
        if not isinstance(email, str) or not isinstance(key, str):
            raise ValueError(
                "must be the JSON of a service account: an object with client_email and private_key"
            )
        return ServiceAccount(
            email,
            key,
            key_id if isinstance(key_id, str) else None,
            uri if isinstance(uri, str) else _TOKEN_URL,
        )

    def prove(self) -> None:
        """Raises ``ValueError`` where the key cannot sign."""
        self.assertion(self.token_uri, 0)

    def assertion(self, audience: str, now: float) -> str:
        """RFC 7523 section 3, with the claims that Google asks for. Raises ``ValueError`` where the
        key is none."""
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
            raise ValueError("must have an RSA key in PEM as its private_key") from fault


class AssertedToken(Token):
    """The token of one service account: its JSON, or the file, read anew for every token, so that
    another key needs no restart."""

    def __init__(self, source: Path | SecretStr, url: str | None, wire: Outgoing) -> None:
        super().__init__(TokenSource(url or _TOKEN_URL, "", ""), wire)
        self._source = source
        self._url = url

    async def _fetch(self) -> str | Outcome:
        try:
            self._call = await asyncio.to_thread(self._asked)
        except (OSError, ValueError):
            return _UNREADABLE
        return await super()._fetch()

    def _asked(self) -> HttpRequest:
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
