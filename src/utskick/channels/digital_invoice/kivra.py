"""Kivra's sender API: who can be reached, and the content for them (facts: Kivra, sections 5.1 and
5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import structlog

from utskick.channels.digital_invoice.settings import KivraAccount
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.outgoing.batch_loader import Groups
from utskick.outgoing.http_client import Answer, HttpRequest, Outgoing, Timeouts, by_status
from utskick.outgoing.parsing import members, taken
from utskick.outgoing.token import Token, TokenSource
from utskick.outgoing.ttl_cache import Memory

log = structlog.get_logger(__name__)

UNREACHABLE: Final = Reason("no-recipient", "the recipient cannot be reached through Kivra")

#: Kivra's error codes: what a refusal means. The first three digits are the HTTP status.
REFUSED: Final = {
    "40000": Reason("refused", "Kivra refused the form of the invoice"),
    "40012": Reason("refused-type", "Kivra does not take this type of content from the tenant"),
    "40021": Reason("refused-account", "Kivra refused the bank account"),
    "40024": UNREACHABLE,
    "40028": Reason("refused-file", "Kivra does not take this type of file"),
    "40041": Reason("refused-due-date", "Kivra refused the due date: it is past, or no bank day"),
    "40042": Reason("refused-amount", "Kivra refused the amount"),
    "40044": Reason("refused-ocr", "Kivra refused the OCR number"),
    "40047": Reason("refused-pdf", "Kivra cannot read the PDF"),
    "40105": UNREACHABLE,
    "41300": Reason("too-large", "the invoice is larger than Kivra takes"),
}
OURS: Final = {
    "40015": Reason("refused-login", "Kivra refused our token"),
    "40100": Reason("refused-login", "Kivra refused our login"),
    "40113": Reason("refused-login", "Kivra refused our login"),
    "40300": Reason("refused-login", "the login may not send for this tenant"),
    "40400": Reason("wrong-address", "Kivra knows no such tenant"),
}


class Kivra:
    """One tenant."""

    def __init__(self, name: str, account: KivraAccount) -> None:
        self.name = name
        self.account = account
        self._wire = Outgoing(
            concurrency=account.concurrency,
            timeouts=Timeouts(account.connect_timeout, account.read_timeout),
            tls=account.tls,
        )
        grant = TokenSource(
            f"{account.url}/v1/auth",
            account.client_id,
            account.client_secret.get_secret_value(),
            account.scope,
        )
        self._token = Token(grant, self._wire)
        self._base = f"{account.url}/v2/tenant/{account.tenant_key}"
        self._matches: Groups[bool] = Groups(self._match)
        self._known: Memory[str, bool] = Memory(limit=20_000, life=account.matched_seconds)

    async def reaches(self, ssn: str) -> bool | Outcome:
        """Whether a person (12 digits) can be reached; asked for many at a time."""
        known = self._known.get(ssn)
        if known is not None:
            return known
        found = await self._matches.get(ssn)
        if isinstance(found, bool):
            self._known.put(ssn, found)
            return found
        return (
            found
            if found is not None
            else Deferred(
                Reason("garbage", "Kivra's answer about who can be reached cannot be understood")
            )
        )

    async def _match(self, numbers: Sequence[str]) -> Mapping[str, bool] | Outcome:
        answer = await self._post("/usermatch/ssn", orjson.dumps({"list": list(numbers)}))
        if not isinstance(answer, Answer):
            return _unsent(answer)
        reachable = members(answer.body).get("list")
        if not taken(answer) or not isinstance(reachable, list):
            return _unsent(read(answer))
        return {number: number in reachable for number in numbers}

    async def send(self, content: bytes) -> Outcome:
        answer = await self._post("/content", content)
        return read(answer) if isinstance(answer, Answer) else answer

    async def _post(self, path: str, body: bytes) -> Answer | Outcome:
        """A refused token was not a sent message: one new token, one more call."""
        answer = await self._once(path, body)
        if isinstance(answer, Answer) and answer.status == 401 and _code(answer) not in REFUSED:
            answer = await self._once(path, body)
        return answer

    async def _once(self, path: str, body: bytes | None, method: str = "POST") -> Answer | Outcome:
        token = await self._token.get()
        if not isinstance(token, str):
            return token
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = await self._wire.call(HttpRequest(method, self._base + path, body, headers))
        if isinstance(answer, Answer) and answer.status == 401:
            self._token.refuse(token)
        return answer

    async def look(self) -> AccountHealth:
        """The tenant's own page: shows that address, login and tenant key fit together."""
        answer = await self._once("", None, "GET")
        if isinstance(answer, Answer) and taken(answer):
            return AccountHealth(self.name, True, "Kivra knows the tenant")
        outcome = by_status(answer) if isinstance(answer, Answer) else answer
        reason = getattr(outcome, "reason", None)
        return AccountHealth(
            self.name, False, reason.sentence if reason else "Kivra does not answer as it should"
        )

    async def close(self) -> None:
        await self._matches.close()
        await self._wire.close()


def read(answer: Answer) -> Outcome:
    """What an answer to a content means, by Kivra's own code where there is one."""
    if taken(answer):
        return (
            Sent(answer.headers.get("kivra-objkey")) if answer.status == 201 else by_status(answer)
        )
    code = _code(answer)
    if code is not None and (said := answer.headers.get("x-correlation-id")):
        log.info("kivra-refusal", code=code, correlation_id=said[:64])
    if code in REFUSED:
        reason = REFUSED[code]
        return Rejected(Reason(reason.code, reason.sentence, code), polite=reason is UNREACHABLE)
    if code in OURS:
        return Misconfigured(Reason(OURS[code].code, OURS[code].sentence, code))
    if code == "40915":
        return Uncertain(
            Reason("conflict", "Kivra says that such a content is there already", code)
        )
    return by_status(answer)


def _code(answer: Answer) -> str | None:
    """``x-error-code``, or ``code`` in the body, of a refusal."""
    found: Any = answer.headers.get("x-error-code") or members(answer.body).get("code")
    return str(found) if isinstance(found, int | str) and str(found).isdigit() else None


def _unsent(outcome: Outcome) -> Outcome:
    """A question that failed has sent nothing, however it failed."""
    if isinstance(outcome, Uncertain):
        return Deferred(
            Reason(
                "no-match",
                "Kivra gave no usable answer about who can be reached",
                outcome.reason.provider_code,
            )
        )
    if isinstance(outcome, Rejected):
        return Misconfigured(outcome.reason)
    return outcome
