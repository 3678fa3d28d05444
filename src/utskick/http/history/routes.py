"""The calls that look back: history, users, statistics; their paths, their endpoints, and how the
API describes them."""

from __future__ import annotations

from typing import Final

from utskick.http.context import ApiContext
from utskick.http.history.conversations import Histories
from utskick.http.history.statistics import StatisticsCalls
from utskick.http.history.users import UserCalls
from utskick.http.operation import Operation
from utskick.http.operation.call import Endpoint

_HISTORY: Final = "History Resources"
_STATISTICS: Final = "Statistics Resources"
_DAYS: Final = ("from", "to")


def calls(service: ApiContext) -> list[Endpoint]:
    return [
        *_history(Histories(service)),
        *_users(UserCalls(service)),
        *_statistics(StatisticsCalls(service)),
    ]


def _history(to: Histories) -> list[Endpoint]:
    conversation = Operation(
        "getConversationHistory",
        "Get the entire conversation history for a given party",
        _HISTORY,
        answer="HistoryResponse",
        many=True,
        query=_DAYS,
        optional=True,
        missing=False,
    )
    message = Operation(
        "getMessage",
        "Get a message and all its deliveries, with files",
        _HISTORY,
        answer="HistoryResponse",
        many=True,
        deprecated=True,
    )
    metadata = Operation(
        "getMessageMetadata",
        "Get a message without its files' bytes",
        _HISTORY,
        answer="HistoryResponse",
        many=True,
    )
    by_name = Operation(
        "readAttachmentByRequestParameter",
        "Stream a file of a message",
        _HISTORY,
        query=("fileName",),
        media="*/*",
        erasable=True,
    )
    by_path = Operation(
        "readAttachment",
        "Stream a file of a message",
        _HISTORY,
        deprecated=True,
        media="*/*",
        erasable=True,
    )
    one = "/messages/{messageId}"
    return [
        Endpoint("GET", "/conversation-history/{partyId}", to.conversation, conversation),
        Endpoint("GET", one, to.message, message),
        Endpoint("GET", f"{one}/metadata", to.metadata, metadata),
        Endpoint("GET", f"{one}/attachments", to.attachment, by_name),
        Endpoint(
            "GET",
            f"{one}/attachments/{{fileName}}",
            to.attachment_by_path,
            by_path,
            f"{one}/attachments/{{fileName:path}}",
        ),
    ]


def _users(to: UserCalls) -> list[Endpoint]:
    paging = ("page", "limit")
    batches = Operation(
        "getUserBatches",
        "Get the batches of a user, of the last 30 days",
        _HISTORY,
        answer="UserBatches",
        query=paging,
        optional=True,
        missing=False,
    )
    messages = Operation(
        "getUserMessages",
        "Get the messages of a user, of the last 30 days",
        _HISTORY,
        answer="UserMessages",
        query=("batchId", *paging),
        optional=True,
        missing=False,
    )
    message = Operation("getUserMessage", "Get a message of a user", _HISTORY, answer="UserMessage")
    return [
        Endpoint("GET", "/users/{userId}/batches", to.batches, batches),
        Endpoint("GET", "/users/{userId}/messages", to.messages, messages),
        Endpoint("GET", "/users/{userId}/messages/{messageId}", to.message, message),
    ]


def _statistics(to: StatisticsCalls) -> list[Endpoint]:
    whole = Operation(
        "getStatistics",
        "Get delivery statistics",
        _STATISTICS,
        answer="Statistics",
        query=("messageType", *_DAYS),
        optional=True,
        missing=False,
    )
    departments = Operation(
        "getDepartmentStatistics_1",
        "Get letter statistics by department",
        _STATISTICS,
        answer="DepartmentStatistics",
        many=True,
        query=("origin", *_DAYS),
        optional=True,
        missing=False,
    )
    department = Operation(
        "getDepartmentStatistics",
        "Get letter statistics of a department",
        _STATISTICS,
        answer="DepartmentStatistics",
        many=True,
        query=("origin", *_DAYS),
        optional=True,
        missing=False,
    )
    status = Operation(
        "getStatisticsByDepartment",
        "Get delivery status statistics of letters and SMS",
        _STATISTICS,
        answer="DepartmentStats",
        query=("department", "origin", *_DAYS),
        optional=True,
        missing=False,
    )
    return [
        Endpoint("GET", "/statistics", to.whole, whole),
        Endpoint("GET", "/statistics/departments", to.departments, departments),
        Endpoint(
            "GET",
            "/statistics/departments/{department}",
            to.departments,
            department,
            "/statistics/departments/{department:path}",
        ),
        Endpoint("GET", "/statistics/delivery-status", to.delivery_status, status),
    ]
