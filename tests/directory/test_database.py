"""The directory in our own tables, as channels ask it."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from tests.changes import change
from tests.directory.stage import HOME, MID, OTHER, SAFE, People, organization, person, sms
from utskick.directory.database import LocalDirectory, LocalSubscriptions, tables_of
from utskick.domain.contact_setting import ContactChannel
from utskick.domain.directory_ports import Contact, Hidden, LegalId, Method, PostalAddress
from utskick.domain.outcome import Deferred
from utskick.store.crypto.cipher import Cipher
from utskick.store.database import Database
from utskick.store.directory.push_subscriptions import PushDevice


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


@pytest.fixture
def directory(people: People) -> LocalDirectory:
    return LocalDirectory(people.tables)


async def test_a_thousand_numbers_are_told_in_one_answer(
    people: People, directory: LocalDirectory, database: Database
) -> None:
    ids = {}
    for serial in range(20):
        party = await people.party(person(serial))
        ids[str(party.id).upper()] = party.legal_id
    found = await directory.legal_ids(MID, [*ids, *(str(uuid4()) for _ in range(979)), "no uuid"])
    assert found == ids
    plan = await database.pool.fetchval("SELECT count(*) FROM parties")
    assert plan == 20


async def test_nobody_of_another_municipality_is_told(
    people: People, directory: LocalDirectory
) -> None:
    party = await people.party(person(1))
    setting = await people.setting(sms("+46701740605"), party=party.id)
    assert await directory.legal_ids(OTHER, [str(party.id)]) == {}
    assert await directory.address(OTHER, str(party.id)) is Hidden.NONE
    assert await directory.contacts(OTHER, str(party.id), {}) == []
    assert await people.told(setting, OTHER) == []


async def test_an_address_is_told_unless_the_person_is_protected(
    people: People, directory: LocalDirectory
) -> None:
    free = await people.party(person(1))
    protected = await people.party(person(2), protected=True)
    homeless = await people.party(person(3), PostalAddress("Anna", "Svensson"))
    firm = await people.party(
        organization(1),
        PostalAddress(organization="Bygg AB", street="Kajen 1", postal_code="852 30", city="Ånge"),
    )
    assert await directory.address(MID, str(free.id)) == HOME
    assert await directory.address(MID, str(protected.id)) is Hidden.PROTECTED
    assert await directory.address(MID, str(homeless.id)) is Hidden.NONE
    assert await directory.address(MID, str(uuid4())) is Hidden.NONE
    assert await directory.address(MID, "nobody") is Hidden.NONE
    assert await directory.address(MID, str(firm.id)) == firm.address


async def test_a_contact_is_told_once_and_push_names_whose_devices(
    people: People, directory: LocalDirectory
) -> None:
    owner, virtual_push = uuid4(), ContactChannel(Method.PUSH, "app", "")
    own = await people.setting(
        sms("+46701740605"), ContactChannel(Method.PUSH, None, ""), party=owner
    )
    friend = await people.setting(
        sms("+46701740605"), sms("+46701740606", disabled=True), virtual_push, maker=own
    )
    await people.delegate(own, friend)
    assert await directory.contacts(MID, str(owner), {}) == [
        Contact(Method.SMS, "+46701740605"),
        Contact(Method.PUSH, str(owner)),
        Contact(Method.SMS, "+46701740606", disabled=True),
    ]


async def test_nothing_that_says_who_somebody_is_stands_in_the_database(
    people: People, database: Database
) -> None:
    party = await people.party(person(1))
    await people.setting(sms("+46701740605"), party=party.id)
    await people.tables.subscriptions.add(
        party.id, PushDevice("fcm", "token-7", {"token": "token-7"}), change()
    )
    for table in ("parties", "contact_settings", "contact_channels", "push_subscriptions"):
        for row in await database.pool.fetch(f"SELECT * FROM {table}"):
            held = b"|".join(v if isinstance(v, bytes) else str(v).encode() for v in row.values())
            for secret in (
                "19900101",
                "900101",
                "Anna",
                "Storgatan",
                "701740605",
                "mobil",
                "token-7",
            ):
                assert secret.encode() not in held, table


async def test_a_number_that_changes_keeps_its_party(
    people: People, directory: LocalDirectory
) -> None:
    party = await people.party(person(1, "19900161"))
    renewed = type(party)(party.id, person(1), HOME)
    assert await people.tables.parties.put(renewed, change()) == "replaced"
    assert await directory.legal_ids(MID, [str(party.id)]) == {str(party.id): person(1)}
    stranger = type(party)(uuid4(), person(1))
    assert await people.tables.parties.put(stranger, change()) == "taken"
    assert await people.tables.parties.put(stranger, change(OTHER)) == "created"


async def test_after_a_change_of_keys_all_are_found_and_none_is_doubled(
    people: People, database: Database
) -> None:
    party = await people.party(person(1))
    setting = await people.setting(sms("+46701740605"), party=party.id)
    first = await people.tables.subscriptions.add(
        party.id, PushDevice("fcm", "t", {"token": "t"}), change()
    )
    later = tables_of(database, Cipher([bytes([1]) * 32, bytes(32)]))
    assert await LocalDirectory(later).legal_ids(MID, [str(party.id)]) == {str(party.id): person(1)}
    assert await later.parties.put(type(party)(uuid4(), person(1)), change()) == "taken"
    assert [s.id for s in await later.settings.by_destination(MID, "+46701740605")] == [setting.id]
    assert (
        await later.subscriptions.add(party.id, PushDevice("fcm", "t", {"token": "t"}), change())
        == first
    )


async def test_who_cannot_tell_now_says_so(server: str, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(server, size=2)
    await database.open()
    directory, subscriptions = (
        kind(tables_of(database, SAFE)) for kind in (LocalDirectory, LocalSubscriptions)
    )
    await database.pool.close()
    assert database._requests is not None
    await database._requests.close()
    party = str(uuid4())
    answers = [
        await directory.legal_ids(MID, [party]),
        await directory.address(MID, party),
        await directory.contacts(MID, party, {}),
        await subscriptions.of(MID, party),
        await subscriptions.get(MID, party),
    ]
    assert all(isinstance(answer, Deferred) for answer in answers)
    await subscriptions.gone(MID, party)
    await database.close()


async def test_what_no_key_opens_is_deferred_and_not_forgotten(
    people: People, database: Database
) -> None:
    party = await people.party(person(1))
    answer = await LocalDirectory(tables_of(database, Cipher([bytes([9]) * 32]))).legal_ids(
        MID, [str(party.id)]
    )
    assert isinstance(answer, Deferred)
    assert answer.reason.code == "directory-locked"


async def test_a_device_keeps_its_id_and_goes_when_it_is_gone(
    people: People, database: Database
) -> None:
    party, other = uuid4(), uuid4()
    subscriptions, table = LocalSubscriptions(people.tables), people.tables.subscriptions
    browser = PushDevice(
        "webpush",
        "https://push.example/1",
        {"endpoint": "https://push.example/1", "p256dh": "old", "auth": "a"},
    )
    first = await table.add(party, browser, change())
    again = await table.add(
        party,
        PushDevice("webpush", browser.key, {**browser.address, "p256dh": "new"}),
        change(),
    )
    elsewhere = await table.add(other, browser, change())
    assert first == again != elsewhere
    found = await subscriptions.of(MID, str(party))
    assert not isinstance(found, Deferred)
    assert [(s.id, s.address["p256dh"]) for s in found] == [(str(first), "new")]
    await subscriptions.gone(OTHER, str(first))
    assert await subscriptions.get(OTHER, str(first)) is None
    assert await subscriptions.get(MID, str(first)) is not None
    await subscriptions.gone(MID, str(first))
    assert await subscriptions.get(MID, str(first)) is None
    assert await subscriptions.of(MID, str(party)) == []


async def test_a_number_may_be_looked_up_by_an_index(people: People, database: Database) -> None:
    await database.pool.execute(
        """
        INSERT INTO parties SELECT '2281', gen_random_uuid(), 'PRIVATE', '',
            sha256(n::text::bytea), false, '', '', now()
        FROM generate_series(1, 20000) AS n
        """
    )
    await database.pool.execute("ANALYZE parties")
    ids = [row[0] for row in await database.pool.fetch("SELECT party_id FROM parties LIMIT 1000")]
    plan = await database.pool.fetch(
        (
            "EXPLAIN SELECT legal_id FROM parties WHERE municipality_id = $1 AND party_id ="
            " ANY($2::uuid[])"
        ),
        MID,
        ids,
    )
    assert "parties_pkey" in "".join(row[0] for row in plan)
    with pytest.raises(asyncpg.CheckViolationError):
        await database.pool.execute(
            "INSERT INTO contact_settings VALUES ('2281', gen_random_uuid(), NULL, NULL,"
            " NULL, now(), now())"
        )


def test_a_number_is_never_printed() -> None:
    assert "1990" not in repr(LegalId("199001012385"))
