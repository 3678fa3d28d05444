"""Slack channel: planning, and posting with the request's or the municipality's token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel

from utskick.channels.slack.blocks import blocks, fallback
from utskick.channels.slack.requests import SlackRequest
from utskick.channels.slack.responses import read
from utskick.channels.slack.settings import SlackAccount, SlackSettings
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Draft,
    Plan,
    Priority,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.errors import Invalid, NotBuilt, Violation
from utskick.domain.history_facts import HistoryFacts
from utskick.domain.outcome import Concern, Misconfigured, Outcome, Reason, Rejected
from utskick.domain.recipient import Recipient
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts
from utskick.outgoing.parsing import members

_MIB: Final = 1_048_576


class _OpenSlackAccount:
    """An account with its HTTP client."""

    def __init__(self, name: str, settings: SlackAccount) -> None:
        self.name = name
        self.settings = settings
        self.token = settings.token.get_secret_value() if settings.token else None
        timeouts = Timeouts(settings.connect_timeout, settings.read_timeout)
        self.wire = HttpClient(
            concurrency=settings.concurrency,
            timeouts=timeouts,
            tls=settings.tls,
            reach=settings.reach,
        )

    async def post(
        self, method: str, token: str, body: Mapping[str, Any]
    ) -> HttpResponse | Outcome:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json; charset=utf-8",
            "Accept": "application/json",
        }
        return await self.wire.call(
            HttpRequest("POST", f"{self.settings.url}/{method}", orjson.dumps(body), headers)
        )

    async def check(self) -> AccountHealth:
        """Call ``auth.test``, which only verifies the token; without one, request the address."""
        answer = await (
            self.post("auth.test", self.token, {})
            if self.token
            else self.wire.call(HttpRequest("GET", self.settings.url))
        )
        if not isinstance(answer, HttpResponse):
            reason = getattr(answer, "reason", None)
            return AccountHealth(
                self.name, False, reason.sentence if reason else "Slack does not respond"
            )
        if self.token is None:
            return AccountHealth(
                self.name,
                True,
                f"Slack responds (HTTP {answer.status}); no token is configured to verify",
            )
        ok = members(answer.body).get("ok") is True
        return AccountHealth(
            self.name,
            ok,
            "Slack responds and accepts the token"
            if ok
            else "Slack responds, but rejects the token",
        )


class SlackChannel(ChannelDefaults):
    """Implementation of ``domain.channel.Channel`` for Slack.

    A recipient's destination is the name or id of a Slack channel.
    """

    name = "slack"
    message_type = "SLACK"
    integration = "Slack"
    label = "Slack"
    history_facts = HistoryFacts(in_statistics=False)
    failure_title = "Unable to send Slack message"
    forms = (
        SendEndpoint(
            "slack",
            "sendToSlack",
            "Send a message to a Slack channel",
            SlackRequest,
            None,
            many=False,
            limit=_MIB,
        ),
    )

    def __init__(self, settings: SlackSettings) -> None:
        self._settings = settings
        self.unsettled = settings.unsettled
        self._accounts = {
            name: _OpenSlackAccount(name, account) for name, account in settings.accounts.items()
        }
        self.accounts = tuple(
            Account(n, a.provider, a.priority, a.concurrency, a.rate)
            for n, a in settings.accounts.items()
        )

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if not isinstance(request, SlackRequest):
            raise TypeError(f"{type(request).__name__} is not a Slack request")
        account = self._account_of(asked.municipality_id)
        if account is None:
            raise NotBuilt(
                "no Slack account is configured for this municipality; see section [slack] of the"
                " settings"
            )
        if request.token is None and account.token is None:
            raise Invalid([Violation("token", "must not be blank")])
        return Plan(
            content={**request.content(), **({"_brought": True} if request.token else {})},
            recipients=[Recipient(request.channel)],
            entries=[0],
            priority=Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL,
            department=request.department,
            reference=request.reference,
            send_at=request.send_at,
            valid_until=request.valid_until,
            secret=request.token.encode("ascii") if request.token else None,
        )

    def _account_of(self, municipality_id: str) -> _OpenSlackAccount | None:
        name = self._settings.account_of(municipality_id)
        return self._accounts[name] if name is not None else None

    def able(self, draft: Draft) -> tuple[str, ...]:
        account = self._account_of(draft.municipality_id)
        if account and (account.token or draft.content.get("_brought")):
            return (account.name,)
        return ()

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:  # noqa: ARG002
        """See ``SlackAccount.deduplicates``."""
        opened = self._accounts.get(account)
        return "resend" if opened and opened.settings.deduplicates else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        opened = self._accounts.get(account)
        if opened is None:
            return Misconfigured(
                Reason("no-account", "the account is no longer configured"), Concern.OURSELVES
            )
        brought = draft.content.get("_brought") is True
        if brought and not draft.secret:
            # Never substitute the municipality's token: the message would come from another
            # sender, or go to another workspace.
            return Rejected(Reason("no-token", "the token of the request has been erased"))
        token = draft.secret.decode("ascii") if brought and draft.secret else opened.token
        if token is None:
            return Misconfigured(
                Reason("no-token", "the municipality's token is no longer configured")
            )
        answer = await opened.post("chat.postMessage", token, _body(draft, key))
        return read(answer, brought=brought) if isinstance(answer, HttpResponse) else answer

    def show(self, draft: Draft) -> dict[str, Any]:
        visible = {name: value for name, value in draft.content.items() if not name.startswith("_")}
        return {"channel": draft.recipient.destination, **visible}

    async def look(self) -> list[AccountHealth]:
        return list(await asyncio.gather(*(account.check() for account in self._accounts.values())))

    async def close(self) -> None:
        await asyncio.gather(*(account.wire.close() for account in self._accounts.values()))


def _body(draft: Draft, key: UUID) -> dict[str, Any]:
    """Build the call, without Slack's defaults of linking names and unfurling addresses."""
    text = draft.content["message"]
    return {
        "channel": draft.recipient.destination,
        "text": fallback(text),
        "blocks": blocks(text),
        "client_msg_id": str(key),
        "mrkdwn": True,
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def build(settings: SlackSettings) -> SlackChannel:
    """Build the channel."""
    return SlackChannel(settings)
