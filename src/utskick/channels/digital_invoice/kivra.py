"""Kivra's sender API: user match and content (facts: Kivra, sections 5.1 and 5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from utskick.cache import Cache
from utskick.channels.digital_invoice.settings import KivraAccount
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.outgoing.batch_loader import BatchLoader
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts, by_status
from utskick.outgoing.parsing import is_success, members
from utskick.outgoing.provider_words import call_id, with_words
from utskick.outgoing.token import Token, TokenSource

UNREACHABLE: Final = Reason("no-recipient", "the recipient cannot be reached through Kivra")

#: Rejections by Kivra's error code, whose first three digits are the HTTP status.
REFUSED: Final = {
    "40000": Reason("refused", "Kivra rejected the invoice's format"),
    "40012": Reason("refused-type", "Kivra does not accept this content type from the tenant"),
    "40021": Reason("refused-account", "Kivra rejected the bank account"),
    "40024": UNREACHABLE,
    "40028": Reason("refused-file", "Kivra does not accept this type of file"),
    "40041": Reason("refused-due-date", "Kivra rejected the due date: past, or not a bank day"),
    "40042": Reason("refused-amount", "Kivra rejected the amount"),
    "40044": Reason("refused-ocr", "Kivra rejected the OCR number"),
    "40047": Reason("refused-pdf", "Kivra cannot read the PDF"),
    "40105": UNREACHABLE,
    "41300": Reason("too-large", "the invoice exceeds Kivra's size limit"),
}
CONFIGURATION: Final = {
    "40015": Reason("refused-login", "Kivra rejected the access token"),
    "40100": Reason("refused-login", "Kivra rejected the credentials"),
    "40113": Reason("refused-login", "Kivra rejected the credentials"),
    "40300": Reason("refused-login", "the credentials are not authorised for this tenant"),
    "40400": Reason("wrong-address", "the tenant does not exist at Kivra"),
}


class Kivra:
    """Client of one tenant."""

    def __init__(self, name: str, account: KivraAccount) -> None:
        self.name = name
        self.account = account
        self._wire = HttpClient(
            concurrency=account.concurrency,
            timeouts=Timeouts(account.connect_timeout, account.read_timeout),
            tls=account.tls,
            reach=account.reach,
        )
        source = TokenSource(
            f"{account.url}/v1/auth",
            account.client_id,
            account.client_secret.get_secret_value(),
            account.scope,
        )
        self._token = Token(source, self._wire)
        self._base = f"{account.url}/v2/tenant/{account.tenant_key}"
        self._matches: BatchLoader[bool] = BatchLoader(self._match)
        self._cache: Cache[str, bool] = Cache(20_000, seconds=account.matched_seconds)

    async def reaches(self, ssn: str) -> bool | Outcome:
        """Return whether a person (12 digits) can be reached; concurrent queries share a call."""
        cached = self._cache.get(ssn)
        if cached is not None:
            return cached
        matched = await self._matches.get(ssn)
        if isinstance(matched, bool):
            self._cache.put(ssn, matched)
            return matched
        if matched is not None:
            return matched
        return Deferred(Reason("garbage", "Kivra's response to the user match cannot be parsed"))

    async def _match(self, numbers: Sequence[str]) -> Mapping[str, bool] | Outcome:
        answer = await self._post("/usermatch/ssn", orjson.dumps({"list": list(numbers)}))
        if not isinstance(answer, HttpResponse):
            return _unsent(answer, Concern.ACCOUNT)
        reachable = members(answer.body).get("list")
        if not is_success(answer) or not isinstance(reachable, list):
            return _unsent(read(answer), Concern.RECIPIENT)
        return {number: number in reachable for number in numbers}

    async def send(self, content: bytes) -> Outcome:
        answer = await self._post("/content", content)
        return read(answer) if isinstance(answer, HttpResponse) else answer

    async def _post(self, path: str, body: bytes) -> HttpResponse | Outcome:
        """Post once more with a new token if the first one was rejected, as nothing was sent."""
        answer = await self._once(path, body)
        if (
            isinstance(answer, HttpResponse)
            and answer.status == 401
            and _code(answer) not in REFUSED
        ):
            answer = await self._once(path, body)
        return answer

    async def _once(
        self, path: str, body: bytes | None, method: str = "POST"
    ) -> HttpResponse | Outcome:
        token = await self._token.get()
        if not isinstance(token, str):
            return token
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = await self._wire.call(HttpRequest(method, self._base + path, body, headers))
        if isinstance(answer, HttpResponse) and answer.status == 401:
            self._token.refuse(token)
        return answer

    async def check(self) -> AccountHealth:
        """Request the tenant, which verifies address, credentials and tenant key together."""
        answer = await self._once("", None, "GET")
        if isinstance(answer, HttpResponse) and is_success(answer):
            return AccountHealth(self.name, True, "Kivra accepts the credentials for the tenant")
        outcome = by_status(answer) if isinstance(answer, HttpResponse) else answer
        reason = getattr(outcome, "reason", None)
        return AccountHealth(
            self.name, False, reason.sentence if reason else "Kivra does not respond as expected"
        )

    async def close(self) -> None:
        await self._matches.close()
        await self._wire.close()


def read(answer: HttpResponse) -> Outcome:
    """Map the response to a content to an outcome, by Kivra's error code if there is one.

    Kivra's words and its correlation id, which its support asks for, are in the reason.
    """
    if is_success(answer):
        return (
            Sent(answer.headers.get("kivra-objkey")) if answer.status == 201 else by_status(answer)
        )
    code, error = _code(answer), members(answer.body)
    words = error.get("long_message") or error.get("short_message")
    return with_words(
        _by_code(code, answer), words, call_id(answer.headers.get("x-correlation-id"))
    )


def _by_code(code: str | None, answer: HttpResponse) -> Outcome:
    if code in REFUSED:
        reason = REFUSED[code]
        return Rejected(Reason(reason.code, reason.sentence, code), polite=reason is UNREACHABLE)
    if code in CONFIGURATION:
        reason = CONFIGURATION[code]
        return Misconfigured(Reason(reason.code, reason.sentence, code))
    if code == "40915":
        # Not Sent: the specification has this code for tenants only. A repeated content is
        # answered as if it were new (its section on duplicate control), so that nothing says
        # which object existed, and whether it reached the recipient.
        return Uncertain(
            Reason("conflict", "Kivra reports that this content already exists", code),
            Concern.RECIPIENT,
        )
    return by_status(answer)


def _code(answer: HttpResponse) -> str | None:
    """Return the error code from ``x-error-code``, or from ``code`` in the body."""
    code: Any = answer.headers.get("x-error-code") or members(answer.body).get("code")
    return str(code) if isinstance(code, int | str) and str(code).isdigit() else None


def _unsent(outcome: Outcome, concerns: Concern) -> Outcome:
    """Map the outcome of a failed query, which has sent no message in any case.

    ``concerns``: what an answer that refuses the query or cannot be parsed concerns; one of those
    that were asked for may have caused it.
    """
    if isinstance(outcome, Uncertain):
        return Deferred(
            Reason(
                "no-match",
                "Kivra gave no valid response to the user match",
                outcome.reason.provider_code,
            ),
            concerns=concerns,
        )
    if isinstance(outcome, Rejected):
        return Misconfigured(outcome.reason, concerns)
    return outcome
