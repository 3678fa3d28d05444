"""docs/reference/scopes.md lists every scope, and no other."""

from __future__ import annotations

from tests.docs.pages import first_cells, read
from utskick.auth import scopes
from utskick.channels.registry import CHANNELS


def test_the_page_lists_every_scope_and_no_other() -> None:
    listed = [name for name, _ in first_cells(read("docs/reference/scopes.md"))]
    assert sorted(listed) == sorted(scopes.every(CHANNELS))
