"""What the printing house gets of PDFs that need a copy, and of addresses abroad."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson
import pikepdf
import pypdfium2
import pytest

from tests.channels.snail_mail.pdfs import MM, changed, letter
from tests.channels.snail_mail.stage import ANNA, batch, prepared
from tests.channels.snail_mail.test_handover import HOME, files, hand_over, pdf, rows
from tests.pdf.seen import owned, shifted, signed
from utskick.channels.snail_mail.settings import LEFT
from utskick.domain.outcome import Sent
from utskick.pdf.preflight import Preflight, PreflightFault

NORWAY = {**ANNA, "zipCode": "0155", "city": "Oslo", "country": "Norge"}


@pytest.mark.parametrize(
    "data",
    [owned(), shifted(letter()), b"\xef\xbb\xbf" + letter()],
    ids=["owned", "offsets", "bom"],
)
async def test_a_copy_is_printed_the_same_at_every_attempt(tmp_path: Path, data: bytes) -> None:
    found = []
    for attempt in ("a", "b"):
        draft = batch(prepared(pdf("a.pdf", data)))
        assert isinstance(await hand_over(tmp_path / attempt, draft), Sent)
        found.append((tmp_path / attempt / HOME / "a.pdf").read_bytes())
    assert found[0] == found[1] != data
    with pikepdf.open(tmp_path / "a" / HOME / "a.pdf", attempt_recovery=False) as printed:
        assert (printed.is_encrypted, printed.check_pdf_syntax()) == (False, [])
    manifest = orjson.loads((tmp_path / "a" / HOME / "manifest.json").read_bytes())
    [file] = manifest["letters"][0]["files"]
    assert (file["sha256"], file["pages"]) == (hashlib.sha256(found[0]).hexdigest(), 1)


@pytest.mark.parametrize("data", [letter(), changed(signed)], ids=["whole", "signed"])
async def test_what_needs_no_copy_is_printed_as_it_is(tmp_path: Path, data: bytes) -> None:
    await hand_over(tmp_path, batch(prepared(pdf("a.pdf", data))))
    assert (tmp_path / HOME / "a.pdf").read_bytes() == data


async def test_a_fault_of_the_preflight_loses_no_accepted_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise PreflightFault("x")

    monkeypatch.setattr(Preflight, "_run", fail)
    assert isinstance(await hand_over(tmp_path, batch(prepared(pdf("a.pdf", owned())))), Sent)
    assert "a.pdf" in {Path(name).name for name in files(tmp_path)}


async def test_the_country_of_a_foreign_address_is_in_the_address_list(tmp_path: Path) -> None:
    """In a column of its own where the layout has one, else with the town."""
    draft = batch(prepared(address=NORWAY), prepared())
    await hand_over(tmp_path / "a", draft)
    _, abroad, home = rows(tmp_path / "a", f"{HOME}/sandlista-beslut.csv")
    assert abroad[-2:] == ["0155", "Oslo, NORGE"]
    assert home[-2:] == ["85230", "Sundsvall"]
    await hand_over(tmp_path / "b", draft, layout={"columns": ["land"]})
    _, abroad, home = rows(tmp_path / "b", f"{HOME}/sandlista-beslut.csv")
    assert abroad[-2:] == ["Oslo", "Norge"]
    assert home[-2:] == ["Sundsvall", ""]


async def test_the_country_of_a_foreign_address_is_in_the_window(tmp_path: Path) -> None:
    """On the cover page that we set."""
    address = {**NORWAY, "careOf": "Berg", "organizationName": "Fiskeselskapet Nord AS"}
    await hand_over(tmp_path, batch(prepared(address=address, coverPage=True)))
    [cover] = tmp_path.glob("**/*-adress.pdf")
    text = pypdfium2.PdfDocument(cover)[0].get_textpage()
    found = text.search("NORGE").get_next()
    assert found is not None
    left, bottom, right, top = (edge / MM for edge in text.get_rect(text.count_rects(*found) - 1))
    assert LEFT.left < left < right < LEFT.left + LEFT.width
    assert LEFT.top < 297 - top < 297 - bottom < LEFT.top + LEFT.height
