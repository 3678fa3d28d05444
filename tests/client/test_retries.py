"""Tests of retries: which calls, with which key, and the final error."""

from __future__ import annotations

import socket
from collections.abc import Generator
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.conftest import (
    FAST_RETRIES,
    Answer,
    Make,
    ScriptedServer,
    drop_connection,
    respond,
    stream_events,
)
from utskick_client import (
    NoAnswer,
    NotUtskick,
    Refused,
    RetryPolicy,
    SendOptions,
    Sms,
    UtskickClient,
    Violation,
)
from utskick_client.steps import Fault, Pause, Repeat, Reply, Request, Retrier, Send

SMS = Sms("+46701740605", "Hej")
SENT = respond(201, {"messageId": "m"})

PASSING = {
    "unavailable": respond(
        503, {"title": "Service Unavailable", "status": 503, "code": "unavailable"}, Retry_After="5"
    ),
    "still running": respond(
        409, {"title": "Conflict", "status": 409, "code": "idempotency-running"}
    ),
    "a proxy's 502": respond(502, {"title": "Bad Gateway", "status": 502}),
    "a proxy's 504, no JSON": respond(504, "<html>Gateway Time-out"),
    "connection lost": drop_connection,
}
CLEAR = [
    (400, "unreadable"),
    (409, "conflict"),
    (422, "idempotency-key-reused"),
    (502, "delivery-failed"),
    (501, "not-built"),
]


@pytest.mark.parametrize("first", PASSING.values(), ids=PASSING.keys())
async def test_a_temporary_error_is_retried_with_the_same_key_and_body(
    wire: ScriptedServer, make: Make, first: Answer
) -> None:
    wire.answers = [first, SENT]
    sent = await make(wire.url).call("send_sms", SMS)
    assert (sent.message_id, sent.key) == ("m", wire.keys[0])
    assert wire.keys[0] == wire.keys[1]
    assert {body for _, _, body in wire.calls} == {
        b'{"mobileNumber":"+46701740605","message":"Hej"}'
    }


async def test_every_call_has_a_key_of_its_own_or_the_one_that_was_given(
    wire: ScriptedServer, make: Make
) -> None:
    wire.answers = [SENT]
    client = make(wire.url)
    await client.call("send_sms", SMS)
    await client.call("send_sms", SMS)
    await client.call("send_sms", SMS, SendOptions(key="ärende 7"))
    first, second, third = wire.keys
    assert first != second
    assert third == "ärende 7"


async def test_retries_are_limited(wire: ScriptedServer, make: Make) -> None:
    wire.answers = [
        respond(503, {"title": "Service Unavailable", "detail": "the database is away"})
    ]
    with pytest.raises(Refused, match="the database is away"):
        await make(wire.url).call("send_sms", SMS)
    assert len(wire.calls) == FAST_RETRIES.attempts


@pytest.mark.parametrize(("status", "code"), CLEAR)
async def test_a_rejection_is_not_retried(
    wire: ScriptedServer, make: Make, status: int, code: str
) -> None:
    wire.answers = [
        respond(
            status,
            {"title": "No", "code": code, "detail": "because", "deliveryId": "d"},
            X_Request_Id="r",
        )
    ]
    with pytest.raises(Refused, match="because") as refused:
        await make(wire.url).call("send_sms", SMS)
    assert len(wire.calls) == 1
    found = refused.value
    assert (found.status, found.code, found.delivery_id, found.request_id) == (
        status,
        code,
        "d",
        "r",
    )


async def test_every_violation_is_reported(wire: ScriptedServer, make: Make) -> None:
    wire.answers = [
        respond(
            400,
            {
                "title": "Constraint Violation",
                "violations": [{"field": "message", "message": "must not be blank"}],
            },
        )
    ]
    with pytest.raises(
        Refused, match="400 Constraint Violation: message must not be blank"
    ) as refused:
        await make(wire.url).call("send_sms", SMS)
    assert refused.value.violations == (Violation("message", "must not be blank"),)


