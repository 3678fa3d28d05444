"""Settings section ``[slack]``: one account for each municipality, or one for all."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from utskick.outgoing.settings_types import (
    REDACT_INPUT,
    AccountName,
    Address,
    ChannelSection,
    HttpAccount,
)

_TOKEN: Final = re.compile(r"[!-~]{1,512}\Z")


def is_token(text: str) -> bool:
    """Return whether the text is valid in an Authorization header (RFC 6750 section 2.1)."""
    return _TOKEN.match(text) is not None


def _token(secret: SecretStr) -> SecretStr:
    if not is_token(secret.get_secret_value()):
        raise ValueError("must be a token of printable ASCII characters without spaces")
    return secret


class SlackAccount(HttpAccount):
    """One workspace.

    ``municipality``: None serves all that have no account of their own. ``token``: default for
    requests without one; optional. ``deduplicates``: resend uncertain messages, relying on Slack to
    recognise a ``client_msg_id``, which it does for some minutes only and documents only by its
    errors; otherwise uncertain messages are held.
    """

    provider: Literal["slack"]
    url: Address = "https://slack.com/api"
    municipality: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}([0-9]{2})?$")] | None = None
    token: Annotated[SecretStr, AfterValidator(_token), REDACT_INPUT] | None = None
    deduplicates: bool = False


class SlackSettings(ChannelSection):
    """Section ``[slack]``. ``accounts``: by name."""

    accounts: dict[AccountName, SlackAccount] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_for_each_municipality(self) -> Self:
        owners = Counter(account.municipality or "all others" for account in self.accounts.values())
        if repeated := [owner for owner, count in owners.items() if count > 1]:
            raise ValueError(
                "a municipality must not have more than one account; repeated:"
                f" {', '.join(repeated)}"
            )
        return self

    def account_of(self, municipality_id: str) -> str | None:
        """Return the name of the municipality's own account, else of the account for all."""
        by_owner = {account.municipality: name for name, account in self.accounts.items()}
        return by_owner.get(municipality_id, by_owner.get(None))
