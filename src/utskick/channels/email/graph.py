"""Microsoft Graph: submits the composed MIME message unchanged by ``sendMail``.

Source: learn.microsoft.com/graph, "user: sendMail", "Send messages with MIME content", "Microsoft
Graph error responses".
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final
from urllib.parse import quote

from utskick.channels.email.mime import ComposedMail
from utskick.channels.email.settings import GraphAccount
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason, Rejected, Sent
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts, by_status
from utskick.outgoing.parsing import members
from utskick.outgoing.provider_words import call_id, with_words
from utskick.outgoing.token import Token, TokenSource

_RECIPIENT: Final = Reason("unknown-recipient", "Microsoft Graph rejected the recipient's address")
_SIZE: Final = Reason("too-large", "the message exceeds Microsoft Graph's size limit for a request")
_CONTENT: Final = Reason("refused-content", "Microsoft Graph rejected the message")
_MAILBOX: Final = Reason(
    "no-mailbox", "the sending mailbox does not exist, or is not available over Microsoft Graph"
)
_PERMISSION: Final = Reason(
    "refused-login", "the application lacks permission to send from this mailbox (Mail.Send)"
)
_SENDER: Final = Reason("refused-sender", "the mailbox may not send from the address in From")
_THROTTLED: Final = Reason("throttled", "Microsoft Graph's rate limit was exceeded")
_FAULT: Final = Reason("provider-fault", "internal error at Microsoft Graph")

#: Outcomes by ``error.code``, whatever the HTTP status: codes of Graph, and of Exchange behind it.
REJECTED: Final = {
    **dict.fromkeys(("ErrorInvalidRecipients", "ErrorInvalidSmtpAddress"), _RECIPIENT),
    **dict.fromkeys(
        ("ErrorMessageSizeExceeded", "ErrorAttachmentSizeLimitExceeded", "RequestEntityTooLarge"),
        _SIZE,
    ),
    **dict.fromkeys(
        (
            "ErrorMimeContentInvalid",
            "ErrorMimeContentInvalidBase64String",
            "ErrorMimeContentConversionFailed",
        ),
        _CONTENT,
    ),
}
MISCONFIGURED: Final = {
    **dict.fromkeys(("ErrorSendAsDenied", "ErrorMessageSubmissionBlocked"), _SENDER),
    **dict.fromkeys(
        ("ErrorAccessDenied", "Authorization_RequestDenied", "accessDenied"), _PERMISSION
    ),
    **dict.fromkeys(
        ("MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI", "ErrorQuotaExceeded"),
        _MAILBOX,
    ),
    **dict.fromkeys(
        ("ErrorInvalidUser", "ErrorNonExistentMailbox", "ErrorAccountDisabled"), _MAILBOX
    ),
    **dict.fromkeys(("ResourceNotFound", "Request_ResourceNotFound"), _MAILBOX),
}
DEFERRED: Final = {
    **dict.fromkeys(
        ("ApplicationThrottled", "TooManyRequests", "activityLimitReached"), _THROTTLED
    ),
    **dict.fromkeys(("ErrorExceededMessageLimit", "ErrorSubmissionQuotaExceeded"), _THROTTLED),
    **dict.fromkeys(
        ("ErrorServerBusy", "ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable"), _FAULT
    ),
    **dict.fromkeys(
        ("MailboxInfoStale", "ErrorInternalServerTransientError", "serviceNotAvailable"), _FAULT
    ),
}


class Graph:
    """One application in Microsoft Entra, and the mailbox it sends from."""

    signs = True

    def __init__(self, name: str, account: GraphAccount) -> None:
        self._name = name
        self._account = account
        self._wire = HttpClient(
            concurrency=account.concurrency,
            timeouts=Timeouts(account.connect_timeout, account.read_timeout),
            tls=account.tls,
            reach=account.reach,
        )
        source = TokenSource(
            account.token_url,
            account.client_id,
            account.client_secret.get_secret_value(),
            account.scope,
        )
        self._token = Token(source, self._wire)

    @property
    def largest(self) -> int:
        return self._account.largest

    async def send(self, mail: ComposedMail) -> Outcome:
        if len(mail.data) > self.largest:
            return Rejected(_SIZE)
        body = b64encode(mail.data)
        mailbox = quote(self._account.mailbox or mail.sender, safe="@")
        url = f"{self._account.url}/users/{mailbox}/sendMail"
        answer = await self._post(url, body)
        if isinstance(answer, HttpResponse) and answer.status == 401:
            # 401 means not sent: the token expired early, so one retry with a new token is safe.
            answer = await self._post(url, body)
        return _read(answer) if isinstance(answer, HttpResponse) else answer

    async def _post(self, url: str, body: bytes) -> HttpResponse | Outcome:
        token = await self._token.get()
        if not isinstance(token, str):
            return token
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "text/plain",
            "Accept": "application/json",
        }
        answer = await self._wire.call(HttpRequest("POST", url, body, headers))
        if isinstance(answer, HttpResponse) and answer.status == 401:
            self._token.refuse(token)
        return answer

    async def check(self) -> AccountHealth:
        """Request a token: the permission Mail.Send allows no other harmless call."""
        token = await self._token.get()
        if isinstance(token, str):
            return AccountHealth(
                self._name, True, "Microsoft's login service accepts the application"
            )
        reason = getattr(token, "reason", None)
        return AccountHealth(
            self._name,
            False,
            reason.sentence if reason else "Microsoft's login service does not respond",
        )

    async def close(self) -> None:
        await self._wire.close()


def _read(answer: HttpResponse) -> Outcome:
    """Map the response to an outcome, with Microsoft's words and the id of the request."""
    call = answer.headers.get("request-id")
    if answer.status == 202:
        return Sent(call)
    error = members(answer.body).get("error")
    words = error.get("message") if isinstance(error, dict) else None
    return with_words(_refusal(error, answer), words, call_id(call))


def _refusal(error: Any, answer: HttpResponse) -> Outcome:
    for code in _codes(error):
        if (outcome := _by_code(code, answer)) is not None:
            return outcome
    if answer.status == 413:
        return Rejected(_with_code(_SIZE, "413"))
    return by_status(answer)


def _codes(error: Any) -> list[str]:
    """Return the nested error codes, outermost first; that one may be only ``BadRequest``."""
    codes: list[str] = []
    while isinstance(error, dict) and len(codes) < 5:
        codes.append(str(error.get("code") or ""))
        error = error.get("innerError") or error.get("innererror")
    return codes


def _by_code(code: str, answer: HttpResponse) -> Outcome | None:
    if answer.status < 400:
        return None  # an error inside a success is ambiguous
    if code in REJECTED:
        return Rejected(_with_code(REJECTED[code], code))
    if code in MISCONFIGURED:
        reason = MISCONFIGURED[code]
        # Another sender may be accepted, so that the account need not wait.
        concerns = Concern.OURSELVES if reason is _SENDER else Concern.ACCOUNT
        return Misconfigured(_with_code(reason, code), concerns)
    if code in DEFERRED:
        return Deferred(_with_code(DEFERRED[code], code), answer.retry_after)
    return None


def _with_code(reason: Reason, code: str) -> Reason:
    return Reason(reason.code, reason.sentence, code)
