"""The SMS section of the settings: who the sender is, how long a text may be, and the provider
accounts."""

from __future__ import annotations

import ssl
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from utskick.channels.sms.sender_id import SenderId
from utskick.outgoing.settings_types import (
    AccountName,
    Address,
    ChannelSection,
    Filled,
    HttpAccount,
    Secret,
    Trusting,
)

#: TS 23.040 section 9.2.3.24.1: the number of parts is one octet.
MOST_SEGMENTS: Final = 255


class _SmsAccount(HttpAccount):
    """What every SMS account has.

    ``deduplicates``: the operator says that this gateway knows a reference of ours again and then
    sends nothing. ``receipt_secret``: what the provider must show when it reports to us; without it
    every report is refused.
    """

    deduplicates: bool = False
    receipt_secret: Secret | None = None

    @property
    def reports(self) -> bool:
        """Whether reports can come: without a secret every one of them is refused."""
        return self.receipt_secret is not None


class LinkAccount(_SmsAccount):
    """LINK Mobility, LINK Common."""

    provider: Literal["link"]
    username: Filled
    password: Secret
    platform_id: Filled
    partner_id: Filled
    delivery_reports: bool = True


class TeliaAccount(_SmsAccount):
    """Telia SmsSenderPremium 1.0.0."""

    provider: Literal["telia"]
    token_url: Address
    client_id: Filled
    client_secret: Secret

    @model_validator(mode="after")
    def _carries_no_reference(self) -> Self:
        if self.deduplicates:
            raise ValueError(
                "deduplicates cannot be true: Telia's protocol carries no reference to know a message by"
            )
        return self


class ElksAccount(_SmsAccount):
    """46elks."""

    provider: Literal["46elks"]
    username: Filled
    password: Secret


def _octets(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must hold only printable ASCII characters")
    return text


class SmppAccount(Trusting):
    """A message centre over SMPP 3.4, bound as transceiver. Times in seconds, ``rate`` in messages
    a second.

    ``security``: TLS, unless "plain" is said. ``window``: requests on their way at a time, and so
    the account's concurrency. ``enquire_link``: how often the session is asked whether it lives.
    ``source_ton``, ``source_npi``: what the sender is called to be (SMPP 3.4 sections 5.2.5 and
    5.2.6); 5 and 0 for a name. ``long_messages``: in segments with a user data header, or whole as
    message_payload. ``deduplicates`` as for the others.
    """

    provider: Literal["smpp"]
    host: Filled
    port: int = Field(ge=1, le=65535)
    security: Literal["tls", "plain"] = "tls"
    system_id: Annotated[str, Field(min_length=1, max_length=15), AfterValidator(_octets)]
    password: Secret
    system_type: Annotated[str, Field(max_length=12), AfterValidator(_octets)] = ""
    priority: int = 1
    rate: float | None = Field(None, gt=0)
    window: int = Field(10, ge=1, le=1000)
    connect_timeout: float = Field(5.0, gt=0)
    response_timeout: float = Field(15.0, gt=0)
    enquire_link: float = Field(30.0, gt=0)
    source_ton: int = Field(5, ge=0, le=6)
    source_npi: int = Field(0, ge=0, le=18)
    long_messages: Literal["segments", "payload"] = "segments"
    deduplicates: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (given := self.one_of("ca_file", "ca")) and self.security == "plain":
            raise ValueError(f"{given} has no meaning where security is plain")
        if "\x00" in self.password.get_secret_value():
            raise ValueError("password must not contain the character NUL")
        return self

    @property
    def concurrency(self) -> int:
        return self.window

    @property
    def reports(self) -> bool:
        return True

    @property
    def receipt_secret(self) -> None:
        """Its reports come over its own session; one that comes in by HTTP is nobody's."""
        return

    def tls(self) -> ssl.SSLContext | None:
        """As for the others, but None where nothing is to be secured."""
        if self.security == "plain":
            return None
        return super().tls() or ssl.create_default_context()


Account = Annotated[
    LinkAccount | TeliaAccount | ElksAccount | SmppAccount, Field(discriminator="provider")
]


class SmsSettings(ChannelSection):
    """``sender``: of those who name none. ``public_url``: where providers can call us back, such as
    https://utskick.example.se."""

    carried: ClassVar = frozenset({"sender", "segment_limit"})
    #: Where the service is, and so where receipts come in, whoever sends.
    fixed: ClassVar = frozenset({"public_url"})

    sender: SenderId = "Utskick"
    segment_limit: int = Field(10, ge=1, le=MOST_SEGMENTS)
    public_url: Address | None = None
    accounts: dict[AccountName, Account] = Field(default_factory=dict)
