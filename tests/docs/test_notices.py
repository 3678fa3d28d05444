"""docs/reference/notices.md explains every notice, in the words of both languages, and no other."""

from __future__ import annotations

import ast

import pytest

from tests.docs.pages import ROOT, first_cells, read
from utskick.domain.notice import TEXTS

ROWS = dict(first_cells(read("docs/reference/notices.md")))


def test_every_code_has_a_row_and_every_row_a_code() -> None:
    assert sorted(ROWS) == sorted(TEXTS)


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_the_page_has_the_words_of_both_languages(code: str) -> None:
    when, swedish, english, advice = ROWS[code]
    assert (swedish, english) == (TEXTS[code]["sv"], TEXTS[code]["en"])
    assert when
    assert advice


def test_every_notice_of_the_process_that_reads_pdfs_has_a_text() -> None:
    tree = ast.parse((ROOT / "src/utskick/pdf/worker.py").read_text("utf-8"))
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    codes = {word for word in words if isinstance(word, str) and word.startswith("pdf-")}
    assert codes == {code for code in TEXTS if code.startswith("pdf-")}
