"""Endpoint of GET /parties/{partyId}/extract.

All stored data about a person (GDPR article 15), as JSON or PDF.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import Request, Response
from starlette.responses import StreamingResponse

from utskick.domain.account_label import label_of
from utskick.domain.directory_ports import Party
from utskick.domain.errors import NotFound, Unreadable
from utskick.domain.inbound import InboundMessage
from utskick.domain.retention import RetentionRule, Rules
from utskick.domain.unit import Unit
from utskick.http.context import ApiContext
from utskick.http.directory.contact_settings import setting_of
from utskick.http.directory.delegates import delegate_of
from utskick.http.directory.parties import place_of
from utskick.http.history.conversations import content_of, without_bytes, word_of
from utskick.http.messages.results import delivery_of, event_of
from utskick.http.privacy.extract_pages import Printer
from utskick.http.retention.endpoints import hold_of, rule_of, rules_of
from utskick.http.wire.params import flag, located
from utskick.http.wire.responses import time_of, without_nulls
from utskick.store.database import answering
from utskick.store.history.conversations import HistoryEntry, StoredFile
from utskick.store.history.extracts import Extracts, Whole
from utskick.store.history.inbound import InboundHistory
from utskick.store.retention.holds import Holds
from utskick.store.retention.rules import RetentionRules

_FORMATS: Final = ("json", "pdf")
_PDF: Final = "application/pdf"

#: Seconds beyond the usual limit: a history of many years is read, and printed in the same call.
_LONG = 55.0


class ExtractCalls:
    """Endpoint at ``/{municipalityId}/parties/{partyId}/extract``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._extracts = Extracts(service.database, service.conversations)
        self._inbound = InboundHistory(service.database)
        self._rules = RetentionRules(service.database, service.retention)
        self._holds = Holds(service.database)
        self._printer = Printer(
            {channel.message_type: channel.label for channel in service.channels.values()}
        )

    async def read(self, request: Request) -> Response:
        wanted, with_files = _format(request), flag(request, "files")
        municipality_id, (party_id,) = located(
            request, self._service.municipalities, "getPartyExtract", "partyId"
        )
        async with answering(more=_LONG):
            head, rules = (
                await self._head(municipality_id, party_id),
                await self._rules.of(municipality_id),
            )
            head["retention"] = rules_of(rules, municipality_id, self._service.message_types)
            count = await self._extracts.count(municipality_id, party_id)
            if not count and not any(
                head[name] for name in ("party", "contactSettings", "delegates", "devices", "holds")
            ):
                raise NotFound(f"No party found for party id {party_id}")
            senders = await self._inbound.senders(municipality_id, party_id)
            messages = self._messages(municipality_id, party_id, rules)
            replies = self._replies(municipality_id, senders, rules)
            if wanted == "pdf":
                head["messageCount"] = count
                head["inboundCount"] = await self._inbound.count(municipality_id, senders)
                return await self._printed(head, messages, replies)
        name = f'attachment; filename="registerutdrag-{party_id}.json"'
        return StreamingResponse(
            self._written(head, messages, replies, files=with_files),
            media_type="application/json",
            headers={"Content-Disposition": name},
        )

    # -- as JSON ----------------------------------------

    async def _written(
        self,
        head: dict[str, Any],
        messages: AsyncIterator[tuple[Whole, dict[str, Any]]],
        replies: AsyncIterator[dict[str, Any]],
        *,
        files: bool,
    ) -> AsyncIterator[bytes]:
        """Yield the JSON one message at a time, and files in pieces: a history may be long."""
        municipality_id = head["municipalityId"]
        yield orjson.dumps(without_nulls(head))[:-1] + b',"messages":['
        comma = b""
        async for whole, body in messages:
            listed = body.pop("files")
            yield comma + orjson.dumps(body)[:-1] + b',"files":['
            for number, (file, members) in enumerate(zip(whole.files, listed, strict=True)):
                yield (b"," if number else b"") + orjson.dumps(members)[:-1]
                if files:
                    async for piece in self._content(municipality_id, file):
                        yield piece
                yield b"}"
            yield b"]}"
            comma = b","
        yield b'],"inboundMessages":['
        comma = b""
        async for reply in replies:
            yield comma + orjson.dumps(reply)
            comma = b","
        yield b"]}"

    async def _content(self, municipality_id: str, file: StoredFile) -> AsyncIterator[bytes]:
        """Yield the member ``content`` in Base64."""
        yield b',"content":"'
        rest = b""
        async for piece in self._service.conversations.slices(municipality_id, file):
            rest += piece
            whole = len(rest) - len(rest) % 3
            yield b64encode(rest[:whole])
            rest = rest[whole:]
        yield b64encode(rest) + b'"'

    # -- as PDF ----------------------------------------

    async def _printed(
        self,
        head: dict[str, Any],
        messages: AsyncIterator[tuple[Whole, dict[str, Any]]],
        replies: AsyncIterator[dict[str, Any]],
    ) -> Response:
        pages = self._printer.begin(head)
        async for _, body in messages:
            pages.add(body)
        async for reply in replies:
            pages.add_inbound(reply)
        name = f'attachment; filename="registerutdrag-{head["partyId"]}.pdf"'
        return Response(
            await self._printer.print(pages, self._service.clock()),
            media_type=_PDF,
            headers={"Content-Disposition": name},
        )

    # -- contents ----------------------------------------

    async def _head(self, municipality_id: str, party_id: UUID) -> dict[str, Any]:
        """Return everything but the messages."""
        tables = self._service.directory
        party = await tables.parties.get(municipality_id, party_id)
        own = await tables.settings.of_party(municipality_id, party_id)
        settings = [own, *await tables.settings.children(municipality_id, own.id)] if own else []
        delegates = {
            each.id: each
            for setting in settings
            for role in ("principal_id", "agent_id")
            for each in await tables.delegates.find(
                municipality_id, **{"principal_id": None, "agent_id": None, role: setting.id}
            )
        }
        devices = await tables.subscriptions.listed(municipality_id, party_id)
        return {
            "municipalityId": municipality_id,
            "partyId": str(party_id),
            "created": time_of(self._service.clock()),
            "party": _party(party) if party else None,
            "contactSettings": [setting_of(municipality_id, setting) for setting in settings],
            "delegates": [delegate_of(each) for each in delegates.values()],
            "devices": [
                {"id": str(each.id), "kind": each.kind, "created": time_of(each.created)}
                for each in devices
            ],
            "holds": [
                hold_of(hold) for hold in await self._holds.of_party(municipality_id, party_id)
            ],
        }

    async def _messages(
        self, municipality_id: str, party_id: UUID, rules: Rules
    ) -> AsyncIterator[tuple[Whole, dict[str, Any]]]:
        async for whole in self._extracts.messages(municipality_id, party_id):
            yield whole, self._message(whole, rules)

    def _message(self, whole: Whole, rules: Rules) -> dict[str, Any]:
        first = whole.said[0]
        rule = rules.of(first.state.original_type, first.draft.unit)
        return without_nulls(
            {
                "messageId": str(whole.id),
                "batchId": str(first.state.batch_id),
                "messageType": first.state.original_type,
                "timestamp": time_of(whole.at),
                "origin": first.origin,
                "issuer": first.issuer,
                "reference": first.state.reference,
                "retention": _until(rule, whole.at),
                **first.remarks,
                "deliveries": [self._delivery(entry, whole) for entry in whole.said],
                "files": [_file(file) for file in whole.files],
            }
        )

    async def _replies(
        self, municipality_id: str, senders: Sequence[bytes], rules: Rules
    ) -> AsyncIterator[dict[str, Any]]:
        async for message in self._inbound.messages(municipality_id, senders):
            yield self._reply(message, rules.of(message.message_type, Unit(municipality_id)))

    def _reply(self, message: InboundMessage, rule: RetentionRule | None) -> dict[str, Any]:
        return without_nulls(
            {
                **message.told(label_of(self._service.channels, message.account)),
                "messageType": message.message_type,
                "sender": message.sender,
                "text": message.text,
                "erased": True if message.text is None else None,
                "retention": _until(rule, message.received_at),
            }
        )

    def _delivery(self, entry: HistoryEntry, whole: Whole) -> dict[str, Any]:
        content = without_bytes(content_of(self._service, entry))
        label = partial(label_of, self._service.channels)
        events = [event_of(event, label) for event in whole.stories[entry.state.id]]
        return {
            **delivery_of(entry.state),
            "status": word_of(entry),
            "content": content,
            "events": events,
        }


