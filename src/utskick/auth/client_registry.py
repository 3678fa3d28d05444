"""Client registry: creation, secret rotation and revocation of the embedded issuer's clients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from utskick.auth.jwks import read_set
from utskick.auth.secret_digest import digest_of, new_secret
from utskick.domain.clock import Clock
from utskick.domain.errors import Invalid, NotAllowedHere, NotFound, Violation
from utskick.store.administration.clients import Client, Clients, Contract

#: Default time that the previous secret stays valid after a rotation.
OVERLAP: Final = timedelta(hours=24)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def is_name(text: str) -> bool:
    """Return whether the text is a valid client name, which is also the client id."""
    return _NAME.match(text) is not None


@dataclass(frozen=True, slots=True)
class ClientPermissions:
    """Municipalities and scopes granted to a client, and the form of the answers that it gets."""

    municipalities: tuple[str, ...]
    scopes: tuple[str, ...]
    contract: Contract = "open"


class ClientRegistry:
    """Manages clients. ``scopes``, ``municipalities``: all that can be granted."""

    def __init__(
        self, clients: Clients, scopes: Iterable[str], municipalities: Sequence[str], clock: Clock
    ) -> None:
        self._clients = clients
        self._scopes = frozenset(scopes)
        self._municipalities = frozenset(municipalities)
        self._clock = clock

    async def create(
        self, name: str, allowed: ClientPermissions, public_keys: Mapping[str, Any] | None = None
    ) -> str | None:
        """Create a client and return its secret; None with ``public_keys`` (a JWK set).

        Raises ``Invalid`` or ``NotAllowedHere``.
        """
        self._check(name, allowed, public_keys)
        secret = new_secret() if public_keys is None else None
        digest = digest_of(secret) if secret is not None else None
        client = Client(
            name,
            allowed.municipalities,
            allowed.scopes,
            digest,
            self._clock(),
            public_keys=public_keys,
            contract=allowed.contract,
        )
        if not await self._clients.add(client):
            raise NotAllowedHere(
                f"a client named {name} exists or existed; names are not reused, since the audit"
                " log refers to them"
            )
        return secret

    async def rotate(self, name: str, overlap: timedelta = OVERLAP) -> str:
        """Replace the secret; the previous one is valid for ``overlap``.

        Raises ``NotFound`` or ``NotAllowedHere``.
        """
        client = await self._clients.get(name)
        if client is not None and client.public_keys is not None:
            raise NotAllowedHere(
                f"{name} has no secret, as it authenticates with a key of its own: create a new"
                " client with the new public key"
            )
        secret = new_secret()
        if not await self._clients.replace_secret(name, digest_of(secret), self._clock() + overlap):
            raise NotFound(f"no client is named {name} (or it has been revoked)")
        return secret

    async def set_contract(self, name: str, contract: Contract) -> None:
        """Set the form of the client's answers, from its next token on. Raises ``NotFound``."""
        if not await self._clients.set_contract(name, contract):
            raise NotFound(f"no client is named {name} (or it has been revoked)")

    async def revoke(self, name: str) -> None:
        """Revoke the client; tokens already issued expire in minutes. Raises ``NotFound``."""
        if not await self._clients.revoke(name, self._clock()):
            raise NotFound(f"no client is named {name} (or it has already been revoked)")

    async def listed(self) -> list[Client]:
        return await self._clients.listed()

    def _check(
        self, name: str, allowed: ClientPermissions, public_keys: Mapping[str, Any] | None
    ) -> None:
        faults = []
        if not is_name(name):
            faults.append(
                Violation(
                    "name",
                    "must be 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or"
                    " a digit",
                )
            )
        faults += [
            _unknown("municipality", m, self._municipalities)
            for m in allowed.municipalities
            if m not in self._municipalities
        ]
        faults += [
            _unknown("scope", s, self._scopes) for s in allowed.scopes if s not in self._scopes
        ]
        if not allowed.municipalities:
            faults.append(Violation("municipality", "must be given at least once"))
        if not allowed.scopes:
            faults.append(Violation("scope", "must be given at least once"))
        if public_keys is not None and not read_set(public_keys):
            faults.append(
                Violation(
                    "public-key",
                    "must contain an RSA key of 2048 bits or more, or a P-256 key, with a kid where"
                    " it is a JWK",
                )
            )
        if faults:
            raise Invalid(faults)


def _unknown(field: str, value: str, known: Iterable[str]) -> Violation:
    return Violation(field, f"{value} is not one of {', '.join(sorted(known))}")
