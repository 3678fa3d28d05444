"""Settings section ``[web_message]``: instances of Open-E, and attachment limits."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from utskick.channels.web_message.soap_request import is_xml_text
from utskick.outgoing.settings_types import (
    AccountName,
    ChannelSection,
    HttpAccount,
    NonEmpty,
    Secret,
)

_MIB: Final = 1_048_576


def _xml_text(text: str) -> str:
    if not is_xml_text(text):
        raise ValueError("must contain only characters allowed in XML")
    return text


class OpenEAccount(HttpAccount):
    """One instance: ``INTERNAL`` for the municipality's own staff, ``EXTERNAL`` for citizens.

    ``url``: of the platform, with or without ``/api/callback``. ``municipality``: None serves all
    that have no instance of this kind. ``user``: userID of messages without an author, default the
    user name. ``read_receipts``: value of ``readReceiptEnabled``, which newer versions of Open-E
    require; None omits it, as older versions do not know it.
    """

    provider: Literal["open-e"]
    municipality: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}([0-9]{2})?$")] | None = None
    instance: Literal["INTERNAL", "EXTERNAL"]
    username: NonEmpty
    password: Secret
    user: Annotated[NonEmpty, AfterValidator(_xml_text)] | None = None
    read_receipts: bool | None = None
    concurrency: int = Field(5, ge=1, le=1000)
    read_timeout: float = Field(60.0, gt=0)


class WebMessageSettings(ChannelSection):
    """Section ``[web_message]``.

    ``attachment_limit``, ``total_limit``: decoded bytes of one attachment and of all in a message.
    """

    carried: ClassVar = frozenset({"attachment_limit", "total_limit"})

    attachment_limit: int = Field(50 * _MIB, gt=0)
    total_limit: int = Field(60 * _MIB, gt=0)
    accounts: dict[AccountName, OpenEAccount] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_for_each_municipality(self) -> Self:
        kinds = Counter(
            f"{account.municipality or 'all others'} {account.instance}"
            for account in self.accounts.values()
        )
        if repeated := [kind for kind, count in kinds.items() if count > 1]:
            raise ValueError(
                "a municipality must not have more than one instance of a kind; repeated:"
                f" {', '.join(repeated)}"
            )
        return self

    def account_of(self, municipality_id: str, instance: str) -> str | None:
        """Return the name of the municipality's own account, else of the account for all."""
        by_owner = {
            account.municipality: name
            for name, account in self.accounts.items()
            if account.instance == instance
        }
        return by_owner.get(municipality_id, by_owner.get(None))
