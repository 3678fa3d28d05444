"""The register of clients: who may fetch tokens, made and ended by whoever runs the service. A
secret is shown once."""

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
from utskick.store.administration.clients import Client, Clients

#: How long the secret before is good after a new one was made, where nobody says otherwise.
OVERLAP: Final = timedelta(hours=24)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def is_name(text: str) -> bool:
    """Whether a client can have this name; it is the client id, too."""
    return _NAME.match(text) is not None


@dataclass(frozen=True, slots=True)
class ClientPermissions:
    """What a client may."""

    municipalities: tuple[str, ...]
    scopes: tuple[str, ...]


class ClientRegistry:
    """``scopes``, ``municipalities``: all that there are."""

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
        """Its secret; None where it has public keys (a JWK set) instead. Raises ``Invalid`` or
        ``NotAllowedHere``."""
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
        )
        if not await self._clients.add(client):
            raise NotAllowedHere(
                f"there is, or was, a client named {name}; names are not used again, since the audit trail knows them"
            )
        return secret

    async def rotate(self, name: str, overlap: timedelta = OVERLAP) -> str:
        """A new secret; the one before is good for ``overlap``. Raises ``NotFound`` or
        ``NotAllowedHere``."""
        client = await self._clients.get(name)
        if client is not None and client.public_keys is not None:
            raise NotAllowedHere(
                f"{name} has no secret, it signs with a key of its own: make a new client with the new public key"
            )
        secret = new_secret()
        if not await self._clients.replace_secret(name, digest_of(secret), self._clock() + overlap):
            raise NotFound(f"there is no client named {name} (or it has been revoked)")
        return secret

    async def revoke(self, name: str) -> None:
        """It gets no token any more; those that it has end within minutes. Raises ``NotFound``."""
        if not await self._clients.revoke(name, self._clock()):
            raise NotFound(f"there is no client named {name} (or it has been revoked before)")

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
                    "must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or a digit",
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
            faults.append(Violation("municipality", "must be said at least once"))
        if not allowed.scopes:
            faults.append(Violation("scope", "must be said at least once"))
        if public_keys is not None and not read_set(public_keys):
            faults.append(
                Violation(
                    "public-key",
                    "must hold an RSA key of 2048 bits or more, or a P-256 key, with a kid where it is a JWK",
                )
            )
        if faults:
            raise Invalid(faults)


def _unknown(field: str, found: str, known: Iterable[str]) -> Violation:
    return Violation(field, f"{found} is none of {', '.join(sorted(known))}")
