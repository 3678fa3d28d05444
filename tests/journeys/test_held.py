"""Journey: an uncertain SMS is held until a late delivery report or a person resolves it."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, Answer, Stage, numbers, sms_to
from utskick.sandbox.faults import FaultRule, ProviderFault

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-whole-service"),
]

NUMBER = numbers(1)[0]
SWIFT = {"read_timeout": 0.4}


async def held(stage: Stage) -> str:
    """Send an SMS that the provider accepts without responding, and return its delivery id."""
    stage.providers.faults.add(FaultRule(ProviderFault.TIMEOUT, "link", seconds=5))
    await stage.serve()
    answer = await stage.post("sms?async=true", sms_to(NUMBER))
    await stage.wait_for_lifecycle(answer.delivery_id, "uncertain")
    return answer.delivery_id


async def resolve(stage: Stage, delivery_id: str, decision: str) -> Answer:
    return await stage.call(
        "POST",
        f"deliveries/{delivery_id}/resolve",
        {"decision": decision},
        X_Sent_By="joe01doe; type=adAccount",
    )


async def test_a_late_delivery_report_resolves_a_held_sms(set_up: SetUp) -> None:
    stage = await set_up(ProviderBehaviour(report_delay=2), AccountSettings(settings=SWIFT))
    delivery_id = await held(stage)
    delivery = await stage.wait_for_lifecycle(delivery_id, "delivered")
    assert [event["status"] for event in delivery["events"]] == [
        "queued",
        "sending",
        "uncertain",
        "delivered",
    ]
    assert delivery["events"][-1]["actor"] == "receipt"
    assert (await resolve(stage, delivery_id, "resend")).status == 409
    assert len(stage.providers.ledger) == 1


async def test_a_person_has_a_held_sms_sent_again(set_up: SetUp) -> None:
    stage = await set_up(
        account_settings=AccountSettings(settings=SWIFT | {"delivery_reports": False})
    )
    delivery_id = await held(stage)
    assert (await resolve(stage, delivery_id, "resend")).status == 200
    delivery = await stage.wait_for_lifecycle(delivery_id, "sent")
    assert [event["status"] for event in delivery["events"]] == [
        "queued",
        "sending",
        "uncertain",
        "queued",
        "sending",
        "sent",
    ]
    assert delivery["events"][3]["actor"] == "joe01doe"
    verdict = await stage.compare()
    assert verdict.lost == verdict.unreported_duplicates == []
    assert verdict.reported_duplicates == [delivery_id]
    assert (await resolve(stage, delivery_id, "resend")).status == 409


async def test_a_person_gives_a_held_sms_up(set_up: SetUp) -> None:
    stage = await set_up(
        account_settings=AccountSettings(settings=SWIFT | {"delivery_reports": False})
    )
    delivery_id = await held(stage)
    given_up = await resolve(stage, delivery_id, "give-up")
    assert given_up.status == 200
    assert given_up.body["lifecycle"] == "failed"
    assert given_up.body["events"][-1]["actor"] == "joe01doe"
    for decision in ("resend", "give-up"):
        refused = await resolve(stage, delivery_id, decision)
        assert refused.status == 409
        assert "only an uncertain delivery" in refused.body["detail"]
    assert len(stage.providers.ledger) == 1
