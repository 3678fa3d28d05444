"""LINK Mobility ("LINK Common"): JSON with HTTP Basic; ``resultCode`` decides, also in a 200."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.channels.sms.provider import Sms
from utskick.channels.sms.settings import LinkAccount
from utskick.domain.channel import ProviderCallback
from utskick.domain.errors import Unreadable
from utskick.domain.ids import parse_id
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
from utskick.domain.receipt import Receipt, Report
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, by_status
from utskick.outgoing.parsing import basic, is_success, members, moment
from utskick.outgoing.provider_words import with_words

DELIVERED: Final = frozenset({1001, 1007})
#: 1011 ("billed OK and sent to operator") is an acceptance; 1010 ("expired, no delivery report")
#: is a failure.
ACCEPTED: Final = DELIVERED | {1000, 1005, 1008, 1011, 1012, 1013}

TEMPORARY: Final = {
    0: Reason("provider-fault", "unknown error at the provider"),
    1: Reason("no-route", "the provider has no route to the operator at the moment"),
    3: Reason("throttled", "the provider's rate limit was exceeded"),
    4: Reason("provider-timeout", "a time-out occurred inside the provider's system"),
    6: Reason("operator-fault", "error at the mobile operator"),
    105: Reason("provider-fault", "internal error at the provider"),
    106300: Reason("no-gate", "the provider has no gate to send through"),
    106301: Reason("no-gate", "the provider's gate is unavailable"),
    1004: Reason("mobile-full", "the phone's memory is full"),
    2107: Reason("temporarily-blocked", "the number is temporarily blocked"),
}

#: Temporary codes that say nothing of the account: of the number, and of its operator.
CONCERNS: Final = {
    **dict.fromkeys((1004, 2107), Concern.RECIPIENT),
    **dict.fromkeys((1, 6), Concern.DESTINATION),
}

_BLOCKED: Final = Reason("blocked", "messages cannot be sent to this number")
PERMANENT: Final = {
    2: Reason("no-route", "the provider has no route to this number"),
    5: Reason("unknown-operator", "the provider does not know the number's operator"),
    1002: Reason("expired", "the message expired before the phone could be reached"),
    1003: Reason("deleted", "the message was deleted at the operator"),
    1006: Reason("not-delivered", "the operator did not deliver the message"),
    1009: Reason("not-delivered", "the operator billed the message but did not deliver it"),
    1010: Reason("expired", "the message expired without a report from the operator"),
    **dict.fromkeys((2100, 2101, 2102), _BLOCKED),
    2103: Reason("blocked", "the operator blocks this type of message to the number"),
    2104: Reason("unknown-recipient", "the operator has no such subscriber"),
    2105: Reason("blocked", "the number is blocked"),
    2106: Reason("unknown-recipient", "the provider does not accept the number as valid"),
}

_SENDER: Final = Reason("refused-sender", "the provider rejected the sender name")
_CHARGING: Final = Reason("refused-charging", "the provider could not charge the account")
_ENCODING: Final = Reason("refused-encoding", "the provider rejected the message's encoding")
_CONTENT: Final = Reason("refused-content", "the provider rejected the message's format")
#: Of a message as it was made here: others by the same account may be accepted.
_OF_MESSAGE: Final = (_SENDER, _ENCODING, _CONTENT)
CONFIGURATION: Final = {
    104: Reason("provider-configuration", "the account is not configured correctly"),
    **dict.fromkeys(range(2000, 2004), _SENDER),
    **dict.fromkeys(range(2200, 2208), _CHARGING),
    **dict.fromkeys(range(3000, 3003), _ENCODING),
    4000: Reason("refused-reports", "delivery reports are not available on this account"),
    **dict.fromkeys(range(4001, 4008), _CONTENT),
    106000: Reason("provider-account", "the provider cannot process the account"),
    106100: Reason("refused-login", "the provider rejected the credentials"),
    106101: Reason("refused-login", "the credentials are not authorised to send"),
    106200: Reason("provider-account", "platform_id is missing or unknown"),
    106201: Reason("provider-account", "partner_id is missing or unknown"),
    106202: Reason("provider-account", "the account's currency is missing or unknown"),
}


def by_code(code: int, reference: str | None, *, polite: bool = True) -> Outcome:
    """Map the result code of a submission to an outcome."""
    if code in ACCEPTED:
        return Sent(reference, delivered=code in DELIVERED)
    if code in TEMPORARY:
        concerns = CONCERNS.get(code, Concern.ACCOUNT)
        return Deferred(_with_code(TEMPORARY[code], code), concerns=concerns)
    if code in PERMANENT:
        return Rejected(_with_code(PERMANENT[code], code), polite=polite)
    if code in CONFIGURATION:
        reason = CONFIGURATION[code]
        concerns = Concern.OURSELVES if reason in _OF_MESSAGE else Concern.ACCOUNT
        return Misconfigured(_with_code(reason, code), concerns)
    return Uncertain(
        Reason("unknown-code", "the provider returned an undocumented result code", str(code))
    )


def by_report(code: int) -> tuple[Report, Reason | None]:
    """Map the result code of a delivery report to a report and its reason.

    A temporary code yields ``UNKNOWN``: the operator may still deliver the message.
    """
    if code in ACCEPTED:
        return (Report.DELIVERED if code in DELIVERED else Report.SENT), None
    permanent = PERMANENT.get(code) or CONFIGURATION.get(code)
    if permanent:
        return Report.FAILED, _with_code(permanent, code)
    temporary = TEMPORARY.get(
        code, Reason("unknown-code", "the provider reported an undocumented result code")
    )
    return Report.UNKNOWN, _with_code(temporary, code)


class LinkProvider:
    """One account at LINK."""

    def __init__(self, account: LinkAccount, wire: HttpClient) -> None:
        self._account = account
        self._wire = wire
        self._url = f"{account.url}/sms/send"
        self._headers = {
            "Authorization": basic(account.username, account.password.get_secret_value()),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def supports(self, number: str) -> bool:  # noqa: ARG002 (protocol signature)
        return True

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        answer = await self._wire.call(
            HttpRequest("POST", self._url, orjson.dumps(self._body(sms, key)), self._headers)
        )
        return _read(answer) if isinstance(answer, HttpResponse) else answer

    def _body(self, sms: Sms, key: UUID) -> dict[str, Any]:
        return {
            "platformId": self._account.platform_id,
            "platformPartnerId": self._account.partner_id,
            "refId": str(key),
            "useDeliveryReport": self._account.delivery_reports,
            "sourceTON": "ALPHANUMERIC",
            "source": sms.sender,
            "destinationTON": "MSISDN",
            "destination": sms.number,
            "userData": sms.text,
            "priority": "HIGH" if sms.urgent else "NORMAL",
        }

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        fields = members(hook.body)
        code, message_id, ref = fields.get("resultCode"), fields.get("id"), fields.get("refId")
        key = parse_id(ref) if isinstance(ref, str) else None
        reference = _message_id(message_id) if isinstance(message_id, str) else None
        if type(code) is not int or (key is None and reference is None):
            raise Unreadable(
                "a delivery report must be a JSON object with resultCode, and with refId or id"
            )
        at = moment(fields.get("timestamp"))
        report, reason = by_report(code)
        # A time without an offset is dropped: LINK does not document its time zone.
        return [
            Receipt(
                "link",
                report,
                key,
                reference,
                at.astimezone(UTC) if at and at.tzinfo else None,
                reason,
            )
        ]


def _read(answer: HttpResponse) -> Outcome:
    fields = members(answer.body)
    code, message_id = fields.get("resultCode"), fields.get("messageId")
    if type(code) is int and (
        is_success(answer) or (answer.status == 400 and code not in ACCEPTED)
    ):
        reference = _message_id(message_id) if isinstance(message_id, str) else None
        outcome = by_code(code, reference, polite=is_success(answer))
        return with_words(outcome, fields.get("description"))
    return with_words(by_status(answer), fields.get("description"))


def _message_id(part_id: str) -> str | None:
    """Strip the part number from the id of a message part (``abc$0``, ``abc$1``)."""
    stem, separator, part = part_id.rpartition("$")
    return (stem if separator and part.isdigit() else part_id) or None


def _with_code(reason: Reason, code: int) -> Reason:
    return Reason(reason.code, reason.sentence, str(code))
