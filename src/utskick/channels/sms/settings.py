"""The SMS section of the settings: who the sender is, how long a text may be, and the provider accounts."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, SecretStr, StringConstraints, model_validator

from utskick.channels.sms.sender import SenderId

#: TS 23.040 section 9.2.3.24.1: the number of parts is one octet.
MOST_SEGMENTS: Final = 255


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a whole address, such as https://sms.example.se")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be an address without user, '?' and '#'; the login has settings of its own")
    return text.rstrip("/")


def _certificates(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(path))
    except (ssl.SSLError, OSError) as fault:
        raise ValueError("must be a file of certificates in PEM form that this process may read") from fault
    return path


Address = Annotated[str, AfterValidator(_address)]
AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
Secret = Annotated[SecretStr, Field(min_length=1)]
Filled = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Account(_Section):
    """What every provider account has. ``rate`` in calls a second, time-outs in seconds.

    ``deduplicates``: the operator says that this gateway knows a reference of ours again and then sends nothing.
    ``receipt_secret``: what the provider must show when it reports to us; without it every report is refused.
    """

    url: Address
    priority: int = 1
    concurrency: int = Field(20, ge=1, le=1000)
    rate: float | None = Field(None, gt=0)
    connect_timeout: float = Field(5.0, gt=0)
    read_timeout: float = Field(15.0, gt=0)
    deduplicates: bool = False
    receipt_secret: Secret | None = None
    ca_file: Annotated[FilePath, AfterValidator(_certificates)] | None = None

    def tls(self) -> ssl.SSLContext | None:
        """The public authorities and the account's own beside them; None where the public ones are enough."""
        if self.ca_file is None:
            return None
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=str(self.ca_file))
        return context


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


class SmsSettings(_Section):
    """``senders``: the sender of those who name none, by municipality id; ``sender`` is that of all others.

    ``public_url``: where providers can call us back, such as https://utskick.example.se.
    """

    sender: SenderId = "Utskick"
    senders: dict[str, SenderId] = Field(default_factory=dict)
    segment_limit: int = Field(10, ge=1, le=MOST_SEGMENTS)
    public_url: Address | None = None
    accounts: dict[AccountName, Account] = Field(default_factory=dict)
