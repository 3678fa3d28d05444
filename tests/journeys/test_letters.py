"""Journey: letters whose worker is killed reach every recipient exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.http.pdf import encoded
from tests.journeys.conftest import SetUp
from tests.journeys.process import API, WORKER
from tests.journeys.stage import Stage, eventually
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.digital_mail import server as digital_mail
from utskick.sandbox.digital_mail.citizens import number
from utskick.sandbox.digital_mail.server import DigitalMailSimulator
from utskick.sandbox.faults import Faults
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.print_house import server as print_house
from utskick.sandbox.print_house.server import PrintHouseSimulator

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-letters"),
]

DIGITAL, PAPER, ADDRESSES = 12, 6, 2
#: The handover is the attempt after those of the mailboxes.
HANDOVER = DIGITAL + 1


class LetterProviders:
    """Mailbox operators and print house in the test process, which outlive the service."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ledger, self.faults = Ledger(), Faults()
        self._place = SandboxAddresses(
            0, 0, stage.environment.folder / "sandbox", stage.environment.api_url
        )
        self._operators = DigitalMailSimulator(self.ledger, self.faults, self._place)
        self._printer = PrintHouseSimulator(self.ledger, self.faults, self._place)

    async def open(self) -> LetterProviders:
        await self._operators.start()
        await self._printer.start()
        addresses = replace(
            self._place, https_port=self._operators.port, sftp_port=self._printer.port
        )
        self.sections = {
            "digital_mail": digital_mail.section(addresses),
            "snail_mail": print_house.section(addresses),
        }
        await self.stage.stop_api()
        await self.stage.start(API, self.stage.environment.variables(self.sections))
        await self.stage.wait_until_live()
        return self

    async def close(self) -> None:
        await self._printer.close()
        await self._operators.close()

    async def worker(self, **more: str) -> Any:
        return await self.stage.start(
            WORKER, self.stage.environment.variables(self.sections, **more)
        )

    async def citizen(self, serial: int, magic: str) -> str:
        party = str(uuid4())
        home = {"address": f"Storgatan {serial}", "zipCode": "85230", "city": "Sundsvall"}
        person = {
            "legalId": number(serial, magic),
            "names": {"firstName": "Anna", "lastName": f"Öberg {serial}"},
            "address": home,
        }
        answer = await self.stage.call("PUT", f"parties/{party}", person)
        assert answer.status < 300, answer
        return party

    async def letter(self) -> str:
        """Send a letter to mailboxes, homes and plain addresses; return the batch id."""
        parties = [await self.citizen(i, "00") for i in range(DIGITAL)] + [
            await self.citizen(100 + i, "10") for i in range(PAPER)
        ]
        addresses = [
            {
                "lastName": f"Ek {i}",
                "address": "Storgatan 1",
                "zipCode": "85230",
                "city": "Sundsvall",
            }
            for i in range(ADDRESSES)
        ]
        file = {
            "deliveryMode": "ANY",
            "filename": "beslut.pdf",
            "contentType": "application/pdf",
            "content": encoded(),
        }
        body = {
            "party": {"partyIds": parties, "addresses": addresses},
            "subject": "Beslut",
            "department": "SBK",
            "attachments": [file],
        }
        answer = await self.stage.call("POST", "letter?async=true", body)
        assert answer.status == 201, answer
        return str(answer.body["batchId"])

    async def settled(self, batch_id: str) -> Mapping[str, int]:
        """Return the counts of the batch once nothing is in progress."""

        async def resting() -> bool:
            return not set(await self.stage.counts(batch_id)) & {
                "queued",
                "sending",
                "deferred",
                "gathered",
            }

        await eventually(resting, "every letter rests", 40)
        return await self.stage.counts(batch_id)

    def expect_each_once(self) -> None:
        mailboxes = Counter(
            entry.recipient for entry in self.ledger.after(0) if entry.channel == "digital_mail"
        )
        assert mailboxes == Counter({number(i): 1 for i in range(DIGITAL)})
        printed = Counter(
            entry.recipient for entry in self.ledger.after(0) if entry.channel == "snail_mail"
        )
        assert len(printed) == PAPER + ADDRESSES
        assert set(printed.values()) == {1}, printed


@pytest_asyncio.fixture(loop_scope="session")
async def post(set_up: SetUp) -> AsyncIterator[LetterProviders]:
    post = await LetterProviders(await set_up()).open()
    yield post
    await post.close()


@pytest.mark.parametrize(
    "where",
    [
        *("before-begin:5", "after-begin:5", "after-answer:5", "after-settle:5"),
        *(f"{point}:{HANDOVER}" for point in ("before-begin", "after-begin", "after-answer")),
    ],
)
async def test_a_killed_worker_leaves_no_letter_lost_or_doubled(
    post: LetterProviders, where: str
) -> None:
    batch_id = await post.letter()
    first = await post.worker(DIE_AT=where)
    assert await first.exit_status() == -9, first.log_text
    await post.worker()
    counts = await post.settled(batch_id)
    assert counts == {"delivered": DIGITAL, "failed": PAPER, "sent": PAPER + ADDRESSES}
    post.expect_each_once()


async def test_workers_killed_one_after_the_other_while_letters_gather(
    post: LetterProviders,
) -> None:
    """Kill by the clock, not at labelled points: also while print batches fill and close."""
    batch_id = await post.letter()
    for pause in (0.9, 1.1, 1.3):
        worker = await post.worker()
        await asyncio.sleep(pause)
        await worker.kill()
    await post.worker()
    await post.settled(batch_id)
    post.expect_each_once()
