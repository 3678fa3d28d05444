"""Firebase Cloud Messaging, HTTP v1: a message for an app on Android, iOS or the web."""

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
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Sent
from utskick.outgoing.http_client import Answer, HttpRequest, Outgoing, Timeouts, by_status
from utskick.outgoing.parsing import members, taken

#: FCM's own code, or the status of google.rpc.Code
#: (firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode).
TEMPORARY: Final = {
    "QUOTA_EXCEEDED": Reason("throttled", "the provider asked us to slow down"),
    "RESOURCE_EXHAUSTED": Reason("throttled", "the provider asked us to slow down"),
    "UNAVAILABLE": Reason("provider-fault", "the provider is overloaded"),
    "INTERNAL": Reason("provider-fault", "the provider had an internal fault"),
}
OURS: Final = {
    "SENDER_ID_MISMATCH": Reason(
        "foreign-sender", "the app has subscribed with another Firebase project than the account's"
    ),
    "THIRD_PARTY_AUTH_ERROR": Reason(
        "third-party-login",
        "the project's certificate or key at Apple or the web push service is not taken",
    ),
    "UNAUTHENTICATED": Reason("refused-login", "the provider refused our login"),
    "PERMISSION_DENIED": Reason(
        "refused-login", "the service account may not send for the project"
    ),
}
_REFUSED: Final = Reason("refused", "the provider refused the message or the device's token")
#: How long to leave the provider alone when it named no time
#: (firebase.google.com/docs/cloud-messaging/scale-fcm).
_PAUSE: Final = timedelta(minutes=1)


class Fcm:
    """One Firebase project."""

    def __init__(self, account: FcmAccount) -> None:
        self._url = f"{account.url}/v1/projects/{account.project}/messages:send"
        self._wire = Outgoing(
            concurrency=account.concurrency,
            timeouts=Timeouts(account.connect_timeout, account.read_timeout),
            tls=account.tls,
        )
        source = account.service_account or account.service_account_file
        assert source is not None, "the settings have been checked"
        self._token = AssertedToken(source, account.token_url, self._wire)

    async def send(self, notification: Notification, address: Mapping[str, str]) -> Outcome:
        body = orjson.dumps({"message": message(notification, address["token"], time.time())})
        token = await self._token.get()
        answer = await self._post(body, token)
        if (
            isinstance(answer, Answer)
            and isinstance(token, str)
            and error_code(answer) == "UNAUTHENTICATED"
        ):
            # It took nothing, so it may be asked again: the token may have been withdrawn, or
            # signed with a key that was exchanged.
            self._token.refuse(token)
            answer = await self._post(body, await self._token.get())
        return read(answer) if isinstance(answer, Answer) else answer

    async def _post(self, body: bytes, token: str | Outcome) -> Answer | Outcome:
        if not isinstance(token, str):
            return token
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json; charset=utf-8",
            "Accept": "application/json",
        }
        return await self._wire.call(HttpRequest("POST", self._url, body, headers))

    async def look(self, name: str) -> AccountHealth:
        token = await self._token.get()
        if isinstance(token, str):
            return AccountHealth(name, True, "the provider's login service gave a token")
        reason = getattr(token, "reason", None)
        return AccountHealth(
            name, False, reason.sentence if reason else "the provider's login service gave no token"
        )

    async def close(self) -> None:
        await self._wire.close()


def message(notification: Notification, token: str, now: float) -> dict[str, Any]:
    """The resource Message, the same wish in the words of each platform. A device shows two of the
    same tag as one."""
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
        "apns-expiration": str(int(now) + ttl if ttl else 0),  # 0: now or never
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


def read(answer: Answer) -> Outcome:
    name = members(answer.body).get("name")
    if taken(answer):
        return Sent(name) if isinstance(name, str) and name else by_status(answer)
    code = error_code(answer)
    if code == "UNREGISTERED":
        return gone(code)
    if code == "INVALID_ARGUMENT":
        return Rejected(replace(_REFUSED, provider_code=code))
    if code in TEMPORARY:
        reason = replace(TEMPORARY[code], provider_code=code)
        return Deferred(
            reason, answer.retry_after or (_PAUSE if reason.code == "throttled" else None)
        )
    if code in OURS:
        return Misconfigured(replace(OURS[code], provider_code=code))
    return by_status(answer)


def error_code(answer: Answer) -> str | None:
    """FCM's own code where it gives one (google.firebase.fcm.v1.FcmError), else the status; None
    where it says neither."""
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
