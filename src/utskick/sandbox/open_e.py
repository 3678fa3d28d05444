"""Open-E's callback service in two instances, validated against its schema.

Every case exists except 404404; case 403403 denies access; the cases of ``MAGIC`` simulate faults.
A ledger entry is addressed to the case, its subject is the instance and its ``raw`` is the request,
which ``parse_case_message`` parses for the viewer.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import count
from typing import Any, Final

from aiohttp import web
from lxml import etree

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.fault_responses import FaultInjector, throttled
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

USERNAME, PASSWORD = "sandbox", "sandbox"
NAMESPACE: Final = "http://www.oeplatform.org/version/1.0/schemas/integration/callback"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
#: Cases that respond with a fault of the service.
REFUSING: Final = {"404404": "FlowInstanceNotFoundFault", "403403": "AccessDeniedFault"}
MAGIC: Final = {
    "500500": FaultRule(ProviderFault.TEMPORARY, times=None),
    "503503": FaultRule(ProviderFault.TEMPORARY, times=1),
    "429429": FaultRule(ProviderFault.THROTTLE, times=2),
    "408408": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "444444": FaultRule(ProviderFault.DROP),
    "222222": FaultRule(ProviderFault.GARBAGE),
}
_FAULT_TEXTS: Final = {
    "FlowInstanceNotFoundFault": "Flow instance not found",
    "AccessDeniedFault": "Access denied",
}


@dataclass(frozen=True, slots=True)
class CaseMessage:
    """Message in a case; ``as_owner`` if written by its owner; ``files``: (name, contents)."""

    case: str
    user: str
    text: str
    as_owner: bool
    files: tuple[tuple[str, bytes], ...] = ()


class OpenESimulator:
    """Internal and external instance, with the same login."""

    def __init__(self, ledger: Ledger, faults: Faults, addresses: SandboxAddresses) -> None:  # noqa: ARG002
        self._ledger = ledger
        self._injector = FaultInjector("open-e", faults, MAGIC)
        self._login = "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode("ascii")
        self._ids = count(1)

    def routes(self) -> list[web.RouteDef]:
        path = "/open-e/{instance:internal|external}/api/callback"
        return [web.post(path, self._callback), web.get(path, self._probe)]

    async def start(self) -> None:
        """Do nothing: the simulator has no port of its own."""

    async def close(self) -> None:
        self._injector.close()

    async def _probe(self, request: web.Request) -> web.Response:
        return (
            web.Response(status=405, headers={"Allow": "POST"})
            if self._is_authorized(request)
            else _unauthorized()
        )

    def _is_authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == self._login

    async def _callback(self, request: web.Request) -> web.Response:
        if not self._is_authorized(request):
            return _unauthorized()
        if request.content_type != "text/xml":
            return web.Response(status=415)
        body = b"".join(
            [chunk async for chunk in request.content.iter_any()]
            # Read in pieces, since the application limits the size of other bodies.
        )
        message = await asyncio.to_thread(_parse_request, body)
        return (
            _fault("Client", message)
            if isinstance(message, str)
            else await self._serve(request, message, body)
        )

    async def _serve(self, request: web.Request, message: CaseMessage, body: bytes) -> web.Response:
        if message.case in REFUSING:
            return _fault("Server", _FAULT_TEXTS[REFUSING[message.case]], REFUSING[message.case])
        rule = self._injector.apply(message.case)
        match rule:
            case FaultRule(fault=ProviderFault.THROTTLE):
                return throttled(rule)
            case FaultRule(fault=ProviderFault.REFUSE):
                return _fault(
                    "Server", _FAULT_TEXTS["FlowInstanceNotFoundFault"], "FlowInstanceNotFoundFault"
                )
            case FaultRule(fault=ProviderFault.TEMPORARY):
                return _fault("Server", "Internal error")
            case FaultRule(fault=ProviderFault.LOGIN):
                return _unauthorized()
        message_id = str(next(self._ids))
        instance = request.match_info["instance"].upper()
        self._ledger.add(
            Received(
                "web_message",
                "open-e",
                message.case,
                message.user,
                message.text,
                None,
                message_id,
                instance,
                body,
            )
        )
        operation = "addMessageAsOwner" if message.as_owner else "addMessage"
        response = _soap(
            200,
            f"<{operation}Response "
            f'xmlns="{NAMESPACE}"><messageID>{message_id}</messageID></{operation}Response>',
        )
        return await self._injector.faulty_response(request, rule) or response


def section(addresses: SandboxAddresses) -> dict[str, Any]:
    """Return the settings of the channel: both instances, for all municipalities."""
    base = f"http://{HOST}:{addresses.http_port}/open-e"
    common = {
        "provider": "open-e",
        "username": USERNAME,
        "password": PASSWORD,
        "connect_timeout": 2,
        "read_timeout": 5,
        "concurrency": 20,
    }
    return {
        "accounts": {
            "internal": {**common, "instance": "INTERNAL", "url": f"{base}/internal"},
            "external": {**common, "instance": "EXTERNAL", "url": f"{base}/external"},
        }
    }


def parse_case_message(raw: bytes) -> CaseMessage | None:
    """Parse the request in a ledger entry; return None if it is not a message."""
    message = _parse_request(raw)
    return None if isinstance(message, str) else message


# -- schema ----------------------------------------


@dataclass(frozen=True, slots=True)
class _ElementRule:
    """Element of a sequence: its child elements, or a parser that validates its text."""

    name: str
    parse: Callable[[str], object] = str
    children: tuple[_ElementRule, ...] = ()
    required: bool = True
    repeated: bool = False
    nillable: bool = False

    def faults(self, element: Any) -> str | None:
        if self.nillable and element.get(_NIL) in ("true", "1"):
            return None
        if self.children:
            return _check_sequence(element, self.children)
        try:
            self.parse(element.text or "")
        except ValueError:
            return f"{self.name} is not of its type"
        return f"{self.name} may hold no elements" if len(element) else None


def _int(text: str) -> None:
    if not re.fullmatch(r"\s*-?[0-9]{1,10}\s*", text) or not -(2**31) <= int(text) < 2**31:
        raise ValueError(text)


def _date_time(text: str) -> None:
    if "T" not in text:
        raise ValueError(text)
    datetime.fromisoformat(text.strip())


def _boolean(text: str) -> None:
    if text.strip() not in ("true", "false", "1", "0"):
        raise ValueError(text)


def _base64(text: str) -> bytes:
    return b64decode("".join(text.split()), validate=True)


_ATTACHMENT: Final = (
    _ElementRule("encodedData", _base64),
    _ElementRule("filename"),
    _ElementRule("size", int),
)
_MESSAGE: Final = (
    _ElementRule("added", _date_time),
    _ElementRule("attachments", children=_ATTACHMENT, required=False, repeated=True, nillable=True),
    _ElementRule("message"),
    _ElementRule("userID"),
    _ElementRule("readReceiptEnabled", _boolean, required=False),
)
_PRINCIPAL: Final = (
    _ElementRule("name", required=False, nillable=True),
    _ElementRule("userID", nillable=True),
)


def _operation(*principal: _ElementRule) -> tuple[_ElementRule, ...]:
    return (
        _ElementRule("flowInstanceID", _int, required=False),
        _ElementRule(
            "externalID", children=(_ElementRule("ID"), _ElementRule("System")), required=False
        ),
        _ElementRule("message", children=_MESSAGE),
        _ElementRule("principal", children=principal, required=False),
    )


OPERATIONS: Final = {
    "addMessage": _operation(*_PRINCIPAL),
    "addMessageAsOwner": _operation(*_PRINCIPAL, _ElementRule("citizenID", nillable=True)),
}


def _check_sequence(element: Any, parts: tuple[_ElementRule, ...]) -> str | None:
    """Return the first fault of a sequence, as a validating parser reports it, or None."""
    remaining = list(element.iterchildren("*"))
    for part in parts:
        found = 0
        while remaining and remaining[0].tag == _name(part.name) and (part.repeated or not found):
            if fault := part.faults(remaining.pop(0)):
                return fault
            found += 1
        if part.required and not found:
            return f"{part.name} is expected here"
    return f"{etree.QName(remaining[0]).localname} is not expected here" if remaining else None


def _parse_request(body: bytes) -> CaseMessage | str:
    """Return the message, or a description of the fault."""
    if b"<!DOCTYPE" in body:
        return "a SOAP message must not hold a document type declaration"
    try:
        # huge_tree is needed for texts of more than 10 MB, such as attachments
        root = etree.fromstring(
            body,
            etree.XMLParser(
                resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
            ),
        )
    except (etree.XMLSyntaxError, ValueError):
        return "this is not XML"
    calls = root.findall(f"{{{SOAP}}}Body/*") if root.tag == f"{{{SOAP}}}Envelope" else []
    call = etree.QName(calls[0]) if len(calls) == 1 else None
    if call is None or call.namespace != NAMESPACE or call.localname not in OPERATIONS:
        return "this operation is not supported by the sandbox"
    fault = _check_sequence(calls[0], OPERATIONS[call.localname])
    return fault or _message(calls[0], as_owner=call.localname == "addMessageAsOwner")


def _message(call: Any, *, as_owner: bool) -> CaseMessage | str:
    case = call.findtext(_name("flowInstanceID"))
    message = call.find(_name("message"))
    if case is None or message is None:
        return "the sandbox identifies cases by flowInstanceID only"
    files = tuple(
        (
            found.findtext(_name("filename")) or "",
            _base64(found.findtext(_name("encodedData")) or ""),
        )
        for found in message.findall(_name("attachments"))
        if len(found)
    )
    user, text = message.findtext(_name("userID")) or "", message.findtext(_name("message")) or ""
    return CaseMessage(str(int(case)), user, text, as_owner, files)


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"


# -- responses ----------------------------------------


def _fault(code: str, text: str, detail: str | None = None) -> web.Response:
    content = f'<detail><{detail} xmlns="{NAMESPACE}"/></detail>' if detail else ""
    return _soap(
        500,
        f"<S:Fault><faultcode>S:{code}</faultcode><faultstring>{escape(text)}</faultstring>{content}</S:Fault>",
    )


def _soap(status: int, content: str) -> web.Response:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><S:Envelope '
        f'xmlns:S="{SOAP}"><S:Body>{content}</S:Body></S:Envelope>'
    )
    return web.Response(status=status, text=text, content_type="text/xml")


def _unauthorized() -> web.Response:
    return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Open-E"'})
