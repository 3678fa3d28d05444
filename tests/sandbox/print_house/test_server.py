"""Tests of the print house simulator: complete batches are printed once; faults apply."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.channels.snail_mail.pdfs import letter
from tests.channels.snail_mail.stage import ANNA, BATCH, batch, channel, pdf, prepared
from tests.contracts.provider import SILENT
from utskick.channels.snail_mail.channel import SnailMailChannel
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Sent
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.print_house.pdf_pages import first_page
from utskick.sandbox.print_house.server import PrintHouseSimulator, section

HOME = f"Kultur/joe01doe_{BATCH}"


class ConnectedSimulator:
    def __init__(self, folder: Path) -> None:
        self.ledger, self.faults = Ledger(), Faults()
        self.addresses = SandboxAddresses(0, 0, folder, "http://127.0.0.1:1")
        self.house = PrintHouseSimulator(self.ledger, self.faults, self.addresses)

    async def open(self) -> ConnectedSimulator:
        await self.house.start()
        settings = section(replace(self.addresses, sftp_port=self.house.port))
        settings["accounts"]["print_house"]["read_timeout"] = SILENT
        self.channel: SnailMailChannel = channel(**settings)
        return self

    async def printed(self, count: int) -> list[Received]:
        for _ in range(100):
            if len(self.ledger) >= count:
                break
            await asyncio.sleep(0.02)
        return list(self.ledger.after(0))

    async def close(self) -> None:
        await self.channel.close()
        await self.house.close()


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[ConnectedSimulator]:
    opened = await ConnectedSimulator(tmp_path).open()
    yield opened
    await opened.close()


async def test_every_letter_reaches_its_citizen(sandbox: ConnectedSimulator) -> None:
    ids, data = [new_id(), new_id()], letter(2)
    two = prepared(
        pdf("kallelse.pdf", data), address={**ANNA, "firstName": "Bo"}, department="Skola"
    )
    assert isinstance(
        await sandbox.channel.send(batch(prepared(), two, ids=ids), new_id(), "print_house"), Sent
    )
    first, second = await sandbox.printed(2)
    assert (first.channel, first.provider, first.key, first.reference) == (
        "snail_mail",
        "print_house",
        str(ids[0]),
        HOME,
    )
    assert (first.recipient, first.sender, first.text) == (
        "Anna Åberg, Storgatan 1 lgh 1101, 852 30 SUNDSVALL",
        "Kultur",
        "beslut.pdf",
    )
    assert (second.recipient.split(",")[0], second.sender, second.raw) == (
        "Bo Åberg",
        "Skola",
        data,
    )


async def test_a_repeat_is_printed_once(sandbox: ConnectedSimulator) -> None:
    key, draft = new_id(), batch(prepared())
    for _ in range(3):
        assert isinstance(await sandbox.channel.send(draft, key, "print_house"), Sent)
    await sandbox.printed(1)
    await asyncio.sleep(0.35)
    assert len(sandbox.ledger) == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (ProviderFault.LOGIN, Misconfigured),
        (ProviderFault.REFUSE, Misconfigured),
        (ProviderFault.TEMPORARY, Deferred),
        (ProviderFault.DROP, Deferred),
        (ProviderFault.TIMEOUT, Sent),  # the folder is seen to have arrived
    ],
)
async def test_it_misbehaves_once_for_each_hand_over_and_prints_once(
    sandbox: ConnectedSimulator, fault: ProviderFault, expected: type
) -> None:
    sandbox.faults.add(FaultRule(fault, provider="print_house", seconds=3))
    key, draft = new_id(), batch(prepared(), prepared())
    outcome = await sandbox.channel.send(draft, key, "print_house")
    assert isinstance(outcome, expected)
    assert isinstance(await sandbox.channel.send(draft, key, "print_house"), Sent)
    assert len(await sandbox.printed(2)) == 2
    assert sandbox.house.refused == {}


async def test_an_incomplete_batch_is_rejected(sandbox: ConnectedSimulator) -> None:
    folder = sandbox.house.inbox / "Kultur" / "half"
    folder.mkdir(parents=True)
    (folder / "a.pdf").write_bytes(b"half")
    (folder / "SHA256SUMS").write_text("00" * 32 + "  a.pdf\n")
    (folder / "KLAR").write_text("")
    for _ in range(100):
        if sandbox.house.refused:
            break
        await asyncio.sleep(0.02)
    assert sandbox.house.refused == {"Kultur/half": "a.pdf does not match SHA256SUMS"}
    assert len(sandbox.ledger) == 0


async def test_a_folder_without_the_marker_is_not_touched(sandbox: ConnectedSimulator) -> None:
    os.makedirs(sandbox.house.inbox / "Kultur" / "later")
    await asyncio.sleep(0.35)
    assert (len(sandbox.ledger), sandbox.house.refused) == (0, {})


async def test_a_house_that_opens_again_prints_nothing_again(
    sandbox: ConnectedSimulator, tmp_path: Path
) -> None:
    await sandbox.channel.send(batch(prepared()), new_id(), "print_house")
    await sandbox.printed(1)
    again = await ConnectedSimulator(tmp_path).open()
    try:
        await asyncio.sleep(0.35)
        assert len(again.ledger) == 0
    finally:
        await again.close()


async def test_a_wrong_password_is_rejected(sandbox: ConnectedSimulator) -> None:
    settings = section(replace(sandbox.addresses, sftp_port=sandbox.house.port))
    settings["accounts"]["print_house"]["password"] = "guess"
    letters = channel(**settings)
    try:
        assert isinstance(
            await letters.send(batch(prepared()), new_id(), "print_house"), Misconfigured
        )
    finally:
        await letters.close()


async def test_the_first_page_is_a_picture() -> None:
    shown = await first_page(letter(3))
    assert shown is not None
    with Image.open(io.BytesIO(shown)) as image:
        assert (image.format, max(image.size)) == ("PNG", 1200)
        assert abs(image.size[0] / image.size[1] - 210 / 297) < 0.01
    assert await first_page(b"hej") is None
