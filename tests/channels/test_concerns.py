"""Whom an outcome concerns, by every provider's own words: only the account's pauses the account."""

from __future__ import annotations

import pytest

from utskick.channels.digital_invoice import kivra
from utskick.channels.email import graph
from utskick.channels.push import fcm
from utskick.channels.slack import responses as slack
from utskick.channels.sms import link
from utskick.channels.sms.smpp import command_status as smpp
from utskick.channels.web_message import soap_responses as open_e
from utskick.channels.web_message.soap_request import NAMESPACE, SOAP
from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Rejected,
    Sent,
    of_destination,
)
from utskick.outgoing.http_client import HttpResponse, by_status

RECIPIENT, DESTINATION, ACCOUNT, OURSELVES = Concern


def concern(outcome: Outcome) -> Concern:
    assert not isinstance(outcome, Sent | Rejected)
    return outcome.concerns


@pytest.mark.parametrize("status", [401, 403, 404, 407, 408, 429, 500, 502, 503, 504])
def test_a_gateway_that_fails_concerns_the_account(status: int) -> None:
    outcome = by_status(HttpResponse(status, {}, b""))
    assert concern(outcome) is ACCOUNT
    assert concern(of_destination(outcome)) is DESTINATION


def test_what_concerns_somebody_else_stays_so_for_a_destination() -> None:
    for outcome in (
        Deferred(link.TEMPORARY[1], concerns=RECIPIENT),
        Misconfigured(link.TEMPORARY[1], OURSELVES),
    ):
        assert of_destination(outcome) is outcome
    assert of_destination(Sent("a")) == Sent("a")


@pytest.mark.parametrize(
    ("code", "whom"),
    [
        (1004, RECIPIENT),
        (2107, RECIPIENT),
        (1, DESTINATION),
        (6, DESTINATION),
        (0, ACCOUNT),
        (3, ACCOUNT),
        (4, ACCOUNT),
        (105, ACCOUNT),
        (106300, ACCOUNT),
        (106100, ACCOUNT),
        (2200, ACCOUNT),
        (2000, OURSELVES),
        (3000, OURSELVES),
        (4003, OURSELVES),
        (987654, ACCOUNT),
    ],
)
def test_link(code: int, whom: Concern) -> None:
    assert concern(link.by_code(code, None)) is whom


@pytest.mark.parametrize(
    ("status", "whom"),
    [
        (0x45, RECIPIENT),
        (0x64, RECIPIENT),
        (0x400, RECIPIENT),
        (0x04, ACCOUNT),
        (0x08, ACCOUNT),
        (0x14, ACCOUNT),
        (0x58, ACCOUNT),
        (0x0D, ACCOUNT),
        (0xC1, ACCOUNT),
        (0x0A, OURSELVES),
    ],
)
def test_smpp(status: int, whom: Concern) -> None:
    assert concern(smpp.of_message(status)) is whom


@pytest.mark.parametrize("status", [*smpp.NAMES, 0x400])
def test_a_refused_bind_always_concerns_the_account(status: int) -> None:
    outcome = smpp.of_bind(status)
    assert concern(outcome) is ACCOUNT
    assert isinstance(outcome, Deferred | Misconfigured)


@pytest.mark.parametrize(
    ("error", "brought", "whom"),
    [
        ("ratelimited", False, RECIPIENT),
        ("duplicate_message_not_found", False, RECIPIENT),
        ("message_limit_exceeded", True, RECIPIENT),
        ("message_limit_exceeded", False, ACCOUNT),
        ("service_unavailable", True, ACCOUNT),
        ("invalid_auth", False, ACCOUNT),
        ("fatal_error", False, ACCOUNT),
    ],
)
def test_slack(error: str, brought: bool, whom: Concern) -> None:
    assert concern(slack.by_error(error, brought=brought)) is whom


@pytest.mark.parametrize(
    ("code", "whom"),
    [
        ("QUOTA_EXCEEDED", RECIPIENT),
        ("SENDER_ID_MISMATCH", RECIPIENT),
        ("THIRD_PARTY_AUTH_ERROR", DESTINATION),
        ("RESOURCE_EXHAUSTED", ACCOUNT),
        ("UNAVAILABLE", ACCOUNT),
        ("UNAUTHENTICATED", ACCOUNT),
    ],
)
def test_fcm(code: str, whom: Concern) -> None:
    body = f'{{"error": {{"status": "{code}"}}}}'.encode()
    assert concern(fcm.read(HttpResponse(503, {}, body))) is whom


def test_open_e() -> None:
    def fault(code: str, detail: str) -> HttpResponse:
        body = (
            f'<e:Envelope xmlns:e="{SOAP}"><e:Body><e:Fault><faultcode>e:{code}</faultcode>'
            f"<detail>{detail}</detail></e:Fault></e:Body></e:Envelope>"
        )
        return HttpResponse(500, {}, body.encode())

    denied = fault("Server", f'<AccessDeniedFault xmlns="{NAMESPACE}"/>')
    assert concern(open_e.read(denied, "addMessage")) is RECIPIENT
    assert concern(open_e.read(fault("Server", ""), "addMessage")) is ACCOUNT


@pytest.mark.parametrize(("code", "whom"), [("40915", RECIPIENT), ("40300", ACCOUNT)])
def test_kivra(code: str, whom: Concern) -> None:
    answer = HttpResponse(int(code[:3]), {"x-error-code": code}, b"")
    assert concern(kivra.read(answer)) is whom


@pytest.mark.parametrize(
    ("code", "whom"),
    [
        ("ErrorSendAsDenied", OURSELVES),
        ("ErrorAccessDenied", ACCOUNT),
        ("ErrorServerBusy", ACCOUNT),
    ],
)
def test_graph(code: str, whom: Concern) -> None:
    outcome = graph._by_code(code, HttpResponse(403, {}, b""))
    assert outcome is not None
    assert concern(outcome) is whom