def _format(request: Request) -> str:
    """Return the format: ``format``, or PDF where ``Accept`` names it before JSON."""
    given = request.query_params.get("format")
    if not given:
        accepted = request.headers.get("accept", "").lower()
        return "pdf" if _PDF in accepted and "json" not in accepted.partition(_PDF)[0] else "json"
    if given not in _FORMATS:
        raise Unreadable(f"Failed to convert 'format' with value: '{given[:100]}'")
    return given


def _until(rule: RetentionRule | None, at: datetime) -> dict[str, Any] | None:
    """Return the rule of a message of this time, and when it ends."""
    if rule is None:
        return None
    ends = at + timedelta(days=rule.days) if rule.days is not None else None
    return {**rule_of(rule), **({"until": time_of(ends)} if ends else {})}


def _party(party: Party) -> dict[str, Any]:
    """Build the directory entry with the full number.

    With the address also where the identity is protected: the extract is for the person.
    """
    return {
        "type": party.kind.value,
        "legalId": party.legal_id.number,
        **place_of(party),
        "protected": party.protected,
    }


def _file(file: StoredFile) -> dict[str, Any]:
    return without_nulls(
        {
            "name": file.name,
            "contentType": file.content_type,
            "size": file.size,
            "sha256": file.digest.hex(),
        }
    )
