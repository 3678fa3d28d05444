"""Firebase Cloud Messaging, HTTP v1 API: notifications for apps on Android, iOS and the web."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import orjson

from utskick.channels.push.payload import Notification
from utskick.channels.push.provider import gone
from utskick.channels.push.service_account import AssertedToken
from utskick.channels.push.settings import FcmAccount
from utskick.domain.channel import AccountHealth
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason, Rejected, Sent
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts, by_status
from utskick.outgoing.parsing import is_success, members
from utskick.outgoing.provider_words import with_words

#: Keys are FCM error codes, or google.rpc.Code statuses
#: (firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode).
TEMPORARY: Final = {
    "QUOTA_EXCEEDED": Reason("throttled", "the provider's rate limit was exceeded"),
    "RESOURCE_EXHAUSTED": Reason("throttled", "the provider's rate limit was exceeded"),
    "UNAVAILABLE": Reason("provider-fault", "the provider is overloaded"),
    "INTERNAL": Reason("provider-fault", "internal error at the provider"),
}
CONFIGURATION: Final = {
    "SENDER_ID_MISMATCH": Reason(
        "foreign-sender", "the app is subscribed to another Firebase project than the account's"
    ),
    "THIRD_PARTY_AUTH_ERROR": Reason(
        "third-party-login",
        "Apple or the web push service rejected the project's certificate or key",
    ),
    "UNAUTHENTICATED": Reason("refused-login", "the provider rejected the credentials"),
    "PERMISSION_DENIED": Reason(
        "refused-login", "the service account lacks permission to send for the project"
    ),
}
#: What concerns this device, or all devices of Apple or of a push service.
CONCERNS: Final = {
    "QUOTA_EXCEEDED": Concern.RECIPIENT,
    "SENDER_ID_MISMATCH": Concern.RECIPIENT,
    "THIRD_PARTY_AUTH_ERROR": Concern.DESTINATION,
}
_REFUSED: Final = Reason("refused", "the provider rejected the message or the device's token")
#: Backoff when a throttled response has no Retry-After
#: (firebase.google.com/docs/cloud-messaging/scale-fcm).
_PAUSE: Final = timedelta(minutes=1)


class Fcm:
    """Client of one Firebase project."""

    def __init__(self, account: FcmAccount) -> None:
        self._url = f"{account.url}/v1/projects/{account.project}/messages:send"
        self._wire = HttpClient(
            concurrency=account.concurrency,
            timeouts=Timeouts(account.connect_timeout, account.read_timeout),
            tls=account.tls,
            reach=account.reach,
        )
        source = account.service_account or account.service_account_file
        assert source is not None, "validated with the settings"
        self._token = AssertedToken(source, account.token_url, self._wire)

    async def send(self, notification: Notification, address: Mapping[str, str]) -> Outcome:
        body = orjson.dumps({"message": message(notification, address["token"], time.time())})
        token = await self._token.get()
        answer = await self._post(body, token)
        if (
            isinstance(answer, HttpResponse)
            and isinstance(token, str)
            and error_code(answer) == "UNAUTHENTICATED"
        ):
            # Nothing was accepted, so a retry is safe: the token may have been revoked, or signed
            # with a key that has since been rotated.
            self._token.refuse(token)
            answer = await self._post(body, await self._token.get())
        return read(answer) if isinstance(answer, HttpResponse) else answer

    async def _post(self, body: bytes, token: str | Outcome) -> HttpResponse | Outcome:
        if not isinstance(token, str):
            return token
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json; charset=utf-8",
            "Accept": "application/json",
        }
        return await self._wire.call(HttpRequest("POST", self._url, body, headers))

    async def check(self, name: str) -> AccountHealth:
        token = await self._token.get()
        if isinstance(token, str):
            return AccountHealth(name, True, "the provider's login service issued a token")
        reason = getattr(token, "reason", None)
        return AccountHealth(
            name,
            False,
            reason.sentence if reason else "the provider's login service issued no token",
        )

    async def close(self) -> None:
        await self._wire.close()


def message(notification: Notification, token: str, now: float) -> dict[str, Any]:
    """Build the resource Message with the settings of each platform; the tag replaces duplicates.

    ``now``: Unix time in seconds.
    """
    ttl, tag, urgency = notification.ttl, notification.tag, notification.urgency
    android: dict[str, Any] = {
        "ttl": f"{ttl}s",
        "priority": "HIGH" if urgency == "high" else "NORMAL",
        "notification": {"tag": tag},
    }
    web = {"TTL": str(ttl), "Urgency": urgency}
    if notification.topic:
        android["collapse_key"] = web["Topic"] = notification.topic
    apns = {
        "apns-priority": "10" if urgency in ("high", "normal") else "5",
        "apns-expiration": str(int(now) + ttl if ttl else 0),  # 0: deliver now or never
        "apns-collapse-id": tag,
    }
    return {
        "token": token,
        "notification": {"title": notification.title, "body": notification.message},
        "data": notification.data(),
        "android": android,
        "apns": {"headers": apns},
        "webpush": {"headers": web},
    }


def read(answer: HttpResponse) -> Outcome:
    """Map FCM's response to an outcome."""
    name = members(answer.body).get("name")
    if is_success(answer):
        return Sent(name) if isinstance(name, str) and name else by_status(answer)
    error = members(answer.body).get("error")
    words = error.get("message") if isinstance(error, dict) else None
    return with_words(_refusal(error_code(answer), answer), words)


def _refusal(code: str | None, answer: HttpResponse) -> Outcome:
    if code == "UNREGISTERED":
        return gone(code)
    if code == "INVALID_ARGUMENT":
        return Rejected(replace(_REFUSED, provider_code=code))
    if code in TEMPORARY:
        reason = replace(TEMPORARY[code], provider_code=code)
        return Deferred(
            reason,
            answer.retry_after or (_PAUSE if reason.code == "throttled" else None),
            CONCERNS.get(code, Concern.ACCOUNT),
        )
    if code in CONFIGURATION:
        reason = replace(CONFIGURATION[code], provider_code=code)
        return Misconfigured(reason, CONCERNS.get(code, Concern.ACCOUNT))
    return by_status(answer)


def error_code(answer: HttpResponse) -> str | None:
    """Return FCM's error code (google.firebase.fcm.v1.FcmError), else the status, else None."""
    error = members(answer.body).get("error")
    if not isinstance(error, dict):
        return None
    details = error.get("details")
    codes = (
        [d["errorCode"] for d in details if isinstance(d, dict) and "errorCode" in d]
        if isinstance(details, list)
        else []
    )
    code = codes[0] if codes else error.get("status")
    return code if isinstance(code, str) else None
