"""Open-E's callback as its schema has it, two instances: what was written in a case stands in the
ledger, under the case's number.

Every case is there but 404404; in 403403 nobody may write; those of ``MAGIC`` misbehave. A ledger
entry's subject is the instance, its ``raw`` the request, which ``open_case_message`` opens again
with its files.
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
from utskick.sandbox.fault_responses import Misconduct, throttled
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

USERNAME, PASSWORD = "sandbox", "sandbox"
NAMESPACE: Final = "http://www.oeplatform.org/version/1.0/schemas/integration/callback"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
#: Cases that answer with a fault of their own.
REFUSING: Final = {"404404": "FlowInstanceNotFoundFault", "403403": "AccessDeniedFault"}
MAGIC: Final = {
    "500500": FaultRule(ProviderFault.TEMPORARY, times=None),
    "503503": FaultRule(ProviderFault.TEMPORARY, times=1),
    "429429": FaultRule(ProviderFault.THROTTLE, times=2),
    "408408": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "444444": FaultRule(ProviderFault.DROP),
    "222222": FaultRule(ProviderFault.GARBAGE),
}
_WORDS: Final = {
    "FlowInstanceNotFoundFault": "Flow instance not found",
    "AccessDeniedFault": "Access denied",
}


@dataclass(frozen=True, slots=True)
class CaseMessage:
    """A message in a case. ``files``: names and contents. ``as_owner``: the case's owner wrote it,
    not the municipality."""

    case: str
    user: str
    text: str
    as_owner: bool
    files: tuple[tuple[str, bytes], ...] = ()


class OpenESimulator:
    """Both instances, with one login."""

    def __init__(self, ledger: Ledger, faults: Faults, place: SandboxAddresses) -> None:  # noqa: ARG002
        self._ledger = ledger
        self._misconduct = Misconduct("open-e", faults, MAGIC)
        self._login = "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode("ascii")
        self._ids = count(1)

    def routes(self) -> list[web.RouteDef]:
        path = "/open-e/{instance:internal|external}/api/callback"
        return [web.post(path, self._callback), web.get(path, self._glance)]

    async def start(self) -> None:
        """Needs no port of its own."""

    async def close(self) -> None:
        self._misconduct.close()

    async def _glance(self, request: web.Request) -> web.Response:
        return (
            web.Response(status=405, headers={"Allow": "POST"})
            if self._admits(request)
            else _unauthorized()
        )

    def _admits(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == self._login

    async def _callback(self, request: web.Request) -> web.Response:
        if not self._admits(request):
            return _unauthorized()
        if request.content_type != "text/xml":
            return web.Response(status=415)
        body = b"".join(
            [piece async for piece in request.content.iter_any()]
        )  # the application's own limit is for small bodies
        message = await asyncio.to_thread(_read, body)
        return (
            _fault("Client", message)
            if isinstance(message, str)
            else await self._serve(request, message, body)
        )

    async def _serve(self, request: web.Request, message: CaseMessage, body: bytes) -> web.Response:
        if message.case in REFUSING:
            return _fault("Server", _WORDS[REFUSING[message.case]], REFUSING[message.case])
        rule = self._misconduct.strike(message.case)
        match rule:
            case FaultRule(fault=ProviderFault.THROTTLE):
                return throttled(rule)
            case FaultRule(fault=ProviderFault.REFUSE):
                return _fault(
                    "Server", _WORDS["FlowInstanceNotFoundFault"], "FlowInstanceNotFoundFault"
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
        yes = _soap(
            200,
            f'<{operation}Response xmlns="{NAMESPACE}"><messageID>{message_id}</messageID></{operation}Response>',
        )
        return await self._misconduct.silence(request, rule) or yes


def section(place: SandboxAddresses) -> dict[str, Any]:
    """The settings of the channel: both instances, for all municipalities."""
    base = f"http://{HOST}:{place.http_port}/open-e"
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


def open_case_message(raw: bytes) -> CaseMessage | None:
    """A message out of the ledger; None for what is none."""
    message = _read(raw)
    return None if isinstance(message, str) else message


# -- the schema ----------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """An element of a sequence: ``holds`` are its parts, else ``reads`` tries its text."""

    name: str
    reads: Callable[[str], object] = str
    holds: tuple[_Part, ...] = ()
    needed: bool = True
    many: bool = False
    nillable: bool = False

    def faults(self, element: Any) -> str | None:
        if self.nillable and element.get(_NIL) in ("true", "1"):
            return None
        if self.holds:
            return _order(element, self.holds)
        try:
            self.reads(element.text or "")
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


_ATTACHMENT: Final = (_Part("encodedData", _base64), _Part("filename"), _Part("size", int))
_MESSAGE: Final = (
    _Part("added", _date_time),
    _Part("attachments", holds=_ATTACHMENT, needed=False, many=True, nillable=True),
    _Part("message"),
    _Part("userID"),
    _Part("readReceiptEnabled", _boolean, needed=False),
)
_PRINCIPAL: Final = (_Part("name", needed=False, nillable=True), _Part("userID", nillable=True))


def _operation(*principal: _Part) -> tuple[_Part, ...]:
    return (
        _Part("flowInstanceID", _int, needed=False),
        _Part("externalID", holds=(_Part("ID"), _Part("System")), needed=False),
        _Part("message", holds=_MESSAGE),
        _Part("principal", holds=principal, needed=False),
    )


OPERATIONS: Final = {
    "addMessage": _operation(*_PRINCIPAL),
    "addMessageAsOwner": _operation(*_PRINCIPAL, _Part("citizenID", nillable=True)),
}


def _order(element: Any, parts: tuple[_Part, ...]) -> str | None:
    """What is wrong with a sequence: the first thing, as a validating parser tells it."""
    left = list(element.iterchildren("*"))
    for part in parts:
        found = 0
        while left and left[0].tag == _name(part.name) and (part.many or not found):
            if fault := part.faults(left.pop(0)):
                return fault
            found += 1
        if part.needed and not found:
            return f"{part.name} is expected here"
    return f"{etree.QName(left[0]).localname} is not expected here" if left else None


def _read(body: bytes) -> CaseMessage | str:
    """The message, or what is wrong with it."""
    if b"<!DOCTYPE" in body:
        return "a SOAP message must not hold a document type declaration"
    try:
        # a text of more than 10 MB, as an attachment is, needs huge_tree
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
        return "this is no operation that the sandbox knows"
    fault = _order(calls[0], OPERATIONS[call.localname])
    return fault or _message(calls[0], as_owner=call.localname == "addMessageAsOwner")


def _message(call: Any, *, as_owner: bool) -> CaseMessage | str:
    case = call.findtext(_name("flowInstanceID"))
    message = call.find(_name("message"))
    if case is None or message is None:
        return "flowInstanceID is the only way to name a case in the sandbox"
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


# -- answers ----------------------------------------


def _fault(code: str, words: str, detail: str | None = None) -> web.Response:
    inner = f'<detail><{detail} xmlns="{NAMESPACE}"/></detail>' if detail else ""
    return _soap(
        500,
        f"<S:Fault><faultcode>S:{code}</faultcode><faultstring>{escape(words)}</faultstring>{inner}</S:Fault>",
    )


def _soap(status: int, inner: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="{SOAP}"><S:Body>{inner}</S:Body></S:Envelope>'
    return web.Response(status=status, text=text, content_type="text/xml")


def _unauthorized() -> web.Response:
    return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Open-E"'})
