"""Request body of a Slack message (contract section 4.12)."""

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
    """One message to a Slack channel.

    ``message``: mrkdwn, passed on unchanged; the caller escapes ``& < >``, as only the caller knows
    which are markup. ``token``: default the municipality's own (quirk Q15).
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
        """Return the members stored as content, which never include the token."""
        return self.model_dump(
            by_alias=True, exclude_none=True, include={"message", "priority", "department"}
        )
