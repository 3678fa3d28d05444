"""A delivery that is not admitted to the account that it waited for, through the whole service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.http.conftest import Client
from utskick.engine.limits import Slot
from utskick.store.queue import Jobs


async def test_it_goes_on_to_the_next_account_at_once_and_not_back_into_the_queue(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the account is shut while the delivery waits for a slot."""
    entered, given_back = list[Slot](), list[Sequence[Any]]()
    enter, give_back = Slot.__aenter__, Jobs.give_back

    async def refuse_the_first(slot: Slot) -> Slot:
        entered.append(slot)
        return slot if len(entered) == 1 else await enter(slot)

    async def note(jobs: Jobs, ids: Sequence[Any], *more: Any) -> None:
        given_back.append(ids)
        await give_back(jobs, ids, *more)

    monkeypatch.setattr(Slot, "__aenter__", refuse_the_first)
    monkeypatch.setattr(Jobs, "give_back", note)
    body = {"mobileNumber": "+46701740605", "message": "Skolan är stängd i dag."}
    answer = await client.post("/2281/sms", body)
    assert answer.json["deliveries"][0]["status"] == "SENT"
    assert [slot.admitted for slot in entered] == [False, True]
    assert given_back == []
