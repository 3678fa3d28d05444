"""Where a letter goes: the address that was given, the register's, or nowhere; and what the channel
says of itself."""

from __future__ import annotations

import re
from dataclasses import replace

import orjson
import pytest

from tests.channels.snail_mail import pdfs
from tests.channels.snail_mail.stage import (
    ANNA,
    BATCH,
    People,
    asked,
    batch,
    channel,
    pdf,
    prepared,
    to_folder,
)
from utskick.channels.snail_mail.requests import SnailMailRequest
from utskick.domain.channel import Draft, RequestContext
from utskick.domain.directory_ports import Hidden, PostalAddress
from utskick.domain.errors import NotBuilt
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Reason, Rejected
from utskick.domain.postal_recipient import Addressee, capitalised, postal_code_of
from utskick.domain.preparation import READY, Gathered
from utskick.domain.recipient import Recipient

PARTY = "6a5c3d04-412d-11ec-973a-0242ac130003"
REGISTERED = PostalAddress(
    "ANNA-KARIN", "ÅBERG", None, None, "STORGATAN 12A LGH 1101", None, "85230", "SUNDSVALL"
)


async def test_a_given_address_is_fixed_and_nobody_is_asked() -> None:
    people = People(**{PARTY: Hidden.PROTECTED})
    ready = await channel(people).prepare(asked(ANNA, PARTY), new_id())
    assert isinstance(ready, Gathered)
    assert orjson.loads(ready.frozen) == {
        "name": "Anna Åberg",
        "last_name": "Åberg",
        "street": "Storgatan 1",
        "apartment": "1101",
        "postal_code": "85230",
        "city": "Sundsvall",
    }
    assert people.asked == []


async def test_an_address_of_the_register_is_capitalised() -> None:
    people = People(**{PARTY: REGISTERED})
    ready = await channel(people).prepare(asked(None, PARTY), new_id())
    assert isinstance(ready, Gathered)
    assert Addressee.thaw(ready.frozen).lines() == [
        "Anna-Karin Åberg",
        "Storgatan 12A Lgh 1101",
        "852 30  SUNDSVALL",
    ]
    assert people.asked == [("2281", PARTY)]


async def test_a_protected_identity_is_never_printed_and_the_reason_says_so() -> None:
    for envelope in (None, "WINDOWED"):
        outcome = await channel(People(**{PARTY: Hidden.PROTECTED})).prepare(
            asked(None, PARTY, envelope=envelope), new_id()
        )
        assert isinstance(outcome, Rejected)
        assert outcome.reason.code == "undeliverable-protected-identity"
        assert "protected identity" in outcome.reason.sentence


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (Hidden.NONE, "undeliverable-no-address"),
        (
            PostalAddress("Anna", "Åberg", street="Storgatan 1", city="Sundsvall"),
            "undeliverable-incomplete-address",
        ),
        (
            PostalAddress(
                "Anna", "Åberg", street="Storgatan 1", postal_code="99", city="Sundsvall"
            ),
            "undeliverable-incomplete-address",
        ),
        (PostalAddress(), "undeliverable-incomplete-address"),
    ],
)
async def test_without_a_whole_address_in_the_register_nothing_is_printed(
    found: PostalAddress | Hidden, code: str
) -> None:
    outcome = await channel(People(**{PARTY: found})).prepare(asked(None, PARTY), new_id())
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == code
    assert not re.search("Anna|Åberg|Storgatan|99", outcome.reason.sentence)


async def test_a_windowed_pdf_needs_no_address_of_ours() -> None:
    for party in (None, PARTY):
        ready = await channel().prepare(asked(None, party, envelope="WINDOWED"), new_id())
        assert isinstance(ready, Gathered)
        assert Addressee.thaw(ready.frozen).lines() == []
    for more in ({"coverPage": True}, {"text": "Hej"}):
        assert isinstance(
            await channel().prepare(asked(None, PARTY, envelope="WINDOWED", **more), new_id()),
            Rejected,
        )


async def test_a_register_that_cannot_tell_now_is_asked_later() -> None:
    later = Deferred(Reason("directory-down", "nobody can tell"))
    assert await channel(People(**{PARTY: later})).prepare(asked(None, PARTY), new_id()) is later


async def test_what_was_fixed_at_the_first_attempt_is_not_looked_up_again() -> None:
    people = People(**{PARTY: Hidden.PROTECTED})
    draft = prepared()
    assert await channel(people).prepare(draft, new_id()) == Gathered(draft.frozen or b"")
    assert people.asked == []


async def test_a_hand_over_is_ready() -> None:
    assert await channel().prepare(batch(prepared()), new_id()) is READY


async def test_pdfs_are_looked_at_also_when_nobody_is_named() -> None:
    letters = channel()
    try:
        bad = [
            pdf(),
            pdf("b.pdf", b"hej"),
            pdf("c.pdf", pdfs.letter(ink=lambda number: pdfs.box(100, 280, 40, 5))),
        ]
        told = await letters.inspect({"department": "Kultur"}, bad, RequestContext("2281"))
    finally:
        await letters.close()
    assert [(v.field, v.message.partition(" mm")[0]) for v in told] == [
        ("attachments[1]", "is not a PDF"),
        ("attachments[2]", "page 1: printed content 100-140"),
    ]


async def test_a_text_is_set_once_to_see_that_it_fits() -> None:
    letters = channel(limits={"page_limit": 2})
    try:
        assert (
            await letters.inspect(
                {"department": "Kultur", "text": "Hej\n\n" * 20}, [], RequestContext("2281")
            )
            == []
        )
        (told,) = await letters.inspect(
            {"department": "Kultur", "text": "Hej\n\n" * 400}, [], RequestContext("2281")
        )
    finally:
        await letters.close()
    assert told.field == "text"
    assert re.fullmatch("typeset as a letter has [0-9]+ pages; the limit is 2", told.message)


