"""Whom accounts call that a tenant's administrator sets: never this machine, or anything else that
the operator has not opened, whatever a name stands for when it is called."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_args

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.channels.push.stage import BROWSER, CONTENT, vapid_pem
from tests.http.conftest import Client, serving
from tests.outgoing.names import Names
from utskick.bootstrap import read_settings
from utskick.bootstrap.channels import channel_of, kinds_of, provider_policy
from utskick.channels.push import payload
from utskick.channels.push.settings import WebPushAccount
from utskick.channels.push.webpush import WebPush
from utskick.channels.registry import CHANNELS, SPOKEN
from utskick.configuration.channel_proxy import ChannelProxy
from utskick.configuration.inheritance import Configuration, SectionKind
from utskick.directory.empty import EMPTY_DIRECTORY
from utskick.domain.channel import AccountHealth
from utskick.domain.clock import utc_now
from utskick.domain.configuration import UnitSetting
from utskick.domain.ids import new_id
from utskick.domain.unit import Unit
from utskick.outgoing.address_guard import AddressPolicy
from utskick.outgoing.settings_types import PeerSection
from utskick.store.database import Database

SOURCES = Path(__file__).parents[2] / "src" / "utskick"
LOOPBACK = [ip_network("127.0.0.0/8")]


def service_account(token_uri: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps({"client_email": "a@b.example", "private_key": pem, "token_uri": token_uri})


KEY_FILE = service_account("{url}/token")


def accounts(scheme: str, host: str, port: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """An account of every protocol that is spoken, each at this host and port."""
    url = f"{scheme}://{host}:{port}"
    login = {"username": "u", "password": "hemligt"}
    client = {"client_id": "c", "client_secret": "hemligt"}
    at = {"host": host, "port": port}
    fcm = {"provider": "fcm", "project": "p"}
    public = "https://203.0.113.7"
    return {
        "46elks": ("sms", {"provider": "46elks", "url": f"{url}/*", **login}),
        "telia": ("sms", {"provider": "telia", "url": url, "token_url": url, **client}),
        "smpp": (
            "sms",
            {"provider": "smpp", **at, "security": "plain", "system_id": "u", "password": "h"},
        ),
        "smtp": ("email", {**at, "security": "plain"}),
        "graph": (
            "email",
            {"provider": "graph", "url": public, "login_url": url, "tenant_id": "t", **client},
        ),
        "kivra": (
            "digital_invoice",
            {"provider": "kivra", "url": url, "tenant_key": "k", **client},
        ),
        "open-e": (
            "web_message",
            {"provider": "open-e", "url": url, "instance": "EXTERNAL", **login},
        ),
        "slack": ("slack", {"provider": "slack", "url": url}),
        "sftp": (
            "snail_mail",
            {"provider": "sftp", **at, **login, "accept_any_host_key": True},
        ),
        "smb": ("snail_mail", {"provider": "smb", **at, "share": "s", **login}),
        "token_url": (
            "push",
            {**fcm, "url": public, "token_url": url, "service_account": KEY_FILE},
        ),
        "token_uri": (
            "push",
            {**fcm, "url": public, "service_account": KEY_FILE.replace("{url}", url)},
        ),
    }


NAMES = sorted(accounts("https", "h", 1))


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[str]]]:
    """A port of this machine, and who has connected to it."""
    met = list[str]()

    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], met
    finally:
        server.close()
        await server.wait_closed()


def configured(
    name: str, account: Mapping[str, Any], reach: AddressPolicy, *, over_the_api: bool = True
) -> ChannelProxy:
    """The channel with an account as the database holds it, set by whatever release; or, for
    comparison, as the operator's settings do."""
    entry = CHANNELS[name]
    value: dict[str, Any] = {"accounts": {"own": account}}
    if name == "email":
        value["sender"] = {"name": "K", "address": "k@example.se"}
    by = ("admin", datetime.now(UTC)) if over_the_api else ()
    setting = UnitSetting(Unit("2281"), name, value, *by)
    kind = SectionKind(name, entry.section, {}, entry.section.carried)
    return channel_of(name, Configuration({name: kind}, [setting]), EMPTY_DIRECTORY, reach)


async def looked(channel: ChannelProxy) -> AccountHealth:
    """What the account's check finds, which calls its provider."""
    try:
        [health] = await channel.look()
    finally:
        await channel.close()
    return health