async def test_a_lost_answer_is_reported_with_the_key_that_finds_out(
    wire: ScriptedServer, make: Make
) -> None:
    wire.answers = [drop_connection]
    with pytest.raises(NoAnswer) as lost:
        await make(wire.url).call("send_sms", SMS, SendOptions(key="k"))
    assert (lost.value.key, lost.value.maybe_accepted, len(wire.calls)) == (
        "k",
        True,
        FAST_RETRIES.attempts,
    )


async def test_an_unreachable_service_has_accepted_nothing(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NoAnswer) as absent:
        await make(f"http://127.0.0.1:{port}").call("send_sms", SMS)
    assert absent.value.maybe_accepted is False


async def test_reads_are_retried_and_a_decision_is_not(wire: ScriptedServer, make: Make) -> None:
    client = make(wire.url)
    wire.answers = [drop_connection, respond(503, {}), respond(200, {"deliveryId": "d"})]
    assert (await client.call("delivery_status", "d")).delivery_id == "d"
    assert len(wire.calls) == 3
    for no in (drop_connection, respond(503, {})):
        wire.calls.clear()
        wire.answers = [no]
        with pytest.raises((NoAnswer, Refused)):
            await client.call("resolve_delivery", "d", "resend")
        assert len(wire.calls) == 1


@pytest.mark.parametrize("body", ["<html>It works!</html>", "[]", '{"deliveries": []}', ""])
async def test_an_answer_that_is_not_ours_is_reported_as_such(
    wire: ScriptedServer, make: Make, body: str
) -> None:
    wire.answers = [respond(200, body)]
    with pytest.raises(NotUtskick, match="not from Utskick's API"):
        await make(wire.url).call("message_status", "m")


async def test_caller_municipality_and_token_are_reported(wire: ScriptedServer, make: Make) -> None:
    wire.answers = [SENT]
    tokens = iter(["one", "two"])
    await make(
        wire.url + "/", "2260", origin="Skolappen Åre", sent_by="joe01doe", token="t0ken"
    ).call("send_sms", SMS, SendOptions(wait=False))
    renewed = make(wire.url, token=lambda: next(tokens), sent_by="type=partyId; f427952b")
    await renewed.call("send_sms", SMS)
    await renewed.call("send_sms", SMS)
    await make(wire.url, token=httpx2.BasicAuth("u", "p")).call("send_sms", SMS)
    path, headers, _ = wire.calls[0]
    assert path == "/2260/sms?async=true"
    assert (headers["x-origin"], headers["X-Sent-By"]) == (
        "Skolappen Åre",
        "joe01doe; type=adAccount",
    )
    assert [h["Authorization"] for _, h, _ in wire.calls] == [
        "Bearer t0ken",
        "Bearer one",
        "Bearer two",
        "Basic dTpw",
    ]
    assert (wire.calls[1][0], wire.calls[1][1]["X-Sent-By"], "x-origin" in wire.calls[1][1]) == (
        "/2281/sms",
        "type=partyId; f427952b",
        False,
    )


@pytest.mark.parametrize(
    ("url", "more"),
    [
        *((url, {}) for url in ("localhost:8080", "ftp://here", "http://", "")),
        ("http://here", {"municipality": "22"}),
        ("http://here", {"origin": "a\nb"}),
    ],
)
def test_invalid_arguments_are_rejected_before_anything_is_sent(
    url: str, more: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"not the address|not a municipality|one line"):
        UtskickClient(url, **more)
    with UtskickClient("http://127.0.0.1:1") as client, pytest.raises(ValueError, match="key"):
        client.send_sms(SMS, SendOptions(key="a\r\nb"))


async def test_a_file_that_breaks_off_is_not_treated_as_complete(
    wire: ScriptedServer, make: Make
) -> None:
    client = make(wire.url)
    wire.answers = [respond(503, {}), stream_events("hela ", "filen", kind="application/pdf")]
    assert (
        b"".join([piece async for piece in client.iterate("attachment_chunks", "m", "å/b c.pdf")])
        == b"hela filen"
    )
    assert wire.calls[0][0] == "/2281/messages/m/attachments?fileName=%C3%A5%2Fb+c.pdf"
    wire.answers = [stream_events("halva", kind="application/pdf", abort=True)]
    with pytest.raises(NoAnswer):
        [piece async for piece in client.iterate("attachment_chunks", "m", "b.pdf")]


