"""GET: what a user has had sent, as batches and as messages (contract section 9)."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import Request, Response
from starlette.responses import StreamingResponse

from utskick.domain import recorded
from utskick.domain.clock import SWEDEN, swedish
from utskick.domain.errors import NotFound
from utskick.domain.ids import parse_id
from utskick.http.answers import without_nulls
from utskick.http.edge import Parameters, count
from utskick.http.history import content_of, word_of
from utskick.http.service import Service
from utskick.store.conversations import Said
from utskick.store.database import answering
from utskick.store.users import Page, Sending, User, Users

_DAYS: Final = 30
_LIMIT: Final = 15
#: Elements that are read and written at a time.
_STRIDE: Final = 100
_WITH_SUBJECT: Final = ("DIGITAL_MAIL", "EMAIL")


class UserCalls:
    """The endpoints below ``/{municipalityId}/users/{userId}``."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._users = Users(service.database)

    async def batches(self, request: Request) -> Response:
        page, limit = count(request, "page", 1), count(request, "limit", _LIMIT)
        parameters, user = self._asked(request, "getUserBatches", self._start_of_day())
        _paged(parameters, page, limit)
        parameters.done()
        async with answering():
            total, ids = await self._users.batches(user, Page((page - 1) * limit, limit))

        async def elements() -> AsyncIterator[dict[str, Any]]:
            for part in _parts(ids):
                for sending in await self._users.sendings(user.municipality_id, part):
                    yield await self._batch(user.municipality_id, sending)

        return await _answer("batches", elements(), _meta(page, limit, total, len(ids)))

    async def messages(self, request: Request) -> Response:
        page, limit = count(request, "page", 1), count(request, "limit", _LIMIT)
        parameters, user = self._asked(request, "getUserMessages", self._service.clock() - timedelta(days=_DAYS))
        given = request.query_params.get("batchId")
        batch_id = parameters.uuid("batchId", given) if given is not None else None
        _paged(parameters, page, limit)
        parameters.done()
        async with answering():
            total, ids = await self._users.messages(user, Page((page - 1) * limit, limit), batch_id)

        async def elements() -> AsyncIterator[dict[str, Any]]:
            for part in _parts(ids):
                for element in await self._elements(user.municipality_id, part):
                    yield element

        return await _answer("messages", elements(), _meta(page, limit, total, len(ids)))

    async def message(self, request: Request) -> Response:
        """However old (contract 9.3)."""
        parameters, user = self._asked(request, "getUserMessage", self._service.clock())
        message_id = parameters.uuid("messageId", request.path_params["messageId"])
        parameters.done()
        async with answering():
            known = await self._users.sent(user.municipality_id, user.name, message_id)
            found = await self._elements(user.municipality_id, [message_id]) if known else []
        if not found:
            raise NotFound(f"No message found for message id {message_id} and user id {user.name}")
        return Response(orjson.dumps(found[0]), media_type="application/json")

    def _asked(self, request: Request, operation: str, since: datetime) -> tuple[Parameters, User]:
        parameters = Parameters(operation, self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        parameters.filled("userId", request.path_params["userId"])
        return parameters, User(municipality_id, request.path_params["userId"], since)

    def _start_of_day(self) -> datetime:
        day = self._service.clock().astimezone(SWEDEN).date() - timedelta(days=_DAYS)
        return datetime.combine(day, time.min, SWEDEN)

    async def _batch(self, municipality_id: str, sending: Sending) -> dict[str, Any]:
        said = await self._service.conversations.of_messages(municipality_id, [sending.example], files=False) if sending.example else []
        contents = [(each.message_type, content_of(self._service, each)) for each in said]
        subject = next((content.get("subject") for kind, content in contents if kind in _WITH_SUBJECT), None)
        return without_nulls(
            {
                "batchId": str(sending.batch_id),
                "messageType": sending.message_type,
                "subject": subject or None,
                "sent": swedish(sending.at),
                "attachmentCount": max((len(_files(content)) for _, content in contents), default=0),
                "recipientCount": sending.recipients,
                "status": {"successful": sending.successful, "unsuccessful": sending.unsuccessful, "pending": sending.pending},
            }
        )

    async def _elements(self, municipality_id: str, message_ids: Sequence[UUID]) -> list[dict[str, Any]]:
        said = await self._service.conversations.of_messages(municipality_id, message_ids, files=False)
        people = await self._people(municipality_id, said)
        grouped = [list(group) for _, group in groupby(said, key=lambda each: each.state.message_id)]
        return [self._element(group, people) for group in grouped]

    async def _people(self, municipality_id: str, said: Iterable[Said]) -> Mapping[UUID, str]:
        """Personal and organisation numbers, from our own tables alone (contract Q29)."""
        wanted = {found for each in said if (found := parse_id(each.draft.recipient.party_id or "")) is not None}
        known = await self._service.directory.parties.legal_ids(municipality_id, list(wanted))
        return {party_id: legal_id.number for party_id, legal_id in known.items()}

    def _element(self, said: Sequence[Said], people: Mapping[UUID, str]) -> dict[str, Any]:
        chosen = next((each for each in said if each.message_type == "DIGITAL_MAIL"), said[0])
        content = content_of(self._service, chosen)
        return without_nulls(
            {
                "messageId": str(chosen.state.message_id),
                "batchId": str(chosen.state.batch_id),
                "issuer": chosen.issuer,
                "origin": chosen.origin,
                "sent": swedish(chosen.at),
                "subject": content.get("subject"),
                "body": content.get("message"),
                "reference": chosen.state.reference,
                "erased": chosen.erased or None,
                "recipients": [self._recipient(each, people) for each in _told(said)],
                "attachments": [without_nulls(file) for file in _files(content)],
            }
        )

    def _recipient(self, said: Said, people: Mapping[UUID, str]) -> dict[str, Any]:
        content = content_of(self._service, said)
        address = content.get("address") or (recorded.address(said.draft) if said.recorded else None)
        party_id = parse_id(said.draft.recipient.party_id or "")
        return without_nulls(
            {
                "status": word_of(said),
                "messageType": said.state.shown_type,
                "address": {k: v for k, v in address.items() if k in _ADDRESS} if isinstance(address, dict) else None,
                "mobileNumber": content.get("mobileNumber"),
                "personId": people.get(party_id) if party_id else None,
            }
        )


_ADDRESS: Final = ("firstName", "lastName", "organizationName", "organizationNumber", "address", "careOf", "zipCode", "city", "country")


def _told(said: Sequence[Said]) -> list[Said]:
    """A digital letter that did not arrive is not told where the same person got it on paper (contract 9.2)."""
    on_paper = {
        each.draft.recipient.party_id
        for each in said
        if each.message_type == "SNAIL_MAIL" and word_of(each) == "SENT" and each.draft.recipient.party_id
    }
    return [
        each
        for each in said
        if not (each.message_type == "DIGITAL_MAIL" and word_of(each) != "SENT" and each.draft.recipient.party_id in on_paper)
    ]


def _files(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = content.get("attachments") or content.get("files") or []
    return [
        {
            "fileName": next((entry[name] for name in recorded.NAMES if entry.get(name)), None),
            "contentType": entry.get("contentType") or entry.get("mimeType"),
        }
        for entry in listed
    ]


def _paged(parameters: Parameters, page: int, limit: int) -> None:
    parameters.counted("page", page)
    parameters.counted("limit", limit)


def _parts(ids: Sequence[UUID]) -> list[Sequence[UUID]]:
    return [ids[start : start + _STRIDE] for start in range(0, len(ids), _STRIDE)]


def _meta(page: int, limit: int, total: int, number: int) -> dict[str, int]:
    return {"page": page, "limit": limit, "count": number, "totalRecords": total, "totalPages": math.ceil(total / limit)}


async def _answer(member: str, elements: AsyncIterator[dict[str, Any]], meta: Mapping[str, int]) -> Response:
    """``{"<member>": [...], "_meta": {...}}``, written as it is read: a page may be as long as its caller wants."""
    async with answering():
        first = await anext(elements, None)

    async def written() -> AsyncIterator[bytes]:
        yield b'{"' + member.encode() + b'":['
        if first is not None:
            yield orjson.dumps(first)
        async for element in elements:
            yield b"," + orjson.dumps(element)
        yield b'],"_meta":' + orjson.dumps(meta) + b"}"

    return StreamingResponse(written(), media_type="application/json")