@pytest.mark.parametrize("name", NAMES)
async def test_an_account_in_the_database_that_is_at_this_machine_is_not_called(name: str) -> None:
    async with listening() as (port, met):
        for scheme in ("http", "https"):
            section, account = accounts(scheme, "127.0.0.1", port)[name]
            health = await looked(configured(section, account, AddressPolicy()))
            assert not health.ok
            assert "must not be called" in health.sentence
        assert met == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_stands_for_another_address_when_it_is_called_helps_nobody(
    name: str,
) -> None:
    """DNS rebinding: public when it was checked, this machine when it is called."""
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    reach = AddressPolicy(inner=names)
    async with listening() as (port, met):
        section, account = accounts("https", "rebind.example", port)[name]
        await reach.check_host("rebind.example")
        health = await looked(configured(section, account, reach))
        assert not health.ok
        assert "must not be called" in health.sentence
        assert met == []
        assert len(names.asked) > 1


@pytest.mark.parametrize("name", NAMES)
async def test_the_address_that_was_checked_is_the_one_that_is_called(name: str) -> None:
    """The name is known to the resolver of the check alone."""
    reach = AddressPolicy(LOOPBACK, Names(["127.0.0.1"]))
    async with listening() as (port, met):
        section, account = accounts("https", "peer.example", port)[name]
        await looked(configured(section, account, reach))
        assert met != []


@pytest.mark.parametrize("name", NAMES)
async def test_what_the_operator_sets_in_files_is_free(name: str) -> None:
    async with listening() as (port, met):
        section, account = accounts("http", "127.0.0.1", port)[name]
        await looked(configured(section, account, AddressPolicy(), over_the_api=False))
        assert met != []


async def test_no_redirect_is_followed() -> None:
    called = list[str]()

    async def answer(request: web.Request) -> web.Response:
        called.append(request.path)
        raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{request.url.port}/inside")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        reach = AddressPolicy(LOOPBACK)
        for name in ("46elks", "open-e", "slack", "token_uri", "telia"):
            section, account = accounts("http", "127.0.0.1", port)[name]
            await looked(configured(section, account, reach))
    finally:
        await runner.cleanup()
    assert len(called) >= 5
    assert "/inside" not in called


def test_every_account_with_a_peer_can_be_restricted() -> None:
    for name in SPOKEN:
        kinds = get_args(CHANNELS[name].section.model_fields["accounts"].annotation)[1]
        for kind in _models(kinds):
            assert issubclass(kind, PeerSection), f"{name}: {kind}"


def _models(kind: Any) -> list[type]:
    if isinstance(kind, type):
        return [kind]
    return [found for inner in get_args(kind) for found in _models(inner)]


