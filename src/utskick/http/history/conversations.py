"""Endpoints of the history: conversations, messages with their content, and files.

Contract section 8.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import MAXYEAR, date, timedelta
from typing import Any
from unicodedata import normalize
from uuid import UUID

from fastapi import Request, Response

from utskick.domain import imported as recorded
from utskick.domain.clock import midnight, swedish
from utskick.domain.errors import Invalid, NotFound, Violation
from utskick.domain.notice import notices_of, shown
from utskick.domain.status import contract_status
from utskick.http.context import ApiContext
from utskick.http.wire import files
from utskick.http.wire.language import LANGUAGE
from utskick.http.wire.params import Parameters, required
from utskick.http.wire.responses import json_response, streamed, without_nulls
from utskick.store.database import answering
from utskick.store.history.conversations import Between, HistoryEntry

_PERSON = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
Render = Callable[[HistoryEntry, dict[str, Any]], dict[str, Any]]


class Histories:
    """Endpoints of the history with contents."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._conversations = service.conversations

    def _parameters(self, request: Request, operation: str) -> tuple[Parameters, str]:
        parameters = Parameters(operation, self._service.municipalities)
        return parameters, parameters.municipality(str(request.path_params["municipalityId"]))

    # -- a party ----------------------------------------

    async def conversation(self, request: Request) -> Response:
        """Serve ``GET /{municipalityId}/conversation-history/{partyId}``, newest first.

        Both days are inclusive (Q20).
        """
        parameters, municipality_id = self._parameters(request, "getConversationHistory")
        party_id = str(parameters.uuid("partyId", request.path_params["partyId"]))
        between = _between(*parameters.days(request))
        parameters.done()
        return await self._streamed(
            self._conversations.with_party(municipality_id, party_id, between), _history
        )

    async def short_conversation(self, request: Request) -> Response:
        """Serve ``GET /{personId}/conversationHistory`` (contract 0.1).

        Sender and message, newest first.
        """
        person = request.path_params["personId"]
        parameters = Parameters("getConversationHistory", self._service.municipalities)
        between = _between(*parameters.days(request))
        if not _PERSON.match(person):
            raise Invalid(
                [
                    Violation(
                        "getConversationHistory.personId",
                        "must be 1-64 of letters, digits, '-' and '_'",
                    )
                ]
            )
        parameters.done()
        return await self._streamed(
            self._conversations.with_party(self._service.default_municipality, person, between),
            _short_history,
        )

    async def _streamed(self, found: AsyncIterator[HistoryEntry], render: Render) -> Response:
        return await streamed(
            render(entry, content_of(self._service, entry)) async for entry in found
        )

    # -- a message ----------------------------------------

    async def message(self, request: Request) -> Response:
        return await self._message(request, "getMessage", files=True)

    async def metadata(self, request: Request) -> Response:
        """Return a message without the content of its files (contract 8.3)."""
        return await self._message(request, "getMessageMetadata", files=False)

    async def _message(self, request: Request, operation: str, *, files: bool) -> Response:
        municipality_id, message_id = self._named(request, operation)
        async with answering():
            found = await self._conversations.of_messages(
                municipality_id, [message_id], files=files
            )
        if not found:
            raise NotFound(f"No message found for message id {message_id}")
        pairs = [(entry, content_of(self._service, entry)) for entry in found]
        bodies = [
            _history(entry, content if files else without_bytes(content))
            for entry, content in pairs
        ]
        return json_response(bodies)

    def _named(self, request: Request, operation: str) -> tuple[str, UUID]:
        parameters, municipality_id = self._parameters(request, operation)
        message_id = parameters.uuid("messageId", request.path_params["messageId"])
        parameters.done()
        return municipality_id, message_id

    # -- a file ----------------------------------------

    async def attachment(self, request: Request) -> Response:
        """Serve ``…/attachments?fileName=``."""
        return await self._attachment(
            request, "readAttachmentByRequestParameter", required(request, "fileName")
        )

    async def attachment_by_path(self, request: Request) -> Response:
        """Serve ``…/attachments/{fileName}``."""
        return await self._attachment(request, "readAttachment", request.path_params["fileName"])

    async def _attachment(self, request: Request, operation: str, name: str) -> Response:
        parameters, municipality_id = self._parameters(request, operation)
        message_id = parameters.uuid("messageId", request.path_params["messageId"])
        parameters.filled("fileName", name)
        parameters.done()
        async with answering():
            try:
                held = await self._conversations.files(municipality_id, message_id)
            except LookupError:
                raise NotFound(f"No history found for message id {message_id}") from None
            wanted = normalize("NFC", name)
            file = next((f for f in held if normalize("NFC", f.name) == wanted), None)
            if file is None:
                raise NotFound(f"Attachment with name {name} not found")
            return await files.sent(file, self._conversations.slices(municipality_id, file))


def content_of(service: ApiContext, entry: HistoryEntry) -> dict[str, Any]:
    """Return the content in the form of the contract.

    As its channel or the system it was imported from shows it; ``{"erased": True}`` where it was
    erased.
    """
    if entry.erased:
        return {"erased": True}
    if entry.recorded:
        return recorded.shown(entry.draft)
    return service.channels[entry.channel].show(entry.draft)


def without_bytes(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content without ``content`` and ``base64Data`` of its files (contract 8.3).

    Files that were imported inline keep theirs.
    """
    lists = {name: content[name] for name in recorded.LISTS if isinstance(content.get(name), list)}
    bare = {
        name: [{k: v for k, v in entry.items() if k not in recorded.DATA} for entry in entries]
        for name, entries in lists.items()
    }
    return {**content, **bare}


def _between(since: date | None, until: date | None) -> Between:
    """Return the bounds of a period.

    The first and the last year of the calendar stand for no bound, since their midnights in UTC may
    lie outside it.
    """
    return Between(
        midnight(since) if since and since.year > 1 else None,
        midnight(until + timedelta(days=1)) if until and until.year < MAXYEAR else None,
    )


def word_of(entry: HistoryEntry) -> str:
    """Return the status of the contract."""
    state = entry.state
    return contract_status(state.status, state.reason.code if state.reason else None).value


def _history(entry: HistoryEntry, content: dict[str, Any]) -> dict[str, Any]:
    state = entry.state
    return {
        "messageType": state.visible_type,
        "status": word_of(entry),
        "content": content,
        "timestamp": swedish(entry.at),
        "lifecycle": state.status.value,
        "messageId": str(state.message_id),
        "deliveryId": str(state.id),
        **without_nulls({"reference": state.reference}),
        **entry.remarks,
        **shown(notices_of(entry.draft.content), LANGUAGE.get()),
    }


def _short_history(entry: HistoryEntry, content: dict[str, Any]) -> dict[str, Any]:
    sender = content.get("sender") or entry.draft.content.get("_sender")
    return without_nulls(
        {
            "sender": sender.get("address") if isinstance(sender, dict) else sender,
            "message": content.get("message"),
            "subject": content.get("subject"),
            "messageType": entry.state.visible_type,
            "status": word_of(entry),
            "timestamp": swedish(entry.at),
        }
    )
