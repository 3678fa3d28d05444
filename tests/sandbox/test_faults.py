"""How the sandbox misbehaves: the rules themselves, their API, and the page that documents them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from utskick.sandbox.api import LedgerApi
from utskick.sandbox.faults import (
    MAGIC_NUMBERS,
    MAGIC_TAGS,
    FaultRule,
    Faults,
    ProviderFault,
    magic,
)
from utskick.sandbox.ledger import Ledger

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md"
ANNA, BO = "+46701740605", "+46701740606"


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def client(faults: Faults) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application()
    app.add_routes(LedgerApi(Ledger(), faults).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


def test_without_rules_nothing_strikes(faults: Faults) -> None:
    assert faults.strike("link", ANNA) is None


def test_a_rule_strikes_each_recipient_as_often_as_it_says(faults: Faults) -> None:
    faults.add(FaultRule(ProviderFault.TEMPORARY, times=2))
    struck = [faults.strike("link", ANNA) is not None for _ in range(3)]
    assert struck == [True, True, False]
    assert faults.strike("link", BO) is not None


def test_a_rule_without_times_strikes_for_ever(faults: Faults) -> None:
    faults.add(FaultRule(ProviderFault.REFUSE, times=None))
    assert all(faults.strike("link", ANNA) for _ in range(50))


def test_a_rule_for_one_provider_leaves_the_others_alone(faults: Faults) -> None:
    faults.add(FaultRule(ProviderFault.REFUSE, provider="telia"))
    assert faults.strike("link", ANNA) is None
    assert faults.strike("telia", ANNA) is not None


def test_a_rule_strikes_only_recipients_that_match(faults: Faults) -> None:
    faults.add(FaultRule(ProviderFault.REFUSE, recipient=r"@example\.se$"))
    assert faults.strike("smtp", "anna@example.org") is None
    assert faults.strike("smtp", "anna@example.se") is not None


def test_the_first_rule_goes_first_and_the_next_when_it_is_spent(faults: Faults) -> None:
    faults.add(FaultRule(ProviderFault.DROP))
    faults.add(FaultRule(ProviderFault.GARBAGE))
    struck = [faults.strike("link", ANNA) for _ in range(3)]
    assert [rule.fault if rule else None for rule in struck] == [
        ProviderFault.DROP,
        ProviderFault.GARBAGE,
        None,
    ]


def test_the_script_goes_before_the_magic_of_the_recipient(faults: Faults) -> None:
    faults.add(FaultRule(ProviderFault.LOGIN))
    struck = [faults.strike("link", "+46700123403") for _ in range(2)]
    assert [rule.fault if rule else None for rule in struck] == [
        ProviderFault.LOGIN,
        ProviderFault.REFUSE,
    ]


def test_cleared_faults_let_the_magic_start_from_the_beginning(faults: Faults) -> None:
    faults.add(FaultRule(ProviderFault.REFUSE, recipient="@", times=None))
    assert faults.strike("link", "+46700123406") is not None
    assert faults.strike("link", "+46700123406") is None
    faults.clear()
    assert faults.strike("smtp", "anna@example.se") is None
    assert faults.strike("link", "+46700123406") is not None


@pytest.mark.parametrize(
    "recipient",
    ["+46700123401", "+4670012340", "+467001234020", "46700123402", "anna@x.se", "anna+other@x.se"],
)
def test_a_recipient_that_only_looks_magic_is_not(recipient: str) -> None:
    assert magic(recipient) is None


def test_a_tag_is_magic_in_any_case() -> None:
    assert magic("Anna+REFUSE@Example.se") == MAGIC_TAGS["refuse"]


def _rows(first: str) -> dict[str, tuple[str, str]]:
    """The documented table whose first cell looks like ``first``: what it captures → (fault,
    times)."""
    row = re.compile(rf"^\| `{first}` \| `([a-z-]+)` \| (\w+) \| \S.*\|$", re.M)
    return {found[1]: (found[2], found[3]) for found in row.finditer(PAGE.read_text("utf-8"))}


def _written(rules: dict[str, FaultRule]) -> dict[str, tuple[str, str]]:
    return {
        name: (rule.fault.value, "always" if rule.times is None else str(rule.times))
        for name, rule in rules.items()
    }


def test_the_page_lists_every_magic_number_as_it_is() -> None:
    assert _rows(r"\+46700####(\d\d)") == _written(MAGIC_NUMBERS)


def test_the_page_lists_every_magic_tag_as_it_is() -> None:
    assert _rows(r"name\+([a-z]+)@…") == _written(MAGIC_TAGS)


def test_the_page_explains_every_fault() -> None:
    explained = re.findall(r"^\| `([a-z-]+)` \| [^`|]+ \|$", PAGE.read_text("utf-8"), re.M)
    assert explained == [fault.value for fault in ProviderFault]


async def test_a_rule_laid_in_over_http_strikes(
    client: TestClient[Any, Any], faults: Faults
) -> None:
    body = {
        "fault": "throttle",
        "provider": "link",
        "recipient": r"^\+4670",
        "times": 3,
        "seconds": 5,
    }
    answer = await client.post("/faults", json=body)
    assert answer.status == 201
    assert await answer.json() == {"rules": [{**body, "number": 1}]}
    assert faults.strike("link", ANNA) == FaultRule(
        ProviderFault.THROTTLE, "link", r"^\+4670", 3, 5, 1
    )
    assert await (await client.get("/faults")).json() == {"rules": [{**body, "number": 1}]}


async def test_members_left_out_mean_every_provider_and_recipient_once(
    client: TestClient[Any, Any], faults: Faults
) -> None:
    await client.post("/faults", json={"fault": "refuse"})
    assert faults.rules == [FaultRule(ProviderFault.REFUSE, number=1)]


async def test_delete_empties_the_script(client: TestClient[Any, Any], faults: Faults) -> None:
    await client.post("/faults", json=[{"fault": "refuse"}, {"fault": "drop"}])
    assert len(faults.rules) == 2
    assert (await client.delete("/faults")).status == 204
    assert faults.rules == []


@pytest.mark.parametrize(
    ("body", "field", "found"),
    [
        ({}, "fault", "nothing"),
        ({"fault": "explode"}, "fault", '"explode"'),
        ({"fault": ["refuse"]}, "fault", '["refuse"]'),
        ({"fault": "refuse", "provider": ""}, "provider", '""'),
        ({"fault": "refuse", "recipient": "(a"}, "recipient", '"(a"'),
        ({"fault": "refuse", "recipient": None}, "recipient", "null"),
        ({"fault": "refuse", "times": 0}, "times", "0"),
        ({"fault": "refuse", "times": True}, "times", "true"),
        ({"fault": "refuse", "times": 1.5}, "times", "1.5"),
        ({"fault": "refuse", "seconds": -1}, "seconds", "-1"),
        ({"fault": "refuse", "seconds": "5"}, "seconds", '"5"'),
        ({"fault": "refuse", "second": 5}, "second", "5"),
        ([{"fault": "refuse"}, {"fault": "refuse", "times": "x"}], "[1].times", '"x"'),
        ([7], "[0]", "7"),
        ([], "body", "an empty list"),
        ("refuse", "body", '"refuse"'),
    ],
)
async def test_a_wrong_rule_is_refused_with_field_rule_and_what_was_found(
    client: TestClient[Any, Any], faults: Faults, body: object, field: str, found: str
) -> None:
    answer = await client.post("/faults", json=body)
    problem = await answer.json()
    assert (answer.status, answer.content_type) == (400, "application/problem+json")
    assert [(v["field"], v["found"]) for v in problem["violations"]] == [(field, found)]
    assert problem["violations"][0]["rule"] in problem["detail"]
    assert faults.rules == []


async def test_all_that_is_wrong_with_a_rule_is_told_at_once(client: TestClient[Any, Any]) -> None:
    answer = await client.post("/faults", json={"fault": "x", "times": "x", "seconds": "x"})
    assert {v["field"] for v in (await answer.json())["violations"]} == {
        "fault",
        "times",
        "seconds",
    }


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b""])
async def test_what_is_no_json_is_refused(client: TestClient[Any, Any], body: bytes) -> None:
    assert (
        await client.post("/faults", data=body, headers={"Content-Type": "application/json"})
    ).status == 400


async def test_not_a_number_is_no_number_of_seconds(
    client: TestClient[Any, Any], faults: Faults
) -> None:
    body = b'{"fault": "refuse", "seconds": NaN}'
    assert (
        await client.post("/faults", data=body, headers={"Content-Type": "application/json"})
    ).status == 400
    assert faults.rules == []


async def test_a_form_on_another_site_cannot_lay_in_rules(
    client: TestClient[Any, Any], faults: Faults
) -> None:
    answer = await client.post(
        "/faults", data=b'{"fault": "refuse"}', headers={"Content-Type": "text/plain"}
    )
    assert answer.status == 415
    assert faults.rules == []


async def test_the_magic_recipients_can_be_asked_for(client: TestClient[Any, Any]) -> None:
    table = (await (await client.get("/faults/magic")).json())["recipients"]
    assert len(table) == len(MAGIC_NUMBERS) + len(MAGIC_TAGS)
    assert {
        "channel": "sms",
        "recipient": "+46700####02",
        "fault": "throttle",
        "times": 2,
        "seconds": 1.0,
    } in table
    assert {
        "channel": "email",
        "recipient": "name+down@…",
        "fault": "temporary",
        "times": None,
        "seconds": 1.0,
    } in table
