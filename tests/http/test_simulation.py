"""A sandbox whose settings have real accounts: it does not start, or simulates them when told."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.http.conftest import serving
from utskick.bootstrap import read_settings
from utskick.bootstrap.service import work
from utskick.bootstrap.simulation import check_simulated, in_sandbox, real_accounts
from utskick.domain.errors import SettingsFault
from utskick.store.database import Database

ON = {"enabled": True, "http_port": 0, "smtp_port": 0, "https_port": 0, "sftp_port": 0}


def elks(url: str) -> dict[str, Any]:
    return {"provider": "46elks", "url": url, "username": "u", "password": "hemligt"}


REAL = elks("https://api.46elks.example")
HERE = elks("http://127.0.0.1:9/a1")
UNITS = {
    "2281": {
        "sms": {"accounts": {"municipal": REAL, "local": HERE}},
        "departments": {
            "Skola": {"slack": {"accounts": {"school": {"provider": "slack", "token": "xoxb-1"}}}}
        },
    }
}
OTHERS = {
    "snail_mail": {"accounts": {"shared": {"provider": "folder", "path": "/srv/letters"}}},
    "email": {
        "sender": {"name": "K", "address": "k@example.se"},
        "accounts": {"mail": {"host": "mail.example.se"}, "own": {"host": "localhost"}},
    },
}


async def test_a_sandbox_with_real_accounts_does_not_start_and_names_them(
    database: Database, tmp_path: Path
) -> None:
    more = {"sandbox": ON, "sms": {"accounts": {"link": REAL}}, "configuration": UNITS, **OTHERS}
    with pytest.raises(SettingsFault) as refused:
        async with serving(database, tmp_path, **more):
            raise AssertionError("it has started")
    named = [line.strip() for line in refused.value.detail.splitlines() if line.startswith("  ")]
    assert named == [
        "sms.accounts.link",
        "email.accounts.mail",
        "snail_mail.accounts.shared",
        "configuration.2281.sms.accounts.municipal",
        "configuration.2281.departments.Skola.slack.accounts.school",
    ]
    assert 'sandbox.simulate = "all"' in refused.value.detail
    assert "sandbox.enabled = false" in refused.value.detail
    assert "hemligt" not in refused.value.detail


async def test_nor_does_its_worker() -> None:
    """Its database could not be reached either."""
    settings = read_settings(
        None,
        {
            "sandbox": {"enabled": True},
            "sms": {"accounts": {"a": REAL}},
            "database": {"url": "postgresql://u@127.0.0.1:1/none"},
            "vault": {"key": b64encode(bytes(32)).decode()},
        },
    )
    with pytest.raises(SettingsFault, match=r"sms\.accounts\.a"):
        await work(settings)


async def test_accounts_on_this_machine_may_stand_in_a_sandbox(
    database: Database, tmp_path: Path
) -> None:
    more = {"sandbox": ON, "sms": {"accounts": {"a": HERE}}}
    async with serving(database, tmp_path, **more) as client:
        components = (await client.get("/health/ready")).json["components"]
        assert "sms/a" in components["providers"]


async def test_told_to_simulate_all_it_leaves_every_account_unused(
    database: Database, tmp_path: Path
) -> None:
    """The accounts are servers of the test, which hear of every call."""
    called: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        called.append(request.path)
        return web.json_response({"id": "s1"})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", hear)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    account = elks(str(server.make_url("/a1")))
    units = {"2281": {"sms": {"sender": "Skolan", "accounts": {"own": account}}}}
    more = {"sms": {"accounts": {"link": account}}, "configuration": units, **OTHERS}
    async with serving(database, tmp_path, sandbox={**ON, "simulate": "all"}, **more) as client:
        for municipality, sender in (("2281", "Skolan"), ("2262", "Utskick")):
            body = {"mobileNumber": "+46701740605", "message": municipality}
            sent = await client.post(f"/{municipality}/sms", body)
            assert sent.json["deliveries"][0]["status"] == "SENT"
            [*_, received] = await client.received("sms", "+46701740605")
            assert (received["text"], received["sender"]) == (municipality, sender)
        providers = (await client.get("/health/ready")).json["components"]["providers"]
        assert not {"sms/link", "sms/own@2281"} & {
            name for name, each in providers.items() if "127.0.0.1" in str(each)
        }
    await server.close()
    assert called == []


def test_to_simulate_all_turns_the_sandbox_on_and_contradicts_off() -> None:
    accounts = {"sms": {"accounts": {"a": REAL}}}
    assert not in_sandbox(read_settings(None, accounts))
    assert in_sandbox(read_settings(None, {**accounts, "sandbox": {"simulate": "all"}}))
    check_simulated(read_settings(None, accounts))  # no sandbox: to send is what they are for
    with pytest.raises(SettingsFault, match="contradict"):
        read_settings(None, {"sandbox": {"enabled": False, "simulate": "all"}})


@pytest.mark.parametrize(
    ("section", "account", "is_real"),
    [
        ("sms", elks("http://localhost/a1"), False),
        ("sms", elks("http://[::1]:1/a1"), False),
        ("sms", elks("http://10.0.0.7/a1"), True),
        ("slack", {"provider": "slack", "token": "xoxb-1"}, True),
        ("slack", {"provider": "slack", "token": "xoxb-1", "url": "http://127.0.0.1:1"}, False),
    ],
)
def test_an_account_is_real_unless_all_its_peers_are_here(
    section: str, account: dict[str, Any], is_real: bool
) -> None:
    settings = read_settings(None, {section: {"accounts": {"a": account}}})
    assert real_accounts(settings) == ([f"{section}.accounts.a"] if is_real else [])
