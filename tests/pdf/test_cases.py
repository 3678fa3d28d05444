"""The files of public bug reports in ../shared/cases/pdf do what they should, on both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.pdf.seen import PAPER, WINDOW, in_mailbox, on_paper
from utskick.pdf.rules import Rules
from utskick.pdf.worker import check

CASES: Final = Path(__file__).parents[3].parent / "shared" / "cases" / "pdf"
FONTS, INTERACTIVE, REPAIRED = "pdf-fonts-not-embedded", "pdf-interactive", "pdf-repaired"
ZONE, CUT, PASSWORD = "area that must be empty", "is cut off", "without a password"
#: What refuses each file on paper and in a mailbox ("" takes it), and its notices on paper.
EXPECTED: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "acroform_value_no_appearance_in_zone": (ZONE, "", ()),
    "annot_hidden_in_zone": ("", "", (FONTS,)),
    "annot_normal_in_zone": (ZONE, "", ()),
    "annot_print_only_in_zone": (ZONE, "", ()),
    "annot_screen_only_in_zone": ("", "", (FONTS,)),
    "annots_dangling_ref": ("", "", (FONTS,)),
    "annots_null": ("", "", (FONTS,)),
    "bigimage_direct_in_zone": ("images of 324 MB", "", ()),
    "bigimage_tiling_pattern_in_zone": ("images of 324 MB", "", ()),
    "encrypted_owner_only": ("", "", ("pdf-decrypted", FONTS)),
    "encrypted_user": (PASSWORD, PASSWORD, ()),
    "form_number_format_js": ("", "", (INTERACTIVE, FONTS)),
    "fpdf_shared_resources_6_scans_300dpi": ("", "", (FONTS,)),
    "gs_a4": ("", "", (FONTS,)),
    "incremental_update_removed_js": ("", "", (FONTS,)),
    "js_openaction": ("", "a script that runs", (INTERACTIVE, FONTS)),
    "launch": ("", "starts a program", (INTERACTIVE, FONTS)),
    "leading_bom": ("", "", (REPAIRED, FONTS)),
    "leading_newline": ("", "", (REPAIRED, FONTS)),
    "length_indirect": ("", "", (FONTS,)),
    "ok": ("", "", (FONTS,)),
    "orphan_js_object": ("", "", (INTERACTIVE, FONTS)),
    "own_resources_6_scans_300dpi": ("", "", (FONTS,)),
    "pdfa3_facturx_embedded_xml": ("", "", ("pdf-attached-files", FONTS)),
    "pub_govuk_hackney_sample_qt": (ZONE, "", ()),
    "pub_govuk_input_file1_quartz": (ZONE, "", ()),
    "pub_govuk_no_colour_quartz": (ZONE, "", ()),
    "pub_libreoffice_pypdf002": ("", "", ()),
    "pub_pypdf021_pdfa_ghostscript": ("not A4", "", ()),
    "rotate_450": ("", "", (FONTS,)),
    "rotate_inherited": ("", "", (FONTS,)),
    "rotate_minus270": ("", "", (FONTS,)),
    "rotate_real_annots_null": ("", "", (FONTS,)),
    "startxref_off_by_one": ("", "", (REPAIRED, FONTS)),
    "trailing_junk": ("", "", (REPAIRED, FONTS)),
    "truncated": (CUT, CUT, ()),
    "us_letter": ("not A4", "", ()),
    "xfa": ("XFA form", "XFA form", ()),
    "xref_offsets_shifted": ("", "", (REPAIRED, FONTS)),
    "zero_pages": ("has no pages", "has no pages", ()),
}


def read(name: str) -> bytes:
    if not CASES.is_dir():
        pytest.skip("../shared/cases/pdf is not here")
    return (CASES / f"{name}.pdf").read_bytes()


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_case_is_taken_or_refused_as_decided(name: str) -> None:
    paper, mailbox, notices = EXPECTED[name]
    data = read(name)
    for found, expected in ((on_paper(data), paper), (in_mailbox(data), mailbox)):
        told = [text for _, text in found.findings]
        assert bool(told) == bool(expected), told
        assert all(expected in text for text in told)
    found = on_paper(data)
    if not paper:
        assert tuple(code for code, _ in found.notices) == notices


def test_there_is_no_case_without_an_expectation() -> None:
    if not CASES.is_dir():
        pytest.skip("../shared/cases/pdf is not here")
    assert sorted(path.stem for path in CASES.glob("*.pdf")) == sorted(EXPECTED)


@pytest.mark.parametrize("name", ["own_resources_6_scans_300dpi", "rotate_450"])
def test_nothing_in_the_window_is_blank(name: str) -> None:
    assert check(read(name), Rules(pages=50, zones=PAPER.zones, window=WINDOW)).blank
    assert not check(read("ok"), Rules(pages=50, zones=PAPER.zones, window=WINDOW)).blank
