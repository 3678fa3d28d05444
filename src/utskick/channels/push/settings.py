"""Settings section ``[push]``: default time to live and provider accounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from yarl import URL

from utskick.channels.push.endpoints import BROWSERS
from utskick.channels.push.requests import LONGEST_TTL
from utskick.channels.push.service_account import ServiceAccount
from utskick.channels.push.vapid import read_key
from utskick.outgoing.address_guard import origin_of
from utskick.outgoing.settings_types import (
    REDACT_INPUT,
    AccountName,
    Address,
    ChannelSection,
    HttpAccount,
    NonEmpty,
    PeerSection,
    Secret,
    fault_at,
)

_HOST: Final = re.compile(r"\*|(?:\*\.)?(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*")


def _host(text: str) -> str:
    name = text.lower()
    if _HOST.fullmatch(name) is None:
        raise ValueError(
            "must be a name (push.example.com), a wildcard for subdomains (*.example.com), or *"
            " for every public host"
        )
    return name


def _origin(text: str) -> str:
    url = URL(text)
    if url.path not in ("", "/"):
        raise ValueError("must be scheme, host and port, without a path")
    return origin_of(url)


def _contact(text: str) -> str:
    if re.fullmatch(r"mailto:[^\s@]+@[^\s@]+|https://[^\s/]+\S*", text) is None:
        raise ValueError(
            "must be a mailto: or https: address at which a push service can reach the operator"
        )
    return text


class _PushAccount(PeerSection):
    """Settings common to both kinds. ``municipalities``: municipalities it serves, empty for all.

    Times in seconds, ``rate`` in calls per second.
    """

    priority: int = 1
    rate: float | None = Field(None, gt=0)
    concurrency: int = Field(20, ge=1, le=1000)
    connect_timeout: float = Field(5.0, gt=0)
    read_timeout: float = Field(15.0, gt=0)
    municipalities: tuple[str, ...] = ()


class WebPushAccount(_PushAccount):
    """Browsers, identified by a VAPID key (P-256, in PEM or as 32 bytes in base64url).

    Web pages subscribe with its public half. ``subject``: contact address for push services (RFC
    8292 section 2.1). ``hosts`` and ``origins``: see ``Endpoints``. ``resend_uncertain``: resend
    when no response arrived; a device replaces a duplicate by its tag.
    """

    provider: Literal["webpush"]
    vapid_private_key: Secret | None = None
    vapid_private_key_file: Path | None = None
    subject: Annotated[str, AfterValidator(_contact)]
    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = BROWSERS
    origins: tuple[Annotated[Address, AfterValidator(_origin)], ...] = ()
    resend_uncertain: bool = True

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        self.need_one_of("vapid_private_key", "vapid_private_key_file")
        if self.vapid_private_key is not None:
            try:
                read_key(self.vapid_private_key.get_secret_value())
            except ValueError as fault:
                raise fault_at("vapid_private_key", str(fault)) from None
        return self


def _service_account(secret: SecretStr) -> SecretStr:
    ServiceAccount.parse(secret.get_secret_value().encode()).verify()
    return secret


class FcmAccount(HttpAccount):
    """Apps, by a Firebase project.

    ``service_account_file``: JSON key file of Google Cloud, read for every token; or its contents
    in ``service_account``. ``token_url``: overrides the token endpoint named in the file.
    ``resend_uncertain``: as for browsers.
    """

    provider: Literal["fcm"]
    url: Address = "https://fcm.googleapis.com"
    project: NonEmpty
    service_account_file: Path | None = None
    service_account: Annotated[SecretStr, AfterValidator(_service_account), REDACT_INPUT] | None = (
        None
    )
    token_url: Address | None = None
    municipalities: tuple[str, ...] = ()
    resend_uncertain: bool = True

    @model_validator(mode="after")
    def _one_service_account(self) -> Self:
        self.need_one_of("service_account_file", "service_account")
        return self

    def further_addresses(self) -> dict[str, str]:
        """Return the token endpoint named in the key file's contents, if it is called."""
        if self.service_account is None or self.token_url is not None:
            return {}
        account = ServiceAccount.parse(self.service_account.get_secret_value().encode())
        return {"service_account.token_uri": account.token_uri}


Account = Annotated[WebPushAccount | FcmAccount, Field(discriminator="provider")]


class PushSettings(ChannelSection):
    """Section ``[push]``.

    ``ttl``: default time in seconds that a push service stores a message for an unreachable device.
    """

    carried: ClassVar = frozenset({"ttl"})

    ttl: int = Field(86_400, ge=0, le=LONGEST_TTL)
    accounts: dict[AccountName, Account] = Field(default_factory=dict)
