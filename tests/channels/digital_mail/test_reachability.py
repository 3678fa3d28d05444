"""Who can be reached, at which addresses, and how the register is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.channels.digital_mail.stage import ANNA, KIVRA, NUMBER, OTHER, Stage, fault, plain_fault
from tests.contracts.faulty_server import text
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected
from utskick.domain.preparation import Ready

BO, CARIN = "6a5c3d04-412d-11ec-973a-0242ac130004", "6a5c3d04-412d-11ec-973a-0242ac130005"
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;</a>'


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = await Stage(tmp_path).open()
    yield stage
    await stage.close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "Not", "supplier": "", "accepted": "false"}, "no-mailbox"),
        ({"supplier": ""}, "no-mailbox"),
        ({"pending": "true", "accepted": "false"}, "pending"),
        ({"accepted": "false"}, "sender-blocked"),
        ({"supplier": OTHER, "name": "Kivra"}, "unsupported-operator"),
        ({"address": ""}, "no-service-address"),
        ({"omitted": "yes"}, "not-in-register"),
    ],
)
async def test_who_cannot_be_reached_is_told_apart(
    stage: Stage, changes: dict[str, str], code: str
) -> None:
    stage.reachability[NUMBER] = changes
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Rejected)
    assert (outcome.reason.code, outcome.polite) == (code, False)
    assert stage.envelopes == []


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/Service/v3",
        "https://169.254.169.254/latest",
        "https://localhost:{port}/Service/v3",
        "https://127.0.0.1/Service/v3",
        "https://127.0.0.1:{port}@evil.example/",
        "https://user:x@127.0.0.1:{port}/Service/v3",
        "https://127.0.0.1:{port}#@evil.example/",
        "https://127.0.0.1:{port}\\@evil.example/",
        "https://127.0.0.1:99999/",
        "file:///etc/passwd",
        "//127.0.0.1:{port}/Service/v3",
    ],
)
async def test_an_address_that_is_not_on_the_list_is_not_called(stage: Stage, address: str) -> None:
    stage.reachability[NUMBER] = {"address": address.format(port=stage.port)}
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.code == "address-not-allowed"
    assert stage.envelopes == []


async def test_an_address_that_was_struck_off_the_list_is_not_called_at_a_repeat(
    stage: Stage,
) -> None:
    key = new_id()
    await stage.misbehave("temporary")
    await stage.send(key)
    stricter = stage.channel_with(operators={KIVRA: {"name": "Kivra", "hosts": ["mm.kivra.com"]}})
    assert isinstance(await stage.send(key, channel=stricter), Misconfigured)
    assert len(stage.envelopes) == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("201012240000", "minor"),
        ("201012840000", "minor"),
        ("200811250000", None),
        ("200811260000", "minor"),
        ("200811600000", "minor"),
        ("200810600000", None),
        ("198500880000", "no-mailbox"),
        ("165568402266", None),
    ],
)
async def test_minors_have_no_mailbox(stage: Stage, number: str, code: str | None) -> None:
    stage.clock.now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    stage.people.known[ANNA] = number if not number.startswith("16") else number[2:]
    prepared = await stage.channel.prepare(stage.draft(), new_id())
    assert (prepared.reason.code if isinstance(prepared, Rejected) else None) == code


async def test_a_party_without_legal_id_is_a_no_and_a_directory_that_is_away_is_none(
    stage: Stage,
) -> None:
    for draft in (stage.draft(BO), stage.draft(None)):
        outcome = await stage.send(new_id(), draft)
        assert isinstance(outcome, Rejected)
        assert outcome.reason.code == "no-legal-id"
    stage.people.away = Deferred(Reason("away", "away"), timedelta(seconds=7))
    assert await stage.send(new_id()) == stage.people.away


async def test_deliveries_that_wait_together_are_looked_up_together(stage: Stage) -> None:
    people = {f"6a5c3d04-412d-11ec-973a-{n:012d}": f"19000101{n:04d}" for n in range(1500)}
    stage.people.known = people
    prepared = await asyncio.gather(
        *(stage.channel.prepare(stage.draft(party), new_id()) for party in people)
    )
    assert all(isinstance(one, Ready) for one in prepared)
    assert [len(group) for group in stage.people.asked] == [1000, 500]
    assert sorted(map(len, stage.questions), reverse=True)[0] <= 1000
    assert len(stage.questions) <= 4
    assert sorted(number for group in stage.questions for number in group) == sorted(
        people.values()
    )


async def test_the_same_recipient_is_asked_for_once_and_remembered_for_a_while(
    stage: Stage,
) -> None:
    await asyncio.gather(*(stage.send(new_id()) for _ in range(5)))
    await stage.send(new_id())
    assert stage.questions == [[NUMBER]]
    forgetful = stage.channel_with(reachable_seconds=0)
    for _ in range(2):
        await stage.send(new_id(), channel=forgetful)
    assert len(stage.questions) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (text(503, ""), Deferred, "provider-fault"),
        (text(200, "<html>"), Deferred, "register-silent"),
        (text(200, BOMB), Deferred, "register-silent"),
        (fault(5001), Deferred, "register-fault"),
        (fault(5001, words="Sender not authorized"), Misconfigured, "sender-refused"),
        (plain_fault("Client"), Misconfigured, "register-refuses"),
        (text(403, ""), Misconfigured, "refused-login"),
        (text(429, "", Retry_After="30"), Deferred, "throttled"),
    ],
)
async def test_a_register_that_does_not_answer_has_sent_nothing(
    stage: Stage, answer: Any, kind: type[Outcome], code: str
) -> None:
    stage.register = answer
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert outcome.reason.code == code  # type: ignore[union-attr]


async def test_an_answer_that_is_too_long_is_asked_for_in_halves(stage: Stage) -> None:
    stage.people.known = {ANNA: "190001010001", BO: "190001010002", CARIN: "190001010003"}
    stage.reachability["190001010002"] = {"name": "x" * 400_000}
    stage.reachability["190001010003"] = {"name": "x" * 700_000}
    prepared = await asyncio.gather(
        *(stage.channel.prepare(stage.draft(party), new_id()) for party in (ANNA, BO, CARIN))
    )
    assert all(isinstance(one, Ready) for one in prepared)
    assert list(map(len, stage.questions)) == [3, 1, 2, 1, 1]
