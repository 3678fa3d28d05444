"""Slack's chat.postMessage and auth.test; the ledger's recipient is the channel.

Tokens beginning with ``xoxb-`` are accepted, except those of ``REFUSED_TOKENS``. Every channel
exists, except those of ``MISSING``; those of ``MAGIC`` simulate faults.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from utskick.sandbox.addresses import HOST, SandboxAddresses
from utskick.sandbox.fault_responses import FaultInjector, throttled
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received

TOKEN: Final = "xoxb-sandbox"  # noqa: S105
REFUSED_TOKENS: Final = {
    "xoxb-revoked": "token_revoked",
    "xoxb-expired": "token_expired",
    "xoxb-inactive": "account_inactive",
    "xoxb-scopeless": "missing_scope",
}
#: Channels that respond with an error of their own.
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
_ERRORS: Final = {
    ProviderFault.REFUSE: "channel_not_found",
    ProviderFault.TEMPORARY: "service_unavailable",
    ProviderFault.LOGIN: "token_revoked",
}
#: Block Kit: maximum number of blocks of a message, and of characters of a section.
_BLOCKS, _SECTION = 50, 3000


class SlackSimulator:
    """Workspace that answers a repeated ``client_msg_id`` with the first ``ts``.

    ``remember_seconds``: how long an id is remembered.
    """

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults,
        addresses: SandboxAddresses,  # noqa: ARG002
        *,
        remember_seconds: float = 300.0,
    ) -> None:
        self._ledger = ledger
        self._injector = FaultInjector("slack", faults, MAGIC)
        self._remember_seconds = remember_seconds
        self._recent: dict[str, tuple[float, str]] = {}
        self._last = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/slack/api/chat.postMessage", self._post_message),
            web.post("/slack/api/auth.test", self._auth_test),
        ]

    async def start(self) -> None:
        """Do nothing: the simulator has no port of its own."""

    async def close(self) -> None:
        self._injector.close()

    async def _auth_test(self, request: web.Request) -> web.Response:
        error = _token_error(request)
        return (
            _error(error) if error else _json({"ok": True, "team": "Sandlådan", "user": "utskick"})
        )

    async def _post_message(self, request: web.Request) -> web.Response:
        if error := _token_error(request):
            return _error(error)
        body = await request.read()
        arguments = _arguments(request, body)
        channel, text = _text(arguments, "channel"), _message_text(arguments)
        error = MISSING.get(channel) if channel else "channel_not_found"
        if error or text is None:
            return _error(error or "invalid_blocks")
        if not text.strip():
            return _error("no_text")
        return await self._serve(
            request,
            channel,
            Received(
                "slack",
                "slack",
                channel,
                "Utskick",
                text,
                _text(arguments, "client_msg_id"),
                raw=body,
            ),
        )

    async def _serve(self, request: web.Request, channel: str, message: Received) -> web.Response:
        rule = self._injector.apply(channel)
        match rule:
            case FaultRule(fault=ProviderFault.THROTTLE):
                return throttled(
                    rule, orjson.dumps({"ok": False, "error": "ratelimited"}), "application/json"
                )
            case FaultRule(
                fault=ProviderFault.REFUSE | ProviderFault.TEMPORARY | ProviderFault.LOGIN
            ):
                return _error(_ERRORS[rule.fault])
        ts = self._deliver(message)
        response = _json(
            {
                "ok": True,
                "channel": channel,
                "ts": ts,
                "message": {"type": "message", "text": message.text, "ts": ts},
            }
        )
        return await self._injector.faulty_response(request, rule) or response

    def _deliver(self, message: Received) -> str:
        """Add the message to the ledger unless its id is known, and return its ``ts``."""
        now = time.monotonic()
        known = self._recent.get(message.key) if message.key else None
        if known and known[0] > now:
            return known[1]
        ts = self._new_timestamp()
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
            self._recent[message.key] = (now + self._remember_seconds, ts)
        return ts

    def _new_timestamp(self) -> str:
        """Return a unique timestamp: seconds with six decimals."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06}"


def section(addresses: SandboxAddresses) -> dict[str, Any]:
    """Return the settings of the channel: one account with a default token."""
    account = {
        "provider": "slack",
        "url": f"http://{HOST}:{addresses.http_port}/slack/api",
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


def _arguments(request: web.Request, body: bytes) -> Mapping[str, Any]:
    """Return the arguments of the call: JSON, or a form whose ``blocks`` is JSON."""
    try:
        if request.content_type == "application/json":
            arguments = orjson.loads(body)
            return arguments if isinstance(arguments, dict) else {}
        form: dict[str, Any] = dict(parse_qsl(body.decode()))
        return {**form, "blocks": orjson.loads(form["blocks"])} if "blocks" in form else form
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        return {}


def _message_text(arguments: Mapping[str, Any]) -> str | None:
    """Return the visible text: of the blocks, if any; None if the blocks are invalid."""
    blocks = arguments.get("blocks")
    if blocks is None:
        return _text(arguments, "text")
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
    text = block.get("text")
    return (
        _text(text, "text")
        if isinstance(text, dict) and text.get("type") in ("mrkdwn", "plain_text")
        else None
    )


def _text(arguments: Mapping[str, Any], member: str) -> str:
    value = arguments.get(member)
    return value if isinstance(value, str) else ""


def _error(error: str) -> web.Response:
    return _json({"ok": False, "error": error})


def _json(members: Mapping[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(members), content_type="application/json")
