"""The channel: from a party to its devices, which account carries which, and what history shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from tests.channels.push.stage import (
    APPS,
    CONTENT,
    PARTY,
    Devices,
    SandboxStage,
    channel,
    draft,
    planned,
    vapid_pem,
)
from utskick.channels.push import payload
from utskick.channels.push.channel import PushChannel, build
from utskick.channels.push.settings import PushSettings
from utskick.domain.channel import Draft, RequestContext
from utskick.domain.directory_ports import Directory, Neighbours
from utskick.domain.errors import NotBuilt
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Reason, Rejected, Sent
from utskick.domain.preparation import READY, Route, Routed
from utskick.domain.recipient import Recipient

AWAY = Deferred(Reason("directory-away", "not now"))
WEB = {"provider": "webpush", "vapid_private_key": vapid_pem(), "subject": "mailto:push@example.se"}


@pytest.fixture
def devices() -> Devices:
    return Devices()


async def test_a_party_is_asked_for_and_each_of_its_devices_is_a_delivery(devices: Devices) -> None:
    destinations = [devices.add("webpush", {}), devices.add("fcm", {})]
    devices.add("fcm", {}, party=str(uuid4()))
    devices.add("fcm", {}, municipality_id="2262")
    found = await channel(devices).prepare(draft(""), new_id())
    assert found == Routed(tuple(Route("push", destination) for destination in destinations))


async def test_of_a_delegate_the_delegates_devices_are_meant(devices: Devices) -> None:
    """The destination of a contact channel PUSH is the party whose devices are meant; the message
    is still the person's."""
    delegate = str(uuid4())
    devices.add("webpush", {})
    destination = devices.add("fcm", {}, party=delegate)
    assert await channel(devices).prepare(draft(delegate), new_id()) == Routed(
        (Route("push", destination),)
    )


async def test_a_party_without_devices_is_told_as_such(devices: Devices) -> None:
    outcome = await channel(devices).prepare(draft(""), new_id())
    assert isinstance(outcome, Rejected)
    assert (outcome.reason.code, outcome.polite) == ("no-subscription", False)


async def test_a_device_is_ready_without_being_asked_for(devices: Devices) -> None:
    devices.away = AWAY
    assert await channel(devices).prepare(draft("device:fcm:1"), new_id()) == READY


async def test_when_nobody_can_tell_it_is_asked_again_later(devices: Devices) -> None:
    destination = devices.add("fcm", {})
    devices.away = AWAY
    made = channel(devices, apps=APPS)
    assert await made.prepare(draft(""), new_id()) == AWAY
    assert await made.send(draft(destination), new_id(), "apps") == AWAY


async def test_a_device_that_was_removed_meanwhile_is_not_sent_to(devices: Devices) -> None:
    outcome = await channel(devices, apps=APPS).send(
        draft("device:fcm:" + str(uuid4())), new_id(), "apps"
    )
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "gone"


async def test_another_municipalitys_device_is_not_found(devices: Devices) -> None:
    destination = devices.add("fcm", {}, municipality_id="2262")
    assert isinstance(
        await channel(devices, apps=APPS).send(draft(destination), new_id(), "apps"), Rejected
    )


@pytest.mark.parametrize(
    ("kind", "able"), [("webpush", ("browsers",)), ("fcm", ("apps", "old-apps")), ("other", ())]
)
def test_an_account_carries_the_devices_of_its_kind_first_choice_first(
    devices: Devices, kind: str, able: tuple[str, ...]
) -> None:
    made = channel(devices, **{"old-apps": {**APPS, "priority": 2}, "browsers": WEB, "apps": APPS})
    assert made.able(draft(f"device:{kind}:1")) == able


def test_an_account_of_some_municipalities_carries_nobody_elses(devices: Devices) -> None:
    made = channel(
        devices,
        ours={**APPS, "municipalities": ["2281"]},
        theirs={**APPS, "municipalities": ["2262"]},
    )
    assert made.able(draft("device:fcm:1")) == ("ours",)


@pytest.mark.parametrize(
    ("content", "resends", "then"),
    [({}, True, "resend"), ({}, False, "hold"), ({"topic": "bok"}, False, "resend")],
)
def test_what_is_done_when_no_answer_came(
    devices: Devices, content: dict[str, Any], resends: bool, then: str
) -> None:
    made = channel(devices, apps={**APPS, "resend_uncertain": resends})
    assert made.when_uncertain("apps", draft("device:fcm:1", **content)) == then


