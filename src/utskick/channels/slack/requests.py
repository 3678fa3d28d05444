"""Request body of a Slack message (contract section 4.12)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from utskick.channels.slack.blocks import MOST_BLOCKS, SECTION, fits
from utskick.channels.slack.settings import is_token
from utskick.domain.request_parts import (
    DEPARTMENT,
    PRIORITY,
    REFERENCE,
    SEND_AT,
    VALID_UNTIL,
    Department,
)
from utskick.domain.validators import NOT_BLANK, Body, Constraint, Line, Moment, Reference, Text

_TOO_LONG: Final = f"must fit into {MOST_BLOCKS} sections of {SECTION} characters"

Token = Annotated[
    str,
    Constraint(
        (
            NOT_BLANK,
            (
                "must be printable ASCII without spaces",
                lambda value: not value.strip() or is_token(value),
            ),
        ),
        "must not be blank",
        (("minLength", 1), ("writeOnly", True)),
    ),
]
Message = Annotated[Text, Constraint(((_TOO_LONG, fits),), "must not be blank")]


class SlackRequest(Body, title="SlackRequest"):
    """One message to a Slack channel.

    ``message``: mrkdwn, passed on unchanged; the caller escapes ``& < >``, as only the caller knows
    which are markup. ``token``: default the municipality's own (quirk Q15).
    """

    example: ClassVar[Any] = {"channel": "#drift", "message": "Driftstopp i kväll klockan 20."}

    token: Token | None = Field(
        default=None,
        description="Token of a bot; default: that of the municipality. It is stored encrypted "
        "and never returned",
    )
    channel: Line = Field(description="Name or id of the Slack channel", examples=["#drift"])
    message: Message = Field(
        description="Text in mrkdwn; the caller escapes `& < >`", examples=["Driftstopp i kväll"]
    )
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY
    department: Department | None = DEPARTMENT
    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL

    def content(self) -> dict[str, Any]:
        """Return the members stored as content, which never include the token."""
        return self.model_dump(
            by_alias=True, exclude_none=True, include={"message", "priority", "department"}
        )
