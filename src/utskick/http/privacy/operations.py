"""Operations on the personal data of a person: extract and erasure."""

from __future__ import annotations

from typing import Final

from utskick.domain.audit import Action
from utskick.http.context import ApiContext
from utskick.http.operation import Answer, Audit, Operation, Route, parameters, query
from utskick.http.privacy.erasure import Erasing
from utskick.http.privacy.extract import ExtractCalls
from utskick.http.privacy.schemas import Erasure, PartyExtract

_PARTY: Final = "/{municipalityId}/parties/{partyId}"

EXTRACT: Final = Operation(
    id="getPartyExtract",
    method="GET",
    path=f"{_PARTY}/extract",
    summary="Get all stored data about a person, as JSON or PDF",
    description="Returns directory entry, contact settings, delegates, devices, holds, retention "
    "rules and every message with content and status changes (GDPR article 15).",
    tag="Parties",
    scope="party:read",
    audit=Audit(Action.EXTRACT, party="partyId"),
    parameters=query("files", "format"),
    answers={200: Answer(PartyExtract, media=("application/pdf",))},
    problems={404: None, 422: "Too long for a PDF: request JSON"},
)
ERASE: Final = Operation(
    id="deleteParty",
    method="DELETE",
    path=_PARTY,
    summary="Erase a person: directory, contact settings, devices, delegates and messages",
    description="Deletes everything that no rule preserves, no hold keeps and that is not being "
    "delivered (GDPR article 17). The response lists what was kept, and why. With "
    "`scope=directory` only the directory entry is deleted, and the response is 204.",
    tag="Parties",
    scope="party:erase",
    audit=Audit(Action.ERASE, party="partyId"),
    parameters=(*parameters.CALLER, *query("scope", "reference")),
    answers={200: Answer(Erasure, "Erased"), 204: Answer(description="Deleted")},
    problems={404: None, 409: "The person is held, or a batch of the person is being written"},
)


def operations(service: ApiContext) -> list[Route]:
    """Return the operations of extract and erasure."""
    return [
        Route(EXTRACT, ExtractCalls(service).read),
        Route(ERASE, Erasing(service).delete),
    ]
