"""What a verified token allows, and to whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """``client``: the client id, and ``@`` with its issuer where that is not ours. ``expires``: seconds since 1970.

    ``thumbprint``: of the certificate that the token is bound to (RFC 8705).
    """

    client: str
    municipalities: frozenset[str]
    scopes: frozenset[str]
    expires: float
    thumbprint: str | None = None
