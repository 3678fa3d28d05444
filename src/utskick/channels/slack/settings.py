"""The Slack section of the settings: one account for each municipality that has one, or one for
all."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from utskick.outgoing.settings_types import (
    UNSEEN,
    AccountName,
    Address,
    ChannelSection,
    HttpAccount,
)

_TOKEN: Final = re.compile(r"[!-~]{1,512}\Z")


def is_token(text: str) -> bool:
    """Whether it can stand in a header (RFC 6750 section 2.1); what a token looks like besides is
    Slack's own matter."""
    return _TOKEN.match(text) is not None


def _token(secret: SecretStr) -> SecretStr:
    if not is_token(secret.get_secret_value()):
        raise ValueError("must be a token of printable ASCII characters without spaces")
    return secret


class SlackAccount(HttpAccount):
    """``municipality`` None: of all that have no account of their own. ``token``: for requests that
    bring none; it may be left out.

    ``deduplicates``: the operator trusts Slack to know a ``client_msg_id`` again, so that an
    uncertain message is sent anew. Slack remembers one only for some minutes, and documents it only
    by its errors; without this an uncertain message is held.
    """

    provider: Literal["slack"]
    url: Address = "https://slack.com/api"
    municipality: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}([0-9]{2})?$")] | None = None
    token: Annotated[SecretStr, AfterValidator(_token), UNSEEN] | None = None
    deduplicates: bool = False


class SlackSettings(ChannelSection):
    """By the account's name."""

    accounts: dict[AccountName, SlackAccount] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        owners = Counter(account.municipality or "all others" for account in self.accounts.values())
        if doubled := [owner for owner, count in owners.items() if count > 1]:
            raise ValueError(
                f"each municipality has one account at most; more than one is of: {', '.join(doubled)}"
            )
        return self

    def account_of(self, municipality_id: str) -> str | None:
        """The name of the municipality's own account, else of the one for all."""
        by_owner = {account.municipality: name for name, account in self.accounts.items()}
        return by_owner.get(municipality_id, by_owner.get(None))
