"""The ``[auth]`` table: who gives out the tokens that are taken here, and what their claims say."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from utskick.outgoing.address_guard import is_this_machine
from utskick.outgoing.settings_types import Address, HttpPeer, NonEmpty, Section
from utskick.settings import Municipality

Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]


def _secure(text: str) -> str:
    """Keys that come over a line which others can write on would be theirs."""
    if not is_secure(text):
        raise ValueError("must be an https address (http only on this machine)")
    return text


def is_secure(url: str) -> bool:
    """Whether nobody else can write on the line: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (
            parts.scheme == "https"
            or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))
        )
    except ValueError:
        return False


SecureAddress = Annotated[Address, AfterValidator(_secure)]


class IssuerSection(HttpPeer):
    """An issuer of the municipality's. ``url``: its ``iss``, under which its metadata is found
    (OpenID Connect Discovery, RFC 8414).

    ``jwks_url``: where its keys are, for one that has no metadata. ``client_claim``: default
    ``client_id``, else ``azp``, else ``sub``. ``municipalities``: of every token of this issuer,
    instead of a claim. ``scope_claim``: default ``scope``, else ``scp``, else ``roles``.
    ``scopes``: its word → ours; with it, only its words count. Claims within others are named with
    a dot between. ``label``: what stands behind its clients' names (``bygg@kommun``): a client of
    one issuer is never taken for a client of another.
    """

    url: SecureAddress
    issuer: NonEmpty | None = None
    jwks_url: SecureAddress | None = None
    audience: NonEmpty | None = None
    client_claim: NonEmpty | None = None
    municipality_claim: NonEmpty = "municipalities"
    municipalities: tuple[Municipality, ...] | None = Field(None, min_length=1)
    scope_claim: NonEmpty | None = None
    scopes: dict[str, tuple[str, ...]] | None = None
    label: Annotated[str, Field(pattern=r"^[^@\s]{1,255}$")] | None = None
    concurrency: int = Field(2, ge=1, le=10)

    @property
    def name(self) -> str:
        """What its tokens say in ``iss``, to the letter."""
        return self.issuer or self.url

    @property
    def realm(self) -> str:
        """What its clients are of: ``label``, else its address without the scheme."""
        return self.label or re.sub(r"\Ahttps?://|@|\s", "", self.name)


class AuthSection(Section):
    """``mode``: whose tokens are taken; ``off``: nobody is asked for one. ``issuer``: the address
    under which the embedded issuer is known.

    ``certificate_header``: in which a proxy tells the thumbprint of the client's certificate (RFC
    8705 section 3.1).
    """

    mode: Literal["embedded", "external", "both", "off"] = "embedded"
    issuers: tuple[IssuerSection, ...] = ()
    issuer: SecureAddress | None = None
    audience: NonEmpty = "utskick"
    token_seconds: int = Field(600, ge=60, le=3600)
    certificate_header: Header | None = None

    @model_validator(mode="after")
    def _consistent(self) -> AuthSection:
        if self.foreign and not self.issuers:
            raise ValueError(
                f'mode "{self.mode}" needs an issuer: add [[auth.issuers]] with its url'
            )
        if self.issuers and not self.foreign:
            raise ValueError(
                f'mode "{self.mode}" takes no tokens of [[auth.issuers]]: write mode = "external" or "both"'
            )
        names = [issuer.name for issuer in self.issuers]
        if len(set(names)) < len(names):
            raise ValueError("each of [[auth.issuers]] must have a url of its own")
        realms = [issuer.realm for issuer in self.issuers]
        if len(set(realms)) < len(realms):
            raise ValueError(
                "each of [[auth.issuers]] must have a label of its own: it tells their clients apart"
            )
        return self

    @property
    def embedded(self) -> bool:
        """Whether tokens are given out here."""
        return self.mode in ("embedded", "both")

    @property
    def foreign(self) -> bool:
        return self.mode in ("external", "both")
