"""Which machines may be called: addresses in every form, names, and that the connection goes to the
address that was looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from aiohttp import web
from aiohttp.helpers import is_ip_address
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.outgoing.names import Names
from utskick.domain.outcome import Rejected
from utskick.outgoing.address_guard import AddressGuard, AddressPolicy, AddressRefused, is_public
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts

CLOSED = [
    *(
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
    ),
    *(
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
    ),
    *(
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
    ),
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
PRIVATE = [
    ip_network(n)
    for n in (
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
    )
]


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_of_the_open_internet_is_closed(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "142.250.74.42", "2a00:1450:400f:80c::200a", "2620:0:1c00::1", "64:ff9b::808:808"],
)
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


CALLS = web.AppKey("calls", list[str])


@pytest.fixture
async def inside() -> AsyncIterator[TestServer]:
    """Something on this machine that nobody outside may reach. Its answers tell what name it was
    called by."""

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


async def test_the_guard_holds_on_the_wire(inside: TestServer) -> None:
    """The same port by name, with and without the guard's leave: only the one that is ours
    arrives."""
    port = inside.port
    names = Names(["127.0.0.1"])
    wire = HttpClient(
        concurrency=1,
        timeouts=Timeouts(1, 1),
        resolver=AddressGuard(ours=frozenset({("ours.example", port)}), inner=names),
    )
    ours = await wire.call(HttpRequest("POST", f"http://ours.example:{port}/a", b""))
    theirs = await wire.call(HttpRequest("POST", f"http://theirs.example:{port}/a", b""))
    await wire.close()
    assert isinstance(ours, HttpResponse)
    assert isinstance(theirs, Rejected)
    assert inside.app[CALLS] == [f"ours.example:{port}"]


async def test_a_name_is_asked_once_and_the_connection_goes_to_that_answer(
    inside: TestServer,
) -> None:
    """A name that changes its mind after the look (DNS rebinding) changes nothing."""
    port = inside.port
    names = Names(["127.0.0.1"], ["192.0.2.1"])
    wire = HttpClient(
        concurrency=1,
        timeouts=Timeouts(1, 1),
        resolver=AddressGuard(ours=frozenset({("ours.example", port)}), inner=names),
    )
    answer = await wire.call(HttpRequest("POST", f"http://ours.example:{port}/a", b""))
    await wire.close()
    assert isinstance(answer, HttpResponse)
    assert answer.body == f"ours.example:{port}".encode()
    assert len(names.asked) == 1


# -- addresses that are given to us ----------------------------------------


def refused(text: str, *networks: str) -> str:
    """Why an address is refused; empty where it is not."""
    try:
        AddressPolicy([ip_network(n) for n in networks]).read(text)
    except AddressRefused as why:
        return str(why)
    return ""


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.se/a?b=c",
        "https://HOOKS.example.se:8443/",
        "https://8.8.8.8/",
        "https://[2a00:1450:400f:80c::200a]/",
        "https://räka.se/å",
    ],
)
def test_the_open_internet_may_be_called_by_https(url: str) -> None:
    assert refused(url) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.se/", "must be an https address"),
        ("ftp://hooks.example.se/", "must be an https address"),
        ("//hooks.example.se/", "must be an https address"),
        ("hooks.example.se", "must be an https address"),
        ("https://", "must be an https address"),
        ("https:///a", "must be an https address"),
        ("https://hooks.example.se:0/", "must be an https address"),
        ("https://hooks.example.se:99999/", "must be an https address"),
        ("https://[::1/", "must be an https address"),
        ("https://anna@hooks.example.se/", "must not contain a user name or a password"),
        ("https://anna:hemligt@hooks.example.se/", "must not contain a user name or a password"),
        ("https://hooks.example.se@127.0.0.1/", "must not contain a user name or a password"),
        ("https://:@127.0.0.1/", "must not contain a user name or a password"),
        ("https://127.0.0.1/", "must not resolve to an address that may not be called from here"),
        ("https://[::1]/", "must not resolve to an address that may not be called from here"),
        (
            "https://[::ffff:127.0.0.1]/",
            "must not resolve to an address that may not be called from here",
        ),
        (
            "https://[64:ff9b::7f00:1]/",
            "must not resolve to an address that may not be called from here",
        ),
        (
            "https://169.254.169.254/latest/meta-data",
            "must not resolve to an address that may not be called from here",
        ),
        (
            "https://2130706433/",
            "must name its host by a domain name, or by an IP address in standard notation",
        ),
        (
            "https://0x7f000001/",
            "must name its host by a domain name, or by an IP address in standard notation",
        ),
        (
            "https://0177.0.0.1/",
            "must name its host by a domain name, or by an IP address in standard notation",
        ),
        (
            "https://127.1/",
            "must name its host by a domain name, or by an IP address in standard notation",
        ),
        (
            "https://hooks.example.se\n/",
            "must be at most 2048 characters, without control characters",
        ),
        (
            "https://hooks.example.se/" + "a" * 2048,
            "must be at most 2048 characters, without control characters",
        ),
    ],
)
def test_an_address_that_must_not_be_called_is_told_why(url: str, why: str) -> None:
    assert refused(url) == why


def test_networks_of_our_own_may_be_called_and_no_others() -> None:
    ours = "10.7.0.0/16", "fd00:7::/64"
    for url in (
        "http://10.7.1.2:8080/a",
        "https://10.7.1.2/",
        "http://[fd00:7::9]/",
        "http://intranet/",
        "https://hooks.example.se/",
    ):
        assert refused(url, *ours) == "", url
    for url in (
        "http://10.8.1.2/",
        "http://8.8.8.8/",
        "https://127.0.0.1/",
        "http://[fd00:8::9]/",
        "https://[::ffff:10.7.1.2]/",
    ):
        assert (
            refused(url, *ours) == "must not resolve to an address that may not be called from here"
        ), url


def spellings(number: int) -> list[str]:
    """Ways in which an IPv4 address is written, by people and by those who hope that nobody
    looks."""
    a, b, c, d = number.to_bytes(4, "big")
    dotted = f"{a}.{b}.{c}.{d}"
    wide = dotted.translate({ord(digit): ord("０") + int(digit) for digit in "0123456789"})
    return [
        dotted,
        f"{dotted}.",
        str(number),
        hex(number),
        f"0{number:o}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a}.{b}.{(c << 8) | d}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a:03}.{b:03}.{c:03}.{d:03}",
        wide,
        dotted.replace(".", "。"),
        "".join(f"%{ord(ch):02x}" for ch in dotted),
        f"[::ffff:{dotted}]",
        f"[::{dotted}]",
        f"[64:ff9b::{dotted}]",
        f"[::ffff:{dotted}%25eth0]",
        f"[{IPv6Address((0x2002 << 112) | (number << 80))}]",
        f"[::ffff:0:{dotted}]",
    ]


@given(
    st.sampled_from(PRIVATE),
    st.integers(0, 2**24 - 1),
    st.sampled_from(range(19)),
    st.sampled_from(["", ":443", ":8443"]),
)
def test_no_spelling_of_an_address_of_ours_gets_past(
    network: object, offset: int, spelling: int, port: str
) -> None:
    number = int(network[offset % network.num_addresses])  # type: ignore[index,attr-defined]
    assert refused(f"https://{spellings(number)[spelling]}{port}/a") != ""


@given(
    st.text(max_size=40)
    | st.integers(0, 2**32 - 1).flatmap(lambda number: st.sampled_from(spellings(number)))
)
def test_what_the_client_takes_for_an_address_is_a_public_one_and_all_else_goes_to_the_resolver(
    host: str,
) -> None:
    try:
        url = AddressPolicy().read(f"https://{host}/a")
    except AddressRefused:
        return
    found = url.raw_host or ""
    assert url.scheme == "https"
    assert str(URL(str(url)).raw_host) == found  # written down and read again it is the same
    if is_ip_address(found):  # the client's own judgement: then it asks nobody
        assert is_public(str(ip_address(found)))


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["2a00:1450:400f:80c::200a", "::1"]]
)
async def test_a_name_that_stands_for_one_of_ours_is_refused_at_the_look_and_on_the_wire(
    inside: TestServer, addresses: list[str]
) -> None:
    reach = AddressPolicy(inner=Names(addresses))
    url = reach.read(f"https://hooks.example.se:{inside.port}/a")
    with pytest.raises(AddressRefused, match="must not resolve to"):
        await reach.check_name(url)
    wire = HttpClient(concurrency=1, timeouts=Timeouts(1, 1), resolver=reach.guard("https"))
    answer = await wire.call(HttpRequest("POST", str(url), b""))
    await wire.close()
    assert isinstance(answer, Rejected)
    assert inside.app[CALLS] == []


async def test_by_http_a_name_must_stand_for_nothing_but_our_own(inside: TestServer) -> None:
    networks = [ip_network("127.0.0.0/8")]
    for addresses, allowed in (
        (["127.0.0.1"], True),
        (["127.0.0.1", "8.8.8.8"], False),
        (["8.8.8.8"], False),
    ):
        reach = AddressPolicy(networks, inner=Names(addresses))
        url = reach.read(f"http://intranet:{inside.port}/a")
        wire = HttpClient(concurrency=1, timeouts=Timeouts(1, 1), resolver=reach.guard("http"))
        answer = await wire.call(HttpRequest("POST", str(url), b""))
        await wire.close()
        assert isinstance(answer, HttpResponse) == allowed
    assert len(inside.app[CALLS]) == 1


async def test_a_name_that_nobody_knows_is_told(inside: TestServer) -> None:
    class Nobody(Names):
        async def resolve(self, *_: object, **__: object) -> list[object]:  # type: ignore[override]
            raise OSError("no such host")

    reach = AddressPolicy(inner=Nobody([]))
    with pytest.raises(AddressRefused, match="must name a host that can be resolved"):
        await reach.check_name(reach.read("https://hooks.example.se/"))
