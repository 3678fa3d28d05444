"""Open-E of the test: a real server on 127.0.0.1 that answers as told, and the real channel in
front of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from tests.contracts.faulty_server import FaultyServer, Reply
from tests.contracts.provider import PATIENCE, SECRET
from utskick.channels.web_message.channel import WebMessageChannel, build
from utskick.channels.web_message.settings import WebMessageSettings
from utskick.channels.web_message.soap_request import NAMESPACE, SOAP
from utskick.domain.channel import Draft
from utskick.domain.directory_ports import LegalId
from utskick.domain.outcome import Deferred, Outcome
from utskick.domain.recipient import Recipient

NOW = datetime(2026, 1, 1, 11, tzinfo=UTC)
ANNA, NOBODY = "6a5c3d04-412d-11ec-973a-0242ac130003", "6a5c3d04-412d-11ec-973a-0242ac130009"
NUMBER = "199001012385"


class Directory:
    """Knows Anna, unless told that nobody can tell."""

    def __init__(self) -> None:
        self.away: Deferred | None = None
        self.asked: list[tuple[str, Sequence[str]]] = []

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        self.asked.append((municipality_id, party_ids))
        return self.away or {
            party_id: LegalId(NUMBER) for party_id in party_ids if party_id == ANNA
        }


def account(
    url: str = "http://127.0.0.1:9", instance: str = "EXTERNAL", **more: Any
) -> dict[str, Any]:
    members = {
        "provider": "open-e",
        "instance": instance,
        "url": url,
        "username": "utskick",
        "password": SECRET,
    }
    return {**members, **PATIENCE, **more}


def channel(
    directory: Directory | None = None,
    limits: Mapping[str, int] | None = None,
    **accounts: dict[str, Any],
) -> WebMessageChannel:
    return build(
        WebMessageSettings.model_validate({**(limits or {}), "accounts": accounts}),
        directory or Directory(),
        lambda: NOW,
    )


def draft(case: str = "102251", party_id: str | None = None, **content: Any) -> Draft:
    members = {
        "party": {"externalReferences": [{"key": "flowInstanceId", "value": case}]},
        "message": "Ditt ärende är klart.",
        **content,
    }
    return Draft("2281", members, Recipient(case, party_id), frozen=NOW.isoformat().encode())


def soap(status: int, inner: str) -> Reply:
    text = f'<S:Envelope xmlns:S="{SOAP}"><S:Body>{inner}</S:Body></S:Envelope>'
    return lambda: web.Response(status=status, text=text, content_type="text/xml")


def fault(detail: str = "", code: str = "S:Server", status: int = 500) -> Reply:
    named = f'<detail><{detail} xmlns="{NAMESPACE}"/></detail>' if detail else ""
    return soap(
        status,
        (
            f"<S:Fault><faultcode>{code}</faultcode><faultstring>Anna"
            f" 199001012385 saknar behörighet i ärendet</faultstring>{named}</S:Fault>"
        ),
    )


def yes(message_id: str = "151", operation: str = "addMessage") -> Reply:
    return soap(
        200,
        (
            f'<{operation}Response xmlns="{NAMESPACE}"><messageID>{message_id}</messageID>'
            f"</{operation}Response>"
        ),
    )


def raw(data: bytes, status: int = 200) -> Reply:
    return lambda: web.Response(status=status, body=data, content_type="text/xml")


def declared(entities: str, value: str) -> str:
    """A yes whose message id is told by an entity."""
    called = (
        f'<addMessageResponse xmlns="{NAMESPACE}"><messageID>{value}</messageID>'
        f"</addMessageResponse>"
    )
    return (
        f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><S:Envelope xmlns:S="{SOAP}">'
        f"<S:Body>{called}</S:Body></S:Envelope>"
    )


LEVELS = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
BOMB = declared(f'<!ENTITY e0 "1111111111">{LEVELS}', "&e9;")

ANSWERS: dict[str, Reply] = {
    "well": yes(),
    "throttle": lambda: web.Response(status=429, headers={"Retry-After": "30"}),
    "temporary": fault(),
    "login": lambda: web.Response(status=401, text="no"),
    "refuse": fault("FlowInstanceNotFoundFault"),
    "garbage": raw(b"<html>It works!</html>"),
    "access": fault("AccessDeniedFault"),
    "client": fault(code="S:Client"),
    "client-sub": fault(code="soap:Client.Authentication"),
    "version": fault(code="S:VersionMismatch"),
    "fault-in-200": fault("FlowInstanceNotFoundFault", status=200),
    "foreign-detail": soap(
        500,
        (
            "<S:Fault><faultcode>S:Server</faultcode><detail><FlowInstanceNotFoundFault"
            ' xmlns="urn:x"/></detail></S:Fault>'
        ),
    ),
    "other-operation": yes(operation="addEvent"),
    "no-id": yes(""),
    "word-id": yes("one"),
    "yes-in-500": soap(
        500,
        f'<addMessageResponse xmlns="{NAMESPACE}"><messageID>1</messageID></addMessageResponse>',
    ),
    "empty": raw(b""),
    "not-xml": raw(b"\xff\xfe not xml"),
    "two-in-body": soap(
        200,
        (
            f'<addMessageResponse xmlns="{NAMESPACE}"><messageID>1</messageID>'
            f"</addMessageResponse><x/>"
        ),
    ),
    "no-body": raw(f'<S:Envelope xmlns:S="{SOAP}"/>'.encode()),
    "bomb": raw(BOMB.encode()),
    "bomb-utf16": raw(BOMB.replace('"1.0"?', '"1.0" encoding="UTF-16"?').encode("utf-16")),
    "bomb-500": raw(BOMB.encode(), 500),
    "entity": raw(declared('<!ENTITY e "151">', "&e;").encode()),
    "file": raw(
        declared('<!ENTITY e SYSTEM "file:///proc/sys/kernel/ngroups_max">', "&e;").encode()
    ),
    "declaration": raw(declared("", "151").encode()),
    "10-megabytes": raw(b"<x>" + b"x" * 10_000_000 + b"</x>"),
    "deep": raw(b"<x>" * 100_000),
    "404": lambda: web.Response(status=404),
    "413": lambda: web.Response(status=413),
    "504": lambda: web.Response(status=504),
    "html-500": lambda: web.Response(status=500, text="<html>oops"),
    "as-owner": yes("152", "addMessageAsOwner"),
}


class OpenEStage(FaultyServer):
    """Open-E of the test, with the channel in front of it."""

    carries_key = False
    names_retry_time = True

    def __init__(self) -> None:
        super().__init__(ANSWERS, ANSWERS["well"])
        self.directory = Directory()

    async def open(self) -> OpenEStage:
        await self.open_server()
        self.channel = channel(self.directory, external=account(self.url("/e")))
        return self

    async def close(self) -> None:
        await self.channel.close()
        await self.close_server()

    async def send(self, key: object, sent: Draft | None = None, **changes: Any) -> Outcome:
        assert isinstance(key, UUID)
        return await self.channel.send(replace(sent or draft(), **changes), key, "external")
