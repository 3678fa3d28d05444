"""Links and paths lead somewhere: between pages, to their headings, and from the source into the documentation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchors, prose

PAGES = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "bench" / "README.md",
    ROOT / "clients" / "python" / "README.md",
    *sorted(DOCS.rglob("*.md")),
]
#: What a measurement or the reader of a guide creates; everything else that a page names must be there.
CREATED = re.compile(r"bench/results.json|.*example.*")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_to_a_page_and_its_heading(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found.read_text())):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = set(re.findall(r"`((?:src|tests|docs|bench|clients)/[\w./-]+)`", page.read_text()))
    assert (
        sorted(path for path in named if not (ROOT / path).exists() and not CREATED.fullmatch(path))
        == []
    )


def test_the_source_names_pages_that_are_there() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "src", "tests", "bench", "clients"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    missing = []
    for path in listed.stdout.splitlines():
        if path.endswith(".py") and (ROOT / path).exists():
            named = re.findall(r"\bdocs/[\w-]+(?:/[\w-]+)*(?:\.md)?", (ROOT / path).read_text())
            missing += [f"{path}: {page}" for page in named if not is_page(page)]
    assert missing == []


def is_page(path: str) -> bool:
    """A page, or a decision by its number alone; whatever else begins with ``docs/`` is a route of the API's own documentation."""
    if path.endswith(".md"):
        return (ROOT / path).exists()
    return bool(list((ROOT / path).parent.glob(f"{Path(path).name}*"))) or "/adr/" not in path
