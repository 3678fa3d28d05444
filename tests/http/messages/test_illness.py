"""What is ill is named and waits; what is well is not held by it. Through the whole service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from tests.http.conftest import Client, serving
from tests.http.messages.test_digital_mail import ORGANIZATION, citizen, mail
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database

MOMENT = timedelta(seconds=0.1)
#: Faults that concern the account: a refused login, and HTTP 500.
ALL_DOWN = [
    {"fault": "login", "provider": "link", "times": None},
    {"fault": "temporary", "provider": "telia", "times": None},
    {"fault": "temporary", "provider": "46elks", "times": None},
]


def sms(number: int, series: int = 72) -> dict[str, Any]:
    return {"mobileNumber": f"+46{series}{number:07d}", "message": "Skolan är stängd i dag."}


async def post_all(
    client: Client, bodies: Iterable[dict[str, Any]], path: str = "sms"
) -> list[str]:
    """Post without waiting, and return the ids of the deliveries."""
    answers = await asyncio.gather(
        *(client.post(f"/2281/{path}?async=true", body) for body in bodies)
    )
    return [
        delivery["deliveryId"]
        for answer in answers
        for message in answer.json.get("messages", [answer.json])
        for delivery in message["deliveries"]
    ]


async def mend(client: Client) -> None:
    async with client._session.delete(f"{client.running.viewer_url}/faults") as answer:
        assert answer.status == 204


async def circuits(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/health/ready")).json["components"]["circuits"]
    return found


async def all_sent(client: Client, ids: Iterable[str], within: float = 15.0) -> None:
    for delivery in ids:
        await client.until(
            f"/2281/status/delivery/{delivery}", lambda found: found["status"] == "SENT", within
        )


async def test_one_ill_operator_is_named_and_holds_no_other(client: Client) -> None:
    ill = [await citizen(client, number(serial, "15")) for serial in range(20)]
    well = [await citizen(client, number(serial)) for serial in range(20, 30)]
    await client.outside(
        "POST", "/faults", {"fault": "temporary", "provider": "minmyndighetspost", "times": None}
    )
    path = f"{ORGANIZATION}/digital-mail"
    waiting = await post_all(client, [mail(party) for party in ill], path)
    found = await client.until(
        "/health/ready", lambda health: bool(health["components"]["circuits"])
    )
    [circuit] = found["components"]["circuits"]
    assert circuit["channel"] == "digital_mail"
    assert circuit["destination"] == "Min myndighetspost"
    assert circuit["code"] == "application-fault"
    assert {"account", "since", "retryAt"} <= circuit.keys()
    assert circuit["reason"] == "the mailbox operator reported an application fault", (
        "without the operator's words, which are about one message"
    )
    assert found["status"] == "UP", "the account itself is well"
    told = await client.until(
        f"/2281/status/delivery/{waiting[0]}",
        lambda delivery: "its call id: " in str(delivery.get("reason")),
    )
    assert "; it says: " in told["reason"]["message"]

    await all_sent(client, await post_all(client, [mail(party) for party in well], path))
    assert [one["destination"] for one in await circuits(client)] == ["Min myndighetspost"]

    await mend(client)
    await all_sent(client, waiting, within=40)
    await client.until("/health/ready", lambda health: not health["components"]["circuits"])


async def test_what_waits_says_for_whom_and_until_when(client: Client) -> None:
    await client.outside("POST", "/faults", ALL_DOWN)
    ids = await post_all(client, map(sms, range(60)))
    deadline = monotonic() + 30
    waits = None
    while waits is None:
        assert monotonic() < deadline, "no delivery says what it waits for"
        for one in ids:
            found = (await client.get(f"/2281/status/delivery/{one}")).json
            waits = waits or found.get("waitsFor")
    assert waits["account"] in ("link", "telia", "46elks")
    assert "destination" not in waits
    assert waits["reason"]["code"] in ("refused-login", "provider-fault")
    assert waits["since"] < waits["retryAt"]
    queue = (await client.get("/health/ready")).json["components"]["queue"]
    assert queue["waiting"] > queue["due"], "what was given back or deferred waits too"


async def test_an_account_that_is_down_degrades_the_whole_until_it_is_well(client: Client) -> None:
    await client.outside("POST", "/faults", ALL_DOWN[0])
    await all_sent(client, await post_all(client, map(sms, range(30))))
    found = (await client.get("/health/ready")).json
    assert found["status"] == "DEGRADED"
    link = found["components"]["providers"]["sms/link"]
    assert (link["status"], link["paused"]) == ("DOWN", True)
    [circuit] = found["components"]["circuits"]
    assert (circuit["account"], circuit["code"]) == ("link", "refused-login")
    assert "destination" not in circuit

    await mend(client)
    deadline = monotonic() + 20
    while await circuits(client):
        assert monotonic() < deadline, "traffic does not come back to the first account"
        await all_sent(client, await post_all(client, [sms(1, 73)]))
    [again] = await post_all(client, [sms(2, 73)])
    await all_sent(client, [again])
    story = (await client.get(f"/2281/status/delivery/{again}")).json["events"]
    assert {event.get("provider") for event in story} == {None, "link"}
    found = (await client.get("/health/ready")).json
    assert found["status"] == "UP"
    told = [
        (event["event"], event["account"], event["code"])
        for event in found["components"]["circuitEvents"]
    ]
    assert told[0] == ("closed", "link", "refused-login")
    assert told[-1] == ("opened", "link", "refused-login")


async def test_after_a_short_outage_of_all_accounts_traffic_is_back_at_once(client: Client) -> None:
    await client.outside("POST", "/faults", ALL_DOWN)
    await post_all(client, map(sms, range(50)))
    await client.until("/health/ready", lambda found: bool(found["components"]["circuits"]))
    await mend(client)
    # The pause of one step, or of the second if a probe was made meanwhile: not of fifty failures.
    await all_sent(client, await post_all(client, [sms(1, 73) | {"priority": "HIGH"}]), within=10)


async def test_ill_numbers_hold_no_others(client: Client) -> None:
    rule = {"fault": "temporary", "provider": "link", "recipient": "^.4672", "times": None}
    await client.outside("POST", "/faults", rule)
    await post_all(client, map(sms, range(20)))
    well = await post_all(client, (sms(n, 73) for n in range(20)))
    await all_sent(client, well)
    for delivery in well:
        story = (await client.get(f"/2281/status/delivery/{delivery}")).json["events"]
        assert {event.get("provider") for event in story} == {None, "link"}
    assert [one for one in await circuits(client) if one["account"] == "link"] == []


async def test_an_open_account_is_not_called_in_a_loop_while_the_others_are_shut(
    client: Client,
) -> None:
    """Its answer about this number is known; the next one is worth a wait."""
    await client.outside("POST", "/faults", ALL_DOWN[1:])
    rule = {"fault": "temporary", "provider": "link", "recipient": "^.4673", "times": None}
    await client.outside("POST", "/faults", {**rule, "recipient": "^.4672"})
    await post_all(client, map(sms, range(30)))
    await client.until("/health/ready", lambda found: len(found["components"]["circuits"]) == 2)
    await client.outside("POST", "/faults", rule)
    [ill] = await post_all(client, [sms(1, 73)])
    path = f"/2281/status/delivery/{ill}"
    found = await client.until(path, lambda state: state.get("attempts", 0) >= 6, within=30)
    calls = [
        datetime.fromisoformat(event["timestamp"])
        for event in found["events"]
        if (event["status"], event.get("provider")) == ("sending", "link")
    ]
    # The first backoff of these tests is 0.2 s less a fifth. A circuit may open between the
    # decision to go on to its account and the attempt.
    at_once = [late for late, early in zip(calls[1:], calls, strict=False) if late - early < MOMENT]
    assert len(at_once) <= 1


async def test_recipients_with_garbage_answers_do_not_hold_the_healthy_ones(client: Client) -> None:
    rule = {"fault": "garbage", "recipient": "^ill", "provider": "smtp", "times": None}
    await client.outside("POST", "/faults", rule)

    def letter(name: str) -> dict[str, Any]:
        return {"emailAddress": f"{name}@example.se", "subject": "s", "message": "m"}

    await post_all(client, (letter(f"ill{n}") for n in range(12)), "email")
    well = await post_all(client, (letter(f"well{n}") for n in range(60)), "email")
    await all_sent(client, well, within=30)


async def test_every_process_tells_of_the_circuits_of_all_workers(
    client: Client, database: Database, tmp_path: Path
) -> None:
    await client.outside("POST", "/faults", ALL_DOWN[0])
    await post_all(client, map(sms, range(30)))
    await client.until("/health/ready", lambda found: found["status"] == "DEGRADED")
    async with serving(database, tmp_path / "other", work=False) as other:
        found = (await other.get("/health/ready")).json
        assert found["status"] == "DEGRADED"
        assert [one["account"] for one in found["components"]["circuits"]] == ["link"]
        await database.pool.execute("UPDATE circuits SET seen_at = now() - interval '21 s'")
        assert await circuits(other) == [], "those of a worker that died expire"


async def test_one_that_the_register_fails_for_delays_no_other(client: Client) -> None:
    numbers = [number(serial) for serial in range(40)]
    parties = [await citizen(client, each) for each in numbers]
    rule = {"fault": "temporary", "provider": "far", "recipient": numbers[17], "times": None}
    await client.outside("POST", "/faults", rule)
    path = f"{ORGANIZATION}/digital-mail"
    [*ids] = await post_all(client, [mail(*parties)], path)
    ill = ids.pop(17)
    await all_sent(client, ids)
    found = (await client.get(f"/2281/status/delivery/{ill}")).json
    assert found["reason"]["code"] == "register-fault"
    assert not await circuits(client)


async def test_a_slow_operator_holds_no_other(client: Client) -> None:
    slow = [await citizen(client, number(serial, "15")) for serial in range(20)]
    well = [await citizen(client, number(serial)) for serial in range(20, 30)]
    rule = {"fault": "timeout", "provider": "minmyndighetspost", "times": None, "seconds": 60}
    await client.outside("POST", "/faults", rule)
    path = f"{ORGANIZATION}/digital-mail"
    await post_all(client, [mail(party) for party in slow], path)
    await all_sent(client, await post_all(client, [mail(party) for party in well], path))


async def test_twelve_full_mailboxes_hold_no_others(client: Client) -> None:
    rule = {"fault": "full", "provider": "smtp", "recipient": "^ill", "times": None}
    await client.outside("POST", "/faults", rule)

    def letter(name: str) -> dict[str, Any]:
        return {"emailAddress": f"{name}@example.se", "subject": "s", "message": "m"}

    await post_all(client, (letter(f"ill{n}") for n in range(12)), "email")
    well = await post_all(client, (letter(f"well{n}") for n in range(20)), "email")
    await all_sent(client, well)


async def test_numbers_with_a_full_memory_hold_no_others(client: Client) -> None:
    rule = {"fault": "full", "provider": "link", "recipient": "^.4672", "times": None}
    await client.outside("POST", "/faults", rule)
    await post_all(client, map(sms, range(20)))
    await all_sent(client, await post_all(client, (sms(n, 73) for n in range(10))))
    assert [one for one in await circuits(client) if one["account"] == "link"] == []
