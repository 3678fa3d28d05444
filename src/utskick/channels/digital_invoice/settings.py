"""The digital invoice section of the settings."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from utskick.domain.validators import Line
from utskick.outgoing.settings_types import AccountName, ChannelSection, Filled, HttpAccount, Secret


class KivraAccount(HttpAccount):
    """One tenant at Kivra. ``municipalities``: whose invoices it carries, all where empty.
    ``scope``: of the token, where Kivra names one.

    ``deduplicates``: Kivra knows a content again that is identical to the byte. True in production,
    not in its sandbox. ``matched_seconds``: how long an answer about who can be reached is
    believed.
    """

    provider: Literal["kivra"] = "kivra"
    tenant_key: Filled
    client_id: Filled
    client_secret: Secret
    scope: str | None = None
    municipalities: tuple[str, ...] = ()
    deduplicates: bool = True
    matched_seconds: float = Field(300.0, ge=0)


class DigitalInvoiceSettings(ChannelSection):
    """``content_limit``: bytes of one content as it goes over the wire. ``length_digit``: accounts
    whose OCR numbers tell their length."""

    #: All of them are looked at by ``plan`` alone; the subject is in the content.
    carried: ClassVar = frozenset({"subject", "content_limit", "length_digit"})

    subject: Line = "Faktura"
    content_limit: int = Field(1_000_000, ge=10_000, le=10_000_000)
    length_digit: tuple[str, ...] = ()
    accounts: dict[AccountName, KivraAccount] = Field(default_factory=dict)