# -- rules ----------------------------------------

outcomes = st.one_of(
    st.builds(Fault, sent=st.booleans()),
    st.builds(
        Reply,
        status=st.sampled_from([200, 201, 400, 404, 409, 422, 500, 501, 502, 503, 504]),
        headers=st.sampled_from(
            [
                {},
                {"retry-after": "2"},
                {"retry-after": "3600"},
                {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"},
            ]
        ),
        body=st.sampled_from(
            [
                b"{}",
                b"",
                b"<html>",
                b"[]",
                b'{"code":"delivery-failed"}',
                b'{"code":"idempotency-running"}',
            ]
        ),
    ),
)


def run_plan(plan: Generator[Any, Any, Reply], script: list[Any]) -> tuple[list[Any], Any]:
    """Run a plan against a script whose last line repeats; return (steps, result or exception)."""
    steps, came = [], None
    try:
        while True:
            step = plan.send(came)
            steps.append(step)
            came = (
                script[min(len([s for s in steps if isinstance(s, Send)]), len(script)) - 1]
                if isinstance(step, Send)
                else None
            )
    except StopIteration as done:
        return steps, done.value
    except (Refused, NoAnswer) as fault:
        return steps, fault


@given(st.lists(outcomes, min_size=1, max_size=6), st.sampled_from(Repeat), st.floats(0, 1))
def test_retries_are_limited_with_growing_pauses_and_nothing_is_done_twice_without_a_key(
    script: list[Any], repeat: Repeat, chance: float
) -> None:
    retry_policy = RetryPolicy(attempts=4, first_pause=0.5, max_retry_after=5)
    request = Request("POST", "sms", key="k" if repeat is Repeat.KEYED else None, repeat=repeat)
    steps, end = run_plan(Retrier(retry_policy, lambda: chance).of(request), script)
    sends, pauses = (
        [s for s in steps if isinstance(s, Send)],
        [s.seconds for s in steps if isinstance(s, Pause)],
    )
    assert 1 <= len(sends) <= retry_policy.attempts
    assert len(pauses) == len(sends) - 1
    assert all(
        0.75 * 0.5 * 2**n <= pause <= max(5.0, 1.25 * 0.5 * 2**n) for n, pause in enumerate(pauses)
    )
    assert all(send.request is request for send in sends)
    met = [script[min(n, len(script) - 1)] for n in range(len(sends))]
    if repeat is Repeat.NEVER:
        assert all(isinstance(one, Fault) and not one.sent for one in met[:-1])
    if isinstance(end, Reply):
        assert end.status < 300
    if isinstance(end, NoAnswer):
        assert end.maybe_accepted == (
            repeat is not Repeat.ALWAYS and any(isinstance(one, Fault) and one.sent for one in met)
        )


def test_a_pause_requested_by_the_service_is_kept_up_to_a_limit() -> None:
    script = [
        Reply(503, {"retry-after": "3"}, b"{}"),
        Reply(503, {"retry-after": "60"}, b"{}"),
        Reply(200, {}, b"{}"),
    ]
    steps, _ = run_plan(
        Retrier(RetryPolicy(max_retry_after=5), lambda: 0.5).of(Request("GET", "x")), script
    )
    assert [s.seconds for s in steps if isinstance(s, Pause)] == [3, 5]


def test_without_a_request_the_pause_doubles() -> None:
    steps, _ = run_plan(
        Retrier(RetryPolicy(attempts=5), lambda: 0.5).of(Request("GET", "x")), [Fault(sent=False)]
    )
    pauses = [s.seconds for s in steps if isinstance(s, Pause)]
    assert pauses[0] == 0.5
    assert all(later == 2 * earlier for earlier, later in pairwise(pauses))
