"""Which push services may be called: names, addresses, and that the connection goes to the address that was looked at."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.push.stage import BROWSER, CONTENT, vapid_pem
from utskick.channels.push import payload
from utskick.channels.push.endpoints import BROWSERS, Endpoints, PublicOnly, is_public, origin_of
from utskick.channels.push.settings import WebPushAccount
from utskick.channels.push.webpush import WebPush
from utskick.domain.clock import utc_now
from utskick.domain.ids import new_id
from utskick.domain.outcome import Rejected
from utskick.outgoing.calls import Answer, Call, Outgoing, Timeouts

CLOSED = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8"),
    *("192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fec0::1"),
    *(
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        "2001::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
    ),
    *("", "localhost", "2130706433", "127.1", "0x7f.0.0.1", "1.2.3", "::1::"),
]
PRIVATE = [ip_network(n) for n in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_of_the_open_internet_is_closed(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "142.250.74.42", "2a00:1450:400f:80c::200a", "2620:0:1c00::1", "64:ff9b::808:808"])
def test_the_open_internet_is_open(address: str) -> None:
    assert is_public(address)


@given(st.integers(0, 2**32 - 1))
def test_no_spelling_of_a_closed_ipv4_address_in_ipv6_is_open(number: int) -> None:
    inner = IPv4Address(number)
    written = [f"::ffff:{inner}", f"::{inner}", str(IPv6Address((0x2002 << 112) | (number << 80)))]
    assert not any(is_public(text) for text in written)
    assert is_public(str(IPv6Address((0x64FF9B << 96) | number))) == is_public(str(inner))


@given(st.sampled_from(PRIVATE), st.integers(0, 2**24 - 1))
def test_every_address_of_a_private_network_is_closed(network: object, offset: int) -> None:
    found = network[offset % network.num_addresses]  # type: ignore[index,attr-defined]
    assert not is_public(str(found))


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


NUMBERS = ["8.8.8.8", "127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:7f00:1]", "1.2.3.4.", "localhost"]


@pytest.mark.parametrize("host", NUMBERS)
def test_a_host_written_as_a_number_is_refused_even_where_every_name_is_allowed(host: str) -> None:
    """The client would not ask the resolver about it, and so nobody would look at it."""
    assert Endpoints(("*",), ()).allowed(f"https://{host}/a") is None


def test_an_origin_is_allowed_exactly_as_it_is_written() -> None:
    endpoints = Endpoints((), ("http://127.0.0.1:8081", "https://push.kommun.example"))
    assert endpoints.allowed("http://127.0.0.1:8081/push/wp/a") is not None
    assert endpoints.allowed("https://push.kommun.example:443/a") is not None
    for other in ("http://127.0.0.1:8082/a", "https://127.0.0.1:8081/a", "http://localhost:8081/a", "http://push.kommun.example/a"):
        assert endpoints.allowed(other) is None


@given(st.text(max_size=60))
def test_what_is_allowed_leads_to_the_host_that_was_meant(text: str) -> None:
    for endpoint in (text, f"https://{text}", f"https://fcm.googleapis.com{text}"):
        url = Endpoints(("fcm.googleapis.com",), ()).allowed(endpoint)
        assert url is None or origin_of(url) == "https://fcm.googleapis.com"


def family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Names(AbstractResolver):
    """What a name stands for, each time it is asked; the last answer stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        self.asked.append((host, family))
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ResolveResult(hostname=host, host=a, port=port, family=family_of(a), proto=0, flags=socket.AI_NUMERICHOST) for a in found]

    async def close(self) -> None:
        pass


CALLS = web.AppKey("calls", list[str])


@pytest.fixture
async def inside() -> AsyncIterator[TestServer]:
    """Something on this machine that nobody outside may reach. Its answers tell what name it was called by."""

    async def answer(request: web.Request) -> web.Response:
        calls.append(request.headers["Host"])
        return web.Response(text=request.headers["Host"])

    calls: list[str] = []
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    app[CALLS] = calls
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    yield server
    await server.close()


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2a00:1450:400f:80c::200a", "::1"], ["169.254.169.254"], ["fe80::1"]]
)
async def test_a_name_that_stands_for_a_closed_address_too_is_rejected_and_not_called(inside: TestServer, addresses: list[str]) -> None:
    names = Names(addresses)
    account = WebPushAccount.model_validate(
        {"provider": "webpush", "vapid_private_key": vapid_pem(), "subject": "https://utskick.example", "hosts": ["*"]}
    )
    provider = WebPush(account, PublicOnly(inner=names))
    made = BROWSER.subscription("https://push.evil.example")
    outcome = await provider.send(payload.read(CONTENT, new_id(), 60, utc_now()), made)
    await provider.close()
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "forbidden-address"
    assert names.asked == [("push.evil.example", socket.AF_UNSPEC)]  # A and AAAA


async def test_the_guard_holds_on_the_wire(inside: TestServer) -> None:
    """The same port by name, with and without the guard's leave: only the one that is ours arrives."""
    port = inside.port
    names = Names(["127.0.0.1"])
    wire = Outgoing(concurrency=1, timeouts=Timeouts(1, 1), resolver=PublicOnly(frozenset({("ours.example", port)}), names))
    ours = await wire.call(Call("POST", f"http://ours.example:{port}/a", b""))
    theirs = await wire.call(Call("POST", f"http://theirs.example:{port}/a", b""))
    await wire.close()
    assert isinstance(ours, Answer)
    assert isinstance(theirs, Rejected)
    assert inside.app[CALLS] == [f"ours.example:{port}"]


async def test_a_name_is_asked_once_and_the_connection_goes_to_that_answer(inside: TestServer) -> None:
    """A name that changes its mind after the look (DNS rebinding) changes nothing."""
    port = inside.port
    names = Names(["127.0.0.1"], ["192.0.2.1"])
    wire = Outgoing(concurrency=1, timeouts=Timeouts(1, 1), resolver=PublicOnly(frozenset({("ours.example", port)}), names))
    answer = await wire.call(Call("POST", f"http://ours.example:{port}/a", b""))
    await wire.close()
    assert isinstance(answer, Answer)
    assert answer.body == f"ours.example:{port}".encode()
    assert len(names.asked) == 1
