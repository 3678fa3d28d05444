"""Settings section ``[auth]``: accepted issuers and their claims."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from utskick.auth.claim_path import ClaimPath
from utskick.outgoing.address_guard import is_this_machine
from utskick.outgoing.settings_types import Address, ExactAddress, HttpPeer, NonEmpty, Section
from utskick.settings import Municipality

_SANDBOX_TOKEN_SECONDS: Final = 3600

Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]


def _secure(text: str) -> str:
    """Require a secure address, as keys read over an insecure one could be replaced."""
    if not is_secure(text):
        raise ValueError("must be an https address (http only on this machine)")
    return text


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def is_secure(url: str) -> bool:
    """Return whether the address is safe from interception: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (
            parts.scheme == "https"
            or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))
        )
    except ValueError:
        return False


SecureAddress = Annotated[Address, AfterValidator(_secure)]
ExactSecureAddress = Annotated[ExactAddress, AfterValidator(_secure)]
#: What the audience of an access token is compared with: one, or any of several.
Audiences = Annotated[tuple[NonEmpty, ...], BeforeValidator(_listed), Field(min_length=1)]


class IssuerSection(HttpPeer):
    """An external issuer. ``url``: its ``iss``, exactly as written, and the base of its metadata.

    Metadata: OpenID Connect Discovery or RFC 8414. ``jwks_url``: for an issuer without metadata.
    ``audience``: one, or a list of which the token must have one. ``audience_claim``: where an
    issuer has no ``aud`` in its access tokens (Amazon Cognito: ``client_id``). ``client_claim``:
    default ``client_id``, else ``azp``, else ``sub``. ``municipalities``: fixed for all its
    tokens, instead of a claim. ``scope_claim``: default ``scope``, else ``scp``, else ``roles``.
    ``scopes``: maps its scopes to ours; unmapped ones are ignored. Claims are named as
    ``ClaimPath`` says. ``label``: suffix of its client ids (``bygg@kommun``), which keeps the
    clients of different issuers apart. ``strict_clients``: ids of its clients that get exactly the
    members and words of the contract (docs/contract.md).
    """

    url: ExactSecureAddress
    issuer: NonEmpty | None = None
    jwks_url: ExactSecureAddress | None = None
    audience: Audiences | None = None
    audience_claim: ClaimPath = ("aud",)
    client_claim: ClaimPath | None = None
    municipality_claim: ClaimPath = ("municipalities",)
    municipalities: tuple[Municipality, ...] | None = Field(None, min_length=1)
    scope_claim: ClaimPath | None = None
    scopes: dict[str, tuple[str, ...]] | None = None
    label: Annotated[str, Field(pattern=r"^[^@\s]{1,255}$")] | None = None
    strict_clients: tuple[NonEmpty, ...] = ()
    concurrency: int = Field(2, ge=1, le=10)

    @property
    def name(self) -> str:
        """The exact ``iss`` of its tokens."""
        return self.issuer or self.url

    @property
    def realm(self) -> str:
        """Suffix of its client ids: ``label``, else its address without the scheme."""
        return self.label or re.sub(r"\Ahttps?://|@|\s|/+\Z", "", self.name)

    @property
    def metadata_url(self) -> str:
        """Address of its metadata (OpenID Connect Discovery section 4.1)."""
        return f"{self.url.rstrip('/')}/.well-known/openid-configuration"


class AuthSection(Section):
    """Section ``[auth]``.

    ``mode``: whose tokens are accepted; ``off`` disables authentication. ``issuer``: public address
    of the embedded issuer, ``token_seconds``: lifetime of its tokens, ``token_rate``: calls of the
    token endpoint a second of one address. ``certificate_header``: header in which a proxy passes
    the thumbprint of the client certificate (RFC 8705 section 3.1).
    """

    mode: Literal["embedded", "external", "both", "off"] = "embedded"
    issuers: tuple[IssuerSection, ...] = ()
    issuer: SecureAddress | None = None
    audience: NonEmpty = "utskick"
    token_seconds: int = Field(600, ge=60, le=3600)
    token_rate: float = Field(20.0, ge=0.1, le=1_000_000)
    certificate_header: Header | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> AuthSection:
        if self.foreign and not self.issuers:
            raise ValueError(
                f'mode "{self.mode}" requires an issuer: add [[auth.issuers]] with its url'
            )
        if self.issuers and not self.foreign:
            raise ValueError(
                f'mode "{self.mode}" does not accept tokens of [[auth.issuers]]: set mode ='
                ' "external" or "both"'
            )
        names = [issuer.name for issuer in self.issuers]
        if len(set(names)) < len(names):
            raise ValueError("each of [[auth.issuers]] must have a different url")
        realms = [issuer.realm for issuer in self.issuers]
        if len(set(realms)) < len(realms):
            raise ValueError(
                "each of [[auth.issuers]] must have a different label, which keeps their clients"
                " apart"
            )
        return self

    @property
    def embedded(self) -> bool:
        """Whether the embedded issuer is enabled."""
        return self.mode in ("embedded", "both")

    @property
    def foreign(self) -> bool:
        """Whether tokens of external issuers are accepted."""
        return self.mode in ("external", "both")

    def in_sandbox(self) -> AuthSection:
        """Return it with tokens that last an hour, unless their lifetime is set."""
        if "token_seconds" in self.model_fields_set:
            return self
        return self.model_copy(update={"token_seconds": _SANDBOX_TOKEN_SECONDS})
