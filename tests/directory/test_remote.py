"""The directory as the municipality's own services tell it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from pydantic import ValidationError
from structlog.testing import capture_logs

from tests.contracts.provider import SECRET
from tests.directory.neighbours import Neighbourhood, citizen
from tests.directory.stage import HOME, MID, People, organization, person
from utskick.directory.party_register import PartyRegister
from utskick.directory.service_client import ServiceClient
from utskick.directory.settings import DirectorySection
from utskick.directory.setup import opened
from utskick.domain.directory_ports import (
    Contact,
    Directory,
    Hidden,
    LegalId,
    Method,
    PostalAddress,
)
from utskick.domain.outcome import Deferred
from utskick.store.database import Database


@pytest.fixture
async def town() -> AsyncIterator[Neighbourhood]:
    opened_town = await Neighbourhood().open()
    yield opened_town
    await opened_town.close()


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


@pytest.fixture
async def directory(town: Neighbourhood, people: People) -> AsyncIterator[Directory]:
    async with opened(DirectorySection.model_validate(town.section()), people.tables) as found:
        assert not found.keeps_contacts
        yield found.neighbours.directory


def party() -> str:
    return str(uuid4())


# -- numbers ----------------------------------------


async def test_persons_are_asked_for_together_and_organisations_one_by_one(
    town: Neighbourhood, directory: Directory
) -> None:
    anna, bo, firm, nobody = (party() for _ in range(4))
    town.persons = {anna: person(1).number, bo: person(2).number}
    town.organizations = {firm: "16" + organization(1).number}
    found = await directory.legal_ids(MID, [anna, bo.upper(), firm, nobody, "no uuid"])
    assert found == {anna: person(1), bo.upper(): person(2), firm: organization(1)}
    assert [call.split(" ")[0] for call in town.calls] == ["POST", "GET", "GET"]


async def test_questions_that_come_at_once_go_out_together_and_are_remembered(
    town: Neighbourhood, directory: Directory
) -> None:
    ids = [party() for _ in range(300)]
    town.persons = {each: person(n).number for n, each in enumerate(ids)}
    town.delay = 0.02
    asked = await asyncio.gather(*(directory.legal_ids(MID, [each]) for each in ids))
    assert [found for found in asked if isinstance(found, Deferred)] == []
    assert len(town.asked) <= 5
    assert sum(len(each) for each in town.asked) == 300
    await directory.legal_ids(MID, ids)
    assert len(town.asked) <= 5


async def test_a_thousand_are_one_call(town: Neighbourhood, directory: Directory) -> None:
    ids = [party() for _ in range(1000)]
    town.persons = {each: person(n).number for n, each in enumerate(ids)}
    found = await directory.legal_ids(MID, ids)
    assert not isinstance(found, Deferred)
    assert len(found) == 1000
    assert [len(each) for each in town.asked] == [1000]


async def test_what_was_told_is_forgotten_after_five_minutes(town: Neighbourhood) -> None:
    now = [0.0]
    settings = DirectorySection.model_validate(town.section()).remote.party
    assert settings is not None
    peer = ServiceClient("party", settings)
    register, anna = PartyRegister(peer, lambda: now[0]), party()
    town.persons = {anna: person(1).number}
    await register.legal_ids(MID, [anna])
    town.persons = {anna: person(2).number}
    now[0] = 299
    assert await register.legal_ids(MID, [anna]) == {anna: person(1)}
    now[0] = 300
    assert await register.legal_ids(MID, [anna]) == {anna: person(2)}
    await peer.close()


async def test_a_number_with_a_wrong_check_digit_is_used_and_told_once_without_it(
    town: Neighbourhood, directory: Directory
) -> None:
    anna, bo = party(), party()
    wrong = person(1).number[:-1] + str((int(person(1).number[-1]) + 1) % 10)
    town.persons = {anna: wrong, bo: "not a number"}
    with capture_logs() as told:
        for _ in range(3):
            assert await directory.legal_ids(MID, [anna, bo]) == {anna: LegalId(wrong)}
    assert sorted(entry["event"] for entry in told) == [
        "register-number-check-digit",
        "register-number-unreadable",
    ]
    assert wrong not in str(told)
    assert "not a number" not in str(told)


async def test_one_silent_answer_defers_and_the_others_are_not_asked_again(
    town: Neighbourhood, directory: Directory
) -> None:
    anna, firm = party(), party()
    town.persons, town.organizations = {anna: person(1).number}, {firm: organization(1).number}
    town.instead = lambda request: (
        web.Response(status=503) if "ENTERPRISE" in request.path else None
    )
    assert isinstance(await directory.legal_ids(MID, [anna, firm]), Deferred)
    town.instead = lambda request: None
    assert await directory.legal_ids(MID, [anna, firm]) == {anna: person(1), firm: organization(1)}
    assert town.asked[-1] == [firm]


# -- addresses ----------------------------------------


async def test_an_address_is_the_registered_one_in_spoken_letters(
    town: Neighbourhood, directory: Directory
) -> None:
    anna = party()
    town.citizens = {anna: citizen()}
    assert await directory.address(MID, anna.upper()) == PostalAddress(
        "Anna-Karin", "Ås", None, None, "Östra Storgatan 1B", "1102", "852 30", "Sundsvall"
    )
    town.citizens = {anna: citizen(lastname="von Essen")}
    found = await directory.address(MID, anna)
    assert isinstance(found, PostalAddress)
    assert found.last_name == "von Essen"


@pytest.mark.parametrize(
    "flags",
    [
        {"classified": "J"},
        {"classified": "S"},
        {"protectedNR": "J"},
        {"protectedNR": "true"},
        {"classified": "something new"},
    ],
)
async def test_a_protected_person_has_no_address(
    town: Neighbourhood, directory: Directory, flags: dict[str, Any]
) -> None:
    anna = party()
    town.citizens = {anna: citizen(**flags)}
    assert await directory.address(MID, anna) is Hidden.PROTECTED


@pytest.mark.parametrize(
    "changes",
    [
        {"addresses": None},
        {"addresses": []},
        {"addressType": "SPECIAL"},
        {"emigrated": True},
        {"city": None},
        {"address": " "},
    ],
)
async def test_who_is_not_registered_has_no_address(
    town: Neighbourhood, directory: Directory, changes: dict[str, Any]
) -> None:
    anna, found = party(), citizen()
    town.citizens = {
        anna: {**found, **changes}
        if "addresses" in changes
        else {**found, "addresses": [{**found["addresses"][0], **changes}]}
    }
    assert await directory.address(MID, anna) is Hidden.NONE
    assert await directory.address(MID, party()) is Hidden.NONE


async def test_organisations_and_those_we_protect_are_not_asked_about(
    town: Neighbourhood, directory: Directory, people: People
) -> None:
    firm = await people.party(
        organization(1),
        PostalAddress(organization="Bygg AB", street="Kajen 1", postal_code="852 30", city="Ånge"),
    )
    anna = await people.party(person(1), protected=True)
    bo = await people.party(person(2), HOME)
    town.citizens = {str(each.id): citizen() for each in (firm, anna, bo)}
    assert await directory.address(MID, str(firm.id)) == firm.address
    assert await directory.address(MID, str(anna.id)) is Hidden.PROTECTED
    assert town.calls == []
    assert (
        await directory.address(MID, str(bo.id)) != HOME
    )  # the register knows better than our copy


# -- contact settings ----------------------------------------


async def test_each_filter_is_a_parameter_of_its_own(
    town: Neighbourhood, directory: Directory
) -> None:
    anna = party()
    channels = [
        {"contactMethod": "SMS", "alias": "x", "destination": "+46701740605", "disabled": False},
        {"contactMethod": "EMAIL", "alias": "y", "destination": "a@example.se", "disabled": True},
        {"contactMethod": "PIGEON", "alias": "z", "destination": "loft 7"},
    ]
    town.settings = {anna: [{"contactChannels": channels}, {"contactChannels": channels[:1]}, {}]}
    found = await directory.contacts(MID, anna, {"facilityId": ["7", "å&b"], "partyId": ["x"]})
    assert found == [
        Contact(Method.SMS, "+46701740605"),
        Contact(Method.EMAIL, "a@example.se", disabled=True),
        Contact(None, "loft 7"),
    ]
    assert town.calls == [
        f"GET /contacts/2281/settings?partyId={anna}&facilityId=7&facilityId=%C3%A5%26b"
    ]
    assert await directory.contacts(MID, party(), {}) == ()


# -- silence ----------------------------------------


async def ask_all(directory: Directory) -> list[object]:
    asked = party()
    return [
        await directory.legal_ids(MID, [asked]),
        await directory.address(MID, asked),
        await directory.contacts(MID, asked, {}),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 502},
        {"status": 429, "headers": {"Retry-After": "30"}},
        {"status": 400},
        {"status": 403},
        {"status": 302, "headers": {"Location": "/"}},
        {"body": b"<html>"},
        {"body": b"7"},
        {"body": b"[7]"},
        {"body": b"x" * 1_100_000},
    ],
)
async def test_an_answer_that_is_none_is_deferred(
    town: Neighbourhood, directory: Directory, answer: dict[str, Any]
) -> None:
    town.instead = lambda request: web.Response(**answer) if request.path != "/token" else None
    asked = party()
    with capture_logs() as told:
        found = [
            await directory.legal_ids(MID, [asked]),
            await directory.address(MID, asked),
            await directory.contacts(MID, asked, {}),
        ]
    assert all(isinstance(each, Deferred) for each in found), found
    for each in found:
        assert SECRET not in repr(each)
        assert asked not in repr(each)
        assert "127.0.0.1" not in repr(each)
    assert asked not in str(told)


async def test_who_does_not_answer_or_is_away_is_deferred(
    town: Neighbourhood, directory: Directory
) -> None:
    town.delay = 2
    assert all(
        isinstance(each, Deferred)
        for each in await asyncio.gather(ask_one(directory), ask_one(directory))
    )
    await town.close()
    assert all(isinstance(each, Deferred) for each in await ask_all(directory))


async def ask_one(directory: Directory) -> object:
    return await directory.address(MID, party())


async def test_a_token_that_is_refused_is_fetched_anew_and_the_question_asked_once_more(
    town: Neighbourhood, directory: Directory
) -> None:
    anna = party()
    town.citizens = {anna: citizen()}
    await directory.address(MID, anna)
    town.valid.clear()
    assert isinstance(await directory.address(MID, anna), PostalAddress)
    assert town.tokens == 2
    town.instead = lambda request: web.Response(status=401)
    assert isinstance(await directory.address(MID, anna), Deferred)


async def test_a_token_that_lives_for_ever_is_fetched_once(
    town: Neighbourhood, directory: Directory
) -> None:
    town.life = -1
    for _ in range(3):
        await directory.address(MID, party())
    assert town.tokens == 1


async def test_a_thousand_questions_wait_for_a_slot_and_not_for_their_time_out(
    town: Neighbourhood, people: People
) -> None:
    town.delay = 0.05
    section = DirectorySection.model_validate(town.section(concurrency=4))
    async with opened(section, people.tables) as found:
        answers = await asyncio.gather(
            *(found.neighbours.directory.contacts(MID, party(), {}) for _ in range(60))
        )
    assert not any(isinstance(answer, Deferred) for answer in answers)


def test_what_is_remote_needs_an_address() -> None:
    with pytest.raises(ValidationError, match=r"\[directory\.remote\.citizen\]"):
        DirectorySection.model_validate({"addresses": "remote"})


async def test_ours_is_the_default(people: People) -> None:
    party_of = await people.party(person(1))
    async with opened(DirectorySection(), people.tables) as found:
        assert found.keeps_contacts
        assert await found.neighbours.directory.legal_ids(MID, [str(party_of.id)]) == {
            str(party_of.id): person(1)
        }
        assert await found.neighbours.directory.address(MID, str(party_of.id)) == HOME
