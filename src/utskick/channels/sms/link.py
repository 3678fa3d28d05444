"""LINK Mobility ("LINK Common"): JSON over HTTP Basic; the truth is in ``resultCode``, also in a
200 answer."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.channels.sms.provider import Sms
from utskick.channels.sms.settings import LinkAccount
from utskick.domain.channel import ProviderCallback, Receipt, Report
from utskick.domain.errors import Unreadable
from utskick.domain.ids import parse_id
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.outgoing.http_client import Answer, HttpRequest, Outgoing, by_status
from utskick.outgoing.parsing import basic, members, moment, taken

DELIVERED: Final = frozenset({1001, 1007})
#: 1011 ("billed OK and sent to operator") is a yes; 1010 ("expired, no delivery report") is a no.
ACCEPTED: Final = DELIVERED | {1000, 1005, 1008, 1011, 1012, 1013}

TEMPORARY: Final = {
    0: Reason("provider-fault", "the provider had an unknown fault"),
    1: Reason("no-route", "the provider has no route to the operator for the moment"),
    3: Reason("throttled", "the provider asked us to slow down"),
    4: Reason("provider-timeout", "the provider's own work took too long"),
    6: Reason("operator-fault", "the operator had a fault"),
    105: Reason("provider-fault", "the provider had an internal fault"),
    106300: Reason("no-gate", "the provider has no gate to send through"),
    106301: Reason("no-gate", "the provider's gate is unavailable"),
    1004: Reason("mobile-full", "the phone's memory is full"),
    2107: Reason("temporarily-blocked", "the number is blocked for the moment"),
}

_BLOCKED: Final = Reason("blocked", "the number cannot be sent to")
PERMANENT: Final = {
    2: Reason("no-route", "the provider has no route to this number"),
    5: Reason("unknown-operator", "the provider does not know the number's operator"),
    1002: Reason("expired", "the message expired before the phone could be reached"),
    1003: Reason("deleted", "the message was deleted at the operator"),
    1006: Reason("not-delivered", "the operator did not deliver the message"),
    1009: Reason("not-delivered", "the operator billed the message but did not deliver it"),
    1010: Reason("expired", "the message expired, and the operator never reported on it"),
    **dict.fromkeys((2100, 2101, 2102), _BLOCKED),
    2103: Reason("blocked", "the operator blocks this kind of message to the number"),
    2104: Reason("unknown-recipient", "the operator knows no such subscriber"),
    2105: Reason("blocked", "the number is blocked"),
    2106: Reason("unknown-recipient", "the number is not a number to the provider"),
}

_SENDER: Final = Reason("refused-sender", "the provider refused the sender of the message")
_CHARGING: Final = Reason("refused-charging", "the provider could not charge the account")
_ENCODING: Final = Reason(
    "refused-encoding", "the provider cannot read the encoding of the message"
)
_CONTENT: Final = Reason("refused-content", "the provider refused the form of the message")
OURS: Final = {
    104: Reason("provider-configuration", "the account is wrongly set up at the provider"),
    **dict.fromkeys(range(2000, 2004), _SENDER),
    **dict.fromkeys(range(2200, 2208), _CHARGING),
    **dict.fromkeys(range(3000, 3003), _ENCODING),
    4000: Reason("refused-reports", "the provider cannot report delivery on this account"),
    **dict.fromkeys(range(4001, 4008), _CONTENT),
    106000: Reason("provider-account", "the provider does not know what to do with the account"),
    106100: Reason("refused-login", "the provider refused our login"),
    106101: Reason("refused-login", "the login may not send"),
    106200: Reason("provider-account", "platform_id is missing or unknown"),
    106201: Reason("provider-account", "partner_id is missing or unknown"),
    106202: Reason("provider-account", "the account's currency is missing or unknown"),
}


def by_code(code: int, reference: str | None, *, polite: bool = True) -> Outcome:
    """What a result code says of a message that was just handed over."""
    if code in ACCEPTED:
        return Sent(reference, delivered=code in DELIVERED)
    if code in TEMPORARY:
        return Deferred(_said(TEMPORARY[code], code))
    if code in PERMANENT:
        return Rejected(_said(PERMANENT[code], code), polite=polite)
    if code in OURS:
        return Misconfigured(_said(OURS[code], code))
    return Uncertain(
        Reason(
            "unknown-code",
            "the provider answered with a code that its table does not have",
            str(code),
        )
    )


def by_report(code: int) -> tuple[Report, Reason | None]:
    """What a result code says in a delivery report. A temporary one is not the last word: the
    operator may try again."""
    if code in ACCEPTED:
        return (Report.DELIVERED if code in DELIVERED else Report.SENT), None
    failing = PERMANENT.get(code) or OURS.get(code)
    if failing:
        return Report.FAILED, _said(failing, code)
    passing = TEMPORARY.get(
        code, Reason("unknown-code", "the provider reported a code that its table does not have")
    )
    return Report.UNKNOWN, _said(passing, code)


class LinkProvider:
    """One account at LINK."""

    def __init__(self, account: LinkAccount, wire: Outgoing) -> None:
        self._account = account
        self._wire = wire
        self._url = f"{account.url}/sms/send"
        self._headers = {
            "Authorization": basic(account.username, account.password.get_secret_value()),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def carries(self, number: str) -> bool:  # noqa: ARG002
        return True

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        answer = await self._wire.call(
            HttpRequest("POST", self._url, orjson.dumps(self._body(sms, key)), self._headers)
        )
        return _read(answer) if isinstance(answer, Answer) else answer

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
        said = members(hook.body)
        code, message_id, ref = said.get("resultCode"), said.get("id"), said.get("refId")
        key = parse_id(ref) if isinstance(ref, str) else None
        reference = _whole(message_id) if isinstance(message_id, str) else None
        if type(code) is not int or (key is None and reference is None):
            raise Unreadable(
                "a delivery report is a JSON object with resultCode, and with refId or id"
            )
        at = moment(said.get("timestamp"))
        report, reason = by_report(code)
        # A time without a zone is left out: LINK does not say which zone it would be.
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


def _read(answer: Answer) -> Outcome:
    said = members(answer.body)
    code, message_id = said.get("resultCode"), said.get("messageId")
    if type(code) is int and (taken(answer) or (answer.status == 400 and code not in ACCEPTED)):
        return by_code(
            code, _whole(message_id) if isinstance(message_id, str) else None, polite=taken(answer)
        )
    return by_status(answer)


def _whole(message_id: str) -> str | None:
    """The id of the message of which this is the id of a part (``abc$0``, ``abc$1``)."""
    stem, mark, part = message_id.rpartition("$")
    return (stem if mark and part.isdigit() else message_id) or None


def _said(reason: Reason, code: int) -> Reason:
    return Reason(reason.code, reason.sentence, str(code))
