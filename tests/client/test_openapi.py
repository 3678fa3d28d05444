"""Tests of the client against the OpenAPI description: methods, request and response members."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import uuid4

import httpx2
import pytest

import utskick_client as uc
from tests.http.conftest import Client
from utskick_client import RetryPolicy, SendOptions, UtskickClient, UtskickClientError
from utskick_client.methods import Iteration, Methods
from utskick_client.wire import Result, members_of

#: Administrators maintain the directory; ``request`` reaches these operations, too.
NOT_FOR_CLIENTS = re.compile(
    r"/{municipalityId}/(settings|delegates|parties|push/subscriptions|configuration|holds|inbound-messages|audit)(/|$)"
)
ID, DAYS, AT_ONCE = (
    str(uuid4()),
    uc.Days(date(2026, 1, 1), date(2026, 1, 31)),
    SendOptions(wait=False),
)
DETAILS = uc.InvoiceDetails(
    amount=Decimal("1250.50"),
    due_date=date(2027, 1, 29),
    payment_reference_type="SE_OCR",
    payment_reference="47118",
    account_type="BANKGIRO",
    account_number="991-2346",
)

#: Method → its request, and calls of it with every query parameter.
CALLS: dict[str, tuple[type[Any] | None, list[Callable[[UtskickClient], Any]]]] = {
    "send_sms": (uc.Sms, [lambda u: u.send_sms(uc.Sms("+46701740605", "Hej"), AT_ONCE)]),
    "send_sms_batch": (
        uc.SmsBatch,
        [
            lambda u: u.send_sms_batch(
                uc.SmsBatch("Hej", [uc.SmsRecipient("+46701740605")]), AT_ONCE
            )
        ],
    ),
    "send_email": (uc.Email, [lambda u: u.send_email(uc.Email("a@b.se", "s"), AT_ONCE)]),
    "send_email_batch": (
        uc.EmailBatch,
        [lambda u: u.send_email_batch(uc.EmailBatch("s", [uc.EmailRecipient("a@b.se")]), AT_ONCE)],
    ),
    "send_web_message": (
        uc.WebMessage,
        [lambda u: u.send_web_message(uc.WebMessage(uc.Party(ID), "Hej"), AT_ONCE)],
    ),
    "send_digital_mail": (
        uc.DigitalMail,
        [
            lambda u: u.send_digital_mail(uc.DigitalMail(uc.Parties([ID])), AT_ONCE),
            lambda u: u.send_digital_mail(
                uc.DigitalMail(uc.Parties([ID])), AT_ONCE, organization_number="2120002411"
            ),
        ],
    ),
    "send_digital_invoice": (
        uc.DigitalInvoice,
        [
            lambda u: u.send_digital_invoice(
                uc.DigitalInvoice(
                    uc.InvoiceParty(ID), "INVOICE", DETAILS, [uc.Pdf("f.pdf", b"%PDF")]
                ),
                AT_ONCE,
            )
        ],
    ),
    "send_messages": (
        uc.Messages,
        [lambda u: u.send_messages(uc.Messages([uc.Message(uc.MessageParty(ID), "Hej")]), AT_ONCE)],
    ),
    "send_letter": (
        uc.Letter,
        [lambda u: u.send_letter(uc.Letter(uc.LetterParty([ID]), "SBK", []), AT_ONCE)],
    ),
    "send_slack": (uc.Slack, [lambda u: u.send_slack(uc.Slack("#drift", "Hej"), AT_ONCE)]),
    "send_push": (uc.Push, [lambda u: u.send_push(uc.Push(uc.Parties([ID]), "t", "m"), AT_ONCE)]),
    "send_snail_mail": (
        uc.SnailMail,
        [lambda u: u.send_snail_mail(uc.SnailMail("SBK"), ID, AT_ONCE)],
    ),
    "close_snail_mail_batch": (None, [lambda u: u.close_snail_mail_batch(ID)]),
    "mailboxes": (None, [lambda u: u.mailboxes("2120002411", [ID])]),
    "batch_status": (None, [lambda u: u.batch_status(ID, messages=False)]),
    "message_status": (None, [lambda u: u.message_status(ID)]),
    "delivery_status": (None, [lambda u: u.delivery_status(ID)]),
    "watch_batch": (None, [lambda u: list(u.watch_batch(ID, follow=True))]),
    "resolve_delivery": (None, [lambda u: u.resolve_delivery(ID, "resend")]),
    "conversation_history": (None, [lambda u: u.conversation_history(ID, DAYS)]),
    "message_history": (None, [lambda u: u.message_history(ID)]),
    "message_metadata": (None, [lambda u: u.message_metadata(ID)]),
    "attachment": (None, [lambda u: u.attachment(ID, "å b.pdf")]),
    "attachment_chunks": (None, [lambda u: list(u.attachment_chunks(ID, "å b.pdf"))]),
    "user_batches": (None, [lambda u: u.user_batches("joe01doe", page=2, limit=5)]),
    "all_user_batches": (None, [lambda u: list(u.all_user_batches("joe01doe"))]),
    "user_messages": (None, [lambda u: u.user_messages("joe/01", batch_id=ID)]),
    "all_user_messages": (None, [lambda u: list(u.all_user_messages("joe01doe", batch_id=ID))]),
    "user_message": (None, [lambda u: u.user_message("joe01doe", ID)]),
    "statistics": (None, [lambda u: u.statistics(DAYS, message_type="LETTER")]),
    "department_statistics": (
        None,
        [
            lambda u: u.department_statistics(DAYS, origin="o"),
            lambda u: u.department_statistics(DAYS, department="SBK", origin="o"),
        ],
    ),
    "delivery_status_statistics": (
        None,
        [lambda u: u.delivery_status_statistics(DAYS, department="SBK", origin="o")],
    ),
    "events": (None, [lambda u: u.events("7", limit=10, origin="o")]),
    "follow_events": (None, [lambda u: list(u.follow_events("7", origin="o"))]),
    "create_webhook": (
        None,
        [
            lambda u: u.create_webhook("https://a.se/", ["sent"], "d"),
            lambda u: u.create_webhook("https://a.se/", events="inbound"),
        ],
    ),
    "webhooks": (None, [lambda u: u.webhooks()]),
    "webhook": (None, [lambda u: u.webhook(ID)]),
    "enable_webhook": (None, [lambda u: u.enable_webhook(ID)]),
    "rotate_webhook_secret": (None, [lambda u: u.rotate_webhook_secret(ID)]),
    "ping_webhook": (None, [lambda u: u.ping_webhook(ID)]),
    "delete_webhook": (None, [lambda u: u.delete_webhook(ID)]),
    "request": (None, []),
}

#: The same operation by a path that the contract deprecates.
SAME = {"readAttachment": "readAttachmentByRequestParameter"}
#: Operations that are checked once they are described.
COMING = ("/events", "/webhooks")


@dataclass(frozen=True)
class Operation:
    path: str
    method: str
    described: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.described["operationId"])

    def parameters(self, where: str) -> set[str]:
        return {p["name"] for p in self.described.get("parameters", ()) if p["in"] == where}

    def serves(self, request: httpx2.Request) -> bool:
        pattern = re.sub(r"{\w+}", "[^/]+", self.path)
        return (
            request.method == self.method.upper()
            and re.fullmatch(pattern, request.url.raw_path.decode().partition("?")[0]) is not None
        )

    @property
    def answer(self) -> Mapping[str, Any]:
        """Return the schema of a successful response, or an empty one if it is not JSON."""
        success = next(
            answer
            for status, answer in self.described["responses"].items()
            if status.startswith("2")
        )
        found: Mapping[str, Any] = (
            success.get("content", {}).get("application/json", {}).get("schema", {})
        )
        return found


class Spec:
    def __init__(self, description: Mapping[str, Any]) -> None:
        self._schemas = description["components"]["schemas"]
        found = [
            Operation(path, method, one)
            for path, methods in description["paths"].items()
            for method, one in methods.items()
        ]
        # paths with fewer parameters first, since they take precedence
        self.operations = sorted(
            (o for o in found if o.path.startswith("/{municipalityId}/")),
            key=lambda o: o.path.count("{"),
        )

    def at(self, request: httpx2.Request) -> Operation | None:
        return next((operation for operation in self.operations if operation.serves(request)), None)

    def plain(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a schema with references resolved, and without null."""
        while True:
            if "$ref" in schema:
                schema = self._schemas.get(schema["$ref"].rpartition("/")[2], {})
            elif some := [
                one
                for key in ("anyOf", "oneOf", "allOf")
                for one in schema.get(key, ())
                if one.get("type") != "null"
            ]:
                schema = some[0]
            else:
                return schema


