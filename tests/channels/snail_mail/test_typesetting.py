"""Letters from text and cover pages: the address is in the window, whoever it is, and the text says
what was asked."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pikepdf
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.channels.snail_mail.stage import ANNA, BATCH, batch, prepared, to_folder
from utskick.channels.snail_mail.settings import LEFT, PROFILES, RIGHT, EnvelopeWindow
from utskick.channels.snail_mail.typesetting import LetterPage, LetterTypesetter, MissingGlyphs
from utskick.domain.ids import new_id
from utskick.domain.outcome import Sent
from utskick.domain.postal_recipient import Addressee
from utskick.http.privacy.extract_pdf import ExtractTypesetter
from utskick.pdf.rules import Area, Rules
from utskick.pdf.worker import check

PRESS = LetterTypesetter()
LINES = Addressee.read({**ANNA, "careOf": "Berg"}).lines()
LONG = [
    "Stiftelsen för " + "mycket långa namn i " * 4,
    "att: " + "W" * 90,
    "c/o " + "M" * 60,
    "Gatan " + "1" * 60,
    "852 30  SUNDSVALL",
    "NORGE",
]
HOME = f"Kultur/joe01doe_{BATCH}"


def ink(data: bytes, page: int = 0) -> tuple[float, float, float, float]:
    """Where something is printed: left, top, right, bottom, in millimetres."""
    document = pypdfium2.PdfDocument(data)
    image = document[page].render(scale=150 / 72, grayscale=True).to_pil()
    document.close()
    box = image.point(lambda shade: 255 if shade < 200 else 0).getbbox()
    assert box is not None
    return tuple(edge * 25.4 / 150 for edge in box)  # type: ignore[return-value]


def words(data: bytes) -> str:
    document = pypdfium2.PdfDocument(data)
    told = "\n".join(page.get_textpage().get_text_bounded() for page in document)
    document.close()
    return told.replace("\r\n", "\n")


def within(box: tuple[float, float, float, float], window: EnvelopeWindow) -> bool:
    left, top, right, bottom = box
    return (
        window.left <= left
        and window.top <= top
        and right <= window.left + window.width
        and bottom <= window.top + window.height
    )


SMALL = EnvelopeWindow(left=20, top=50, width=60, height=20)


@pytest.mark.parametrize(
    ("window", "lines"),
    [(LEFT, LINES), (RIGHT, LINES), (SMALL, LINES), (LEFT, LONG), (RIGHT, LONG)],
)
def test_the_address_lies_inside_the_window(window: EnvelopeWindow, lines: list[str]) -> None:
    data = PRESS.set(LetterPage(window, lines))
    assert within(ink(data), window)
    told = " ".join(words(data).replace("\u200b", "").split())
    assert all(word[:10] in told for line in lines for word in line.split())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=100),
        min_size=1,
        max_size=6,
    )
)
def test_no_address_leaves_the_window(lines: list[str]) -> None:
    data = PRESS.set(LetterPage(RIGHT, ["Anna", *lines]))
    assert within(ink(data), RIGHT)


def test_the_usual_address_is_large_and_begins_at_the_windows_edge() -> None:
    left, top, _, bottom = ink(PRESS.set(LetterPage(LEFT, LINES)))
    assert left - LEFT.left < 3.5
    assert top - LEFT.top < 5
    assert bottom - top > 15


@settings(max_examples=30, deadline=None)
@given(st.text(st.sampled_from("#$*_`\\[]{}<>@=-+/~\"' \n\tab1å😀"), max_size=200))
def test_no_text_is_taken_for_markup(text: str) -> None:
    PRESS.set(LetterPage(LEFT, [text or "-"], text, text, text))


def test_markup_is_printed_as_it_was_written() -> None:
    said = '#panic("x") *fet* $x$ [a](b) = Rubrik // borta'
    told = words(PRESS.set(LetterPage(LEFT, LINES, "Kultur", "#subject", said)))
    assert said in told
    assert "#subject" in told
    assert "Kultur" in told


def test_paragraphs_and_lines_are_kept() -> None:
    told = words(
        PRESS.set(LetterPage(LEFT, LINES, text="Hej!\r\n\r\nRad ett\nRad två\n\nHälsningar"))
    )
    assert [line for line in told.split("\n") if line][-4:] == [
        "Hej!",
        "Rad ett",
        "Rad två",
        "Hälsningar",
    ]


@pytest.mark.parametrize("name", PROFILES)
def test_no_page_of_a_long_letter_touches_a_zone(name: str) -> None:
    profile = PROFILES[name]
    data = PRESS.set(
        LetterPage(
            profile.window,
            LONG,
            "Kultur- och fritidsförvaltningen",
            "Ämne " * 20,
            "Å lång rad. " * 3000,
        )
    )
    zones = PROFILES["postnord-v2"].zones + PROFILES["citymail-v2"].zones
    areas = [(Area(z.name, z.x, z.y, z.width, z.height), True) for z in zones]
    told = check(data, Rules(pages=50, zones=tuple(areas)))
    assert (told.findings, told.notices) == ([], [])
    assert (told.pages or 0) > 3


def test_it_is_pdf_a_2b_and_always_the_same() -> None:
    page = LetterPage(LEFT, LINES, "Kultur", "Ämne", "Text", datetime(2026, 3, 1, tzinfo=UTC))
    data = PRESS.set(page)
    assert data == LetterTypesetter().set(page)
    with pikepdf.open(io.BytesIO(data)) as opened:
        assert opened.open_metadata().pdfa_status == "2B"
        assert str(opened.docinfo["/CreationDate"]).startswith("D:20260301")
        fonts = {
            str(font["/BaseFont"]) for page in opened.pages for font in page.resources.Font.values()
        }
    assert all("Libertinus" in font for font in fonts)


STOCKHOLM = ZoneInfo("Europe/Stockholm")
TIMES = {
    datetime(2026, 7, 1, 10, 0, 0, 123456, UTC): "D:20260701100000Z",
    datetime(2026, 7, 1, 12, 0, 0, 999999, STOCKHOLM): "D:20260701100000Z",
    datetime(2026, 1, 1, 0, 30, tzinfo=STOCKHOLM): "D:20251231233000Z",
    datetime(2026, 7, 1, 10, 0, 0, 5): "D:20260701100000Z",
    datetime(2026, 7, 1, 15, 45, 0, 1, timezone(timedelta(hours=5, minutes=45))): (
        "D:20260701100000Z"
    ),
    datetime(2026, 7, 1, 4, 14, 53, tzinfo=timezone(-timedelta(hours=5, minutes=45, seconds=7))): (
        "D:20260701100000Z"
    ),
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))): "D:00010101000000Z",
    datetime(9999, 12, 31, 23, 59, 59, 999999, timezone(-timedelta(hours=5))): "D:99991231235959Z",
}


@pytest.mark.parametrize(("moment", "told"), TIMES.items(), ids=str)
def test_every_time_can_be_the_date_of_a_pdf(moment: datetime, told: str) -> None:
    written = PRESS.set(LetterPage(LEFT, LINES, text="Hej!", made=moment))
    cover = PRESS.set_strictly(LetterPage(LEFT, LINES, made=moment))
    extract = ExtractTypesetter()._compiled(b"#sys.inputs.said", "Hej!", moment)
    for data in (written, cover, extract):
        with pikepdf.open(io.BytesIO(data)) as opened:
            assert str(opened.docinfo["/CreationDate"]) == told


async def test_a_cover_page_and_a_letter_of_text_are_handed_over(tmp_path: Path) -> None:
    channel = to_folder(tmp_path)
    covered, written = (
        prepared(coverPage=True),
        prepared(text="Välkommen!", subject="Kallelse", coverPage=True),
    )
    try:
        assert isinstance(
            await channel.send(batch(covered, written, prepared()), new_id(), "house"), Sent
        )
    finally:
        await channel.close()
    letters = orjson.loads((tmp_path / HOME / "manifest.json").read_bytes())["letters"]
    assert [[(f["file"], f["kind"], f["pages"]) for f in one["files"]] for one in letters] == [
        [("beslut-adress.pdf", "cover", 1), ("beslut.pdf", "attachment", 1)],
        [("brev.pdf", "text", 1)],
        [("beslut-2.pdf", "attachment", 1)],
    ]
    assert [one["envelope"] for one in letters] == ["WINDOWED", "WINDOWED", "PLAIN"]
    assert "Välkommen!" in words((tmp_path / HOME / "brev.pdf").read_bytes())
    assert "Storgatan 1 lgh 1101" in words((tmp_path / HOME / "beslut-adress.pdf").read_bytes())
    assert len((tmp_path / HOME / "sandlista-beslut.csv").read_text("iso-8859-1").splitlines()) == 2


def test_what_no_font_has_is_spelled_in_a_name_and_told_of_in_a_text() -> None:
    told = words(PRESS.set(LetterPage(LEFT, ["Anna 😀 中", "ﷺ𝕏"])))
    assert "Anna [U+1F600] [U+4E2D]" in told
    with pytest.raises(MissingGlyphs) as fault:
        PRESS.set_strictly(LetterPage(LEFT, ["Anna"], text="Hej 😀"))
    assert fault.value.characters == "😀"
    assert "U+1F600" not in words(PRESS.set(LetterPage(LEFT, ["Ж Ω é ł"])))


def test_a_page_does_not_load_the_fonts_again() -> None:
    PRESS.set(LetterPage(LEFT, LINES))
    begun = time.process_time()
    for number in range(20):
        PRESS.set(LetterPage(LEFT, [*LINES, str(number)]))
    assert (time.process_time() - begun) / 20 < 0.2
