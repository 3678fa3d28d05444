"""Access as the settings choose it: a door for the tokens of our own issuer, of the municipality's,
of both, or no door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from utskick.auth.bearer import BearerAuthenticator
from utskick.auth.claims import Claims
from utskick.auth.discovery import RemoteKeys
from utskick.auth.issuer import EmbeddedIssuer
from utskick.auth.key_rotation import Signing
from utskick.auth.settings import AuthSection
from utskick.auth.tokens import Tokens, Trusted
from utskick.domain.clock import Clock
from utskick.store.administration.clients import Clients
from utskick.store.administration.signing_keys import SigningKeys
from utskick.store.database import Database

_EMBEDDED = Claims(client=("client_id",), scope=("scope",))


@dataclass(frozen=True, slots=True)
class Access:
    """``door``: None where nobody is asked for a token. ``issuer``: None where no tokens are given
    out here.

    ``discovery``: where the metadata of the first issuer elsewhere are, for those who read the
    API's description.
    """

    door: BearerAuthenticator | None = None
    issuer: EmbeddedIssuer | None = None
    discovery: str | None = None


@asynccontextmanager
async def opened(
    section: AuthSection, database: Database, api_url: str, clock: Clock
) -> AsyncIterator[Access]:
    """``api_url``: where we listen. Connections to issuers are opened when a token of theirs comes,
    and closed here."""
    if section.mode == "off":
        yield Access()
        return
    async with AsyncExitStack() as stack:
        trusted: list[Trusted] = []
        issuer: EmbeddedIssuer | None = None
        if section.embedded:
            signing = Signing(SigningKeys(database), clock)
            issuer = EmbeddedIssuer(
                section, section.issuer or api_url, Clients(database), signing, clock
            )
            trusted.append(Trusted(issuer.name, section.audience, _EMBEDDED, signing))
        for foreign in section.issuers:
            keys = RemoteKeys(foreign)
            stack.push_async_callback(keys.close)
            trusted.append(
                Trusted(
                    foreign.name, foreign.audience or section.audience, Claims.of(foreign), keys
                )
            )
        places = [issuer.token_url] if issuer is not None else []
        header = section.certificate_header
        door = BearerAuthenticator(
            Tokens(trusted),
            _advice(places, [i.name for i in section.issuers]),
            certificate_header=header,
        )
        discovery = (
            f"{section.issuers[0].url}/.well-known/openid-configuration"
            if section.issuers
            else None
        )
        yield Access(door, issuer, discovery)


def _advice(ours: Iterable[str], theirs: Iterable[str]) -> str:
    places = [
        *(f"POST {url} (OAuth 2.0 client credentials)" for url in ours),
        *(f"the issuer {name}" for name in theirs),
    ]
    return f"Get one from {' or '.join(places)}"
