"""Operations: what a call takes and answers, as the contract has it, ours beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from utskick.domain.channel import BatchPolicy, ChannelQuery, SendEndpoint
from utskick.http.docs.schemas import name_of, ref
from utskick.http.operation import parameters
from utskick.http.operation.examples import EXAMPLES
from utskick.http.operation.responses import accepted, problems_of, success

_SENDING: Final = "Sending Resources"
_HISTORY: Final = "History Resources"
_RESOLVING: Final = "Resolving Resources"
_BATCH_CLOSES: Final = "There is no such print batch"


def _described(
    named: tuple[str, str, str],
    given: Sequence[dict[str, Any]],
    answers: dict[str, Any],
    body: str | None = None,
    *,
    old: bool = False,
) -> dict[str, Any]:
    """``named``: id, summary, tag; ``body``: the name of its schema; ``old``: deprecated."""
    operation, summary, tag = named
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        **({"deprecated": True} if old else {}),
        "parameters": list(given),
        **({"requestBody": _body(body)} if body else {}),
        "responses": answers,
    }


def _body(name: str) -> dict[str, Any]:
    example = {"example": EXAMPLES[name]} if name in EXAMPLES else {}
    return {"required": True, "content": {"application/json": {"schema": ref(name), **example}}}


# -- sending ----------------------------------------


def sending(form: SendEndpoint, *, short: bool) -> dict[str, Any]:
    model = form.short if short and form.short else form.request
    given = parameters.in_headers(*parameters.SENDING)
    if not short:
        given += parameters.in_path(f"{{municipalityId}}/{form.path}")
    for asked in form.parameters:
        given += parameters.in_query(asked.name, required=asked.required)
    if form.waits:
        given += parameters.in_query("async")
    answers = {
        "201": accepted(ref("MessageBatchResult" if form.many else "MessageResult")),
        **problems_of(
            400,
            404,
            408,
            409,
            413,
            415,
            422,
            500,
            501,
            502,
            503,
            _404="The recipient is not known where the message was to go",
        ),
    }
    named = form.operation + ("Short" if short else ""), form.summary, _SENDING
    return _described(named, given, answers, name_of(model), old=form.deprecated)


def question(asked: ChannelQuery, path: str) -> dict[str, Any]:
    faults = problems_of(
        400, 408, 413, 415, 500, 502, 503, _502="Who has a mailbox cannot be told now"
    )
    named = asked.operation, asked.summary, _SENDING
    return _described(
        named,
        parameters.in_path(path),
        {"200": success(dict(asked.shape)), **faults},
        name_of(asked.request),
    )


def closing(gathering: BatchPolicy, path: str) -> dict[str, Any]:
    answers = {"200": success(), **problems_of(400, 404, 500, 503, _404=_BATCH_CLOSES)}
    return _described(
        (gathering.operation, gathering.summary, _SENDING), parameters.in_path(path), answers
    )


# -- reading ----------------------------------------

_RESULTS: Final[dict[str, dict[str, Any]]] = {
    "getBatchStatus": ref("MessageBatchResult"),
    "getMessageStatus": ref("MessageResult"),
    "getDeliveryStatus": ref("DeliveryResult"),
    "resolveDelivery": ref("DeliveryResult"),
    "getConversationHistory": {"type": "array", "items": ref("HistoryResponse")},
    "getConversationHistoryShort": {"type": "array", "items": ref("ShortHistoryResponse")},
}
_ASKED: Final = {"getBatchStatus": ("messages",), "getConversationHistory": ("from", "to")}


def reading(operation: str, summary: str, path: str) -> dict[str, Any]:
    kind = operation.removesuffix("Short")
    named = (
        operation
        if operation.endswith("Short") or "{municipalityId}" in path
        else f"{operation}Short"
    )
    given = [*parameters.in_path(path), *parameters.in_query(*_ASKED.get(kind, ()))]
    if kind == "resolveDelivery":
        answers = {
            "200": success(_RESULTS[kind]),
            **problems_of(400, 404, 408, 409, 413, 415, 500, 503, _409="It is not held in doubt"),
        }
        given = [*parameters.in_headers(*parameters.NAMED), *given]
        return _described((named, summary, _RESOLVING), given, answers, "ResolveRequest")
    missing = () if kind == "getConversationHistory" else (404,)
    answers = {
        "200": success(_RESULTS.get(named, _RESULTS[kind])),
        **problems_of(400, *missing, 500, 503),
    }
    return _described((named, summary, _HISTORY), given, answers)


@dataclass(frozen=True, slots=True)
class Operation:
    """A call as it is described. ``answer`` and ``body`` name schemas; ``filters``: any other query
    parameter is taken, too.

    ``made``: the status beside ``status`` of a call that makes what is not there. ``missing``:
    whether it can answer 404; ``erasable``: 410. ``empty``: the status beside ``status`` that has
    no body. ``named``: somebody answers for it by name. ``also``: a media type beside JSON.
    ``long``: what a 422 says of it, where it can answer one. ``media``: what it answers where that
    is no JSON. ``text``: more than the summary says. ``more``: parameters of its own, as OpenAPI
    writes them. ``versioned``: tells an ETag; ``seen``: takes it as ``If-Match``.
    """

    id: str
    summary: str
    tag: str
    status: int = 200
    answer: str | None = None
    many: bool = False
    body: str | None = None
    query: tuple[str, ...] = ()
    optional: bool = False
    filters: bool = False
    conflict: bool = False
    made: int | None = None
    missing: bool = True
    erasable: bool = False
    deprecated: bool = False
    media: str | None = None
    text: str | None = None
    empty: int | None = None
    named: bool = False
    also: str | None = None
    long: str | None = None
    more: tuple[dict[str, Any], ...] = ()
    versioned: bool = False
    seen: bool = False

    def described(self, path: str) -> dict[str, Any]:
        given = [
            *parameters.in_headers(
                *(parameters.NAMED if self.named else ()), *(("If-Match",) if self.seen else ())
            ),
            *parameters.in_path(path),
            *parameters.in_query(*self.query, required=not self.optional),
            *self.more,
        ]
        if self.filters:
            given.append(parameters.any_other())
        asked = {404: self.missing, 410: self.erasable, 409: self.conflict, 412: self.seen}
        asked |= dict.fromkeys((408, 413, 415), bool(self.body))
        answers = {str(self.status): self._success(self.status)}
        if self.made is not None:
            answers[str(self.made)] = self._success(self.made)
        if self.empty is not None:
            answers[str(self.empty)] = success()
        if self.also is not None:
            answers[str(self.status)]["content"][self.also] = {
                "schema": {"type": "string", "format": "binary"}
            }
        if self.long is not None:
            answers.update(problems_of(422, _422=self.long))
        answers.update(
            problems_of(400, 500, 503, *(status for status, can_come in asked.items() if can_come))
        )
        described = _described(
            (self.id, self.summary, self.tag), given, answers, self.body, old=self.deprecated
        )
        return {**described, "description": self.text} if self.text else described

    def _success(self, status: int) -> dict[str, Any]:
        if self.media is not None:
            schema = {
                "type": "string",
                **({} if self.media.startswith("text/") else {"format": "binary"}),
            }
            return {
                "description": "Successful Operation",
                "content": {self.media: {"schema": schema}},
            }
        shape = ref(self.answer) if self.answer else None
        return success(
            {"type": "array", "items": shape} if self.many else shape,
            made=status == 201,
            versioned=self.versioned,
        )


# -- providers and operators ----------------------------------------


def receipt(operation: str, path: str) -> dict[str, Any]:
    answers = {
        "200": success(text="Kept"),
        **problems_of(400, 401, 404, 413, 500, 503, _404="There is no such provider account"),
    }
    summary = "A provider's delivery report; verified by the secret in the path or by HTTP Basic"
    return _described((operation, summary, "Receipts"), parameters.in_path(path), answers)


def plain(operation: str, summary: str, tag: str) -> dict[str, Any]:
    shape = {"type": "object", "properties": {"status": {"type": "string", "enum": ["UP", "DOWN"]}}}
    answers = {"200": success(shape)}
    if operation == "ready":
        answers["503"] = success(shape, text="The database is away")
    return _described((operation, summary, tag), (), answers)
