"""Letter channel: routes to digital mail first, and to snail mail if that is not possible.

It has no provider of its own. The engine tries the legs in order (``Recipient.legs``); only an
address without a paper leg is prepared here, and rejected.
"""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel

from utskick.channels.letter.planning import DIGITAL, PAPER, plan
from utskick.channels.letter.requests import LetterRequest
from utskick.channels.letter.settings import LetterSettings
from utskick.domain.attachment import listed
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Draft,
    Plan,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.outcome import Outcome, Reason, Rejected
from utskick.domain.preparation import Prepared

#: The sentence is the contract's (L5).
_ONLY_DIGITAL: Final = Reason(
    "undeliverable-only-digital",
    "Only DIGITAL_MAIL delivery allowed and party id unset/address set",
)

FORMS: Final = (
    SendEndpoint(
        "letter",
        "sendLetter",
        "Send a letter: to a digital mailbox where there is one, else on paper",
        LetterRequest,
        None,
        many=True,
        limit=96 * 1_048_576,
        lenient=True,
    ),
)


class LetterChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for letters."""

    name = "letter"
    message_type = "LETTER"
    integration = "Letter"
    label = "Brev"
    history_facts = HistoryFacts(listed_by_department=True, counted_by_department=True)
    forms: tuple[SendEndpoint, ...] = FORMS
    accounts: tuple[Account, ...] = ()
    legs = (DIGITAL, PAPER)

    def __init__(self, settings: LetterSettings) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:  # noqa: ARG002
        if not isinstance(request, LetterRequest):
            raise TypeError(f"{type(request).__name__} is not a letter request")
        return plan(request, self._settings)

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:  # noqa: ARG002
        return Rejected(_ONLY_DIGITAL)

    def able(self, draft: Draft) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        return "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:  # noqa: ARG002
        raise TypeError("a letter is sent by its legs")

    def show(self, draft: Draft) -> dict[str, Any]:
        visible = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        return {**visible, "attachments": listed(visible["attachments"], draft.attachments)}

    async def look(self) -> list[AccountHealth]:
        return []


def build(settings: LetterSettings) -> LetterChannel:
    """Build the channel."""
    return LetterChannel(settings)
