"""Slack's answers to chat.postMessage: HTTP 200 whether it worked or not; the truth is in ``ok``,
and the why in ``error``."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.outgoing.http_client import Answer, by_status
from utskick.outgoing.parsing import members, taken

THROTTLED: Final = frozenset({"ratelimited", "rate_limited"})

_FAULT: Final = Reason("provider-fault", "Slack had a fault of its own")
#: Slack says of these that part of the call may have been carried out (promise 2: never a blind
#: repeat).
IN_DOUBT: Final = {"fatal_error": _FAULT, "internal_error": _FAULT}
TEMPORARY: Final = {
    **dict.fromkeys(
        ("service_unavailable", "request_timeout"),
        Reason("provider-fault", "Slack could not take the call"),
    ),
    "team_added_to_org": Reason(
        "provider-fault", "the workspace is being moved to an organisation"
    ),
    "message_limit_exceeded": Reason("provider-limit", "the workspace has sent too many messages"),
}

#: What is wrong with the token, or with what it may do.
TOKEN: Final = frozenset(
    {
        *(
            "not_authed",
            "invalid_auth",
            "account_inactive",
            "token_revoked",
            "token_expired",
            "missing_scope",
            "no_permission",
        ),
        *(
            "access_denied",
            "accesslimited",
            "not_allowed_token_type",
            "org_login_required",
            "two_factor_setup_required",
        ),
        *("team_access_not_granted", "enterprise_is_restricted"),
    }
)

_NOT_ALLOWED: Final = Reason("not-allowed", "the workspace does not let the app write there")
_CONTENT: Final = Reason("refused-content", "Slack refused the form of the message")
PERMANENT: Final = {
    "channel_not_found": Reason(
        "unknown-recipient", "Slack knows no such channel, or the app may not see it"
    ),
    "user_not_found": Reason("unknown-recipient", "Slack knows no such person"),
    "cannot_dm_bot": Reason(
        "unknown-recipient", "the channel is that of an app, which takes no messages"
    ),
    "not_in_channel": Reason("not-in-channel", "the app is not a member of the channel"),
    "is_archived": Reason("archived", "the channel is archived"),
    **dict.fromkeys(
        (
            *(
                "restricted_action",
                "restricted_action_read_only_channel",
                "restricted_action_thread_only_channel",
            ),
            *("ekm_access_denied", "messages_tab_disabled", "posting_to_general_channel_denied"),
        ),
        _NOT_ALLOWED,
    ),
    **dict.fromkeys(
        (
            *(
                "msg_too_long",
                "msg_blocks_too_long",
                "no_text",
                "invalid_blocks",
                "invalid_blocks_format",
                "too_many_attachments",
            ),
            *(
                "invalid_arguments",
                "invalid_arg_name",
                "invalid_array_arg",
                "invalid_charset",
                "invalid_form_data",
            ),
            *("invalid_post_type", "missing_post_type", "invalid_json", "json_not_object"),
        ),
        _CONTENT,
    ),
}

OURS: Final = dict.fromkeys(
    ("unknown_method", "method_deprecated", "deprecated_endpoint"),
    Reason(
        "wrong-address", "the address of Slack in the settings does not know how to post a message"
    ),
)

#: Slack knows the ``client_msg_id`` again, but not what became of the first message that had it.
DUPLICATE: Final = frozenset({"duplicate_message_not_found", "duplicate_channel_not_found"})


def read(answer: Answer, *, brought: bool) -> Outcome:
    """``brought``: the token came with the request."""
    said = members(answer.body)
    ts, error = said.get("ts"), said.get("error")
    if said.get("ok") is True and taken(answer) and isinstance(ts, str) and ts:
        return Sent(ts, delivered=True)
    if said.get("ok") is False and isinstance(error, str):
        return by_error(error, answer.retry_after, brought=brought)
    return by_status(answer)


def by_error(error: str, retry_after: timedelta | None = None, *, brought: bool) -> Outcome:
    """What an error word means. One that the tables lack is a no as well: ``ok`` is false, and
    nothing was posted."""
    if error in THROTTLED:
        return Deferred(Reason("throttled", "Slack asked us to slow down", error), retry_after)
    if error in TEMPORARY:
        return Deferred(_said(TEMPORARY[error], error), retry_after)
    if error in IN_DOUBT:
        return Uncertain(_said(IN_DOUBT[error], error))
    if error in TOKEN:
        return _refused_token(error, brought=brought)
    if error in OURS:
        return Misconfigured(_said(OURS[error], error))
    if error in DUPLICATE:
        return Uncertain(
            Reason(
                "duplicate",
                "Slack has had this message before, and no longer knows what became of it",
                error,
            )
        )
    return Rejected(
        _said(PERMANENT.get(error, Reason("refused", "Slack refused the message")), error)
    )


def _refused_token(error: str, *, brought: bool) -> Outcome:
    """Ours can be mended in the settings, and the message waits for that; that of a request stays
    as it is."""
    if brought:
        return Rejected(
            Reason("refused-token", "Slack refused the token that came with the request", error)
        )
    return Misconfigured(Reason("refused-token", "Slack refused the municipality's token", error))


def _said(reason: Reason, error: str) -> Reason:
    return Reason(reason.code, reason.sentence, _shortened(error))


def _shortened(error: str) -> str:
    """Slack's words are short; what is not is no word of Slack's."""
    return error if len(error) <= 64 and error.replace("_", "").isalnum() else "unreadable"
