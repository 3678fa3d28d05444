"""Settings section ``[sms]``: default sender, segment limit and provider accounts."""

from __future__ import annotations

import ssl
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from utskick.channels.sms.sender_id import SenderId
from utskick.outgoing.settings_types import (
    REDACT_INPUT,
    AccountName,
    Address,
    ChannelSection,
    HttpAccount,
    NonEmpty,
    Secret,
    TlsSection,
)

#: TS 23.040 section 9.2.3.24.1: the number of segments is one octet.
MOST_SEGMENTS: Final = 255


def _long(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SHORTEST_SECRET:
        raise ValueError(f"must have at least {_SHORTEST_SECRET} characters")
    return secret


#: Whoever knows it can report deliveries, and it may stand in an address.
_SHORTEST_SECRET: Final = 16
ReceiptSecret = Annotated[Secret, AfterValidator(_long), REDACT_INPUT]


class _SmsAccount(HttpAccount):
    """Settings common to the HTTP accounts.

    ``deduplicates``: the gateway recognises our reference and discards repeats. ``receipt_secret``:
    secret that the provider's reports must carry; without it every report is refused.
    """

    deduplicates: bool = False
    receipt_secret: ReceiptSecret | None = None

    @property
    def reports(self) -> bool:
        """Whether delivery reports can be accepted: they require a receipt secret."""
        return self.receipt_secret is not None


class LinkAccount(_SmsAccount):
    """LINK Mobility, LINK Common."""

    provider: Literal["link"]
    username: NonEmpty
    password: Secret
    platform_id: NonEmpty
    partner_id: NonEmpty
    delivery_reports: bool = True


class TeliaAccount(_SmsAccount):
    """Telia SmsSenderPremium 1.0.0."""

    provider: Literal["telia"]
    token_url: Address
    client_id: NonEmpty
    client_secret: Secret

    @model_validator(mode="after")
    def _carries_no_reference(self) -> Self:
        if self.deduplicates:
            raise ValueError(
                "deduplicates must not be true: Telia's protocol carries no reference to"
                " recognise a message by"
            )
        return self


class ElksAccount(_SmsAccount):
    """46elks."""

    provider: Literal["46elks"]
    username: NonEmpty
    password: Secret


def _octets(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must hold only printable ASCII characters")
    return text


#: Notation of a message id: any text, or a number whose notation and leading zeros may differ.
IdFormat = Literal["text", "decimal", "hex"]


class SmppAccount(TlsSection):
    """SMPP 3.4 message centre, bound as transceiver. Times in seconds.

    ``rate``: parts per second. ``security``: TLS unless "plain". ``binds``: sessions of each
    process that sends. ``window``: outstanding requests of each session. ``enquire_link``: interval
    of the keep-alive. ``source_ton``, ``source_npi``: type and numbering plan of every sender
    address (SMPP 3.4 sections 5.2.5 and 5.2.6), None to go by the sender. ``long_messages``:
    segments with a user data header, or one message_payload. ``part_patience``: how long parts that
    were refused for the moment are repeated after others were accepted. ``submit_id_format``,
    ``receipt_id_format``: how message ids are written in submit_sm_resp, and in the text of
    receipts. ``validity_period``: format (section 7.1.1) in which the time is passed on after which
    a message must not be delivered. ``deduplicates``: as for HTTP accounts.
    """

    provider: Literal["smpp"]
    host: NonEmpty
    port: int = Field(ge=1, le=65535)
    security: Literal["tls", "plain"] = "tls"
    system_id: Annotated[str, Field(min_length=1, max_length=15), AfterValidator(_octets)]
    password: Secret
    system_type: Annotated[str, Field(max_length=12), AfterValidator(_octets)] = ""
    priority: int = 1
    rate: float | None = Field(None, gt=0)
    binds: int = Field(1, ge=1, le=20)
    window: int = Field(10, ge=1, le=1000)
    connect_timeout: float = Field(5.0, gt=0)
    response_timeout: float = Field(15.0, gt=0)
    enquire_link: float = Field(30.0, gt=0)
    source_ton: int | None = Field(None, ge=0, le=6)
    source_npi: int | None = Field(None, ge=0, le=18)
    long_messages: Literal["segments", "payload"] = "segments"
    part_patience: float = Field(20.0, ge=0, le=300)
    submit_id_format: IdFormat = "text"
    receipt_id_format: IdFormat = "text"
    validity_period: Literal["relative", "absolute", "none"] = "relative"
    deduplicates: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (given := self.one_of("ca_file", "ca")) and self.security == "plain":
            raise ValueError(f"{given} must not be set where security is plain")
        if "\x00" in self.password.get_secret_value():
            raise ValueError("password must not contain the character NUL")
        if (self.submit_id_format == "text") != (self.receipt_id_format == "text"):
            raise ValueError(
                "submit_id_format and receipt_id_format must both be text, or both be a number"
                " format (decimal or hex)"
            )
        return self

    @property
    def concurrency(self) -> int:
        return self.window * self.binds

    @property
    def reports(self) -> bool:
        return True

    @property
    def receipt_secret(self) -> None:
        """None: reports arrive over the SMPP session, and HTTP callbacks are refused."""
        return

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS context, or None where security is plain."""
        if self.security == "plain":
            return None
        return super().tls() or ssl.create_default_context()


Account = Annotated[
    LinkAccount | TeliaAccount | ElksAccount | SmppAccount, Field(discriminator="provider")
]


class SmsSettings(ChannelSection):
    """Section ``[sms]``.

    ``sender``: default for requests without one. ``public_url``: base address that providers send
    reports to, such as https://utskick.example.se.
    """

    carried: ClassVar = frozenset({"sender", "segment_limit"})
    #: Address of this service, independent of the sending unit.
    fixed: ClassVar = frozenset({"public_url"})

    sender: SenderId = "Utskick"
    segment_limit: int = Field(10, ge=1, le=MOST_SEGMENTS)
    public_url: Address | None = None
    accounts: dict[AccountName, Account] = Field(default_factory=dict)