def inner(hint: Any) -> Any:
    """Return the item type of a member that is a list, else its type."""
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif get_origin(hint) in (Union, types.UnionType):
            hint = next(one for one in get_args(hint) if one is not type(None))
        elif get_origin(hint) in (tuple, Sequence):
            hint = get_args(hint)[0]
        else:
            return hint


def missing_members(
    spec: Spec, schema: Mapping[str, Any], kind: Any, where: str, *, more: bool
) -> Iterator[str]:
    """Return schema members that the dataclass lacks; with ``more`` also the opposite."""
    schema = spec.plain(schema)
    if schema.get("type") == "array":
        schema = spec.plain(schema["items"])
    properties = schema.get("properties")
    if not properties or not is_dataclass(kind):
        return
    members = {member.name: member for member in members_of(kind)}
    yield from (f"{where}.{name} is missing" for name in properties.keys() - members.keys())
    if more:
        yield from (
            f"{where}.{name} is unknown to the service"
            for name in members.keys() - properties.keys()
        )
    for name in properties.keys() & members.keys():
        if (
            found := inner(members[name].hint)
        ) is not kind:  # a delivery may have been routed to other channels
            yield from missing_members(spec, properties[name], found, f"{where}.{name}", more=more)


def first_request(call: Callable[[UtskickClient], Any]) -> httpx2.Request:
    """Return the first request of a call."""
    found: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        found.append(request)
        return httpx2.Response(404, json={})

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        suppress(UtskickClientError),
    ):
        call(
            UtskickClient(
                "http://utskick.test",
                origin="o",
                sent_by="joe01doe",
                retry_policy=RetryPolicy(attempts=1),
                http=http,
            )
        )
    return found[0]


