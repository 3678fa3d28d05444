"""Slack as chat.postMessage and auth.test speak: what was posted stands in the ledger, under the
name of its channel.

Every token that begins with ``xoxb-`` is taken, except ``xoxb-revoked``, ``xoxb-expired``,
``xoxb-inactive`` and ``xoxb-scopeless``. Every channel is there, except those of ``MISSING``; those
of ``MAGIC`` misbehave.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.fault_responses import Misconduct, throttled
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

TOKEN: Final = "xoxb-sandbox"  # noqa: S105
REFUSED_TOKENS: Final = {
    "xoxb-revoked": "token_revoked",
    "xoxb-expired": "token_expired",
    "xoxb-inactive": "account_inactive",
    "xoxb-scopeless": "missing_scope",
}
#: Channels that answer a post with an error of their own.
MISSING: Final = {
    "#missing": "channel_not_found",
    "#closed": "not_in_channel",
    "#archived": "is_archived",
    "#readonly": "restricted_action_read_only_channel",
}
MAGIC: Final = {
    "#ratelimited": FaultRule(ProviderFault.THROTTLE, times=2),
    "#temporary": FaultRule(ProviderFault.TEMPORARY, times=1),
    "#down": FaultRule(ProviderFault.TEMPORARY, times=None),
    "#revoked": FaultRule(ProviderFault.LOGIN, times=None),
    "#timeout": FaultRule(ProviderFault.TIMEOUT, seconds=60),
    "#drop": FaultRule(ProviderFault.DROP),
    "#garbage": FaultRule(ProviderFault.GARBAGE),
}
_NO: Final = {
    ProviderFault.REFUSE: "channel_not_found",
    ProviderFault.TEMPORARY: "service_unavailable",
    ProviderFault.LOGIN: "token_revoked",
}
#: Block Kit: blocks of a message, characters of a section.
_BLOCKS, _SECTION = 50, 3000


class Slack:
    """``memory``: seconds for which a ``client_msg_id`` is known again, and answered with the first
    message's ``ts``."""

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults,
        place: SandboxAddresses,  # noqa: ARG002
        *,
        memory: float = 300.0,
    ) -> None:
        self._ledger = ledger
        self._misconduct = Misconduct("slack", faults, MAGIC)
        self._memory = memory
        self._known: dict[str, tuple[float, str]] = {}
        self._last = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/slack/api/chat.postMessage", self._post_message),
            web.post("/slack/api/auth.test", self._test),
        ]

    async def start(self) -> None:
        """Needs no port of its own."""

    async def close(self) -> None:
        self._misconduct.close()

    async def _test(self, request: web.Request) -> web.Response:
        error = _token_error(request)
        return _no(error) if error else _json({"ok": True, "team": "Sandlådan", "user": "utskick"})

    async def _post_message(self, request: web.Request) -> web.Response:
        if error := _token_error(request):
            return _no(error)
        body = await request.read()
        asked = _asked(request, body)
        channel, said = _text(asked, "channel"), _said(asked)
        error = MISSING.get(channel) if channel else "channel_not_found"
        if error or said is None:
            return _no(error or "invalid_blocks")
        if not said.strip():
            return _no("no_text")
        return await self._serve(
            request,
            channel,
            Received(
                "slack", "slack", channel, "Utskick", said, _text(asked, "client_msg_id"), raw=body
            ),
        )

    async def _serve(self, request: web.Request, channel: str, message: Received) -> web.Response:
        rule = self._misconduct.strike(channel)
        match rule:
            case FaultRule(fault=ProviderFault.THROTTLE):
                return throttled(
                    rule, orjson.dumps({"ok": False, "error": "ratelimited"}), "application/json"
                )
            case FaultRule(
                fault=ProviderFault.REFUSE | ProviderFault.TEMPORARY | ProviderFault.LOGIN
            ):
                return _no(_NO[rule.fault])
        ts = self._take(message)
        yes = _json(
            {
                "ok": True,
                "channel": channel,
                "ts": ts,
                "message": {"type": "message", "text": message.text, "ts": ts},
            }
        )
        return await self._misconduct.silence(request, rule) or yes

    def _take(self, message: Received) -> str:
        """Into the ledger, unless it is known; gives its ``ts``."""
        now = time.monotonic()
        known = self._known.get(message.key) if message.key else None
        if known and known[0] > now:
            return known[1]
        ts = self._stamp()
        self._ledger.add(
            Received(
                "slack",
                "slack",
                message.recipient,
                message.sender,
                message.text,
                message.key or None,
                ts,
                raw=message.raw,
            )
        )
        if message.key:
            self._known[message.key] = (now + self._memory, ts)
        return ts

    def _stamp(self) -> str:
        """Seconds with six decimals, never the same twice."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06}"


def section(place: SandboxAddresses) -> dict[str, Any]:
    """The settings of the channel: one account for all municipalities, with a token for requests
    that bring none."""
    account = {
        "provider": "slack",
        "url": f"http://{HOST}:{place.http_port}/slack/api",
        "token": TOKEN,
        "connect_timeout": 2,
        "read_timeout": 3,
        "concurrency": 50,
    }
    return {"accounts": {"slack": account}}


def _token_error(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        return "not_authed"
    return REFUSED_TOKENS.get(token) if token.startswith("xoxb-") else "invalid_auth"


def _asked(request: web.Request, body: bytes) -> Mapping[str, Any]:
    """The arguments: JSON, or a form whose ``blocks`` is JSON."""
    try:
        if request.content_type == "application/json":
            asked = orjson.loads(body)
            return asked if isinstance(asked, dict) else {}
        form: dict[str, Any] = dict(parse_qsl(body.decode()))
        return {**form, "blocks": orjson.loads(form["blocks"])} if "blocks" in form else form
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        return {}


def _said(asked: Mapping[str, Any]) -> str | None:
    """What the channel shows: the blocks where there are any, else the text. None: the blocks are
    not valid."""
    blocks = asked.get("blocks")
    if blocks is None:
        return _text(asked, "text")
    texts = (
        [_section(block) for block in blocks]
        if isinstance(blocks, list) and len(blocks) <= _BLOCKS
        else [None]
    )
    valid = [text for text in texts if text is not None and 0 < len(text) <= _SECTION]
    return "\n".join(valid) if len(valid) == len(texts) else None


def _section(block: object) -> str | None:
    if not isinstance(block, dict) or block.get("type") != "section":
        return None
    said = block.get("text")
    return (
        _text(said, "text")
        if isinstance(said, dict) and said.get("type") in ("mrkdwn", "plain_text")
        else None
    )


def _text(asked: Mapping[str, Any], member: str) -> str:
    value = asked.get(member)
    return value if isinstance(value, str) else ""


def _no(error: str) -> web.Response:
    return _json({"ok": False, "error": error})


def _json(members: Mapping[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(members), content_type="application/json")
