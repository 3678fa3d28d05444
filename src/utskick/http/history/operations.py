"""Operations of history, users and statistics."""

from __future__ import annotations

from typing import Any, Final

from utskick.domain.audit import Action
from utskick.http.context import ApiContext
from utskick.http.history.conversations import Histories
from utskick.http.history.counted_types import CountedTypes
from utskick.http.history.schemas import (
    HistoryResponse,
    ShortHistoryResponse,
    StatisticsModels,
    UserBatches,
    UserMessage,
    UserMessages,
)
from utskick.http.history.statistics import StatisticsCalls
from utskick.http.history.users import UserCalls
from utskick.http.operation import Answer, Audit, Operation, Route, query

_READ: Final = Action.READ_HISTORY
_DAYS: Final = ("from", "to")
_PAGING: Final = ("page", "limit")


def operations(service: ApiContext) -> list[Route]:
    """Return the operations that look back."""
    types = CountedTypes(service.channels, service.message_types)
    return [
        *_history(Histories(service)),
        *_users(UserCalls(service)),
        *_statistics(StatisticsCalls(service, types), StatisticsModels(types)),
    ]


def _operation(path: str, **more: Any) -> Operation:
    """Declare a GET of the history."""
    declared: dict[str, Any] = {"tag": "History Resources", "scope": "history:read", **more}
    return Operation(method="GET", path=path, **declared)


_MESSAGE: Final = "/{municipalityId}/messages/{messageId}"
_USER: Final = "/{municipalityId}/users/{userId}"
_FILE: Final = Answer(description="The content of the file", media=("*/*",))

SHORT_CONVERSATION: Final = _operation(
    "/{personId}/conversationHistory",
    id="getConversationHistoryShort",
    summary="Get the conversation history of a person of the default municipality",
    description="Returns sender, subject and text of the messages to a person, newest first. The "
    "person is identified as in the requests that sent the messages.",
    audit=Audit(_READ, party="personId"),
    parameters=query(*_DAYS),
    answers={200: Answer(list[ShortHistoryResponse])},
)
CONVERSATION: Final = _operation(
    "/{municipalityId}/conversation-history/{partyId}",
    id="getConversationHistory",
    summary="Get the entire conversation history for a given party",
    description="Returns every delivery to a party with its content, newest first. Both days are "
    "inclusive.",
    audit=Audit(_READ, party="partyId"),
    parameters=query(*_DAYS),
    answers={200: Answer(list[HistoryResponse])},
)
MESSAGE: Final = _operation(
    _MESSAGE,
    id="getMessage",
    summary="Get a message and all its deliveries, with files",
    description="Returns the content of a message per delivery, with the content of its files in "
    "Base64. Use `getMessageMetadata` and `readAttachmentByRequestParameter` instead.",
    audit=Audit(_READ, ("messageId",)),
    answers={200: Answer(list[HistoryResponse])},
    problems={404: None},
    deprecated=True,
)
METADATA: Final = _operation(
    f"{_MESSAGE}/metadata",
    id="getMessageMetadata",
    summary="Get a message and all its deliveries, without files",
    description="Returns the content of a message per delivery; of files only name and media type.",
    audit=Audit(_READ, ("messageId",)),
    answers={200: Answer(list[HistoryResponse])},
    problems={404: None},
)
FILE_BY_NAME: Final = _operation(
    f"{_MESSAGE}/attachments",
    id="readAttachmentByRequestParameter",
    summary="Stream a file of a message",
    description="Returns the content of a file with the media type that it was sent with.",
    audit=Audit(_READ, ("messageId",)),
    parameters=query("fileName", required=True),
    answers={200: _FILE},
    problems={404: None, 410: None},
)
FILE_BY_PATH: Final = _operation(
    f"{_MESSAGE}/attachments/{{fileName}}",
    id="readAttachment",
    summary="Stream a file of a message, by path",
    description="As `readAttachmentByRequestParameter`, which also takes names with slashes.",
    audit=Audit(_READ, ("messageId",)),
    answers={200: _FILE},
    problems={404: None, 410: None},
    served=f"{_MESSAGE}/attachments/{{fileName:path}}",
    deprecated=True,
)


