"""Which push services may be called. A subscription's endpoint comes from outside: without a guard
it could name any machine (SSRF)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from yarl import URL

from utskick.outgoing.address_guard import origin_of

#: The push services of the browsers; ``*.`` stands for any names before.
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
    """``hosts``: names (``push.example.com``), all below one (``*.example.com``), or ``*`` for
    every public one; by https on port 443.

    ``origins`` are allowed exactly as they are written, and wherever they lead: a push service on a
    network of our own.
    """

    def __init__(self, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._names = frozenset(hosts)
        self._parents = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._origins = frozenset(origins)
        self.ours = frozenset((url.raw_host, url.port) for url in map(URL, origins))

    def allowed(self, endpoint: str) -> URL | None:
        """The endpoint as it will be called; None where it must not be. Read by the client's own
        parser, so that both see one host."""
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
        # A name only: an address written as a number would never be seen by the resolver's guard.
        usual = url.scheme == "https" and url.port == 443 and _NAME.match(host) is not None
        known = host in self._names or "*" in self._names or host.endswith(self._parents)
        return url if usual and known else None
