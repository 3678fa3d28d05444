"""A roll into the tables: what people have chosen themselves is left alone."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.changes import change
from tests.directory.stage import HOME, MID, NOW, People, person, sms
from utskick.directory.importer import ALIAS, DirectoryImporter, ImportRow
from utskick.domain.directory_ports import LegalId, Method
from utskick.store.database import Database


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


@pytest.fixture
def roll(database: Database, people: People) -> DirectoryImporter:
    return DirectoryImporter(database, people.tables)


def entry(legal_id: LegalId, number: str, line: int = 2) -> ImportRow:
    return ImportRow(line, legal_id, None, HOME, False, ((Method.SMS, number),))


async def test_a_persons_own_choice_is_never_overwritten(
    people: People, roll: DirectoryImporter
) -> None:
    party = await people.party(person(1))
    await people.setting(sms("+46701740605", disabled=True), party=party.id)
    await roll.add(MID, [entry(person(1), "+46701740606")], NOW)
    found = await people.tables.settings.of_party(MID, party.id)
    assert found is not None
    assert found.channels == (sms("+46701740605", disabled=True),)


async def test_a_channel_of_the_roll_that_was_switched_off_stays_off(
    people: People, roll: DirectoryImporter
) -> None:
    await roll.add(MID, [entry(person(1), "+46701740605")], NOW)
    setting = (await people.tables.settings.by_destination(MID, "+46701740605"))[0]
    off = replace(setting.channels[0], disabled=True)
    await people.tables.settings.update(replace(setting, channels=(off,)), change())
    await roll.add(MID, [entry(person(1), "+46701740606")], NOW)
    found = await people.tables.settings.get(MID, setting.id)
    assert found is not None
    assert [(c.destination, c.alias, c.disabled) for c in found.channels] == [
        ("+46701740606", ALIAS, True)
    ]


async def test_two_who_take_in_the_same_people_at_once_take_each_in_once(
    people: People, roll: DirectoryImporter, database: Database
) -> None:
    entries = [entry(person(n), f"+4670174{n:04}", n) for n in range(200)]
    taken = await asyncio.gather(
        *(roll.add(MID, order, NOW) for order in (entries, entries[::-1], entries))
    )
    assert await database.pool.fetchval("SELECT count(*) FROM parties") == 200
    assert await database.pool.fetchval("SELECT count(*) FROM contact_settings") == 200
    assert sum(part.created for part in taken) == 200


async def test_people_who_are_known_are_renewed_by_two_at_once(
    people: People, roll: DirectoryImporter, database: Database
) -> None:
    entries = [entry(person(n), f"+4670174{n:04}", n) for n in range(600)]
    await roll.add(MID, entries, NOW)
    deadlocks = await counted(database)
    taken = await asyncio.gather(
        *(roll.add(MID, order, NOW) for order in (entries, entries[::-1]) * 3)
    )
    assert [(part.created, part.replaced, part.refused) for part in taken] == [(0, 600, ())] * 6
    assert await counted(database) == deadlocks


async def counted(database: Database) -> int:
    """Deadlocks that the server has seen, with those of the connections that are still open."""
    async with AsyncExitStack() as stack:
        for _ in range(8):
            connection = await stack.enter_async_context(database.pool.acquire())
            await connection.execute("SELECT pg_stat_force_next_flush()")
            await connection.execute("SELECT 1")
        found: int = await connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        return found


async def test_one_who_takes_anothers_number_in_the_same_file_takes_nobody_with_it(
    people: People, roll: DirectoryImporter
) -> None:
    anna = await people.party(person(1))
    taken = await roll.add(
        MID,
        [
            replace(
                entry(person(2), "+46701740605", 2), party_id=anna.id
            ),  # Anna's number has changed
            entry(person(1), "+46701740606", 3),  # and her old one is there, too
            entry(person(3), "+46701740607", 4),
        ],
        NOW,
    )
    assert [(r.line, r.reason) for r in taken.refused] == [
        (3, "the party id is used on line 2 as well")
    ]
    assert (taken.created, taken.replaced) == (1, 1)
    assert await people.tables.parties.get(MID, uuid4()) is None
