"""SMPP: the provider contract, every answer that a message centre can give, and what becomes of a
lost session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.channels.sms.smsc import (
    ANSWER,
    BIND,
    CLOSE,
    ENQUIRE,
    GARBAGE,
    OVERSIZED,
    SILENCE,
    SUBMIT,
    UNBIND,
    Desk,
    ScriptedCentre,
    channel_to,
    pdu,
    send,
    until,
)
from tests.channels.sms.stage import draft
from tests.contracts.provider import SECRET, ProviderContract
from utskick.channels.sms.channel import SmsChannel
from utskick.channels.sms.segments import measure
from utskick.channels.sms.smpp.command_status import (
    DEFERRED,
    MISCONFIGURED,
    NAMES,
    REJECTED,
    of_bind,
)
from utskick.channels.sms.smpp.times import validity_period
from utskick.domain.clock import utc_now
from utskick.domain.ids import new_id
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Rejected,
    Sent,
    Uncertain,
)

MISBEHAVIOUR: dict[str, int | str] = {
    "throttle": 0x58,
    "temporary": 0x08,
    "refuse": 0x0B,
    "timeout": SILENCE,
    "drop": CLOSE,
    "garbage": GARBAGE,
    "oversized": OVERSIZED,
    "well": 0,
}


class SmppStage:
    #: The protocol has no room for it.
    carries_key = False
    names_retry_time = False
    keys: list[str] = []

    def __init__(self) -> None:
        self.centre = ScriptedCentre()

    async def start(self) -> SmppStage:
        await self.centre.start()
        self.channel = channel_to(self.centre.port)
        return self

    async def misbehave(self, how: str) -> None:
        if how == "gone":
            await self.centre.close()
        elif how == "login":
            self.centre.bind_status = 0x0E
        else:
            self.centre.answers = [MISBEHAVIOUR[how]]

    async def send(self, key: Any) -> Outcome:
        return await send(self.channel, key)

    async def close(self) -> None:
        await self.channel.close()
        await self.centre.close()


class TestSmpp(ProviderContract):
    @pytest.fixture
    async def stage(self) -> AsyncIterator[SmppStage]:
        stage = await SmppStage().start()
        yield stage
        await stage.close()


@pytest.fixture
async def centre() -> AsyncIterator[ScriptedCentre]:
    centre = ScriptedCentre()
    await centre.start()
    yield centre
    await centre.close()


@pytest.fixture
async def channel(centre: ScriptedCentre) -> AsyncIterator[SmsChannel]:
    channel = channel_to(centre.port)
    yield channel
    await channel.close()


async def test_the_bind_and_the_message_are_the_ones_that_the_specification_prints(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    assert await send(channel, new_id(), "Hej ä €", priority="HIGH") == Sent("id-1")
    bind, submit = centre.requests
    assert bind == (BIND, 1, b"municipality\0" + SECRET.encode() + b"\0\0\x34\0\0\0")
    assert submit == (
        SUBMIT,
        2,
        b"\0"
        + b"\x05\x00Utskick\0"
        + b"\x01\x0146701740605\0"
        + b"\0\0\x01\0\0\x01\0\0\0"
        + b"\x08Hej \x7b \x1b\x65",
    )


async def test_one_session_serves_all(channel: SmsChannel, centre: ScriptedCentre) -> None:
    outcomes = await asyncio.gather(*(send(channel, new_id()) for _ in range(40)))
    assert sorted(o.reference or "" for o in outcomes if isinstance(o, Sent)) == sorted(
        f"id-{n}" for n in range(1, 41)
    )
    assert centre.binds == 1


async def test_no_more_requests_on_their_way_than_the_window_holds(centre: ScriptedCentre) -> None:
    centre.answers = [SILENCE]
    channel = channel_to(centre.port, window=3)
    assert channel.accounts[0].concurrency == 3
    sending = [asyncio.create_task(send(channel, new_id())) for _ in range(5)]
    await until(lambda: len(centre.submits) == 3)
    await asyncio.sleep(0.05)
    assert len(centre.submits) == 3
    await asyncio.gather(*sending)
    await channel.close()


@pytest.mark.parametrize(
    ("text", "coding", "pieces"),
    [
        ("x" * 160, 0, [b"x" * 160]),
        ("x" * 161, 0, [b"x" * 153, b"x" * 8]),
        ("x" * 152 + "€" + "y" * 8, 0, [b"x" * 152, b"\x1b\x65" + b"y" * 8]),
        ("ц" * 70, 8, ["ц".encode("utf-16-be") * 70]),
        ("ц" * 66 + "🐻" + "ц", 8, [("ц" * 66 + "🐻ц").encode("utf-16-be")]),
        ("ц" * 66 + "🐻" + "ц" * 3, 8, ["ц".encode("utf-16-be") * 66, "🐻ццц".encode("utf-16-be")]),
    ],
)
async def test_a_text_is_cut_as_it_is_counted(
    channel: SmsChannel, centre: ScriptedCentre, text: str, coding: int, pieces: list[bytes]
) -> None:
    key = new_id()
    ids = tuple(f"id-{n}" for n in range(1, len(pieces) + 1))
    assert await send(channel, key, text) == Sent("id-1", parts=ids if len(ids) > 1 else ())
    assert len(centre.submits) == measure(text).segments == len(pieces)
    total = len(pieces)
    for at, (submit, piece) in enumerate(zip(centre.submits, pieces, strict=True), start=1):
        header = b"" if total == 1 else bytes((5, 0, 3, key.int & 0xFF, total, at))
        assert submit.short_message == header + piece
        assert (submit.data_coding, submit.esm_class, submit.registered_delivery) == (
            coding,
            0x40 if total > 1 else 0,
            1,
        )


async def test_a_long_text_goes_whole_where_the_account_wants_it_so(centre: ScriptedCentre) -> None:
    channel = channel_to(centre.port, long_messages="payload")
    assert await send(channel, new_id(), "x" * 400) == Sent("id-1")
    [submit] = centre.submits
    assert (submit.short_message, submit.esm_class, [(t.tag, t.value) for t in submit.tlvs]) == (
        b"",
        0,
        [(0x0424, b"x" * 400)],
    )
    await channel.close()


@pytest.mark.parametrize("second", [0x58, 0x0B, SILENCE, CLOSE])
async def test_a_message_that_was_taken_in_part_is_uncertain(
    channel: SmsChannel, centre: ScriptedCentre, second: int | str
) -> None:
    centre.answers = [0, second]
    outcome = await send(channel, new_id(), "x" * 400)
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.code == "in-part"


async def test_a_part_refused_for_the_moment_is_repeated_as_it_was(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.answers = [0, 0x58, 0]
    outcome = await send(channel, new_id(), "x" * 400)
    assert outcome == Sent("id-1", parts=("id-1", "id-4", "id-3"))
    sent = [submit.short_message for submit in centre.submits]
    assert [text[5] for text in sent] == [1, 2, 3, 2]
    assert sent[3] == sent[1]


async def test_whatever_is_answered_no_accepted_part_is_sent_twice() -> None:
    """Each part of a message is accepted at most once, and the outcome tells whether all were."""

    async def one(seed: int) -> None:
        chance, centre, key = Random(seed), ScriptedCentre(), new_id()
        await centre.start()
        channel = channel_to(centre.port, part_patience=1.2)
        centre.answers = [0, *chance.choices((0, 0x58, 0x14, 0x0B, 0x401), (5, 2, 1, 0.5, 1), k=99)]
        given = list(centre.answers)
        outcome = await send(channel, key, "x" * 600)
        if not isinstance(outcome, Sent):  # the delivery is sent again
            outcome = await send(channel, key, "x" * 600)
        accepted = [
            submit.short_message[5]
            for submit, answer in zip(centre.submits, given, strict=False)
            if answer == 0
        ]
        assert len(accepted) == len(set(accepted)), (seed, accepted)
        assert isinstance(outcome, Sent) == (len(accepted) == 4), (seed, accepted, outcome)
        await channel.close()
        await centre.close()

    await asyncio.gather(*(one(seed) for seed in range(24)))


async def test_a_part_is_repeated_over_a_new_session(centre: ScriptedCentre) -> None:
    channel = channel_to(centre.port, part_patience=5, window=1)
    centre.answers = [0, 0x58, 0]
    sending = asyncio.create_task(send(channel, new_id(), "x" * 400))
    await until(lambda: len(centre.submits) == 3)
    centre.bind_status = 0x08
    centre.hang_up()
    await until(lambda: centre.binds == 2)
    centre.bind_status = 0
    assert isinstance(await sending, Sent)
    assert [submit.short_message[5] for submit in centre.submits] == [1, 2, 3, 2]
    assert centre.binds == 3
    await channel.close()


async def test_a_part_refused_for_good_is_not_repeated(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.answers = [0, 0x0B, 0x58]
    assert isinstance(await send(channel, new_id(), "x" * 400), Uncertain)
    assert len(centre.submits) == 3


async def test_what_was_accepted_is_not_sent_again_with_the_delivery(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    key = new_id()
    centre.answers = [0, 0x0B, 0]
    assert isinstance(await send(channel, key, "x" * 400), Uncertain)
    assert await send(channel, key, "x" * 400) == Sent("id-1", parts=("id-1", "id-4", "id-3"))
    assert [submit.short_message[5] for submit in centre.submits] == [1, 2, 3, 2]
    assert isinstance(await send(channel, key, "x" * 400), Sent)
    assert [submit.short_message[5] for submit in centre.submits][4:] == [1, 2, 3], "all anew"


async def test_what_was_accepted_in_part_stays_in_doubt_while_the_centre_is_away(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    key = new_id()
    centre.answers = [0, 0x0B, 0]
    assert isinstance(await send(channel, key, "x" * 400), Uncertain)
    await centre.close()
    await until(lambda: centre.lines[0].transport.is_closing())
    await asyncio.sleep(0.01)
    assert isinstance(await send(channel, key, "x" * 400), Uncertain)
    await centre.start()


async def test_where_an_id_is_missing_nobody_waits_for_reports_of_all_parts(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.answers = [0, SILENCE]
    sending = asyncio.create_task(send(channel, new_id(), "x" * 400))
    await until(lambda: len(centre.submits) == 3)
    centre.say(pdu(SUBMIT | ANSWER, 0, 3, b"\0") + pdu(SUBMIT | ANSWER, 0, 4, b"id-3\0"))
    assert await sending == Sent("id-1")


@pytest.mark.parametrize(
    ("sender", "more", "source"),
    [
        ("Utskick", {}, (5, 0, "Utskick")),
        ("46701234567", {}, (1, 1, "46701234567")),
        ("+4670123456", {}, (1, 1, "4670123456")),
        ("0701234567", {}, (2, 1, "0701234567")),
        ("72500", {}, (3, 0, "72500")),
        ("0046", {}, (3, 0, "0046")),
        ("1177 Vard", {}, (5, 0, "1177 Vard")),
        ("72500", {"source_ton": 0, "source_npi": 1}, (0, 1, "72500")),
        ("Utskick", {"source_npi": 1}, (5, 1, "Utskick")),
    ],
)
async def test_the_type_of_number_goes_by_the_sender(
    centre: ScriptedCentre, sender: str, more: dict[str, Any], source: tuple[int, int, str]
) -> None:
    channel = channel_to(centre.port, **more)
    await send(channel, new_id(), sender=sender)
    [submit] = centre.submits
    assert (submit.source_addr_ton, submit.source_addr_npi, submit.source_addr) == source
    await channel.close()


NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "form", "text"),
    [
        (timedelta(hours=48), "relative", "000002000000000R"),
        (timedelta(hours=1, minutes=2, seconds=3.9), "relative", "000000010203000R"),
        (timedelta(days=67, hours=5), "relative", "000207050000000R"),
        (timedelta(days=3650), "relative", "001129000000000R"),
        (timedelta(seconds=-5), "relative", "000000000001000R"),
        (timedelta(hours=36), "absolute", "261203000000000+"),
        (timedelta(hours=36), "none", ""),
        (None, "relative", ""),
    ],
)
def test_the_validity_period_is_written_as_section_7_1_1_has_it(
    left: timedelta | None, form: Any, text: str
) -> None:
    assert validity_period(NOW + left if left is not None else None, NOW, form) == text


async def test_a_message_says_how_long_it_is_valid(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    expiring = replace(draft(), expires_at=utc_now() + timedelta(hours=2))
    assert isinstance(await channel.send(expiring, new_id(), "smpp"), Sent)
    assert "000000015000000R" <= centre.submits[0].validity_period <= "000000020000000R"


@pytest.mark.parametrize(
    ("text", "more", "units"),
    [("x" * 160, {}, 1), ("x" * 500, {}, 4), ("x" * 500, {"long_messages": "payload"}, 1)],
)
def test_the_rate_counts_what_the_centre_counts(
    text: str, more: dict[str, Any], units: int
) -> None:
    assert channel_to(9, **more).units(draft(message=text), "smpp") == units


async def test_a_process_binds_as_often_as_it_is_told(centre: ScriptedCentre) -> None:
    channel, desk = channel_to(centre.port, binds=3, window=2), Desk()
    assert channel.accounts[0].concurrency == 6
    channel.report_to(desk.keep)
    await channel.start()
    await until(lambda: centre.binds == 3)
    centre.answers = [SILENCE]
    sending = [asyncio.create_task(send(channel, new_id())) for _ in range(6)]
    await until(lambda: len(centre.submits) == 6)
    centre.answers = [0]
    centre.lines[0].transport.abort()
    await until(lambda: centre.binds == 4)
    await asyncio.gather(*sending)
    assert isinstance(await send(channel, new_id()), Sent)
    await channel.close()


async def test_an_account_with_too_few_binds_works_with_a_warning(centre: ScriptedCentre) -> None:
    channel = channel_to(centre.port, binds=2)
    await send(channel, new_id())
    centre.bind_status = 0x0D
    [health] = await channel.look()
    assert (health.ok, health.warns) == (True, True)
    assert health.sentence == "1 of 2 binds failed: the provider rejected the credentials"
    await channel.close()


async def test_of_a_message_whose_first_part_is_refused_nothing_else_is_sent(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.answers = [0x58, 0]
    assert isinstance(await send(channel, new_id(), "x" * 400), Deferred)
    assert len(centre.submits) == 1


KINDS = [
    *[(status, Deferred) for status in (0x58, 0x14, 0x08, 0x64)],
    *[(status, Rejected) for status in (0x0B, 0x01, 0x66)],
    *[(status, Misconfigured) for status in (0x0A, 0x0D, 0x0E, 0x0F, 0x48, 0xC1)],
    *[(status, Deferred) for status in (0xFF, 0x400, 0xFFFF_FFFF)],
]


@pytest.mark.parametrize(("status", "kind"), KINDS)
async def test_every_status_has_its_class(
    channel: SmsChannel, centre: ScriptedCentre, status: int, kind: type
) -> None:
    centre.answers = [status, 0]
    outcome = await send(channel, new_id())
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Sent)
    assert outcome.reason.provider_code == NAMES.get(status, f"0x{status:08X}")
    assert isinstance(await send(channel, new_id()), Sent)
    assert centre.binds == 1


def test_no_status_stands_in_two_tables_and_each_has_a_name() -> None:
    tables = (DEFERRED, REJECTED, MISCONFIGURED)
    assert len({status for table in tables for status in table}) == sum(map(len, tables))
    assert all(status in NAMES for table in tables for status in table)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0x0E, Misconfigured),
        (0x05, Deferred),
        (0x14, Deferred),
        (0x400, Misconfigured),
        (0x0B, Misconfigured),
    ],
)
def test_a_refused_bind_has_sent_nothing(status: int, kind: type) -> None:
    assert isinstance(of_bind(status), kind)


@pytest.mark.parametrize("command", [0x8000_0000, 0x8000_0021])
async def test_an_answer_to_something_else_is_no_yes(
    channel: SmsChannel, centre: ScriptedCentre, command: int
) -> None:
    centre.answers = [SILENCE]
    sending = asyncio.create_task(send(channel, new_id()))
    await until(lambda: centre.submits)
    centre.say(pdu(command, 0, 2))
    assert isinstance(await sending, Uncertain)


async def test_answers_find_their_questions_in_any_order(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.answers = [SILENCE]
    sending = [asyncio.create_task(send(channel, new_id())) for _ in range(3)]
    await until(lambda: len(centre.submits) == 3)
    for number in (4, 2, 3):
        centre.say(pdu(SUBMIT | ANSWER, 0, number, f"nr-{number}\0".encode()))
    assert [await each for each in sending] == [Sent("nr-2"), Sent("nr-3"), Sent("nr-4")]


async def test_an_answer_that_comes_too_late_is_nobodys(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.answers = [SILENCE, 0]
    assert isinstance(await send(channel, new_id()), Uncertain)
    centre.say(pdu(SUBMIT | ANSWER, 0, 2, b"late\0"))
    assert await send(channel, new_id()) == Sent("id-2")


async def test_what_waits_when_the_session_is_lost_is_uncertain_and_the_next_one_binds_anew(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.answers = [SILENCE]
    sending = [asyncio.create_task(send(channel, new_id())) for _ in range(3)]
    await until(lambda: len(centre.submits) == 3)
    centre.hang_up()
    for outcome in await asyncio.gather(*sending):
        assert isinstance(outcome, Uncertain)
        assert outcome.reason.code == "connection-lost"
    centre.answers = [0]
    assert isinstance(await send(channel, new_id()), Sent)
    assert centre.binds == 2


async def test_a_refused_bind_is_not_repeated_at_once(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.bind_status = 0x0E
    outcomes = [await send(channel, new_id()) for _ in range(5)]
    assert all(isinstance(o, Misconfigured) for o in outcomes)
    assert centre.binds == 1


async def test_while_nobody_knocks_it_is_said_when_to_come_again(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    await centre.close()
    assert isinstance(await send(channel, new_id()), Deferred)
    second = await send(channel, new_id())
    assert isinstance(second, Deferred)
    assert second.retry_after is not None
    assert 0 < second.retry_after.total_seconds() <= 0.5
    await centre.start()


async def test_a_login_that_is_not_answered_defers(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    centre.bind_status = SILENCE
    assert isinstance(await send(channel, new_id()), Deferred)


async def test_a_session_that_does_not_answer_is_given_up(centre: ScriptedCentre) -> None:
    channel = channel_to(centre.port, enquire_link=0.05, response_timeout=0.1)
    await send(channel, new_id())
    await until(lambda: any(command == ENQUIRE for command, _, _ in centre.requests))
    centre.alive = False
    await until(lambda: centre.lines[0].transport.is_closing())
    centre.alive = True
    assert isinstance(await send(channel, new_id()), Sent)
    assert centre.binds == 2
    await channel.close()


async def test_the_centres_own_questions_are_answered(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    await send(channel, new_id())
    centre.say(pdu(ENQUIRE, 0, 7) + pdu(0x0102, 0, 8))
    await until(lambda: centre.answered(ENQUIRE))
    await until(lambda: (0x8000_0000, 3, b"") in centre.requests)


async def test_a_centre_that_unbinds_is_bound_to_anew(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    await send(channel, new_id())
    centre.say(pdu(UNBIND, 0, 7))
    await until(lambda: centre.answered(UNBIND))
    assert isinstance(await send(channel, new_id()), Sent)
    assert centre.binds == 2


async def test_closing_unbinds(centre: ScriptedCentre) -> None:
    channel = channel_to(centre.port)
    await send(channel, new_id())
    await channel.close()
    assert centre.requests[-1][0] == UNBIND


async def test_a_senders_name_that_smpp_cannot_carry_goes_another_way(
    channel: SmsChannel, centre: ScriptedCentre
) -> None:
    outcome = await send(channel, new_id(), sender="Café")
    assert isinstance(outcome, Misconfigured)
    assert not centre.requests


@pytest.mark.parametrize(("deduplicates", "rule"), [(False, "hold"), (True, "resend")])
def test_what_is_uncertain_is_held_unless_the_centre_knows_it_again(
    deduplicates: bool, rule: str
) -> None:
    assert channel_to(9, deduplicates=deduplicates).when_uncertain("smpp", draft()) == rule


async def test_a_look_binds(channel: SmsChannel, centre: ScriptedCentre) -> None:
    [health] = await channel.look()
    assert (health.ok, centre.binds) == (True, 1)
    await centre.close()
    await until(lambda: centre.lines[0].transport.is_closing())
    await asyncio.sleep(0.01)
    [health] = await channel.look()
    assert not health.ok
    await centre.start()
