"""Telia SmsSenderPremium 1.0.0.

Swedish mobile numbers only; the protocol has no client reference, message id or delivery report.
"""

from __future__ import annotations

from uuid import UUID

import orjson

from utskick.channels.sms.provider import Sms
from utskick.channels.sms.settings import TeliaAccount
from utskick.domain.channel import ProviderCallback
from utskick.domain.errors import Unreadable
from utskick.domain.outcome import Outcome, Reason, Rejected, Sent
from utskick.domain.phone_number import is_swedish_mobile
from utskick.domain.receipt import Receipt
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, by_status
from utskick.outgoing.parsing import is_success, members
from utskick.outgoing.provider_words import with_words
from utskick.outgoing.token import Token, TokenSource


class Telia:
    """One account at Telia."""

    def __init__(self, account: TeliaAccount, wire: HttpClient) -> None:
        self._wire = wire
        self._url = f"{account.url}/sendSms"
        self._token = Token(
            TokenSource(
                account.token_url, account.client_id, account.client_secret.get_secret_value()
            ),
            wire,
        )

    def supports(self, number: str) -> bool:
        return is_swedish_mobile(number)

    async def send(self, sms: Sms, key: UUID) -> Outcome:  # noqa: ARG002 (protocol signature)
        body = orjson.dumps(
            {
                "originator": sms.sender,
                "destinationNumber": sms.number,
                "message": sms.text,
                "deliveryPriority": "high" if sms.urgent else "normal",
            }
        )
        answer = await self._post(body)
        if isinstance(answer, HttpResponse) and answer.status == 401:
            # 401 means not sent: the token expired early, so one retry with a new token is safe.
            answer = await self._post(body)
        return _read(answer) if isinstance(answer, HttpResponse) else answer

    async def _post(self, body: bytes) -> HttpResponse | Outcome:
        token = await self._token.get()
        if not isinstance(token, str):
            return token
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        answer = await self._wire.call(HttpRequest("POST", self._url, body, headers))
        if isinstance(answer, HttpResponse) and answer.status == 401:
            self._token.refuse(token)
        return answer

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        raise Unreadable(
            f"account {hook.account} has no delivery reports: Telia's protocol does not offer them"
        )


def _read(answer: HttpResponse) -> Outcome:
    if is_success(answer):
        return Sent()
    error = members(answer.body)
    details = error.get("technicalDetails")
    given = details if isinstance(details, dict) else {}
    words, root = given.get("rootCause") or error.get("message"), given.get("rootCode")
    if answer.status == 400:
        code = None if root is None else str(root)
        refused = Rejected(Reason("refused", "the provider rejected the message", code))
        return with_words(refused, words)
    return with_words(by_status(answer), words)
