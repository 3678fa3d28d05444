"""Open-E client: the SOAP service ``IntegrationCallback`` with HTTP Basic."""

from __future__ import annotations

import asyncio
from typing import Final

from utskick.channels.web_message.settings import OpenEAccount
from utskick.channels.web_message.soap_request import WebMessage, write
from utskick.channels.web_message.soap_responses import read
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Outcome
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts
from utskick.outgoing.parsing import basic

_PATH: Final = "/api/callback"
#: Bytes of attachments beyond which encoding them runs in a thread.
_HEAVY: Final = 65_536


class OpenE:
    """Client of one instance. The protocol has no client reference, hence no deduplication."""

    def __init__(self, name: str, account: OpenEAccount) -> None:
        self.name = name
        self.account = account
        self.user = account.user or account.username
        timeouts = Timeouts(account.connect_timeout, account.read_timeout)
        self._wire = HttpClient(
            concurrency=account.concurrency, timeouts=timeouts, tls=account.tls, reach=account.reach
        )
        self._url = account.url.removesuffix(_PATH) + _PATH
        self._headers = {
            "Authorization": basic(account.username, account.password.get_secret_value()),
            "Content-Type": "text/xml; charset=UTF-8",
            "SOAPAction": '""',  # as in the WSDL; SOAP 1.1 section 6.1.1 requires the header
            "Accept": "text/xml",
        }

    async def send(self, message: WebMessage) -> Outcome:
        heavy = sum(len(attachment.data) for attachment in message.attachments) > _HEAVY
        body = await asyncio.to_thread(write, message) if heavy else write(message)
        answer = await self._wire.call(HttpRequest("POST", self._url, body, self._headers))
        return read(answer, message.operation) if isinstance(answer, HttpResponse) else answer

    async def check(self) -> AccountHealth:
        """Send a GET, which changes nothing; its status shows whether the login is accepted."""
        answer = await self._wire.call(
            HttpRequest("GET", self._url, headers={"Authorization": self._headers["Authorization"]})
        )
        if not isinstance(answer, HttpResponse):
            reason = getattr(answer, "reason", None)
            return AccountHealth(
                self.name, False, reason.sentence if reason else "Open-E does not respond"
            )
        if answer.status in (401, 403):
            return AccountHealth(
                self.name,
                False,
                f"Open-E responds, but rejects the credentials (HTTP {answer.status})",
            )
        return AccountHealth(self.name, True, f"Open-E responds (HTTP {answer.status})")

    async def close(self) -> None:
        await self._wire.close()