async def test_a_character_that_no_font_has_is_named() -> None:
    letters = channel()
    (told,) = await letters.inspect(
        {"department": "Kultur", "text": "Hej \U0001f600"}, [], RequestContext("2281")
    )
    assert (told.field, told.message.rpartition(": ")[2]) == ("text", "U+1F600")


async def test_history_shows_the_request_of_the_one_recipient() -> None:
    shown = channel().show(asked(ANNA, PARTY, _sentBy="joe01doe"))
    assert shown["party"] == {"partyId": PARTY}
    assert shown["address"] == ANNA
    assert "_sentBy" not in shown
    assert channel().show(batch(prepared()))["batchId"] == BATCH


def test_a_hand_over_stays_with_the_house_that_prints_for_the_municipality() -> None:
    accounts = {
        "ours": {"provider": "folder", "path": "a", "priority": 2},
        "theirs": {"provider": "folder", "path": "b", "municipalities": ["2260"]},
        "another": {"provider": "folder", "path": "c", "priority": 3},
    }
    letters = channel(accounts=accounts)
    assert [account.name for account in letters.accounts] == ["theirs", "ours", "another"]
    assert letters.able(batch(prepared())) == ("ours",)
    assert letters.able(replace(batch(prepared()), municipality_id="2260")) == ("theirs",)
    assert channel().able(batch(prepared())) == ()
    with pytest.raises(NotBuilt, match=r"\[snail_mail\]"):
        channel(accounts={"theirs": accounts["theirs"]}).plan(
            SnailMailRequest.model_construct(), RequestContext("2281")
        )


async def test_pdfs_are_looked_at_as_the_municipalitys_house_needs() -> None:
    accounts = {
        "free": {
            "provider": "folder",
            "path": "a",
            "profile": "free-v2",
            "municipalities": ["2281"],
        }
    }
    letters = channel(accounts=accounts)
    marked = [pdf("c.pdf", pdfs.letter(ink=lambda number: pdfs.box(100, 280, 40, 5)))]
    try:
        assert await letters.inspect({}, marked, RequestContext("2281")) == []
        assert len(await letters.inspect({}, marked, RequestContext("2260"))) == 1
    finally:
        await letters.close()


def test_an_uncertain_hand_over_is_asked_for_again() -> None:
    assert channel().when_uncertain("house", Draft("2281", {}, Recipient(""))) == "resend"


async def test_a_look_tells_a_folder_that_is_there_from_one_that_is_not(tmp_path) -> None:
    letters = to_folder(tmp_path / "inbox")
    assert [(h.account, h.ok) for h in await letters.look()] == [("house", True)]
    assert list((tmp_path / "inbox").iterdir()) == []
    (tmp_path / "inbox").rmdir()
    assert [(h.account, h.ok) for h in await letters.look()] == [("house", False)]
    assert isinstance(await letters.send(batch(prepared()), new_id(), "house"), Misconfigured)
    assert isinstance(await letters.send(batch(prepared()), new_id(), "another"), Misconfigured)


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("85230", "85230"),
        ("852 30", "85230"),
        ("SE-852 30", "85230"),
        ("S-85230", "85230"),
        ("05230", None),
        ("8523", None),
        ("852300", None),
        ("８５２３０", None),
    ],
)
def test_postal_codes_as_people_write_them(written: str, digits: str | None) -> None:
    assert postal_code_of(written) == digits


@pytest.mark.parametrize(
    ("registered", "printed"),
    [
        ("STORGATAN 1 A", "Storgatan 1 A"),
        ("storgatan", "Storgatan"),
        ("ANNA-KARIN", "Anna-Karin"),
        ("McDonald", "McDonald"),
        ("12B", "12B"),
        ("  a   b ", "A B"),
        (None, None),
    ],
)
def test_each_word_of_the_register_gets_a_capital(
    registered: str | None, printed: str | None
) -> None:
    assert capitalised(registered) == printed


@pytest.mark.parametrize(
    ("members", "lines"),
    [
        (ANNA, ["Anna Åberg", "Storgatan 1 lgh 1101", "852 30  SUNDSVALL"]),
        (
            {**ANNA, "careOf": "Berg"},
            ["Anna Åberg", "c/o Berg", "Storgatan 1 lgh 1101", "852 30  SUNDSVALL"],
        ),
        (
            {**ANNA, "organizationName": "Bolaget AB"},
            ["Bolaget AB", "Anna Åberg", "Storgatan 1 lgh 1101", "852 30  SUNDSVALL"],
        ),
        (
            {**ANNA, "country": "Norge", "zipCode": "0150", "city": "Oslo"},
            ["Anna Åberg", "Storgatan 1 lgh 1101", "0150  Oslo", "NORGE"],
        ),
        ({}, []),
    ],
)
def test_an_address_has_no_empty_line_and_no_null(
    members: dict[str, str], lines: list[str]
) -> None:
    assert Addressee.read(members).lines() == lines


def test_an_address_shows_itself_to_no_log() -> None:
    assert "Anna" not in repr(Addressee.read(ANNA))


async def test_a_letter_that_cannot_be_typeset_fails_alone_before_its_batch(tmp_path) -> None:
    letters = to_folder(tmp_path / "inbox")
    broken = replace(prepared(text="Hej"), frozen=b"no address")
    outcome = await letters.prepare(broken, new_id())
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "unprintable-letter"
    await letters.close()
