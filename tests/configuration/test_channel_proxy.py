"""One channel towards the engine, one for each way it is configured behind: what is shared, what is
closed, and when."""

from __future__ import annotations

import asyncio
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel

from utskick.configuration.channel_proxy import ChannelProxy
from utskick.configuration.inheritance import Configuration, Effective, SectionKind
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Draft,
    Plan,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.channel_defaults import ChannelDefaults
from utskick.domain.configuration import UnitSetting
from utskick.domain.outcome import Misconfigured, Outcome, Sent
from utskick.domain.recipient import Recipient
from utskick.domain.unit import Unit


class Section(BaseModel):
    sender: str = "base"
    accounts: dict[str, int] = {}


class Recorder(ChannelDefaults):
    """A channel that keeps what it was asked to send, and waits where it is told to."""

    name, message_type, integration, label = "x", "X", "X", "X"
    forms: tuple[SendEndpoint, ...] = ()

    def __init__(self, section: Section) -> None:
        self.section = section
        self.accounts = tuple(Account(name, "p", 1, 5) for name in section.accounts)
        self.started = self.closed = 0
        self.sent: list[tuple[str, str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        return Plan({"sender": self.section.sender}, [], [])

    def completed(self, draft: Draft) -> Draft:
        return Draft(
            draft.municipality_id, {"sender": self.section.sender, **draft.content}, draft.recipient
        )

    def able(self, draft: Draft) -> tuple[str, ...]:
        return tuple(self.section.accounts)

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:
        return "resend"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        await self.go_on.wait()
        self.sent.append((account, draft.content.get("sender", self.section.sender)))
        return Sent(None)

    def show(self, draft: Draft) -> dict[str, Any]:
        return dict(draft.content)

    async def look(self) -> list[AccountHealth]:
        return [AccountHealth(account.name, ok=True, sentence="fine") for account in self.accounts]

    async def start(self) -> None:
        self.started += 1

    async def close(self) -> None:
        self.closed += 1


KIND = SectionKind("x", Section, {"accounts": {"base": 1}}, frozenset({"sender"}))
SCHOOL, ANGE = Unit("2281", None, "Skola"), Unit("2260")


def configuration(**said: tuple[Unit, dict[str, Any]]) -> Configuration:
    return Configuration(
        {"x": KIND}, [UnitSetting(unit, "x", value) for unit, value in said.values()]
    )


class Stage:
    def __init__(self, configuration: Configuration) -> None:
        self.made: list[Recorder] = []
        base = self.make(Effective(KIND.base, {}))
        self.channel = ChannelProxy(base, self.make, configuration)

    def make(self, effective: Effective) -> Recorder:
        self.made.append(Recorder(Section.model_validate(effective.value)))
        return self.made[-1]

    async def send(self, unit: Unit) -> Outcome:
        draft = Draft(
            unit.municipality_id, {}, Recipient("+46", None, None), department=unit.department
        )
        [account] = self.channel.able(draft) or ("gone",)
        return await self.channel.send(draft, uuid4(), account)


async def test_a_sender_of_its_own_needs_no_connections_of_its_own() -> None:
    stage = Stage(configuration(school=(SCHOOL, {"sender": "Skolan"})))
    await stage.channel.start()
    await stage.send(SCHOOL)
    await stage.send(Unit("2281"))
    base, planner = stage.made
    assert base.sent == [("base", "Skolan"), ("base", "base")]
    assert (planner.started, planner.sent) == (0, [])
    assert stage.channel.plan(Section(), RequestContext("2281")).content == {"sender": "base"}


async def test_accounts_of_its_own_are_started_named_and_used_by_those_below() -> None:
    said = {
        "ange": (ANGE, {"accounts": {"own": 1}, "sender": "Ange"}),
        "part": (Unit("2260", None, "Skola"), {"sender": "Angeskolan"}),
    }
    stage = Stage(configuration(**said))
    await stage.channel.start()
    assert [account.name for account in stage.channel.accounts] == ["base", "own@2260"]
    await stage.send(ANGE)
    await stage.send(Unit("2260", None, "Skola"))
    carrier = next(
        each for each in stage.made if "own@2260" in each.section.accounts and each.started
    )
    assert carrier.sent == [("own@2260", "Ange"), ("own@2260", "Angeskolan")]
    assert {health.account for health in await stage.channel.look()} == {"base", "own@2260"}


async def test_what_is_taken_away_is_closed_after_its_last_call_and_what_stays_is_not_touched() -> (
    None
):
    said = {"ange": (ANGE, {"accounts": {"own": 1}}), "school": (SCHOOL, {"accounts": {"own": 2}})}
    stage = Stage(configuration(**said))
    await stage.channel.start()
    theirs, ours = (
        next(each for each in stage.made if f"own@{unit.tag}" in each.section.accounts)
        for unit in (ANGE, SCHOOL)
    )
    theirs.go_on.clear()
    under_way = asyncio.create_task(stage.send(ANGE))
    await asyncio.sleep(0)
    await stage.channel.adopt(configuration(school=said["school"]))
    assert [account.name for account in stage.channel.accounts] == ["base", f"own@{SCHOOL.tag}"]
    assert (theirs.closed, ours.closed, ours.started) == (0, 0, 1)
    theirs.go_on.set()
    assert await under_way == Sent(None)
    await asyncio.sleep(0)
    assert (theirs.closed, ours.closed) == (1, 0)
    draft = Draft("2260", {}, Recipient("+46", None, None))
    assert isinstance(await stage.channel.send(draft, uuid4(), "own@2260"), Misconfigured), (
        "chosen before it was taken away"
    )
    assert stage.channel.when_uncertain("own@2260", draft) == "hold"
    assert await stage.channel.ask(draft, uuid4(), "own@2260", None) is None
    await stage.channel.close()
    assert ours.closed == 1
    assert sum(each.closed for each in stage.made) == len(
        [each for each in stage.made if each.started]
    )


async def test_a_change_that_cannot_be_used_stops_its_unit_alone() -> None:
    stage = Stage(configuration())
    await stage.channel.start()
    await stage.channel.adopt(configuration(ange=(ANGE, {"accounts": {"own": "none"}})))
    draft = Draft("2260", {}, Recipient("+46", None, None))
    assert stage.channel.able(draft) == ()
    assert isinstance(await stage.channel.prepare(draft, uuid4()), Misconfigured)
    assert await stage.send(Unit("2281")) == Sent(None)
    assert [health.account for health in await stage.channel.look() if not health.ok] == [
        "configuration@2260"
    ]
    await stage.channel.adopt(configuration())
    assert await stage.send(ANGE) == Sent(None)