@pytest.fixture
async def spec(client: Client) -> Spec:
    return Spec((await client.get("/openapi.json")).json)


def test_every_method_is_covered_here() -> None:
    assert CALLS.keys() == {name for name in vars(Methods) if not name.startswith("_")}
    assert {
        name
        for name in vars(UtskickClient) | vars(uc.AsyncUtskickClient)
        if not name.startswith("_")
    } == {"do", "iterate", "close", "aclose"}


async def test_every_call_for_clients_has_a_method_and_all_of_its_parameters_can_be_given(
    spec: Spec,
) -> None:
    given: dict[str, set[str]] = {}
    for name, (_, calls) in CALLS.items():
        for call in calls:
            request = first_request(call)
            operation = spec.at(request)
            if operation is None and request.url.path.removeprefix("/2281").startswith(COMING):
                continue
            assert operation is not None, f"{name}: the API has no {request.method} {request.url}"
            given.setdefault(operation.id, set()).update(request.url.params.keys())
            wanted = operation.parameters("header") - {"x-issuer", "x-request-id"}
            assert {header.lower() for header in wanted} <= set(request.headers.keys()), name
    for operation in spec.operations:
        if not NOT_FOR_CLIENTS.match(operation.path):
            known = SAME.get(operation.id, operation.id)
            assert known in given, f"{operation.id} has no method"
            assert operation.parameters("query") <= given[known], operation.id
            assert given[known] <= operation.parameters("query") | (
                {"fileName"} if operation.id in SAME else set()
            ), operation.id


async def test_every_member_of_a_request_can_be_given_and_none_that_the_service_would_overlook(
    spec: Spec,
) -> None:
    looked_at = 0
    for name, (kind, calls) in CALLS.items():
        if kind is not None:
            operation = spec.at(first_request(calls[0]))
            assert operation is not None
            schema = operation.described["requestBody"]["content"]["application/json"]["schema"]
            assert spec.plain(schema)["properties"], name
            assert list(missing_members(spec, schema, kind, name, more=True)) == []
            looked_at += 1
    assert looked_at == 12


async def test_every_member_of_an_answer_is_read(spec: Spec) -> None:
    looked_at = 0
    for name, (_, calls) in CALLS.items():
        operation = spec.at(first_request(calls[0])) if calls else None
        if operation is None or not operation.answer or isinstance(vars(Methods)[name], Iteration):
            continue
        [kind] = get_args(get_type_hints(vars(Methods)[name]._build)["return"])
        assert issubclass(inner(kind), Result), name
        assert list(missing_members(spec, operation.answer, inner(kind), name, more=False)) == []
        looked_at += 1
    assert looked_at >= 25