def _history(to: Histories) -> list[Route]:
    return [
        Route(SHORT_CONVERSATION, to.short_conversation),
        Route(CONVERSATION, to.conversation),
        Route(MESSAGE, to.message),
        Route(METADATA, to.metadata),
        Route(FILE_BY_NAME, to.attachment),
        Route(FILE_BY_PATH, to.attachment_by_path),
    ]


USER_BATCHES: Final = _operation(
    f"{_USER}/batches",
    id="getUserBatches",
    summary="Get the batches of a user, of the last 30 days",
    description="Returns a page of the requests that a user has sent, newest first, with the "
    "number "
    "of messages by outcome.",
    audit=Audit(_READ, ("userId",)),
    parameters=query(*_PAGING),
    answers={200: Answer(UserBatches)},
)
USER_MESSAGES: Final = _operation(
    f"{_USER}/messages",
    id="getUserMessages",
    summary="Get the messages of a user, of the last 30 days",
    description="Returns a page of the messages that a user has sent, newest first, with "
    "recipients "
    "and the names of files.",
    audit=Audit(_READ, ("userId",)),
    parameters=query("batchId", *_PAGING),
    answers={200: Answer(UserMessages)},
)
USER_MESSAGE: Final = _operation(
    f"{_USER}/messages/{{messageId}}",
    id="getUserMessage",
    summary="Get a message of a user",
    description="Returns one message that a user has sent, of any age.",
    audit=Audit(_READ, ("userId", "messageId")),
    answers={200: Answer(UserMessage)},
    problems={404: None},
)


def _users(to: UserCalls) -> list[Route]:
    return [
        Route(USER_BATCHES, to.batches),
        Route(USER_MESSAGES, to.messages),
        Route(USER_MESSAGE, to.message),
    ]


def _statistics(to: StatisticsCalls, models: StatisticsModels) -> list[Route]:
    base = "/{municipalityId}/statistics"
    kind: dict[str, Any] = {"tag": "Statistics Resources", "scope": "statistics:read"}
    whole = _operation(
        base,
        id="getStatistics",
        summary="Get delivery statistics",
        description="Returns the number of deliveries by type and outcome. Requests that choose "
        "among channels are counted by the channel that carried them.",
        parameters=query("messageType", *_DAYS),
        answers={200: Answer(models.whole)},
        **kind,
    )
    departments = _operation(
        f"{base}/departments",
        id="getDepartmentStatistics_1",
        summary="Get letter statistics by department",
        description="Returns the number of letters by calling system, department, channel and "
        "outcome.",
        parameters=query("origin", *_DAYS),
        answers={200: Answer(list[models.letters])},  # type: ignore[name-defined]
        **kind,
    )
    department = _operation(
        f"{base}/departments/{{department}}",
        id="getDepartmentStatistics",
        summary="Get letter statistics of a department",
        description="Returns the number of letters of one department by calling system, channel "
        "and "
        "outcome.",
        parameters=query("origin", *_DAYS),
        answers={200: Answer(list[models.letters])},  # type: ignore[name-defined]
        served=f"{base}/departments/{{department:path}}",
        **kind,
    )
    status = _operation(
        f"{base}/delivery-status",
        id="getStatisticsByDepartment",
        summary="Get delivery status statistics of letters and SMS",
        description="Returns the number of letters and SMS by channel and outcome, of one "
        "department "
        "and calling system where they are given.",
        parameters=query("department", "origin", *_DAYS),
        answers={200: Answer(models.department)},
        **kind,
    )
    return [
        Route(whole, to.whole),
        Route(departments, to.departments),
        Route(department, to.departments),
        Route(status, to.delivery_status),
    ]
