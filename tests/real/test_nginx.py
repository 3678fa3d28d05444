"""Every provider that is called over HTTP, behind nginx."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.auth.issuers import issuing
from tests.conftest import open_folder
from tests.real.nginx import REDIRECTS, TRANSPARENT, Nginx
from tests.real.providers import EVERY, Entrance, Providers, send
from tests.real.server import free_ports
from utskick.auth.discovery import RemoteKeys
from utskick.domain.errors import IssuerAway
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.server import create_files


@pytest.fixture(scope="module")
def place() -> SandboxAddresses:
    http, smtp, https, sftp = free_ports(4)
    folder = open_folder("utskick-real-sandbox.")
    addresses = SandboxAddresses(http, smtp, folder, "http://127.0.0.1:9", https, sftp)
    create_files(addresses)
    return addresses


@pytest.fixture(scope="module")
def running(place: SandboxAddresses) -> Iterator[Nginx]:
    with Nginx(place.http_port, place.https_port, place.folder / "digital_mail") as server:
        yield server


@pytest.fixture
def nginx(running: Nginx) -> Nginx:
    running.uses += 1
    return running


@pytest.fixture
async def providers(place: SandboxAddresses) -> AsyncIterator[Providers]:
    async with Providers(place) as running:
        yield running


def entrance(nginx: Nginx, name: str) -> Entrance:
    ca_file = str(nginx.certificate.certificate) if name == "tls" else None
    return Entrance(nginx.ports[name], nginx.soap, ca_file)


async def outcomes(providers: Providers, nginx: Nginx, name: str) -> dict[str, Outcome]:
    """Send by every account through a server; devices subscribe through the one without faults."""
    channels = providers.channels(entrance(nginx, name))
    secure = name == "tls"
    subscribed, called = (f"http://127.0.0.1:{nginx.ports[where]}" for where in ("plain", name))
    found = {}
    for channel_name, account in EVERY:
        # Push services have certificates of public CAs; the token endpoint checks its own address.
        if secure and channel_name == "push":
            continue
        channel = channels[channel_name]
        draft = await providers.draft(channel, account, (subscribed, called))
        found[f"{channel_name}/{account}"] = await send(channel, draft, account)
    return found


@pytest.mark.parametrize("name", TRANSPARENT)
async def test_every_provider_is_understood(providers: Providers, nginx: Nginx, name: str) -> None:
    found = await outcomes(providers, nginx, name)
    assert {who: outcome for who, outcome in found.items() if not isinstance(outcome, Sent)} == {}


@pytest.mark.parametrize("name", REDIRECTS)
async def test_a_redirect_is_not_followed_and_is_a_fault_of_the_settings(
    providers: Providers, nginx: Nginx, name: str
) -> None:
    found = await outcomes(providers, nginx, name)
    del found["digital_mail/sandbox"]  # has a server of its own
    # Its address is not a setting but the device's.
    assert isinstance(found.pop("push/webpush"), Rejected)
    wrong = {who: o for who, o in found.items() if not isinstance(o, Misconfigured)}
    assert wrong == {}
    received = [entry.channel for entry in providers.sandbox.ledger.after(0)]
    assert [channel for channel in received if channel != "digital_mail"] == []


async def test_a_server_that_takes_no_large_requests_leaves_no_doubt(
    providers: Providers, nginx: Nginx
) -> None:
    found = await outcomes(providers, nginx, "small")
    del found["digital_mail/sandbox"]
    assert all(isinstance(o, Rejected | Misconfigured | Deferred) for o in found.values()), found


@pytest.mark.parametrize("name", ["gone", "silent"])
async def test_a_gateway_without_an_answer_is_a_doubt_or_came_before_the_message(
    providers: Providers, nginx: Nginx, name: str
) -> None:
    """502 and 504: the provider may have taken the message, but not where its login failed."""
    found = await outcomes(providers, nginx, name)
    del found["digital_mail/sandbox"]
    assert {type(outcome) for outcome in found.values()} == {Uncertain, Deferred}, found
    for who in ("sms/telia", "email/graph", "digital_invoice/kivra", "push/fcm"):
        assert isinstance(found[who], Deferred), who
    for who in ("sms/link", "sms/46elks", "slack/slack", "web_message/internal", "push/webpush"):
        assert isinstance(found[who], Uncertain), who


@pytest.mark.parametrize("name", ["brief", "one-request", "closing"])
async def test_a_connection_that_was_closed_while_idle_leaves_no_doubt(
    providers: Providers, nginx: Nginx, name: str
) -> None:
    """The event loop was busy when the server closed, and has not noticed."""
    channels = providers.channels(entrance(nginx, name))
    origin = f"http://127.0.0.1:{nginx.ports[name]}"
    drafts = {
        (channel, account): await providers.draft(channels[channel], account, (origin, origin))
        for channel, account in EVERY
    }
    for _ in range(2):
        for (channel, account), draft in drafts.items():
            for _ in range(2):
                outcome = await send(channels[channel], draft, account)
                assert isinstance(outcome, Sent), (channel, account, outcome)
        time.sleep(1.2)  # longer than nginx keeps a connection


@pytest.mark.parametrize("name", TRANSPARENT)
async def test_the_keys_of_an_issuer_are_found(
    place: SandboxAddresses, nginx: Nginx, name: str
) -> None:
    async with issuing(place.http_port) as issuer:
        where = entrance(nginx, name)
        issuer.url = f"http{'s' if where.ca_file else ''}://127.0.0.1:{where.port}"
        trusted = {"ca_file": where.ca_file} if where.ca_file else {}
        keys = RemoteKeys(issuer.section(**trusted), time.monotonic)
        assert await keys.find("ec", "ES256")
        assert issuer.asked == 1
        await keys.close()


@pytest.mark.parametrize("name", REDIRECTS)
async def test_no_redirect_leads_to_another_issuers_keys(
    place: SandboxAddresses, nginx: Nginx, name: str
) -> None:
    async with issuing(place.http_port) as issuer:
        issuer.url = f"http://127.0.0.1:{nginx.ports[name]}"
        keys = RemoteKeys(issuer.section(), time.monotonic)
        with pytest.raises(IssuerAway):
            await keys.find("ec", "ES256")
        assert issuer.asked == 0
        await keys.close()
