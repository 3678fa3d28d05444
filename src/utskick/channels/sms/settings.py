"""The SMS section of the settings: who the sender is, how long a text may be, and the provider accounts."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from utskick.channels.sms.sender import SenderId
from utskick.outgoing.section import AccountName, Address, Filled, HttpAccount, Secret, Section

#: TS 23.040 section 9.2.3.24.1: the number of parts is one octet.
MOST_SEGMENTS: Final = 255


class _Account(HttpAccount):
    """What every SMS account has.

    ``deduplicates``: the operator says that this gateway knows a reference of ours again and then sends nothing.
    ``receipt_secret``: what the provider must show when it reports to us; without it every report is refused.
    """

    deduplicates: bool = False
    receipt_secret: Secret | None = None

    @property
    def reports(self) -> bool:
        """Whether reports can come: without a secret every one of them is refused."""
        return self.receipt_secret is not None


class LinkAccount(_Account):
    """LINK Mobility, LINK Common."""

    provider: Literal["link"]
    username: Filled
    password: Secret
    platform_id: Filled
    partner_id: Filled
    delivery_reports: bool = True


class TeliaAccount(_Account):
    """Telia SmsSenderPremium 1.0.0."""

    provider: Literal["telia"]
    token_url: Address
    client_id: Filled
    client_secret: Secret

    @model_validator(mode="after")
    def _carries_no_reference(self) -> Self:
        if self.deduplicates:
            raise ValueError("deduplicates cannot be true: Telia's protocol carries no reference to know a message by")
        return self


class ElksAccount(_Account):
    """46elks."""

    provider: Literal["46elks"]
    username: Filled
    password: Secret


Account = Annotated[LinkAccount | TeliaAccount | ElksAccount, Field(discriminator="provider")]


class SmsSettings(Section):
    """``senders``: the sender of those who name none, by municipality id; ``sender`` is that of all others.

    ``public_url``: where providers can call us back, such as https://utskick.example.se.
    """

    sender: SenderId = "Utskick"
    senders: dict[str, SenderId] = Field(default_factory=dict)
    segment_limit: int = Field(10, ge=1, le=MOST_SEGMENTS)
    public_url: Address | None = None
    accounts: dict[AccountName, Account] = Field(default_factory=dict)
