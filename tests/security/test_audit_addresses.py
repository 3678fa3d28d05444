"""The caller's address: from a header only where a trusted proxy wrote it, and never more than one."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.conftest import serving
from utskick.http.wire.forwarded import TrustedProxies
from utskick.store.database import Database

SMS = {"mobileNumber": "+46701740605", "message": "Hej"}
NETWORKS = (ip_network("127.0.0.0/8"), ip_network("10.7.0.0/24"), ip_network("2001:db8::/32"))
X = TrustedProxies(NETWORKS)
FORWARDED = TrustedProxies(NETWORKS, "forwarded")


def found(proxies: TrustedProxies, peer: str, *lines: str) -> str:
    return proxies.caller(peer, [(proxies.header.encode(), line.encode()) for line in lines])


@pytest.mark.parametrize(
    ("peer", "lines", "address"),
    [
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.9", "198.51.100.7, 10.7.0.3"], "198.51.100.7"),
        ("127.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("127.0.0.1", ["198.51.100.7, "], "127.0.0.1"),
        ("127.0.0.1", ["10.7.0.9, 10.7.0.3"], "10.7.0.9"),
        ("127.0.0.1", ["<script>, 10.7.0.3"], "10.7.0.3"),
        ("127.0.0.1", ["anna.andersson"], "127.0.0.1"),
        ("127.0.0.1", ["fe80::1%anna"], "127.0.0.1"),
        ("::ffff:127.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("2001:db8::1", ["2a00:1450::5"], "2a00:1450::5"),
        ("testclient", ["198.51.100.7"], "testclient"),
    ],
)
def test_x_forwarded_for(peer: str, lines: list[str], address: str) -> None:
    assert found(X, peer, *lines) == address


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["for=198.51.100.7"], "198.51.100.7"),
        (['For="[2a00:1450::5]:4711";proto=https;by=10.7.0.3'], "2a00:1450::5"),
        (["for=203.0.113.9, for=198.51.100.7;host=a.example"], "198.51.100.7"),
        (["for=203.0.113.9", 'for="198.51.100.7:80", for=10.7.0.3'], "198.51.100.7"),
        (['for="_hidden", for=10.7.0.3'], "10.7.0.3"),
        (["for=unknown"], "127.0.0.1"),
        (["for=198.51.100.7;for=203.0.113.9"], "127.0.0.1"),
        (['for="198.51.100.7, for=203.0.113.9'], "203.0.113.9"),
        (['for=198.51.100.7;host="a,b"'], "198.51.100.7"),
        (["by=10.7.0.3"], "127.0.0.1"),
        (["for = 198.51.100.7"], "127.0.0.1"),
    ],
)
def test_forwarded(lines: list[str], address: str) -> None:
    assert found(FORWARDED, "127.0.0.1", *lines) == address


def test_the_other_header_is_never_read() -> None:
    both = [(b"forwarded", b"for=203.0.113.9"), (b"x-forwarded-for", b"198.51.100.7")]
    assert X.caller("127.0.0.1", both) == "198.51.100.7"
    assert FORWARDED.caller("127.0.0.1", both) == "203.0.113.9"


@given(
    lines=st.lists(st.text(st.characters(codec="latin-1"), max_size=60), max_size=3),
    header=st.sampled_from(["x-forwarded-for", "forwarded"]),
    last=st.ip_addresses().filter(
        lambda a: not any(a in n for n in NETWORKS) and getattr(a, "ipv4_mapped", None) is None
    ),
)
def test_whatever_a_caller_writes_the_proxys_word_is_taken(
    lines: list[str], header: str, last: Any
) -> None:
    """The proxy appends the address that it sees, as a line of its own."""
    said = f"[{last}]" if last.version == 6 else str(last)
    own = f'for="{said}"' if header == "forwarded" else str(last)
    written = [*((header.encode(), line.encode("latin-1")) for line in lines)]
    proxies = TrustedProxies(NETWORKS, header)
    assert proxies.caller("10.7.0.3", [*written, (header.encode(), own.encode())]) == str(last)


async def addresses(database: Database) -> list[str]:
    rows = await database.pool.fetch(
        "SELECT * FROM audit_entries WHERE action = 'send' ORDER BY tx, id"
    )
    return [row["address"] for row in await database.vault.callers.opened(rows)]


async def test_by_default_a_header_changes_nothing(database: Database, tmp_path: Path) -> None:
    """As found: from this machine anything was believed."""
    async with serving(database, tmp_path, work=False) as client:
        path = "/2281/sms?async=true"
        for headers in ({"X_Forwarded_For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}):
            assert (await client.post(path, SMS, **headers)).status == 201
    assert await addresses(database) == ["127.0.0.1", "127.0.0.1"]


async def test_of_a_trusted_proxy_one_address_is_stored(database: Database, tmp_path: Path) -> None:
    http = {"port": 0, "trusted_proxies": ["127.0.0.1"]}
    async with serving(database, tmp_path, work=False, http=http) as client:
        path = "/2281/sms?async=true"
        await client.post(path, SMS, X_Forwarded_For="203.0.113.9, 198.51.100.7, 127.0.0.1")
        await client.post(path, SMS, X_Forwarded_For="anna.andersson@example.se")
    assert await addresses(database) == ["198.51.100.7", "127.0.0.1"]
