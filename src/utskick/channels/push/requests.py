"""Request body of a push message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field
from yarl import URL

from utskick.domain.recipient import Recipient
from utskick.domain.request_parts import (
    DEPARTMENT,
    PRIORITY,
    REFERENCE,
    SEND_AT,
    VALID_UNTIL,
    Department,
    ExternalReference,
    crowd,
)
from utskick.domain.validators import (
    CLEAN,
    UTF8,
    Body,
    Constraint,
    Line,
    Moment,
    Reference,
    Text,
    Uuid,
)

MOST_PARTIES: Final = 100_000
#: Maximum time to live of the push services: four weeks, in seconds.
LONGEST_TTL: Final = 2_419_200
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")

Crowd = crowd(MOST_PARTIES)


def _secure(value: str) -> bool:
    try:
        url = URL(value)
    except ValueError:
        return False
    return url.scheme == "https" and bool(url.raw_host) and url.raw_user is None


Link = Annotated[
    str,
    Constraint((("must be an https address", _secure), CLEAN, UTF8), schema=(("format", "uri"),)),
]
#: RFC 8030 section 5.4.
Topic = Annotated[
    str,
    Constraint(
        (
            (
                "must be 1 to 32 letters, digits, '-' or '_'",
                lambda v: _TOPIC.match(v) is not None,
            ),
        ),
        schema=(("pattern", "^[A-Za-z0-9_-]{1,32}$"),),
    ),
]
#: RFC 8030 section 5.2, in seconds.
Ttl = Annotated[
    int,
    Constraint(
        ((f"must be between 0 and {LONGEST_TTL}", lambda v: 0 <= v <= LONGEST_TTL),),
        schema=(("minimum", 0), ("maximum", LONGEST_TTL)),
    ),
]
Urgency = Literal["very-low", "low", "normal", "high"]


class PushParty(Body):
    """The parties whose devices receive the message."""

    party_ids: Annotated[list[Uuid], Crowd] = Field(
        description="Party ids of persons and organisations"
    )
    external_references: list[ExternalReference] | None = Field(
        default=None, description="Key-value pairs of the calling system, stored with the message"
    )


class PushRequest(Body):
    """One notification to all devices of several parties.

    ``topic``: a newer message replaces an older one of the same topic.
    """

    example: ClassVar[Any] = {
        "party": {"partyIds": ["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"]},
        "title": "Sopor",
        "message": "Sopkärlet töms i morgon.",
    }

    party: PushParty = Field(description="The recipient")
    title: Line = Field(description="Title", examples=["Skolan i dag"])
    message: Text = Field(description="Text", examples=["Skolan är stängd i dag."])
    url: Link | None = Field(
        default=None, description="URL with more information", examples=["https://example.se"]
    )
    topic: Topic | None = Field(
        default=None,
        description="A newer message of the same topic replaces an older one",
        examples=["skolan"],
    )
    urgency: Urgency | None = Field(
        default=None, description="Urgency for the push service (RFC 8030)", examples=["normal"]
    )
    ttl: Ttl | None = Field(
        default=None, description="Seconds that the push service keeps it", examples=[86400]
    )
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY
    department: Department | None = DEPARTMENT
    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL

    def recipients(self) -> Iterator[Recipient]:
        """Iterate over the parties in the request's order; their devices are resolved later."""
        return (Recipient("", party_id) for party_id in self.party.party_ids)

    def content(self) -> dict[str, Any]:
        """Return the members stored as content, without the recipients."""
        content = self.model_dump(
            by_alias=True,
            exclude_none=True,
            include={
                "title",
                "message",
                "url",
                "topic",
                "urgency",
                "ttl",
                "priority",
                "department",
            },
        )
        if self.party.external_references is not None:
            content["party"] = {
                "externalReferences": [pair.model_dump() for pair in self.party.external_references]
            }
        return content
