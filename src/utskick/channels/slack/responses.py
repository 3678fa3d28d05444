"""Slack's responses mapped to outcomes: always HTTP 200, with ``ok`` and ``error`` deciding."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

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
from utskick.outgoing.http_client import HttpResponse, by_status
from utskick.outgoing.parsing import is_success, members

THROTTLED: Final = frozenset({"ratelimited", "rate_limited"})

_FAULT: Final = Reason("provider-fault", "internal error at Slack")
#: Errors after which part of the call may have been carried out (promise 2: no blind repeat).
IN_DOUBT: Final = {"fatal_error": _FAULT, "internal_error": _FAULT}
TEMPORARY: Final = {
    **dict.fromkeys(
        ("service_unavailable", "request_timeout"),
        Reason("provider-fault", "Slack could not process the call"),
    ),
    "team_added_to_org": Reason(
        "provider-fault", "the workspace is being migrated to an organisation"
    ),
    "message_limit_exceeded": Reason("provider-limit", "the workspace's message limit is reached"),
}

OF_WORKSPACE: Final = frozenset({"team_added_to_org", "message_limit_exceeded"})

#: Errors of the token or its permissions.
TOKEN: Final = frozenset(
    {
        "not_authed",
        "invalid_auth",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "missing_scope",
        "no_permission",
        "access_denied",
        "accesslimited",
        "not_allowed_token_type",
        "org_login_required",
        "two_factor_setup_required",
        "team_access_not_granted",
        "enterprise_is_restricted",
    }
)

_NOT_ALLOWED: Final = Reason("not-allowed", "the workspace does not allow the app to post there")
_CONTENT: Final = Reason("refused-content", "Slack rejected the message's format")
PERMANENT: Final = {
    "channel_not_found": Reason(
        "unknown-recipient", "the channel does not exist, or is not visible to the app"
    ),
    "user_not_found": Reason("unknown-recipient", "the user does not exist"),
    "cannot_dm_bot": Reason(
        "unknown-recipient", "the channel belongs to an app, which does not accept messages"
    ),
    "not_in_channel": Reason("not-in-channel", "the app is not a member of the channel"),
    "is_archived": Reason("archived", "the channel is archived"),
    **dict.fromkeys(
        (
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "ekm_access_denied",
            "messages_tab_disabled",
            "posting_to_general_channel_denied",
        ),
        _NOT_ALLOWED,
    ),
    **dict.fromkeys(
        (
            "msg_too_long",
            "msg_blocks_too_long",
            "no_text",
            "invalid_blocks",
            "invalid_blocks_format",
            "too_many_attachments",
            "invalid_arguments",
            "invalid_arg_name",
            "invalid_array_arg",
            "invalid_charset",
            "invalid_form_data",
            "invalid_post_type",
            "missing_post_type",
            "invalid_json",
            "json_not_object",
        ),
        _CONTENT,
    ),
}

CONFIGURATION: Final = dict.fromkeys(
    ("unknown_method", "method_deprecated", "deprecated_endpoint"),
    Reason("wrong-address", "the configured address of Slack does not offer chat.postMessage"),
)

#: Slack recognised the ``client_msg_id``, but not the result of the first call with it.
DUPLICATE: Final = frozenset({"duplicate_message_not_found", "duplicate_channel_not_found"})


def read(answer: HttpResponse, *, brought: bool) -> Outcome:
    """Map the response to an outcome. ``brought``: the token came with the request."""
    fields = members(answer.body)
    ts, error = fields.get("ts"), fields.get("error")
    if fields.get("ok") is True and is_success(answer) and isinstance(ts, str) and ts:
        return Sent(ts, delivered=True)
    if fields.get("ok") is False and isinstance(error, str):
        return by_error(error, answer.retry_after, brought=brought)
    return by_status(answer)


def by_error(error: str, retry_after: timedelta | None = None, *, brought: bool) -> Outcome:
    """Map an error code; an unknown one is a rejection too, as nothing was posted."""
    if error in THROTTLED:
        # One message a second to each channel (docs.slack.dev/apis/web-api/rate-limits).
        reason = Reason("throttled", "Slack's rate limit was exceeded", error)
        return Deferred(reason, retry_after, Concern.RECIPIENT)
    if error in TEMPORARY:
        # The workspace of a token that came with the request is not the account's.
        concerns = Concern.RECIPIENT if brought and error in OF_WORKSPACE else Concern.ACCOUNT
        return Deferred(_with_code(TEMPORARY[error], error), retry_after, concerns)
    if error in IN_DOUBT:
        return Uncertain(_with_code(IN_DOUBT[error], error))
    if error in TOKEN:
        return _rejected_token(error, brought=brought)
    if error in CONFIGURATION:
        return Misconfigured(_with_code(CONFIGURATION[error], error))
    if error in DUPLICATE:
        return Uncertain(
            Reason(
                "duplicate",
                "Slack received this message before, but no longer knows the result",
                error,
            ),
            Concern.RECIPIENT,
        )
    reason = PERMANENT.get(error, Reason("refused", "Slack rejected the message"))
    return Rejected(_with_code(reason, error))


def _rejected_token(error: str, *, brought: bool) -> Outcome:
    """Reject if the token came with the request; ours can be corrected, so the message waits."""
    if brought:
        return Rejected(Reason("refused-token", "Slack rejected the token of the request", error))
    return Misconfigured(Reason("refused-token", "Slack rejected the municipality's token", error))


def _with_code(reason: Reason, error: str) -> Reason:
    return Reason(reason.code, reason.sentence, _printable(error))


def _printable(error: str) -> str:
    """Return the error code, or "unreadable" if it does not look like one of Slack's."""
    return error if len(error) <= 64 and error.replace("_", "").isalnum() else "unreadable"
