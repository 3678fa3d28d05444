"""The section of the settings for web messages: the municipalities' instances of Open-E, and how
much may be attached."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from utskick.channels.web_message.soap_request import is_sayable
from utskick.outgoing.settings_types import AccountName, ChannelSection, Filled, HttpAccount, Secret

_MIB: Final = 1_048_576


def _sayable(text: str) -> str:
    if not is_sayable(text):
        raise ValueError("must hold only characters that XML can hold")
    return text


class OpenEAccount(HttpAccount):
    """One instance: ``INTERNAL`` for the municipality's own staff, ``EXTERNAL`` for citizens.

    ``url``: of the platform, with or without ``/api/callback``. ``municipality`` None: of all that
    have no instance of this kind of their own. ``user``: the userID of messages whose request names
    nobody; the login's user name where it is left out. ``read_receipts``: newer versions of Open-E
    demand ``readReceiptEnabled`` in a message; None leaves it out, as older ones have no place for
    it.
    """

    provider: Literal["open-e"]
    municipality: Annotated[str, StringConstraints(pattern=r"^[0-9]{2}([0-9]{2})?$")] | None = None
    instance: Literal["INTERNAL", "EXTERNAL"]
    username: Filled
    password: Secret
    user: Annotated[Filled, AfterValidator(_sayable)] | None = None
    read_receipts: bool | None = None
    concurrency: int = Field(5, ge=1, le=1000)
    read_timeout: float = Field(60.0, gt=0)


class WebMessageSettings(ChannelSection):
    """``attachment_limit``, ``total_limit``: bytes of one attachment, and of all of a message, as
    they are before they are encoded."""

    carried: ClassVar = frozenset({"attachment_limit", "total_limit"})

    attachment_limit: int = Field(50 * _MIB, gt=0)
    total_limit: int = Field(60 * _MIB, gt=0)
    accounts: dict[AccountName, OpenEAccount] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        kinds = Counter(
            f"{account.municipality or 'all others'} {account.instance}"
            for account in self.accounts.values()
        )
        if doubled := [kind for kind, count in kinds.items() if count > 1]:
            raise ValueError(
                f"each municipality has one instance of a kind at most; more than one is there of: {', '.join(doubled)}"
            )
        return self

    def account_of(self, municipality_id: str, instance: str) -> str | None:
        """The name of the municipality's own account, else of the one for all."""
        by_owner = {
            account.municipality: name
            for name, account in self.accounts.items()
            if account.instance == instance
        }
        return by_owner.get(municipality_id, by_owner.get(None))
