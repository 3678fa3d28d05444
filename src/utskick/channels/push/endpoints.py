"""Allowlist of push services: protects from SSRF by endpoints of subscriptions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from yarl import URL

from utskick.outgoing.address_guard import origin_of

#: Push services of the browsers; ``*.`` matches any subdomain.
BROWSERS: Final = (
    "fcm.googleapis.com",
    "jmt17.google.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "*.push.apple.com",
)
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])\Z"
)


class Endpoints:
    """Allowlist of push service addresses.

    ``hosts``: names (``push.example.com``), subdomains (``*.example.com``) or ``*`` for every
    public host; reached over https on port 443. ``origins``: exact origins, which may be on a
    private network.
    """

    def __init__(self, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._names = frozenset(hosts)
        self._parents = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._origins = frozenset(origins)
        self.ours = frozenset((url.raw_host, url.port) for url in map(URL, origins))

    def is_origin(self, url: URL) -> bool:
        """Return whether the address is allowed by its exact origin."""
        return origin_of(url) in self._origins

    def allowed(self, endpoint: str) -> URL | None:
        """Return the endpoint if it is allowed, parsed as the HTTP client parses it, else None."""
        try:
            url = URL(endpoint)
            origin = origin_of(url)
        except ValueError:
            return None
        if url.raw_user is not None or url.raw_password is not None:
            return None
        if origin in self._origins:
            return url
        host = url.raw_host or ""
        # Names only: the resolver's address guard is not consulted for a numeric address.
        is_standard = url.scheme == "https" and url.port == 443 and _NAME.match(host) is not None
        is_listed = host in self._names or "*" in self._names or host.endswith(self._parents)
        return url if is_standard and is_listed else None
