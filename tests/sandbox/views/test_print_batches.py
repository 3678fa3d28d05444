"""Tests of the print house's pages: batches and their files, and no other file."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp.test_utils import TestClient

from tests.channels.snail_mail.stage import BATCH, batch, channel, pdf, prepared
from tests.sandbox.ledger_entries import PDF
from tests.sandbox.viewer_client import SCRIPT, open_viewer, page, tags
from tests.sandbox.views.test_channels import TWO, handed_over
from utskick.domain.ids import new_id
from utskick.domain.outcome import Sent
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.server import SandboxServer, sections
from utskick.sandbox.views.print_batches import table

FOLDER = "/print/Kultur%2Fb1"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    handed_over(tmp_path / "inbox" / "Kultur" / "b1")
    return tmp_path / "inbox"


@pytest.fixture
async def client(inbox: Path) -> AsyncIterator[TestClient[Any, Any]]:
    async with open_viewer(
        Ledger(), batches=Batches(inbox, {"Kultur/b2": "a.pdf is not what SHA256SUMS says"})
    ) as client:
        yield client


async def test_batches_are_listed_with_their_state(
    client: TestClient[Any, Any], inbox: Path
) -> None:
    (inbox / "Kultur" / "b2").mkdir()
    (inbox / "Kultur" / "b2" / "KLAR").write_text("")
    (inbox / "Kultur" / "b3").mkdir()
    (inbox / "Kultur" / "b3" / "a.pdf").write_text("")
    (inbox / ".utskick").mkdir()
    (inbox / ".utskick" / "a.pdf").write_text("")
    (inbox / "loose.pdf").write_text("")
    text = await page(client, "/print")
    rows = re.findall(
        r'<a href="/print/[^"]+"><bdi>([^<]+)</bdi></a></span>\s*<span class="what">(\d) filer '
        r'<small class="mark">([^<]+)',
        text,
    )
    assert sorted(rows) == [
        ("Kultur/b1", "6", "mottagen"),
        ("Kultur/b2", "1", "avvisad av tryckeriet"),
        ("Kultur/b3", "1", "inte färdig: klarmarkeringen saknas"),
    ]
    assert 'http-equiv="refresh"' in text
    assert "a.pdf is not what SHA256SUMS says" in await page(client, "/print/Kultur%2Fb2")


async def test_without_a_print_house_the_list_is_empty() -> None:
    async with open_viewer(Ledger()) as client:
        assert "Inget har lämnats till tryckeriet än" in await page(client, "/print")
        await page(client, "/print/x", 404)


async def test_a_batch_page_has_its_lists_and_a_picture_of_each_pdf(
    client: TestClient[Any, Any],
) -> None:
    text = await page(client, FOLDER)
    assert re.findall(r'<span class="who"><a [^>]+><bdi>([^<]+)', text) == [
        "KLAR",
        "SHA256SUMS",
        "manifest.json",
        "sandlista-a.csv",
    ]
    assert re.findall(r'<img src="([^"]+)"', text) == [
        f"{FOLDER}/{quote(name)}/page.png" for name in ("a, b.pdf", "två.pdf")
    ]
    assert (await client.get(f"{FOLDER}/{quote('a, b.pdf')}/page.png")).content_type == "image/png"
    assert (await client.get(f"{FOLDER}/KLAR/page.png")).status == 404


async def test_a_file_named_pdf_that_is_none_has_no_picture(
    client: TestClient[Any, Any], inbox: Path
) -> None:
    (inbox / "Kultur" / "b1" / "trasig.pdf").write_bytes(b"half")
    text = await page(client, FOLDER)
    assert "trasig.pdf/page.png" not in text
    assert "Filen går inte att visa som bild" in await page(client, f"{FOLDER}/trasig.pdf")


async def test_the_address_list_is_a_table(client: TestClient[Any, Any]) -> None:
    text = await page(client, f"{FOLDER}/sandlista-a.csv")
    assert re.findall(r'<th scope="col">([^<]*)', text) == ["namn", "adress"]
    assert re.findall(r"<td><bdi>([^<]*)", text) == ["Åsa", "Vägen 1, B", "&#x27;=1", "x"]


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b'"' * 5000, b"a," * 300_000, b"\xff\xfe\n\r\r\n", b'"' + b"x" * 200_000 + b'"'],
)
async def test_an_odd_list_is_still_displayed(
    client: TestClient[Any, Any], inbox: Path, data: bytes
) -> None:
    (inbox / "Kultur" / "b1" / "odd.csv").write_bytes(data)
    await page(client, f"{FOLDER}/odd.csv")
    assert all(len(row["cells"]) <= 20 for row in table(data))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("SHA256SUMS", "00  a.pdf"),
        ("manifest.json", "&quot;delivery&quot;"),
        ("KLAR", "klarmarkering"),
    ],
)
async def test_control_files_are_read_as_text(
    client: TestClient[Any, Any], name: str, part: str
) -> None:
    assert part in await page(client, f"{FOLDER}/{name}")


async def test_a_file_is_saved_and_never_displayed_on_our_own_origin(
    client: TestClient[Any, Any], inbox: Path
) -> None:
    (inbox / "Kultur" / "b1" / "x.html").write_text(SCRIPT)
    for name, data in (("två.pdf", TWO), ("x.html", SCRIPT.encode())):
        answer = await client.get(f"{FOLDER}/{quote(name)}/saved")
        assert (await answer.read(), answer.content_type) == (data, "application/octet-stream")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"].endswith(f"filename*=UTF-8''{quote(name)}")
    assert "script" not in {tag for tag, _ in tags(await page(client, f"{FOLDER}/x.html"))}


OUTSIDE = [
    "..",
    ".",
    "",
    "../secret.txt",
    "../../secret.txt",
    "Kultur/../..",
    "Kultur/b1/..",
    "/etc",
    "//etc",
    "Kultur//b1",
    "Kultur/./b1",
    "Kultur/b1/",
    "/Kultur/b1",
    ".utskick",
    "kultur/b1",
    "..\\",
    "Kultur/b1/KLAR",
    "Kultur\x00/b1",
    "link",
    "link/inbox",
    "Kultur/..;/..",
    "%2e%2e",
]


@pytest.mark.parametrize("name", OUTSIDE)
async def test_no_path_leads_out_of_the_inbox(
    client: TestClient[Any, Any], inbox: Path, name: str
) -> None:
    (inbox / ".utskick").mkdir()
    (inbox / ".utskick" / "secret.txt").write_text("secret")
    os.symlink(inbox.parent, inbox / "link")
    for file in ("secret.txt", "../secret.txt", "..%2Fsecret.txt", "b1", "passwd"):
        for end in ("", "/saved", "/page.png"):
            address = f"/print/{quote(name, safe='')}/{quote(file, safe='')}{end}"
            answer = await client.session.get(str(client.make_url("/")).rstrip("/") + address)
            assert answer.status == 404, address
    assert Batches(inbox).find(name) is None
    assert Batches(inbox).file(name, "secret.txt") is None


@pytest.mark.parametrize(
    "file", ["../b1/KLAR", "..", "link.txt", "/etc/passwd", ".hidden", "", "KLAR/", "klar"]
)
async def test_a_file_is_found_by_its_own_name_only(
    client: TestClient[Any, Any], inbox: Path, file: str
) -> None:
    os.symlink(inbox.parent / "secret.txt", inbox / "Kultur" / "b1" / "link.txt")
    (inbox / "Kultur" / "b1" / ".hidden").write_text("secret")
    assert Batches(inbox).file("Kultur/b1", file) is None
    assert "link.txt" not in await page(client, FOLDER)


async def test_a_letter_that_was_sent_is_in_the_letter_box_and_at_the_print_house(
    tmp_path: Path,
) -> None:
    sandbox = SandboxServer(SandboxAddresses(0, 0, tmp_path / "town", "http://127.0.0.1:9"))
    await sandbox.start()
    letters = channel(**sections(sandbox.addresses)["snail_mail"])
    try:
        draft = batch(prepared(pdf("beslut.pdf", PDF)))
        assert isinstance(await letters.send(draft, new_id(), "print_house"), Sent)
        for _ in range(200):
            if len(sandbox.ledger):
                break
            await asyncio.sleep(0.02)
        async with aiohttp.ClientSession(sandbox.viewer_url) as session:
            texts = []
            for path in ("/letters", "/print", f"/print/Kultur%2Fjoe01doe_{BATCH}/beslut.pdf"):
                async with session.get(path) as answer:
                    texts.append(await answer.text())
    finally:
        await letters.close()
        await sandbox.close()
    assert "Anna Åberg" in texts[0]
    assert f"Kultur/joe01doe_{BATCH}" in texts[1]
    assert texts[2].count("<figure>") == 5
