"""Setup of authentication from the settings: embedded issuer, external issuers, both, or none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from utskick.auth.bearer import BearerAuthenticator
from utskick.auth.claims import Claims
from utskick.auth.discovery import RemoteKeys
from utskick.auth.issuer import EmbeddedIssuer
from utskick.auth.key_rotation import TokenSigner
from utskick.auth.revocations import Revocations
from utskick.auth.settings import AuthSection
from utskick.auth.tokens import Tokens, TrustedIssuer
from utskick.domain.clock import Clock
from utskick.store.administration.clients import Clients
from utskick.store.administration.signing_keys import SigningKeys
from utskick.store.database import Database

_EMBEDDED = Claims(client=(("client_id",),), scope=(("scope",),))


@dataclass(frozen=True, slots=True)
class Access:
    """Authentication of the API.

    ``authenticator``: None where authentication is off. ``issuer``: None without the embedded
    issuer. ``discovery``: metadata address of the first external issuer, for the API description.
    ``token_rate``: calls of the token endpoint a second of one address.
    """

    authenticator: BearerAuthenticator | None = None
    issuer: EmbeddedIssuer | None = None
    discovery: str | None = None
    token_rate: float = 20.0


@asynccontextmanager
async def opened(
    section: AuthSection, database: Database, api_url: str, clock: Clock
) -> AsyncIterator[Access]:
    """Set up authentication. ``api_url``: address of the API.

    Connections to issuers are opened on demand, and closed on leaving.
    """
    if section.mode == "off":
        yield Access()
        return
    async with AsyncExitStack() as stack:
        trusted: list[TrustedIssuer] = []
        issuer: EmbeddedIssuer | None = None
        revocations: Revocations | None = None
        if section.embedded:
            revocations = Revocations(Clients(database), clock)
            await stack.enter_async_context(revocations.running())
            signing = TokenSigner(SigningKeys(database), clock)
            issuer = EmbeddedIssuer(
                section, section.issuer or api_url, Clients(database), signing, clock
            )
            trusted.append(TrustedIssuer(issuer.name, (section.audience,), _EMBEDDED, signing))
        for foreign in section.issuers:
            keys = RemoteKeys(foreign)
            stack.push_async_callback(keys.close)
            trusted.append(
                TrustedIssuer(
                    foreign.name,
                    foreign.audience or (section.audience,),
                    Claims.of(foreign),
                    keys,
                    foreign.audience_claim,
                )
            )
        token_urls = [issuer.token_url] if issuer is not None else []
        authenticator = BearerAuthenticator(
            Tokens(trusted),
            _advice(token_urls, [i.name for i in section.issuers]),
            certificate_header=section.certificate_header,
            revocations=revocations,
        )
        discovery = section.issuers[0].metadata_url if section.issuers else None
        yield Access(authenticator, issuer, discovery, section.token_rate)


def _advice(token_urls: Iterable[str], issuers: Iterable[str]) -> str:
    sources = [
        *(f"POST {url} (OAuth 2.0 client credentials)" for url in token_urls),
        *(f"the issuer {name}" for name in issuers),
    ]
    return f"Get one from {' or '.join(sources)}"
