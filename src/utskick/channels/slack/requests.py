"""The body of a Slack message (contract section 4.12)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from utskick.channels.slack.blocks import MOST_BLOCKS, SECTION, fits
from utskick.channels.slack.settings import is_token
from utskick.domain.request_parts import Department
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
    """``message`` is mrkdwn, passed on as it is: to escape ``& < >`` is the caller's part, since
    only the caller knows which are markup.

    ``token``: without one the municipality's own is used (quirk Q15).
    """

    token: Token | None = None
    channel: Line
    message: Message
    priority: Literal["HIGH", "NORMAL"] | None = None
    department: Department | None = None
    reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None

    def content(self) -> dict[str, Any]:
        """The JSON members that history shows; the token is never one of them."""
        return self.model_dump(
            by_alias=True, exclude_none=True, include={"message", "priority", "department"}
        )
