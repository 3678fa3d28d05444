"""A sealed value that is moved to another row of its kind, municipality and month does not open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.conftest import Client, serving
from utskick.domain.month import Month
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.columns import FORM, ROW_FORM, Column, MonthKey, month_of_value
from utskick.store.database import Database

KEY = MonthKey("2281", Month(2026 * 12), bytes(32))


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(database, tmp_path, work=False) as found:
        yield found


async def sent(client: Client, number: str, text: str) -> dict[str, str]:
    """A message to one recipient, as its ids."""
    body = {"mobileNumber": number, "message": text, "party": {"partyId": str(uuid4())}}
    answer = await client.post("/2281/sms?async=true", body)
    assert answer.status == 201, answer.text
    found: dict[str, str] = answer.json
    return found


async def test_a_text_moved_to_another_message_is_not_shown(
    client: Client, database: Database
) -> None:
    one, two = (
        await sent(client, "+46701740605", "Din kod 4711"),
        await sent(client, "+46701740606", "Hej"),
    )
    path = f"/2281/messages/{two['messageId']}"
    assert (await client.get(path)).status == 200
    await database.pool.execute(
        "UPDATE batches SET content = (SELECT content FROM batches WHERE id = $1) WHERE id = $2",
        UUID(one["batchId"]),
        UUID(two["batchId"]),
    )
    answer = await client.get(path)
    assert answer.status == 500
    assert "4711" not in answer.text
    assert (await client.get(f"/2281/messages/{one['messageId']}")).status == 200


async def test_a_message_is_not_sent_to_a_number_that_was_moved(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, work=False) as client:
        one = await sent(client, "+46701740605", "Till den ena")
        two = await sent(client, "+46701740606", "Till den andra")
    await database.pool.execute(
        "UPDATE deliveries SET destination = (SELECT destination FROM deliveries"
        " WHERE message_id = $1) WHERE message_id = $2",
        UUID(two["messageId"]),
        UUID(one["messageId"]),
    )
    async with serving(database, tmp_path) as client:
        await client.until(
            f"/2281/status/messages/{two['messageId']}",
            lambda found: found["deliveries"][0]["status"] == "SENT",
        )
        received = await client.all_received("sms")
    assert [(e["recipient"], "andra" in str(e)) for e in received] == [("+46701740606", True)]


@given(
    column=st.sampled_from(Column), plain=st.binary(max_size=50), row=st.uuids(), other=st.uuids()
)
def test_a_value_opens_in_its_row_alone(
    column: Column, plain: bytes, row: UUID, other: UUID
) -> None:
    sealed = KEY.encrypt(column, plain, row)
    assert sealed[:1] == ROW_FORM
    assert month_of_value(sealed) == Month(2026 * 12)
    assert KEY.decrypt(column, sealed, row) == plain
    for wrong in {other, None} - {row}:
        with pytest.raises(Locked):
            KEY.decrypt(column, sealed, wrong)
    with pytest.raises(Locked):
        KEY.decrypt(column, FORM + sealed[1:], row)


def test_a_value_from_before_stays_readable_and_is_no_way_round() -> None:
    old = KEY.encrypt(Column.CONTENT, b"hej")
    assert old[:1] == FORM
    assert KEY.decrypt(Column.CONTENT, old, uuid4()) == b"hej"
    with pytest.raises(Locked):
        KEY.decrypt(Column.CONTENT, ROW_FORM + old[1:], uuid4())
