"""Endpoints of /users: batches and messages that a user has sent (contract section 9)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, groupby
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import Request, Response

from utskick.domain import imported as recorded
from utskick.domain.clock import SWEDEN, midnight, swedish
from utskick.domain.errors import NotFound
from utskick.domain.ids import parse_id
from utskick.domain.status import ContractStatus
from utskick.http.context import ApiContext
from utskick.http.history.conversations import content_of, word_of
from utskick.http.wire.params import Parameters
from utskick.http.wire.responses import json_response, paging_of, streamed, without_nulls
from utskick.store.database import answering
from utskick.store.history.conversations import HistoryEntry
from utskick.store.history.users import PageRequest, Sending, User, Users

_DAYS: Final = 30
#: Elements read and written at a time.
_STRIDE: Final = 100


class UserCalls:
    """Endpoints below ``/{municipalityId}/users/{userId}``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        channels = service.channels
        self._users = Users(service.database, channels.values())
        self._with_subject = {
            each.message_type for each in channels.values() if each.history_facts.names_batch
        }
        self._substitutes = {
            each.message_type: channels[substitute].message_type
            for each in channels.values()
            if (substitute := each.history_facts.substitute) is not None
        }

    async def batches(self, request: Request) -> Response:
        parameters, user = self._parsed(request, "getUserBatches", self._start_of_day())
        page, limit = parameters.paging(request)
        parameters.done()
        async with answering():
            total, ids = await self._users.batches(user, PageRequest((page - 1) * limit, limit))

        async def elements() -> AsyncIterator[dict[str, Any]]:
            for part in _parts(ids):
                sendings = await self._users.sendings(user.municipality_id, part)
                examples = await self._deliveries(
                    user.municipality_id,
                    [each.example for each in sendings if each.example is not None],
                )
                entries = {group[0].state.message_id: group for group in examples}
                for sending in sendings:
                    yield self._batch(
                        sending,
                        entries.get(sending.example, []) if sending.example is not None else [],
                    )

        return await _answer("batches", elements(), paging_of(page, limit, total, len(ids)))

    async def messages(self, request: Request) -> Response:
        parameters, user = self._parsed(
            request, "getUserMessages", self._service.clock() - timedelta(days=_DAYS)
        )
        page, limit = parameters.paging(request)
        given = request.query_params.get("batchId")
        batch_id = parameters.uuid("batchId", given) if given is not None else None
        parameters.done()
        async with answering():
            total, ids = await self._users.messages(
                user, PageRequest((page - 1) * limit, limit), batch_id
            )

        async def elements() -> AsyncIterator[dict[str, Any]]:
            for part in _parts(ids):
                for element in await self._elements(user.municipality_id, part):
                    yield element

        return await _answer("messages", elements(), paging_of(page, limit, total, len(ids)))

    async def message(self, request: Request) -> Response:
        """Return a message of any age (contract 9.3)."""
        parameters, user = self._parsed(request, "getUserMessage", self._service.clock())
        message_id = parameters.uuid("messageId", request.path_params["messageId"])
        parameters.done()
        async with answering():
            known = await self._users.sent(user.municipality_id, user.name, message_id)
            found = await self._elements(user.municipality_id, [message_id]) if known else []
        if not found:
            raise NotFound(f"No message found for message id {message_id} and user id {user.name}")
        return json_response(found[0])

    def _parsed(self, request: Request, operation: str, since: datetime) -> tuple[Parameters, User]:
        parameters = Parameters(operation, self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        parameters.filled("userId", request.path_params["userId"])
        return parameters, User(municipality_id, request.path_params["userId"], since)

    def _start_of_day(self) -> datetime:
        return midnight(self._service.clock().astimezone(SWEDEN).date() - timedelta(days=_DAYS))

    async def _deliveries(
        self, municipality_id: str, message_ids: Sequence[UUID]
    ) -> list[list[HistoryEntry]]:
        """Return the deliveries of each message."""
        entries = await self._service.conversations.of_messages(
            municipality_id, message_ids, files=False
        )
        return [
            list(group) for _, group in groupby(entries, key=lambda each: each.state.message_id)
        ]

    def _batch(self, sending: Sending, entries: Sequence[HistoryEntry]) -> dict[str, Any]:
        """Build Batch. ``entries``: the deliveries of its sample message."""
        contents = [(each.message_type, content_of(self._service, each)) for each in entries]
        subject = next(
            (content.get("subject") for kind, content in contents if kind in self._with_subject),
            None,
        )
        return without_nulls(
            {
                "batchId": str(sending.batch_id),
                "messageType": sending.message_type,
                "subject": subject or None,
                "sent": swedish(sending.at),
                "attachmentCount": max(
                    (len(_files(content)) for _, content in contents), default=0
                ),
                "recipientCount": sending.recipients,
                "status": {
                    "successful": sending.successful,
                    "unsuccessful": sending.unsuccessful,
                    "pending": sending.pending,
                },
            }
        )

    async def _elements(
        self, municipality_id: str, message_ids: Sequence[UUID]
    ) -> list[dict[str, Any]]:
        grouped = await self._deliveries(municipality_id, message_ids)
        people = await self._people(municipality_id, chain.from_iterable(grouped))
        return [self._element(group, people) for group in grouped]

    async def _people(
        self, municipality_id: str, entries: Iterable[HistoryEntry]
    ) -> Mapping[UUID, str]:
        """Return personal and organisation numbers.

        From the embedded directory only (contract Q29).
        """
        wanted = {
            found
            for each in entries
            if (found := parse_id(each.draft.recipient.party_id or "")) is not None
        }
        known = await self._service.directory.parties.legal_ids(municipality_id, list(wanted))
        return {party_id: legal_id.number for party_id, legal_id in known.items()}

    def _element(
        self, entries: Sequence[HistoryEntry], people: Mapping[UUID, str]
    ) -> dict[str, Any]:
        chosen = next((e for e in entries if e.message_type in self._substitutes), entries[0])
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
                "recipients": [self._recipient(each, people) for each in self._visible(entries)],
                "attachments": [without_nulls(file) for file in _files(content)],
            }
        )

    def _recipient(self, entry: HistoryEntry, people: Mapping[UUID, str]) -> dict[str, Any]:
        content = content_of(self._service, entry)
        address = content.get("address") or (
            recorded.address(entry.draft) if entry.recorded else None
        )
        party_id = parse_id(entry.draft.recipient.party_id or "")
        return without_nulls(
            {
                "status": word_of(entry),
                "messageType": entry.state.visible_type,
                "address": {k: v for k, v in address.items() if k in _ADDRESS}
                if isinstance(address, dict)
                else None,
                "mobileNumber": content.get("mobileNumber"),
                "personId": people.get(party_id) if party_id else None,
            }
        )

    def _visible(self, entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
        """Leave out a delivery that was not sent where its substitute reached the person.

        Contract 9.2: a digital letter, and paper.
        """
        reached = {
            (each.message_type, each.draft.recipient.party_id)
            for each in entries
            if word_of(each) == ContractStatus.SENT and each.draft.recipient.party_id
        }
        return [
            each
            for each in entries
            if word_of(each) == ContractStatus.SENT
            or (self._substitutes.get(each.message_type), each.draft.recipient.party_id)
            not in reached
        ]


_ADDRESS: Final = (
    "firstName",
    "lastName",
    "organizationName",
    "organizationNumber",
    "address",
    "careOf",
    "zipCode",
    "city",
    "country",
)


def _files(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = content.get("attachments") or content.get("files") or []
    return [
        {
            "fileName": next((entry[name] for name in recorded.NAMES if entry.get(name)), None),
            "contentType": entry.get("contentType") or entry.get("mimeType"),
        }
        for entry in listed
    ]


def _parts(ids: Sequence[UUID]) -> list[Sequence[UUID]]:
    return [ids[start : start + _STRIDE] for start in range(0, len(ids), _STRIDE)]


async def _answer(
    member: str, elements: AsyncIterator[dict[str, Any]], meta: Mapping[str, int]
) -> Response:
    """Stream ``{"<member>": [...], "_meta": {...}}``, since a page may be of any length."""
    return await streamed(
        elements, b'{"' + member.encode() + b'":[', b'],"_meta":' + orjson.dumps(meta) + b"}"
    )
