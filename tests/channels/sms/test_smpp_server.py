"""SMPP against a message centre that nobody here wrote: the server of smpp34 (Rust), whose codec
the channel uses, too."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import smpp34

from tests.channels.sms.smsc import Desk, channel_to, receipt_text, send, until
from utskick.channels.sms.channel import SmsChannel
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Rejected, Sent
from utskick.domain.receipt import Report

TEXT = "En lång text med å, ä och ö som tar flera segment. " * 9


class Centre:
    """Takes what comes; ``verdict``: a status to refuse with."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.server = smpp34.Server("127.0.0.1", self.port, system_id="SMSC")
        self.submits: list[smpp34.SubmitSmEvent] = []
        self.sessions: list[smpp34.Esme] = []
        self.verdict = 0

    async def start(self) -> Centre:
        await self.server.start()
        self._task = asyncio.create_task(self._serve())
        return self

    async def _serve(self) -> None:
        while True:
            event = await self.server.next()
            if isinstance(event, smpp34.Esme):
                self.sessions.append(event)
            elif isinstance(event, smpp34.SubmitSmEvent):
                self.submits.append(event)
                if self.verdict:
                    event.reject(self.verdict)
                else:
                    event.accept(f"rust-{len(self.submits)}")

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self.server.stop()


@pytest.fixture
async def centre() -> AsyncIterator[Centre]:
    centre = await Centre().start()
    yield centre
    await centre.close()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def channel(centre: Centre, desk: Desk) -> AsyncIterator[SmsChannel]:
    channel = channel_to(centre.port, response_timeout=3, window=5)
    channel.report_to(desk.keep)
    await channel.start()
    yield channel
    await channel.close()


async def test_many_messages_go_over_one_bind(channel: SmsChannel, centre: Centre) -> None:
    outcomes = await asyncio.gather(*(send(channel, new_id()) for _ in range(100)))
    assert {o.reference for o in outcomes if isinstance(o, Sent)} == {
        f"rust-{n}" for n in range(1, 101)
    }
    assert len(centre.sessions) == 1
    assert centre.sessions[0].system_id == "municipality"


async def test_a_long_message_arrives_whole(channel: SmsChannel, centre: Centre) -> None:
    assert isinstance(await send(channel, new_id(), TEXT), Sent)
    parts = {each.short_message[5]: each.short_message[6:] for each in centre.submits}
    assert {each.short_message[:3] for each in centre.submits} == {b"\x05\x00\x03"}
    whole = b"".join(parts[at] for at in sorted(parts))
    assert (
        whole.translate(bytes.maketrans(b"\x0f\x7b\x7c", b"\xe5\xe4\xf6")).decode("latin-1") == TEXT
    )


@pytest.mark.parametrize(
    ("verdict", "kind"), [(smpp34.ESME_RTHROTTLED, Deferred), (smpp34.ESME_RINVDSTADR, Rejected)]
)
async def test_a_refusal_is_understood(
    channel: SmsChannel, centre: Centre, verdict: int, kind: type
) -> None:
    centre.verdict = verdict
    assert isinstance(await send(channel, new_id()), kind)


async def test_a_receipt_comes_back_and_is_answered(
    channel: SmsChannel, centre: Centre, desk: Desk
) -> None:
    await send(channel, new_id())
    tlvs = [
        smpp34.Tlv(smpp34.TLV_RECEIPTED_MESSAGE_ID, b"rust-1\0"),
        smpp34.Tlv(smpp34.TLV_MESSAGE_STATE, b"\x02"),
    ]
    for text, more in ((receipt_text("rust-1"), []), (b"", tlvs)):
        answer = await centre.sessions[0].deliver_sm(
            destination_addr="Utskick",
            source_addr="46701740605",
            esm_class=4,
            short_message=text,
            tlvs=more,
        )
        assert answer.is_success
    assert [(r.report, r.reference) for _, r in desk.kept] == [(Report.DELIVERED, "rust-1")] * 2
    desk.closed = True
    answer = await centre.sessions[0].deliver_sm(
        destination_addr="Utskick",
        source_addr="46701740605",
        esm_class=4,
        short_message=receipt_text("rust-1"),
    )
    assert answer.command_status == 0x64


async def test_several_workers_may_each_be_bound(channel: SmsChannel, centre: Centre) -> None:
    other = channel_to(centre.port, response_timeout=3)
    assert isinstance(await send(other, new_id()), Sent)
    assert isinstance(await send(channel, new_id()), Sent)
    await until(lambda: len(centre.sessions) == 2)
    await other.close()
