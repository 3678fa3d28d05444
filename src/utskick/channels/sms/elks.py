"""46elks: a form over HTTP Basic; the report comes to the address that each message names."""

from __future__ import annotations

from datetime import UTC
from typing import Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from utskick.channels.sms.provider import Sms
from utskick.channels.sms.settings import ElksAccount
from utskick.domain.channel import ProviderCallback, Receipt, Report
from utskick.domain.errors import Unreadable
from utskick.domain.ids import parse_id
from utskick.domain.outcome import Misconfigured, Outcome, Reason, Sent
from utskick.outgoing.http_client import Answer, HttpRequest, Outgoing, by_status
from utskick.outgoing.parsing import basic, members, moment, taken

REPORTS: Final = {"sent": Report.SENT, "delivered": Report.DELIVERED, "failed": Report.FAILED}
_FAILED: Final = Reason("not-delivered", "the provider reports that the message failed", "failed")


class Elks:
    """One account at 46elks. ``gate``: where reports are to come, None where we have no address for
    them."""

    def __init__(self, account: ElksAccount, wire: Outgoing, gate: str | None) -> None:
        self._wire = wire
        self._gate = gate
        # The version at the end of the address may be there or not.
        self._url = account.url.removesuffix("/a1") + "/a1/sms"
        login = basic(account.username, account.password.get_secret_value())
        self._headers = {
            "Authorization": login,
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }

    def carries(self, number: str) -> bool:  # noqa: ARG002
        return True

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        form = {"from": sms.sender, "to": sms.number, "message": sms.text}
        if self._gate is not None:
            form["whendelivered"] = f"{self._gate}?delivery={key}"
        answer = await self._wire.call(
            HttpRequest("POST", self._url, urlencode(form).encode("ascii"), self._headers)
        )
        return _read(answer) if isinstance(answer, Answer) else answer

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        said = dict(parse_qsl(hook.body.decode("utf-8", "replace")))
        key, reference, word = (
            parse_id(hook.query.get("delivery", "")),
            said.get("id"),
            said.get("status"),
        )
        if word is None or (key is None and reference is None):
            raise Unreadable(
                "a delivery report is a form with status, and with id or the delivery in its address"
            )
        report = REPORTS.get(word, Report.UNKNOWN)
        at = moment(said.get("delivered"))
        # 46elks writes its times in UTC, without saying so.
        at = at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
        return [
            Receipt(
                "46elks",
                report,
                key,
                reference,
                at and at.astimezone(UTC),
                _FAILED if report is Report.FAILED else None,
            )
        ]


def _read(answer: Answer) -> Outcome:
    reference = members(answer.body).get("id")
    if taken(answer) and isinstance(reference, str) and reference:
        return Sent(reference)
    if answer.status == 403 and b"credit" in answer.body.lower():
        return Misconfigured(
            Reason("no-credit", "the account at the provider has no credit left", "403")
        )
    return by_status(answer)
