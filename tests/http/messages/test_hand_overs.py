"""While the printing house is ill, each letter says so; through the whole service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from tests.http.conftest import Client, serving
from tests.http.messages.test_letter import ADDRESS, letter, snail
from tests.http.test_strict import strictly
from utskick.store.database import Database

#: Faults of the sandbox's printing house, and what they are called.
ILL = {"temporary": "target-fault", "refuse": "refused-access", "login": "refused-login"}
RETRY = {"snail_mail": {"first": 0.3, "ceiling": 0.6, "misconfigured": 0.5}}


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(database, tmp_path, retry=RETRY) as found:
        yield found


async def make_ill(client: Client, fault: str = "temporary") -> None:
    rule = {"provider": "print_house", "fault": fault, "recipient": "", "times": None}
    await client.outside("POST", "/faults", rule)


async def mend(client: Client) -> None:
    await client._session.delete(f"{client.running.viewer_url}/faults")


async def closed_batch(client: Client, letters: int = 2) -> tuple[str, list[str]]:
    """The ids of a closed print batch and of its letters."""
    batch, ids = str(uuid4()), []
    for _ in range(letters):
        answer = await client.post(f"/2281/snail-mail?batchId={batch}", snail())
        assert answer.json["deliveries"][0]["status"] == "SENT", answer.text
        ids.append(answer.json["deliveries"][0]["deliveryId"])
    assert (await client.post(f"/2281/snail-mail/batch/{batch}")).status == 200
    return batch, ids


async def failing(client: Client, delivery: str, attempts: int = 1) -> dict[str, Any]:
    """The letter, when its hand-over has failed so many times."""
    found: dict[str, Any] = await client.until(
        f"/2281/status/delivery/{delivery}",
        lambda d: d.get("handOver", {}).get("attempts", 0) >= attempts,
    )
    return found


async def hand_overs(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/health/ready")).json["components"][
        "handOvers"
    ]
    return found


@pytest.mark.parametrize(("fault", "code"), ILL.items())
async def test_each_letter_says_that_its_hand_over_fails_and_why(
    client: Client, fault: str, code: str
) -> None:
    await make_ill(client, fault)
    with capture_logs() as logs:
        batch, letters = await closed_batch(client)
        for delivery in letters:
            found = await failing(client, delivery, attempts=3)
            assert (found["status"], found["lifecycle"]) == ("SENT", "gathered")
            assert found["handOver"]["reason"]["code"] == code
            assert found["handOver"]["account"] == "print_house"
            first, *_, last = [e for e in found["events"] if e.get("reason")]
            assert first["status"] == last["status"] == "gathered"
            assert (first["reason"]["code"], first["attempt"]) == (code, 1)
            assert first["timestamp"] >= found["handOver"]["since"]
    lines = [line for line in logs if line["event"] == "hand-over-failed"]
    assert len(lines) >= 2
    assert {(line["letters"], line["reason"]) for line in lines} == {(2, code)}
    assert [line["attempts"] for line in lines[:2]] == [1, 2]

    whole = (await client.get(f"/2281/status/batch/{batch}")).json
    message = whole["messages"][0]["messageId"]
    for one in (*whole["messages"], (await client.get(f"/2281/status/messages/{message}")).json):
        assert one["deliveries"][0]["handOver"]["reason"]["code"] == code

    await mend(client)
    for delivery in letters:
        found = await client.until(
            f"/2281/status/delivery/{delivery}", lambda d: d["lifecycle"] == "sent", 15
        )
        assert "handOver" not in found
        assert [e["status"] for e in found["events"]][-2:] == ["gathered", "sent"]


async def test_a_hand_over_that_succeeds_at_once_is_no_line_of_the_log(client: Client) -> None:
    with capture_logs() as logs:
        _, [letter_id, *_] = await closed_batch(client)
        await client.until(
            f"/2281/status/delivery/{letter_id}", lambda d: d["lifecycle"] == "sent", 15
        )
    assert [line for line in logs if line["event"].startswith("hand-over")] == []
    await make_ill(client)
    with capture_logs() as logs:
        _, [letter_id, *_] = await closed_batch(client)
        await failing(client, letter_id)
        await mend(client)
        await client.until(
            f"/2281/status/delivery/{letter_id}", lambda d: d["lifecycle"] == "sent", 15
        )
        lines = [line["event"] for line in logs if line["event"].startswith("hand-over")]
    assert set(lines[:-1]) == {"hand-over-failed"}
    assert lines[-1] == "hand-over-done", "what had failed is told when it is done"


async def test_health_names_the_account_and_how_many_letters_wait(client: Client) -> None:
    assert await hand_overs(client) == []
    await make_ill(client)
    _, [first, *_] = await closed_batch(client, 3)
    _, [second, *_] = await closed_batch(client, 2)
    await failing(client, first)
    await failing(client, second)
    health = (await client.get("/health/ready")).json
    assert health["status"] == "DEGRADED"
    [found] = health["components"]["handOvers"]
    assert (found["channel"], found["account"]) == ("snail_mail", "print_house")
    assert (found["printBatches"], found["letters"]) == (2, 5)
    assert found["code"] == "target-fault"
    assert found["since"] <= (await failing(client, first))["handOver"]["since"]
    begun = health["components"]["handOverEvents"]
    assert [(e["event"], e["code"]) for e in begun] == [("failing", "target-fault")] * 2

    await mend(client)
    health = await client.until(
        "/health/ready", lambda found: not found["components"]["handOvers"], 15
    )
    events = health["components"]["handOverEvents"]
    assert sorted(e["event"] for e in events) == ["ended", "ended", "failing", "failing"]
    assert not [e for e in events if e["event"] == "ended" and "code" in e]


async def test_a_letter_whose_hand_over_waits_for_a_paused_account_says_so(client: Client) -> None:
    """Its own batch was never tried: those before it were refused."""
    await make_ill(client, "login")
    await closed_batch(client)
    await client.until("/health/ready", lambda h: h["components"]["circuits"], 15)
    _, [later, *_] = await closed_batch(client)
    found = await client.until(
        f"/2281/status/delivery/{later}", lambda d: "handOver" in d, within=15
    )
    assert found["handOver"]["reason"]["code"] == "refused-login"
    assert found["handOver"]["account"] == "print_house"


async def test_statistics_count_the_letters_that_cannot_be_handed_over(client: Client) -> None:
    await make_ill(client)
    _, [delivery, *_] = await closed_batch(client, 3)
    held = str(uuid4())
    await client.post(f"/2281/snail-mail?batchId={held}", snail())
    await failing(client, delivery)
    counted = (await client.get("/2281/statistics")).json["SNAIL_MAIL"]
    assert (counted["sent"], counted["handOverFails"]) == (4, 3)
    await mend(client)
    await client.until("/2281/statistics", lambda s: "handOverFails" not in s["SNAIL_MAIL"], 15)
    assert (await client.get("/2281/statistics")).json["SNAIL_MAIL"]["sent"] == 4


async def test_a_hand_over_that_fails_until_it_expires_ends_its_letters(
    client: Client, database: Database
) -> None:
    await make_ill(client)
    batch, letters = await closed_batch(client)
    await failing(client, letters[0])
    with capture_logs() as logs:
        await database.pool.execute(
            "UPDATE deliveries SET expires_at = now() WHERE message_type = 'PRINT_BATCH'"
        )
        found = await client.until(
            f"/2281/status/batch/{batch}",
            lambda b: all(m["deliveries"][0]["status"] == "FAILED" for m in b["messages"]),
            15,
        )
    assert all("handOver" not in m["deliveries"][0] for m in found["messages"])
    [line] = [line for line in logs if line["event"] == "hand-over-given-up"]
    assert (line["letters"], line["status"]) == (2, "expired")
    assert await hand_overs(client) == []
    counted = (await client.get("/2281/statistics")).json["SNAIL_MAIL"]
    assert counted["failed"] == 2
    assert "handOverFails" not in counted


async def test_a_hand_over_that_a_person_has_to_decide_is_told_without_a_next_try(
    client: Client, database: Database
) -> None:
    await make_ill(client)
    _, [delivery, *_] = await closed_batch(client)
    await failing(client, delivery)
    async with asyncio.timeout(10):
        while not await database.pool.fetchval(
            "UPDATE deliveries SET status = 'uncertain' WHERE message_type = 'PRINT_BATCH'"
            " AND status = 'deferred' RETURNING true"
        ):
            await asyncio.sleep(0.02)
    found = await failing(client, delivery)
    assert "retryAt" not in found["handOver"]
    [one] = await hand_overs(client)
    assert "retryAt" not in one
    assert one["letters"] == 2


async def test_a_letter_that_went_on_to_paper_says_it_too(client: Client) -> None:
    await make_ill(client)
    answer = await client.post("/2281/letter?async=true", letter(addresses=[ADDRESS]))
    batch = f"/2281/status/batch/{answer.json['batchId']}"
    found = await client.until(batch, lambda b: "handOver" in b["messages"][0]["deliveries"][-1])
    assert found["messages"][0]["deliveries"][-1]["lifecycle"] == "gathered"


async def test_an_empty_batch_is_not_handed_over(client: Client, database: Database) -> None:
    """A batch that closed empty is over, and is not looked at for ever."""
    batch, _ = await closed_batch(client)
    await client.until(
        f"/2281/status/batch/{batch}",
        lambda b: all(m["deliveries"][0]["lifecycle"] == "sent" for m in b["messages"]),
        15,
    )
    assert await database.pool.fetchval("SELECT count(*) FROM print_batches") == 1
    assert await database.pool.fetchval(
        "SELECT ended_at >= closed_at AND failing_since IS NULL FROM print_batches"
    )


async def test_strict_clients_are_told_nothing_of_it(client: Client, database: Database) -> None:
    await make_ill(client)
    batch, [delivery, *_] = await closed_batch(client)
    await failing(client, delivery)
    await strictly(client, database)
    found = (await client.get(f"/2281/status/delivery/{delivery}")).json
    assert (found["status"], "handOver" in found) == ("SENT", False)
    assert "handOver" not in (await client.get(f"/2281/status/batch/{batch}")).text
    assert "handOverFails" not in (await client.get("/2281/statistics")).text
