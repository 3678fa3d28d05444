"""The vault's keys: made once, changed without stopping, and gone for good when they are
destroyed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.conftest import TABLES as ROWS
from tests.store.vaults import NEW, OLD, TABLES, empty, process
from utskick.domain.errors import DatabaseFault, Erased, NotAllowedHere, NotFound
from utskick.domain.ids import new_id
from utskick.domain.imported import ImportedContent, Record
from utskick.domain.month import Month, month_of, parse_month, written
from utskick.domain.status import Status
from utskick.store.administration.audit import Audit
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.columns import Column
from utskick.store.database import Database
from utskick.store.history.conversations import Between, Conversations
from utskick.store.history.imports import ImportCounts, Records
from utskick.store.retention.key_destruction import KeyDestruction

MID = "2281"
MAY, JUNE = Month(2024 * 12 + 4), Month(2024 * 12 + 5)
NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
OTHER = bytes([9]) * 32


@pytest.fixture
async def url(server: str) -> AsyncIterator[str]:
    """Of a database in which nothing has ever been sealed; what comes after finds it so again."""
    await empty(server, f"{ROWS}, {TABLES}")
    yield server
    await empty(server, f"{ROWS}, {TABLES}")


async def sealed(database: Database, month: Month = MAY, plain: bytes = b"hej") -> bytes:
    await database.vault.ready(MID, month)
    return database.vault.of(MID, month).seal(Column.CONTENT, plain)


async def opened(database: Database, value: bytes) -> bytes:
    await database.vault.at_hand([{"municipality_id": MID, "content": value}])
    return database.vault.open(MID, Column.CONTENT, value)


async def test_processes_that_need_a_months_first_key_together_come_to_one(url: str) -> None:
    async with process(url) as one, process(url) as two, process(url) as three:
        values = await asyncio.gather(
            *(sealed(database) for database in (one, two, three) for _ in range(5))
        )
        for database in (one, two, three):
            assert {await opened(database, value) for value in values} == {b"hej"}
        parties = {database.vault.lasting(MID).party("x") for database in (one, two, three)}
        assert len(parties) == 1
        assert {row.place for row in await one.vault.rows.all()} == {
            ("", "people-0"),
            (MID, "2024-05"),
            (MID, "index"),
        }


async def test_processes_that_open_a_new_database_together_lock_alike(url: str) -> None:
    async def lock() -> bytes:
        async with process(url) as database:
            return database.vault.lock(MID, b"hej")

    values = await asyncio.gather(*(lock() for _ in range(5)))
    async with process(url) as database:
        assert {database.vault.unlock(MID, value) for value in values} == {b"hej"}


async def test_keys_are_changed_without_stopping(url: str) -> None:
    """One process has the old key alone, one has both: each reads what the other writes, also in a
    month that begins meanwhile."""
    async with process(url) as before:
        may, lasting, index = (
            await sealed(before),
            before.vault.lock(MID, b"hemlighet"),
            before.vault.lasting(MID).party("x"),
        )
        async with process(url, [NEW, OLD]) as between:
            june = await sealed(between, JUNE)
            assert await between.vault.rewrap() == 0
            assert await opened(before, june) == await opened(between, may) == b"hej"
            assert (
                await opened(before, await sealed(between))
                == await opened(between, await sealed(before))
                == b"hej"
            )
            july = await sealed(before, Month(JUNE + 1))
            assert await opened(between, july) == b"hej"
        async with process(
            url
        ) as late:  # one more with the old key, while keys are wrapped by both
            assert await opened(late, june) == b"hej"
    async with process(url, [NEW, OLD]) as last:
        assert await last.vault.rewrap() == 0
        await last.vault.rows.keep_only(last.vault.ring[0])
    async with process(url, [NEW]) as after:
        assert [await opened(after, value) for value in (may, june, july)] == [b"hej"] * 3
        assert after.vault.unlock(MID, lasting) == b"hemlighet"
        await after.vault.ready(MID)
        assert after.vault.lasting(MID).party("x") == index
    with pytest.raises(DatabaseFault, match=r"vault\.old_keys"):
        async with process(url, [OLD]):
            pass


async def test_a_key_that_is_wrapped_by_a_stranger_is_told_and_holds_up_no_other(url: str) -> None:
    async with process(url, [NEW, OLD]) as both:
        june = await sealed(both, JUNE)
        await both.vault.rows.keep_only(both.vault.ring[0])
        await both.pool.execute(
            "UPDATE vault_wraps SET wrapped_by = 'someone' WHERE period = '2024-06'"
        )
    async with process(url, [NEW]) as one:
        may = await sealed(one)
        await one.vault.at_hand([{"municipality_id": MID, "a": may, "b": june}])
        assert one.vault.open(MID, Column.CONTENT, may) == b"hej"
        with pytest.raises(Locked, match="2024-06"):
            one.vault.open(MID, Column.CONTENT, june)
    async with process(url, [OTHER, NEW]) as other:
        assert await other.vault.rewrap() == 1


async def test_a_wrapped_key_that_is_moved_to_another_place_does_not_open(url: str) -> None:
    async with process(url) as database:
        for municipality_id in (MID, "2260"):
            await database.vault.ready(municipality_id, MAY)
        await database.pool.execute(
            "UPDATE vault_wraps w SET wrapped = o.wrapped FROM vault_wraps o"
            " WHERE w.municipality_id = '2281' AND o.municipality_id = '2260' AND w.period = '2024-05' AND o.period = '2024-05'"
        )
    async with process(url) as database:
        with pytest.raises(Locked):
            await database.vault.ready(MID, MAY)


async def test_what_is_sealed_for_a_municipality_opens_for_no_other(url: str) -> None:
    async with process(url) as database:
        value = await sealed(database)
        await database.vault.ready("2260", MAY)
        with pytest.raises(Locked):
            database.vault.open("2260", Column.CONTENT, value)
        with pytest.raises(Locked):
            database.vault.open(MID, Column.PARTY, value)


# -- the end of a month ----------------------------------------


async def test_a_destroyed_month_is_gone_for_all_and_its_neighbours_stay(url: str) -> None:
    async with process(url, trusted=0.0) as running, process(url) as other:
        may, june = await sealed(running), await sealed(running, JUNE)
        wrapped = await other.pool.fetchval(
            "SELECT wrapped FROM vault_wraps WHERE period = '2024-05'"
        )
        destruction = KeyDestruction(other, MID, MAY)
        assert await destruction.check(NOW) == 0
        assert await destruction.carry_out("joe01doe", NOW)
        assert not await destruction.carry_out("joe01doe", NOW)
        [entry] = await Audit(other).last(MID, 10)
        assert (entry["action"], entry["issuer"], entry["subject"]["month"]) == (
            "erase",
            "joe01doe",
            "2024-05",
        )
        with pytest.raises(Erased, match="2024-05"):
            await opened(running, may)
        await running.vault.ready(MID, MAY)
        assert running.vault.is_erased(MID, MAY)
        with pytest.raises(Erased):
            running.vault.of(MID, MAY)
        assert await opened(running, june) == b"hej"
        folder = await other.pool.fetchval("SELECT pg_relation_filepath('vault_wraps')")
        await other.pool.execute("CHECKPOINT")
        assert wrapped not in await other.pool.fetchval("SELECT pg_read_binary_file($1)", folder)
    async with process(url) as later:
        with pytest.raises(Erased):
            await opened(later, may)


async def test_what_would_be_lost_by_mistake_is_refused(url: str) -> None:
    async with process(url) as database:
        this_month = month_of(datetime.now(UTC))
        await database.vault.ready(MID, MAY, this_month)
        with pytest.raises(NotAllowedHere, match="not over"):
            await KeyDestruction(database, MID, this_month).check(datetime.now(UTC))
        with pytest.raises(NotFound, match="no key"):
            await KeyDestruction(database, MID, JUNE).check(NOW)
        await waiting(database, "deferred")
        with pytest.raises(NotAllowedHere, match="1 deliveries of 2024-05 are still on their way"):
            await KeyDestruction(database, MID, MAY).check(NOW)
        await database.pool.execute("UPDATE deliveries SET status = 'sent'")
        assert await KeyDestruction(database, MID, MAY).check(NOW) == 1


async def waiting(database: Database, status: str) -> None:
    number = database.vault.of(MID, MAY).seal(Column.DESTINATION, b"+46701740605")
    await database.pool.execute(
        "INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type, priority, status, destination, awaited,"
        " created_at, updated_at, expires_at) VALUES (gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), 'sms', 'SMS', 'NORMAL',"
        " $2, $3, false, now(), now(), now())",
        MID,
        status,
        number,
    )


async def test_records_of_a_destroyed_month_are_refused_and_the_others_taken(url: str) -> None:
    async with process(url) as database:
        await database.vault.ready(MID, MAY)
        await KeyDestruction(database, MID, MAY).carry_out(None, NOW)
        may, june = (
            record(datetime(2024, 5, 31, 21, tzinfo=UTC)),
            record(datetime(2024, 5, 31, 22, tzinfo=UTC)),
        )
        taken = await Records(database, {"SMS": "sms"}).take([may, june], NOW)
        assert (taken.new, [refused.delivery_id for refused in taken.refused]) == (
            1,
            [may.delivery_id],
        )
        assert "erased" in taken.refused[0].reason
        assert await Records(database, {"SMS": "sms"}).take([june], NOW) == ImportCounts(0, 1, ())
        [told] = [
            said async for said in Conversations(database).with_party(MID, "kanarie", Between())
        ]
        assert (told.draft.content, told.draft.recipient.destination) == (
            {"message": "hej"},
            "+46701740605",
        )
        await KeyDestruction(database, MID, JUNE).carry_out(None, NOW)
    async with process(url) as database:
        [told] = [
            said async for said in Conversations(database).with_party(MID, "kanarie", Between())
        ]
        assert (told.erased, told.draft.content, told.draft.recipient.party_id) == (True, {}, None)


def record(at: datetime) -> Record:
    ids = [new_id() for _ in range(3)]
    content = ImportedContent({"message": "hej"})
    return Record(
        1,
        MID,
        *ids,
        "SMS",
        "SMS",
        Status.SENT,
        None,
        at,
        content,
        party_id="Kanarie",
        destination="+46701740605",
    )


# -- databases from elsewhere ----------------------------------------


async def test_a_value_that_is_not_encrypted_is_not_returned(url: str) -> None:
    async with process(url) as database:
        await database.vault.ready(MID, MAY)
        with pytest.raises(Locked, match="not encrypted"):
            database.vault.open(MID, Column.CONTENT, b'{"message": "hej"}')


async def test_a_backup_without_the_vaults_tables_is_not_gone_on_with(url: str) -> None:
    async with process(url) as database:
        await sealed(database)
    await empty(url, "vault_keys, vault_wraps")
    with pytest.raises(DatabaseFault, match="vault_keys"):
        async with process(url):
            pass


async def test_a_key_that_is_lost_while_it_is_used_is_not_made_anew(url: str) -> None:
    async with process(url, trusted=0.0) as database:
        await sealed(database)
        await empty(url, "vault_keys, vault_wraps")
        with pytest.raises(Locked, match="has lost a key"):
            await sealed(database)
        assert await database.pool.fetchval("SELECT count(*) FROM vault_keys") == 0


async def test_a_process_without_a_key_says_so(url: str) -> None:
    database = Database(url, size=2)
    await database.open()
    for use in (sealed(database), opened(database, b"\xf8" + bytes(40))):
        with pytest.raises(Locked, match=r"vault\.key"):
            await use
    await database.close()


def test_the_months_of_the_tests_are_what_they_are_called() -> None:
    assert (parse_month("2024-05"), written(JUNE)) == (MAY, "2024-06")
