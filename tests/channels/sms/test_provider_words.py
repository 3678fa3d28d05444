"""The gateways' own words in the reason, without the number that they repeat."""

from __future__ import annotations

from typing import Any

import pytest

from tests.channels.sms.stage import NUMBER, ServerStage
from tests.contracts.faulty_server import Reply, json, text
from utskick.domain.ids import new_id
from utskick.domain.outcome import Sent

TELIA: dict[str, Any] = {
    "httpCode": 400,
    "message": "Bad Request",
    "technicalDetails": {"rootCode": 4711, "rootCause": f"Originator not allowed for {NUMBER}"},
}


@pytest.mark.parametrize(
    ("name", "reply", "ending"),
    [
        ("telia", json(400, TELIA), ": Originator not allowed for …"),
        ("telia", json(500, {"message": f"No route to {NUMBER}"}), ": No route to …"),
        ("link", json(400, {"resultCode": 9999, "description": f"Bad {NUMBER}"}), ": …"),
        ("link", json(500, {"description": "Out of order"}), ": Out of order"),
        ("elks", text(400, f"Invalid to number {NUMBER}"), ": Invalid to number …"),
        ("elks", text(403, "Not enough credits"), ": Not enough credits"),
        ("elks", text(400, "<html><h1>Bad request</h1></html>"), "rejected the message"),
    ],
)
async def test_a_gateways_words_are_in_the_reason(name: str, reply: Reply, ending: str) -> None:
    stage = await ServerStage(name, {"well": reply}, carries_key=False).open()
    outcome = await stage.send(new_id())
    await stage.close()
    assert not isinstance(outcome, Sent)
    assert outcome.reason.sentence.endswith(ending)
    assert NUMBER.removeprefix("+") not in repr(outcome)
