"""Settings section ``[digital_invoice]``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from utskick.domain.validators import Line
from utskick.outgoing.settings_types import (
    AccountName,
    ChannelSection,
    HttpAccount,
    NonEmpty,
    Secret,
)


class KivraAccount(HttpAccount):
    """One tenant at Kivra.

    ``municipalities``: municipalities whose invoices it sends, empty for all. ``scope``: of the
    token, if Kivra assigns one. ``deduplicates``: Kivra recognises byte-identical content, which is
    true in production but not in its sandbox. ``matched_seconds``: how long a user match is cached.
    """

    provider: Literal["kivra"] = "kivra"
    tenant_key: NonEmpty
    client_id: NonEmpty
    client_secret: Secret
    scope: str | None = None
    municipalities: tuple[str, ...] = ()
    deduplicates: bool = True
    matched_seconds: float = Field(300.0, ge=0)


class DigitalInvoiceSettings(ChannelSection):
    """Section ``[digital_invoice]``.

    ``content_limit``: maximum bytes of an encoded invoice. ``length_digit``: accounts whose OCR
    numbers include a length digit.
    """

    #: All of them are applied by ``plan``.
    carried: ClassVar = frozenset({"subject", "content_limit", "length_digit"})

    unsettled: Literal["cancel", "continue"] = "cancel"
    subject: Line = "Faktura"
    content_limit: int = Field(1_000_000, ge=10_000, le=10_000_000)
    length_digit: tuple[str, ...] = ()
    accounts: dict[AccountName, KivraAccount] = Field(default_factory=dict)
