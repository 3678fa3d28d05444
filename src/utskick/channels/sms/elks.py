"""46elks: form posts with HTTP Basic; reports go to the address named in each message."""

from __future__ import annotations

from datetime import UTC
from typing import Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from utskick.channels.sms.provider import Sms
from utskick.channels.sms.settings import ElksAccount
from utskick.domain.channel import ProviderCallback
from utskick.domain.errors import Unreadable
from utskick.domain.ids import parse_id
from utskick.domain.outcome import Misconfigured, Outcome, Reason, Sent
from utskick.domain.receipt import Receipt, Report
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, by_status
from utskick.outgoing.parsing import basic, is_success, members, moment
from utskick.outgoing.provider_words import with_words

REPORTS: Final = {"sent": Report.SENT, "delivered": Report.DELIVERED, "failed": Report.FAILED}
_FAILED: Final = Reason("not-delivered", "the provider reports that delivery failed", "failed")


class Elks:
    """One account at 46elks.

    ``report_url``: address for delivery reports, None if the service has no public address.
    """

    def __init__(self, account: ElksAccount, wire: HttpClient, report_url: str | None) -> None:
        self._wire = wire
        self._report_url = report_url
        # The configured address may or may not end with the API version.
        self._url = account.url.removesuffix("/a1") + "/a1/sms"
        login = basic(account.username, account.password.get_secret_value())
        self._headers = {
            "Authorization": login,
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }

    def supports(self, number: str) -> bool:  # noqa: ARG002 (protocol signature)
        return True

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        form = {"from": sms.sender, "to": sms.number, "message": sms.text}
        if self._report_url is not None:
            form["whendelivered"] = f"{self._report_url}?delivery={key}"
        answer = await self._wire.call(
            HttpRequest("POST", self._url, urlencode(form).encode("ascii"), self._headers)
        )
        return _read(answer) if isinstance(answer, HttpResponse) else answer

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        fields = dict(parse_qsl(hook.body.decode("utf-8", "replace")))
        key = parse_id(hook.query.get("delivery", ""))
        reference, status = fields.get("id"), fields.get("status")
        if status is None or (key is None and reference is None):
            raise Unreadable(
                "a delivery report must be a form with status, and with id or with the query"
                " parameter delivery"
            )
        report = REPORTS.get(status, Report.UNKNOWN)
        at = moment(fields.get("delivered"))
        # 46elks reports times in UTC without an offset.
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


def _read(answer: HttpResponse) -> Outcome:
    reference = members(answer.body).get("id")
    if is_success(answer) and isinstance(reference, str) and reference:
        return Sent(reference)
    # 46elks explains a refusal in plain text; a page of HTML is a proxy's.
    is_page = is_success(answer) or answer.body.lstrip().startswith(b"<")
    words = "" if is_page else answer.body[:1000].decode("utf-8", "replace")
    if answer.status == 403 and "credit" in words.lower():
        reason = Reason("no-credit", "the account at the provider has no credit left", "403")
        return with_words(Misconfigured(reason), words)
    return with_words(by_status(answer), words)
