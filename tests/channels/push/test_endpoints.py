"""Which push services may be called: names, origins, and that the guard stands before them."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.push.stage import BROWSER, CONTENT, vapid_pem
from tests.outgoing.names import Names
from utskick.channels.push import payload
from utskick.channels.push.endpoints import BROWSERS, Endpoints
from utskick.channels.push.settings import WebPushAccount
from utskick.channels.push.webpush import WebPush
from utskick.domain.clock import utc_now
from utskick.domain.ids import new_id
from utskick.domain.outcome import Rejected
from utskick.outgoing.address_guard import AddressGuard, origin_of


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:123",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
        "https://FCM.googleapis.com:443/wp/abc",
        "https://wns2-am3p.notify.windows.com/w/?token=abc",
        "https://web.push.apple.com/QGuQ",
    ],
)
def test_the_browsers_own_services_are_allowed(endpoint: str) -> None:
    assert Endpoints(BROWSERS, ()).allowed(endpoint) is not None


FOREIGN = [
    "http://fcm.googleapis.com/a",
    "https://fcm.googleapis.com:8443/a",
    "https://fcm.googleapis.com.evil.example/a",
    "https://evil.example/fcm.googleapis.com",
    "https://fcm.googleapis.com@evil.example/a",
    "https://user:word@fcm.googleapis.com/a",
    "https://evil.example\\@fcm.googleapis.com/a",
    "https://evil.example#@fcm.googleapis.com/a",
    "https://notify.windows.com/a",
    "https://xnotify.windows.com/a",
    "https://fcm.googleapis.com./a",
    "https://fcm。googleapis。com.evil.example/a",
    "ftp://fcm.googleapis.com/a",
    "//fcm.googleapis.com/a",
    "fcm.googleapis.com",
    "https://",
    "https://[::1/a",
]


@pytest.mark.parametrize("endpoint", FOREIGN)
def test_a_name_that_only_looks_like_one_of_them_is_not(endpoint: str) -> None:
    assert Endpoints(BROWSERS, ()).allowed(endpoint) is None


NUMBERS = [
    "8.8.8.8",
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "[::1]",
    "[::ffff:7f00:1]",
    "1.2.3.4.",
    "localhost",
]


@pytest.mark.parametrize("host", NUMBERS)
def test_a_host_written_as_a_number_is_refused_even_where_every_name_is_allowed(host: str) -> None:
    """The client would not ask the resolver about it, and so nobody would look at it."""
    assert Endpoints(("*",), ()).allowed(f"https://{host}/a") is None


def test_an_origin_is_allowed_exactly_as_it_is_written() -> None:
    endpoints = Endpoints((), ("http://127.0.0.1:8081", "https://push.kommun.example"))
    assert endpoints.allowed("http://127.0.0.1:8081/push/wp/a") is not None
    assert endpoints.allowed("https://push.kommun.example:443/a") is not None
    for other in (
        "http://127.0.0.1:8082/a",
        "https://127.0.0.1:8081/a",
        "http://localhost:8081/a",
        "http://push.kommun.example/a",
    ):
        assert endpoints.allowed(other) is None


@given(st.text(max_size=60))
def test_what_is_allowed_leads_to_the_host_that_was_meant(text: str) -> None:
    for endpoint in (text, f"https://{text}", f"https://fcm.googleapis.com{text}"):
        url = Endpoints(("fcm.googleapis.com",), ()).allowed(endpoint)
        assert url is None or origin_of(url) == "https://fcm.googleapis.com"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["2a00:1450:400f:80c::200a", "::1"],
        ["169.254.169.254"],
        ["fe80::1"],
    ],
)
async def test_a_name_that_stands_for_a_closed_address_too_is_rejected_and_not_called(
    addresses: list[str],
) -> None:
    names = Names(addresses)
    account = WebPushAccount.model_validate(
        {
            "provider": "webpush",
            "vapid_private_key": vapid_pem(),
            "subject": "https://utskick.example",
            "hosts": ["*"],
        }
    )
    provider = WebPush(account, AddressGuard(inner=names))
    made = BROWSER.subscription("https://push.evil.example")
    outcome = await provider.send(payload.read(CONTENT, new_id(), 60, utc_now()), made)
    await provider.close()
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "forbidden-address"
    assert names.asked == [("push.evil.example", socket.AF_UNSPEC)]  # A and AAAA
