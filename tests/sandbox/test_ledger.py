"""Tests of the ledger, in memory and over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from utskick.sandbox.api import LedgerApi
from utskick.sandbox.faults import Faults
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.summary import LedgerSummary

ANNA, BO = "+46701740605", "+46701740606"


def sms(
    recipient: str, text: str = "Hej", key: str | None = None, provider: str = "link"
) -> Received:
    return Received("sms", provider, recipient, "Kommunen", text, key)


def mail(
    recipient: str, raw: bytes = b"Subject: Hej\r\n\r\nHej\r\n", key: str | None = None
) -> Received:
    return Received(
        "email", "smtp", recipient, "noreply@example.se", "Hej", key, subject="Hej", raw=raw
    )


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application()
    app.add_routes(LedgerApi(ledger, Faults()).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def _json(client: TestClient[Any, Any], path: str) -> Any:
    answer = await client.get(path)
    assert answer.status == 200
    return await answer.json()


def test_entries_are_numbered_from_one_and_found_by_number(ledger: Ledger) -> None:
    numbers = [ledger.add(sms(ANNA)).number, ledger.add(mail("a@example.se")).number]
    assert numbers == [1, 2]
    assert ledger.get(2) is not None
    assert [ledger.get(n) for n in (0, -1, 3)] == [None, None, None]


def test_an_address_is_the_same_in_any_case(ledger: Ledger) -> None:
    ledger.add(mail("Anna@Example.se"))
    assert len(ledger.of("email", "anna@example.SE")) == 1
    assert ledger.of("sms", "anna@example.se") == []


def test_reading_on_gives_only_what_came_after(ledger: Ledger) -> None:
    for entry in (sms(ANNA), mail("a@example.se"), sms(BO), sms(ANNA)):
        ledger.add(entry)
    assert [e.number for e in ledger.after(1, "sms")] == [3, 4]
    assert [e.number for e in ledger.after(0, limit=2)] == [1, 2]


def test_recipients_come_with_the_most_recently_reached_first(ledger: Ledger) -> None:
    for recipient in (ANNA, BO, ANNA):
        ledger.add(sms(recipient))
    assert [(r, n) for r, n, _ in ledger.recipients("sms")] == [(ANNA, 2), (BO, 1)]


async def test_a_summary_agrees_with_the_ledger_and_is_incremental(ledger: Ledger) -> None:
    summary = LedgerSummary(ledger)
    for number in range(5000):
        ledger.add(sms(f"+4670{number % 700:07}"))
    await summary.catch_up()
    ledger.add(sms(ANNA))
    await summary.catch_up()
    await summary.catch_up()
    assert summary.by_channel == {"sms": 5001}
    assert summary.people("sms") == 701
    assert summary.recent("sms", 1000) == ledger.recipients("sms")


async def test_two_who_count_at_once_count_nothing_twice(ledger: Ledger) -> None:
    for _ in range(10_000):
        ledger.add(sms(ANNA))
    summary = LedgerSummary(ledger)
    await asyncio.gather(summary.catch_up(), summary.catch_up())
    assert summary.by_channel["sms"] == 10_000


async def test_pages_follow_one_another_to_the_end(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    for number in range(5):
        ledger.add(sms(ANNA, f"Hej {number}"))
        ledger.add(mail("a@example.se"))
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await _json(client, f"/ledger?channel=sms&limit=2&after={after}")
        assert page["total"] == 5
        seen += [entry["number"] for entry in page["entries"]]
        after = page["next"]
    assert seen == [1, 3, 5, 7, 9]


async def test_an_entry_is_rendered_without_its_raw_bytes(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(mail("a@example.se", b"Subject: Hej\r\n\r\n", key="<k@utskick>"))
    entry = await _json(client, "/ledger/1")
    assert (entry["recipient"], entry["key"], entry["size"]) == ("a@example.se", "<k@utskick>", 16)
    assert "raw" not in entry
    assert entry == (await _json(client, "/ledger"))["entries"][0]


@pytest.mark.parametrize("written", ["%2B46701740605", "+46701740605"])
async def test_one_citizen_can_be_queried_also_with_a_bare_plus(
    ledger: Ledger, client: TestClient[Any, Any], written: str
) -> None:
    for recipient in (BO, ANNA, BO, ANNA):
        ledger.add(sms(recipient))
    page = await _json(client, f"/ledger?limit=1&recipient={written}")
    assert (page["total"], [e["number"] for e in page["entries"]], page["next"]) == (2, [2], 2)


async def test_a_tagged_address_can_be_queried_with_a_bare_plus(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(mail("anna+down@example.se"))
    assert (await _json(client, "/ledger?recipient=anna+down@example.se&channel=email"))[
        "total"
    ] == 1
    assert (await _json(client, "/ledger?recipient=anna+down@example.se&channel=sms"))["total"] == 0


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", ["limit"]),
        ("limit=1001", ["limit"]),
        ("after=-1", ["after"]),
        ("after=x&limit=%C2%B2", ["after", "limit"]),
        ("limit=", ["limit"]),
    ],
)
async def test_an_invalid_window_is_rejected_with_field_and_what_was_found(
    client: TestClient[Any, Any], query: str, fields: list[str]
) -> None:
    answer = await client.get(f"/ledger?{query}")
    assert answer.status == 400
    assert [v["field"] for v in (await answer.json())["violations"]] == fields


async def test_the_stream_holds_every_entry_of_the_channel(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    for number in range(450):
        ledger.add(sms(ANNA, f"rad {number}\nrad två"))
        ledger.add(mail("a@example.se"))
    answer = await client.get("/ledger.jsonl?channel=sms")
    lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert answer.content_type == "application/x-ndjson"
    assert [line["number"] for line in lines] == list(range(1, 900, 2))
    assert len((await (await client.get("/ledger.jsonl")).text()).splitlines()) == 900


async def test_a_long_stream_does_not_block_the_event_loop(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    for _ in range(20_000):
        ledger.add(sms(ANNA))
    longest = 0.0
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not done.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - before)

    watcher = asyncio.create_task(watch())
    started = time.perf_counter()
    async with client.get("/ledger.jsonl") as answer:
        body = await answer.read()
    whole = time.perf_counter() - started
    done.set()
    await watcher
    assert body.count(b"\n") == 20_000
    assert longest < whole / 4


async def test_the_raw_mail_comes_as_it_was(ledger: Ledger, client: TestClient[Any, Any]) -> None:
    raw = b"Subject: \xff\r\n\r\nHej\r\n"
    ledger.add(mail("a@example.se", raw))
    ledger.add(sms(ANNA))
    answer = await client.get("/ledger/1/raw")
    assert (await answer.read(), answer.content_type) == (raw, "message/rfc822")
    assert (await client.get("/ledger/2/raw")).content_type == "application/octet-stream"


@pytest.mark.parametrize("path", ["/ledger/1", "/ledger/0/raw", "/ledger/99999999999999999999"])
async def test_an_unknown_entry_is_not_found(client: TestClient[Any, Any], path: str) -> None:
    answer = await client.get(path)
    assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_the_summary_counts_and_reports_duplicates(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    for entry in (
        sms(ANNA, key="k1"),
        sms(BO, key="k1", provider="telia"),
        sms(ANNA, key="k2"),
        sms(ANNA),
        sms(ANNA),
    ):
        ledger.add(entry)
    for address in ("a@example.se", "A@example.se", "a@example.se"):
        ledger.add(mail(address, key="k3"))
    assert await _json(client, "/ledger/summary") == {
        "total": 8,
        "counts": [
            {"channel": "email", "provider": "smtp", "count": 3},
            {"channel": "sms", "provider": "link", "count": 4},
            {"channel": "sms", "provider": "telia", "count": 1},
        ],
        "repeated": [{"channel": "email", "recipient": "a@example.se", "key": "k3", "copies": 3}],
    }


async def test_a_badly_encoded_text_does_not_break_the_answer(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(sms(ANNA, "Hej \udcff å"))
    assert (await _json(client, "/ledger/1"))["text"] == "Hej \udcff å"
    assert json.loads(await (await client.get("/ledger.jsonl")).read())["text"] == "Hej \udcff å"
