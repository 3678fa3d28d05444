"""SMPP against a message centre that nobody here wrote, and that shares no line with ours:
node-smpp, in a process of its own, over TLS."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.channels.sms.smsc import Desk, channel_to, send, until
from tests.channels.sms.stage import draft
from tests.contracts.provider import SECRET
from utskick.channels.sms.channel import SmsChannel
from utskick.domain.channel import Report
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent, Uncertain
from utskick.sandbox.faults import Faults
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.smtp_server import MailServer

HERE = Path(__file__).parent / "centre"
MODULES = Path(os.environ.get("UTSKICK_NODE_MODULES", HERE / "node_modules"))

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (MODULES / "smpp").is_dir(),
    reason=(
        "needs node, and node-smpp: npm install in tests/channels/sms/centre, or"
        " UTSKICK_NODE_MODULES"
    ),
)


class NodeCentre:
    """The process, and what it says that it saw."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.port = 0

    async def start(self, folder: Path) -> None:
        certified = MailServer(Ledger(), Faults(), folder)  # makes a certificate for 127.0.0.1
        await certified.start()
        await certified.close()
        self.ca_file = certified.ca_file
        self.process = await asyncio.create_subprocess_exec(
            *(
                "node",
                str(HERE / "centre.js"),
                SECRET,
                str(folder / "mailbox-key.pem"),
                str(self.ca_file),
            ),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "NODE_PATH": str(MODULES)},
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(10):
            self.port = orjson.loads(await self.process.stdout.readline())["port"]
        self._task = asyncio.create_task(self._listen(self.process.stdout))

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.seen.append(orjson.loads(line))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.seen if each["seen"] == kind]

    async def close(self) -> None:
        self.process.kill()
        await self.process.wait()
        await self._task


@pytest.fixture
async def centre(tmp_path: Path) -> AsyncIterator[NodeCentre]:
    centre = NodeCentre()
    await centre.start(tmp_path)
    yield centre
    await centre.close()


def channel_of(centre: NodeCentre, **more: Any) -> SmsChannel:
    return channel_to(
        centre.port,
        **{
            "security": "tls",
            "ca_file": str(centre.ca_file),
            "response_timeout": 1,
            "connect_timeout": 3,
            **more,
        },
    )


async def test_a_message_goes_out_and_its_receipt_comes_back(centre: NodeCentre) -> None:
    channel, desk = channel_of(centre), Desk()
    channel.report_to(desk.keep)
    await channel.start()
    assert await send(channel, new_id(), "Hej å ä ö € {[~]}") == Sent("node-1")
    await until(lambda: centre.of("deliver_sm_resp"))
    assert centre.of("bind") == [{"seen": "bind", "known": True, "version": 0x34}]
    [submit] = centre.of("submit_sm")
    assert (submit["to"], submit["from"], submit["ton"], submit["wanted"]) == (
        "46701740605",
        "Utskick",
        5,
        1,
    )
    assert (submit["text"], submit["coding"], submit["esm"]) == ("Hej å ä ö € {[~]}", 0, 0)
    assert centre.of("deliver_sm_resp") == [
        {"seen": "deliver_sm_resp", "id": "node-1", "status": 0}
    ]
    assert [(r.report, r.reference) for _, r in desk.kept] == [(Report.DELIVERED, "node-1")]
    await channel.close()
    await until(lambda: centre.of("unbind"))


@pytest.mark.parametrize(
    ("text", "coding"), [("Långt meddelande €. " * 20, 0), ("Длинное сообщение 🐻. " * 10, 8)]
)
async def test_a_long_message_is_put_together_by_somebody_elses_code(
    centre: NodeCentre, text: str, coding: int
) -> None:
    channel, key = channel_of(centre), new_id()
    assert isinstance(await send(channel, key, text), Sent)
    submits = sorted(centre.of("submit_sm"), key=lambda each: each["udh"])
    assert "".join(each["text"] for each in submits) == text
    total = len(submits)
    assert [each["udh"] for each in submits] == [
        [f"0003{key.int & 0xFF:02x}{total:02x}{at:02x}"] for at in range(1, total + 1)
    ]
    assert {(each["coding"], each["esm"]) for each in submits} == {(coding, 0x40)}
    await channel.close()


async def test_a_long_message_goes_whole_as_payload(centre: NodeCentre) -> None:
    channel, text = channel_of(centre, long_messages="payload"), "Långt meddelande. " * 20
    assert await send(channel, new_id(), text) == Sent("node-1")
    assert [each["payload"] for each in centre.of("submit_sm")] == [text]
    await channel.close()


@pytest.mark.parametrize(("last", "kind"), [("3", Rejected), ("4", Deferred), ("9", Uncertain)])
async def test_its_answers_are_understood(centre: NodeCentre, last: str, kind: type) -> None:
    channel = channel_of(centre, response_timeout=0.3)
    assert isinstance(await channel.send(draft("+4670174060" + last), new_id(), "smpp"), kind)
    await channel.close()


async def test_a_wrong_password_and_a_certificate_of_nobodys_are_our_mistake(
    centre: NodeCentre,
) -> None:
    wrong, trusting = channel_of(centre, password="wrong"), channel_of(centre, ca_file=None)
    for channel, code in ((wrong, "refused-login"), (trusting, "tls")):
        outcome = await send(channel, new_id())
        assert isinstance(outcome, Misconfigured)
        assert outcome.reason.code == code
        await channel.close()
    assert not centre.of("submit_sm")


async def test_the_session_is_kept_alive(centre: NodeCentre) -> None:
    channel = channel_of(centre, enquire_link=0.05)
    await send(channel, new_id())
    await until(lambda: len(centre.of("enquire_link")) > 2)
    assert len(centre.of("bind")) == 1
    await channel.close()