def test_no_channel_opens_connections_of_its_own() -> None:
    """Each says within which addresses, to the HTTP client or where it dials."""
    unsaid = list[str]()
    for path in sorted((SOURCES / "channels").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            members = {keyword.arg for keyword in node.keywords}
            open_ones = {
                "HttpClient": {"reach", "resolver"},
                "open_connection": {"sock"},
                "create_connection": {"sock"},
                "SMTP": {"sock"},
            }
            if name in open_ones and not open_ones[name] & members:
                unsaid.append(f"{path.name}:{node.lineno} {name}")
            if ast.unparse(node.func) == "asyncssh.connect" and "sock" not in members:
                unsaid.append(f"{path.name}:{node.lineno} {name}")
    assert unsaid == []


REAL = {"provider": "46elks", "url": "http://192.0.2.7", "username": "u", "password": "hemligt"}
#: Where the address stands in an account of each kind.
PLACES = {
    "46elks": "url",
    "telia": "url",
    "smpp": "host",
    "smtp": "host",
    "graph": "login_url",
    "kivra": "url",
    "open-e": "url",
    "slack": "url",
    "sftp": "host",
    "smb": "host",
    "token_url": "token_url",
    "token_uri": "service_account.token_uri",
}


async def refused(client: Client, section: str, account: Mapping[str, Any]) -> list[str]:
    body: dict[str, Any] = {"accounts": {"own": account}}
    if section == "email":
        body["sender"] = {"name": "K", "address": "k@example.se"}
    answer = await client.call("PUT", f"/2281/configuration/{section}", body)
    if answer.status == 201:
        return []
    assert answer.status == 400, answer.text
    assert "hemligt" not in answer.text
    return [violation["field"] for violation in answer.json["violations"]]


async def test_the_api_refuses_addresses_of_this_machine_by_their_place(
    database: Database, tmp_path: Path
) -> None:
    """As it was found: ``http://127.0.0.1:1/*``, and a token endpoint within a key file."""
    real = {"sandbox": {"enabled": False}, "sms": {"accounts": {"a": REAL}}}
    async with serving(database, tmp_path, work=False, **real) as client:
        for name, (section, account) in accounts("http", "127.0.0.1", 1).items():
            assert f"accounts.own.{PLACES[name]}" in await refused(client, section, account), name
        for name, (section, account) in accounts("http", "203.0.113.7", 1).items():
            if PLACES[name] != "host":
                assert await refused(client, section, account) != [], f"{name}: https only"
        for host in ("*", "*.example.com", "127.1", "0x7f000001", "localhost"):
            assert await refused(client, "email", {"host": host}) == ["accounts.own.host"], host
        push = {
            "provider": "webpush",
            "vapid_private_key": vapid_pem(),
            "subject": "mailto:a@example.se",
        }
        origins = ["https://127.0.0.1", "https://*.example.com"]
        assert await refused(client, "push", {**push, "origins": origins}) == [
            "accounts.own.origins[0]",
            "accounts.own.origins[1]",
        ]
        assert await refused(client, "push", {**push, "hosts": ["*", "*.example.com"]}) == []


async def test_no_account_leads_a_sandbox_out_of_the_machine(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, work=False) as client:
        fcm = {"provider": "fcm", "project": "p", "url": "http://127.0.0.1:1"}
        for token_uri in ("https://203.0.113.7/token", "https://oauth2.googleapis.com/token"):
            given = {**fcm, "service_account": service_account(token_uri)}
            assert await refused(client, "push", given) == [
                "accounts.own.service_account.token_uri"
            ]
        here = {**fcm, "service_account": service_account("http://127.0.0.1:1/token")}
        assert await refused(client, "push", here) == []


async def test_a_key_file_of_the_operators_leads_no_sandbox_out_of_the_machine(
    tmp_path: Path,
) -> None:
    """It is read for every token, and may come to name another endpoint while the service runs."""
    file = tmp_path / "key.json"
    settings = read_settings(None, {"data": {"folder": tmp_path}})
    fcm = {"provider": "fcm", "project": "p", "url": "http://127.0.0.1:1"}
    base = {"accounts": {"apps": {**fcm, "service_account_file": file}}}
    kind = replace(kinds_of(settings, None)["push"], base=base)
    async with listening() as (port, met):
        for host in ("127.0.0.1", "203.0.113.7"):
            file.write_text(service_account(f"http://{host}:{port}"))
            configuration = Configuration({"push": kind})
            reach = provider_policy(settings)
            health = await looked(channel_of("push", configuration, EMPTY_DIRECTORY, reach))
            assert len(met) == 1, "the one on this machine"
        assert "must not be called" in health.sentence


@pytest.mark.parametrize("origins", [(), ("https://push.example",)])
async def test_a_subscription_leads_into_no_network_of_the_operators_but_by_an_origin(
    origins: tuple[str, ...],
) -> None:
    """A citizen's browser chooses its push service, the administrator only which may be chosen."""
    async with listening() as (port, met):
        origins = tuple(f"{each}:{port}" for each in origins)
        reach = AddressPolicy(LOOPBACK, Names(["127.0.0.1"]))
        account = WebPushAccount.model_validate(
            {
                "provider": "webpush",
                "vapid_private_key": vapid_pem(),
                "subject": "mailto:a@example.se",
                "hosts": ["*"],
                "origins": origins,
            }
        ).within(reach)
        endpoint = origins[0] if origins else "https://push.example"
        provider = WebPush(account)
        address = BROWSER.subscription(f"{endpoint}/a")
        outcome = await provider.send(payload.read(CONTENT, new_id(), 60, utc_now()), address)
        await provider.close()
        assert len(met) == len(origins)
        assert (outcome.reason.code == "forbidden-address") == (not origins)  # type: ignore[union-attr]