def test_history_shows_the_request_of_one_recipient(devices: Devices) -> None:
    made = channel(devices, apps=APPS)
    plan = planned(
        made, topic="bok", department="Kultur", validUntil="2030-01-01T12:00:00+01:00", ttl=60
    )
    shown = made.show(Draft("2281", plan.content, Recipient("device:fcm:1", PARTY)))
    assert shown == {
        **CONTENT,
        "party": {"partyId": PARTY},
        "topic": "bok",
        "department": "Kultur",
        "ttl": 60,
    }


def test_what_another_request_hands_over_is_shown_too(devices: Devices) -> None:
    references = {"externalReferences": [{"key": "a", "value": "b"}]}
    shown = channel(devices).show(draft("device:fcm:1", party=references))
    assert shown["party"] == {"partyId": PARTY, **references}


NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "ttl"),
    [(timedelta(hours=1), 3600), (timedelta(days=9), 86_400), (timedelta(seconds=-1), 0)],
)
def test_no_push_service_keeps_a_message_longer_than_it_is_valid(left: timedelta, ttl: int) -> None:
    assert (
        payload.read({**CONTENT, "_until": (NOW + left).isoformat()}, new_id(), 86_400, NOW).ttl
        == ttl
    )


@pytest.mark.parametrize(
    ("content", "urgency"),
    [
        ({}, "normal"),
        ({"priority": "HIGH"}, "high"),
        ({"priority": "HIGH", "urgency": "low"}, "low"),
    ],
)
def test_a_hasty_request_is_urgent_unless_it_says_otherwise(
    content: dict[str, Any], urgency: str
) -> None:
    assert payload.read({**CONTENT, **content}, new_id(), 60, NOW).urgency == urgency


def test_the_plan_remembers_until_when_it_is_valid(devices: Devices) -> None:
    plan = planned(channel(devices, apps=APPS), validUntil="2030-01-01T12:00:00+01:00")
    assert plan.valid_until == datetime(2030, 1, 1, 11, tzinfo=UTC)
    assert plan.content["_until"] == "2030-01-01T11:00:00+00:00"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[SandboxStage]:
    stage = await SandboxStage(tmp_path).open()
    yield stage
    await stage.close()


async def test_every_device_of_a_party_gets_its_own_and_a_gone_one_is_removed(
    stage: SandboxStage,
) -> None:
    for name in ("annas-dator", "gone-annas-gamla"):
        await stage.browser(name)
    stage.app("annas-telefon")
    outcomes = await _deliver(stage.channel)
    assert [type(outcome) for outcome in outcomes] == [Sent, Rejected, Sent]
    assert len(stage.ledger) == 2
    again = await stage.channel.prepare(draft(""), new_id())
    assert isinstance(again, Routed)
    assert len(again.routes) == 2


async def _deliver(made: PushChannel) -> list[object]:
    """As the engine does: the question, then its answers."""
    plan = planned(made)
    [asked] = plan.recipients
    routed = await made.prepare(Draft("2281", plan.content, asked), new_id())
    assert isinstance(routed, Routed)
    drafts = [
        Draft("2281", plan.content, Recipient(route.destination, asked.party_id))
        for route in routed.routes
    ]
    return [await made.send(d, new_id(), made.able(d)[0]) for d in drafts]


async def test_a_look_tells_whether_the_keys_can_be_used(
    stage: SandboxStage, devices: Devices, tmp_path: Path
) -> None:
    assert [(h.account, h.ok) for h in await stage.channel.look()] == [
        ("webpush", True),
        ("fcm", True),
    ]
    keyless = {
        "provider": "webpush",
        "subject": "mailto:push@example.se",
        "vapid_private_key_file": tmp_path / "none.pem",
    }
    nowhere = channel(devices, browsers=keyless, apps=APPS)
    assert [h.ok for h in await nowhere.look()] == [False, False]
    await nowhere.close()


def test_a_foreign_request_is_a_bug(devices: Devices) -> None:
    with pytest.raises(TypeError):
        channel(devices).plan(object(), RequestContext("2281"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("content", "ttl"), [({}, 60), ({"ttl": 7}, 7), ({"_ttl": 8}, 8)])
def test_what_another_channel_hands_over_lives_as_long_as_who_completed_it_says(
    devices: Devices, content: dict[str, Any], ttl: int
) -> None:
    ours = build(PushSettings(ttl=60), Neighbours(cast(Directory, None), devices))
    given = draft("", **content)
    completed = ours.completed(given)
    assert payload.read(completed.content, new_id(), 86_400, NOW).ttl == ttl
    assert (completed is given) is bool(content)


def test_without_an_account_of_the_municipality_nothing_is_accepted(devices: Devices) -> None:
    made = channel(devices, theirs={**APPS, "municipalities": ["2262"]})
    with pytest.raises(NotBuilt, match=r"\[push\]"):
        planned(made)
