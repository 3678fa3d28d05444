"""What a printing house finds: whole folders in today's layout, each once, whatever broke on the
way."""

from __future__ import annotations

import asyncio
import csv
import errno
import hashlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdfium2 import PdfDocument

from tests.channels.snail_mail.pdfs import letter
from tests.channels.snail_mail.stage import ANNA, BATCH, PDF, batch, files, pdf, prepared, to_folder
from utskick.channels.snail_mail.folder import Folder, fault_of
from utskick.channels.snail_mail.handover import HandOver
from utskick.channels.snail_mail.letters import LetterComposer, preflight_of
from utskick.channels.snail_mail.settings import PROFILES, FolderAccount, HandoverLayout, Limits
from utskick.channels.snail_mail.storage import StorageFault, StorageLost, forbidden
from utskick.domain.channel import Draft
from utskick.domain.ids import new_id
from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)

HOME = f"Kultur/joe01doe_{BATCH}"
OTHER = {**ANNA, "firstName": "Bo", "lastName": "Berg, =1"}


async def hand_over(root: Path, draft: Draft, key: UUID | None = None, **section: Any) -> Outcome:
    channel = to_folder(root, **section)
    try:
        return await channel.send(draft, key or new_id(), "house")
    finally:
        await channel.close()


def rows(root: Path, path: str, encoding: str = "iso-8859-1") -> list[list[str]]:
    return list(csv.reader((root / path).read_text(encoding).splitlines()))


def sums_hold(folder: Path) -> bool:
    """By the tool that a printing house would use."""
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
    )
    listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    return done.returncode == 0 and listed == {path.name for path in folder.iterdir()} - {
        "SHA256SUMS",
        "KLAR",
    }


async def test_the_layout_is_todays_with_sums_a_manifest_and_a_marker(tmp_path: Path) -> None:
    key = new_id()
    assert await hand_over(tmp_path, batch(prepared(), prepared(address=OTHER)), key) == Sent(
        f"joe01doe_{BATCH}"
    )
    assert files(tmp_path) == [
        f"{HOME}/KLAR",
        f"{HOME}/SHA256SUMS",
        f"{HOME}/beslut-2.pdf",
        f"{HOME}/beslut.pdf",
        f"{HOME}/manifest.json",
        f"{HOME}/sandlista-beslut.csv",
    ]
    assert (tmp_path / HOME / "sandlista-beslut.csv").read_bytes().decode("iso-8859-1") == (
        "namn,careOf,adress,lagenhet,postnummer,postort\n"
        "Anna Åberg,,Storgatan 1,1101,85230,Sundsvall\n"
        '"Bo Berg, =1",,Storgatan 1,1101,85230,Sundsvall\n'
    )
    assert (tmp_path / HOME / "beslut.pdf").read_bytes() == PDF
    assert sums_hold(tmp_path / HOME)
    digest = hashlib.sha256((tmp_path / HOME / "SHA256SUMS").read_bytes()).hexdigest()
    assert (tmp_path / HOME / "KLAR").read_text() == f"{key}\n{digest}\n"


async def test_the_manifest_says_what_the_list_has_no_column_for(tmp_path: Path) -> None:
    ids = [new_id(), new_id()]
    company = {
        **ANNA,
        "organizationName": "Bolaget AB",
        "organizationNumber": "5560000000",
        "country": "Norge",
    }
    two = prepared(
        pdf("a.pdf", letter(2)), pdf("b.pdf"), address=company, deviation="A4", envelope="WINDOWED"
    )
    await hand_over(tmp_path, batch(prepared(), two, ids=ids, sequence=2))
    manifest = orjson.loads((tmp_path / f"{HOME}_2" / "manifest.json").read_bytes())
    assert (manifest["batchId"], manifest["sequence"], manifest["municipalityId"]) == (
        BATCH,
        2,
        "2281",
    )
    first, second = manifest["letters"]
    assert (first["delivery"], first["pages"], first["envelope"], first["inAddressList"]) == (
        str(ids[0]),
        1,
        "PLAIN",
        True,
    )
    assert (second["delivery"], second["pages"], second["envelope"], second["inAddressList"]) == (
        str(ids[1]),
        3,
        "WINDOWED",
        False,
    )
    assert (second["organizationNumber"], second["country"], second["deviation"]) == (
        "5560000000",
        "Norge",
        "A4",
    )
    assert [(file["file"], file["pages"]) for file in second["files"]] == [
        ("a.pdf", 2),
        ("b.pdf", 1),
    ]
    assert "null" not in (tmp_path / f"{HOME}_2" / "manifest.json").read_text()


async def test_windowed_letters_have_no_row_unless_the_layout_wants_all(tmp_path: Path) -> None:
    draft = batch(prepared(envelope="WINDOWED"))
    await hand_over(tmp_path / "a", draft)
    assert not [name for name in files(tmp_path / "a") if name.endswith(".csv")]
    await hand_over(
        tmp_path / "b",
        draft,
        layout={"rows": "all", "columns": ["fil", "land"], "line_end": "crlf"},
    )
    assert rows(tmp_path / "b", f"{HOME}/sandlista-beslut.csv")[1] == [
        "Anna Åberg",
        "",
        "Storgatan 1",
        "1101",
        "85230",
        "Sundsvall",
        "beslut.pdf",
        "",
    ]


async def test_letters_of_several_folders_and_departments_have_one_folder_each(
    tmp_path: Path,
) -> None:
    drafts = [
        prepared(),
        prepared(department="Skola"),
        prepared(folderName="Kallelser"),
        prepared(department="SKOLA"),
    ]
    assert await hand_over(tmp_path, batch(*drafts)) == Sent(f"joe01doe_{BATCH}")
    folders = {name.rpartition("/")[0] for name in files(tmp_path)}
    assert folders == {HOME, f"Skola/joe01doe_{BATCH}", f"Kallelser/{HOME}"}
    assert len(rows(tmp_path, f"Skola/joe01doe_{BATCH}/sandlista-beslut.csv")) == 3
    assert all(sums_hold(tmp_path / folder) for folder in folders)


async def test_a_shared_pdf_is_written_once_where_the_layout_says_so(tmp_path: Path) -> None:
    await hand_over(
        tmp_path,
        batch(prepared(), prepared(), prepared(pdf(data=letter(2)))),
        layout={"shared": "once", "columns": ["fil"]},
    )
    assert [row[-1] for row in rows(tmp_path, f"{HOME}/sandlista-beslut.csv")[1:]] == [
        "beslut.pdf",
        "beslut.pdf",
        "beslut-2.pdf",
    ]
    assert len([name for name in files(tmp_path) if name.endswith(".pdf")]) == 2
    assert sums_hold(tmp_path / HOME)


async def test_names_outside_latin_1_are_readable_in_it_and_whole_in_utf_8(tmp_path: Path) -> None:
    draft = batch(prepared(address={**ANNA, "lastName": "Šimić"}))
    await hand_over(tmp_path / "latin", draft)
    await hand_over(tmp_path / "utf", draft, layout={"encoding": "utf-8"})
    assert rows(tmp_path / "latin", f"{HOME}/sandlista-beslut.csv")[1][0] == "Anna Simic"
    assert rows(tmp_path / "utf", f"{HOME}/sandlista-beslut.csv", "utf-8")[1][0] == "Anna Šimić"
    assert (
        orjson.loads((tmp_path / "latin" / HOME / "manifest.json").read_bytes())["letters"][0][
            "name"
        ]
        == "Anna Šimić"
    )


@pytest.mark.parametrize(
    ("form", "pages"),
    [
        ({}, ["beslut.pdf"]),
        ({"envelope": "WINDOWED"}, ["beslut.pdf"]),
        ({"coverPage": True}, ["beslut-adress.pdf", "beslut.pdf"]),
        ({"text": "Hej!"}, ["brev.pdf"]),
        ({"text": "Hej!", "subject": "Kallelse", "coverPage": True}, ["brev.pdf"]),
        ({"text": "Hej!", "enclosed": pdf()}, ["brev.pdf", "beslut.pdf"]),
    ],
)
async def test_every_form_that_acceptance_takes_ends_as_pages(
    tmp_path: Path, form: dict[str, Any], pages: list[str]
) -> None:
    """Acceptance notes the time by the clock, with microseconds."""
    enclosed = [form["enclosed"]] if "enclosed" in form else []
    draft = prepared(*enclosed, **{name: form[name] for name in form if name != "enclosed"})
    accepted = replace(draft, created_at=datetime(2026, 7, 1, 10, 0, 0, 123456, UTC))
    assert await hand_over(tmp_path, batch(accepted)) == Sent(f"joe01doe_{BATCH}")
    manifest = orjson.loads((tmp_path / HOME / "manifest.json").read_bytes())
    told = [(file["file"], file["pages"]) for file in manifest["letters"][0]["files"]]
    assert told == [(name, 1) for name in pages]
    for name in pages:
        assert len(PdfDocument((tmp_path / HOME / name).read_bytes())) == 1


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [
            "..",
            "../..",
            "/etc/passwd",
            ".utskick",
            "a/b",
            "KLAR",
            "SHA256SUMS",
            "manifest.json",
            "sandlista-x.csv",
            "CON",
        ]
    ),
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(folder=NAMES, department=NAMES, file=NAMES, sent_by=NAMES)
def test_no_name_reaches_outside_and_none_is_lost(
    tmp_path: Path, folder: str, department: str, file: str, sent_by: str
) -> None:
    root = tmp_path / str(time.perf_counter_ns())
    drafts = [
        prepared(pdf(file), pdf(file, letter(2)), folderName=folder, department=department)
        for _ in range(2)
    ]
    assert isinstance(asyncio.run(hand_over(root, batch(*drafts, sent_by=sent_by))), Sent)
    assert {path.name for path in tmp_path.iterdir()} >= {root.name}
    found = files(root)
    assert len(found) == 4 + 4
    assert len({name.rpartition("/")[0] for name in found}) == 1
    assert sums_hold(root / found[0].rpartition("/")[0])
    subprocess.run(["rm", "-r", str(root)], check=True)
    assert list(tmp_path.iterdir()) == []


async def test_a_repeat_changes_nothing(tmp_path: Path) -> None:
    key, draft = new_id(), batch(prepared(), prepared(department="Skola"))
    first = await hand_over(tmp_path, draft, key)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path)}
    assert await hand_over(tmp_path, draft, key) == first
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path)} == before


async def test_a_repeat_prints_nothing_twice_when_the_house_has_taken_the_folder_away(
    tmp_path: Path,
) -> None:
    key, draft = new_id(), batch(prepared())
    await hand_over(tmp_path, draft, key)
    os.rename(tmp_path / "Kultur", tmp_path.parent / f"taken-{key}")
    assert await hand_over(tmp_path, draft, key) == Sent(f"joe01doe_{BATCH}")
    assert files(tmp_path) == []


async def test_a_repeat_knows_its_folder_by_the_marker_when_the_memory_is_gone(
    tmp_path: Path,
) -> None:
    key, draft = new_id(), batch(prepared())
    await hand_over(tmp_path, draft, key)
    subprocess.run(["rm", "-r", str(tmp_path / ".utskick")], check=True)
    before = files(tmp_path)
    assert await hand_over(tmp_path, draft, key) == Sent(f"joe01doe_{BATCH}")
    assert files(tmp_path) == before


async def test_anothers_folder_of_the_same_name_is_left_alone(tmp_path: Path) -> None:
    keys = [new_id(), new_id()]
    for key in (*keys, *keys):
        assert isinstance(await hand_over(tmp_path, batch(prepared()), key), Sent)
    assert sorted(path.name for path in (tmp_path / "Kultur").iterdir()) == [
        f"joe01doe_{BATCH}",
        f"joe01doe_{BATCH}-{keys[1].hex[-8:]}",
    ]


async def test_old_memories_are_swept_away_and_young_ones_are_not(tmp_path: Path) -> None:
    old, young = UUID("018b0000-0000-7000-8000-000000000001"), new_id()
    for key in (old, young, new_id()):
        await hand_over(tmp_path, batch(prepared()), key)
    assert not (tmp_path / ".utskick" / str(old)).exists()
    assert os.listdir(tmp_path / ".utskick" / str(young) / "ready") == ["PLAN"]


async def test_a_batch_without_letters_is_no_hand_over(tmp_path: Path) -> None:
    assert isinstance(await hand_over(tmp_path, batch()), Rejected)
    assert files(tmp_path) == []


class Crash(BaseException):
    """The process dies here."""


class Frail(Folder):
    """A folder that fails at its n-th step: before it, or after it was done and nobody was told."""

    def __init__(self, root: Path, step: int, *, after: bool, fault: BaseException) -> None:
        super().__init__(FolderAccount(provider="folder", path=str(root)))
        self._left, self._after, self._fault = step, after, fault

    async def _step(self, done: Callable[[], Awaitable[None]]) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise self._fault
        await done()
        if self._left == 0:
            raise self._fault

    @property
    def struck(self) -> bool:
        return self._left <= 0

    async def make(self, path: str) -> None:
        await self._step(lambda: super(Frail, self).make(path))

    async def write(self, path: str, data: bytes) -> None:
        await self._step(lambda: super(Frail, self).write(path, data))

    async def rename(self, old: str, new: str) -> None:
        await self._step(lambda: super(Frail, self).rename(old, new))


def whole(root: Path) -> bool:
    """Everything that is to be seen is complete."""
    folders = {root / Path(name).parent for name in files(root)}
    return all((folder / "KLAR").exists() and quick_sums_hold(folder) for folder in folders)


def quick_sums_hold(folder: Path) -> bool:
    listed = dict(
        reversed(line.split("  ", 1)) for line in (folder / "SHA256SUMS").read_text().splitlines()
    )
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    return listed == {
        name: digest for name, digest in found.items() if name not in ("SHA256SUMS", "KLAR")
    }


THREE = (prepared(), prepared(department="Skola"), prepared(department="Vatten"))


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (Crash(), False),
        (Crash(), True),
        (StorageFault("target-full", "full"), False),
        (StorageLost("unreachable", "gone"), False),
        (StorageLost("unreachable", "gone"), True),
    ],
)
async def test_wherever_it_breaks_nothing_half_is_seen_lost_or_doubled(
    tmp_path: Path, fault: BaseException, after: bool
) -> None:
    preflight = preflight_of(Limits())
    composer = LetterComposer(PROFILES["free-v2"], preflight, Limits())
    step, struck = 0, True
    while struck:
        step += 1
        root, key = tmp_path / str(step), new_id()
        root.mkdir()
        frail = Frail(root, step, after=after, fault=fault)
        try:
            outcome: Outcome | None = await HandOver(frail, HandoverLayout(), composer, key).run(
                batch(*THREE)
            )
        except Crash:
            outcome = None
        struck = frail.struck
        assert whole(root)
        assert isinstance(outcome, Sent | Uncertain | None) or not files(root)
        taken = files(root)
        subprocess.run(
            f"mkdir ../taken-{step}; mv * ../taken-{step}/ 2>/dev/null",
            shell=True,
            cwd=root,
            check=False,
        )
        again = await HandOver(
            Folder(FolderAccount(provider="folder", path=str(root))),
            HandoverLayout(),
            composer,
            key,
        ).run(batch(*THREE))
        assert isinstance(again, Sent)
        assert whole(root)
        seen = taken + files(root)
        assert sorted(name for name in seen if name.endswith("KLAR")) == [
            f"{d}/joe01doe_{BATCH}/KLAR" for d in ("Kultur", "Skola", "Vatten")
        ]
        assert [path.name for path in (root / ".utskick" / str(key)).iterdir()] == ["ready"]
    await preflight.close()
    assert step > 20


async def test_two_attempts_at_once_hand_over_once(tmp_path: Path) -> None:
    key = new_id()
    outcomes = await asyncio.gather(*(hand_over(tmp_path, batch(*THREE), key) for _ in range(4)))
    assert any(isinstance(outcome, Sent) for outcome in outcomes)
    assert all(isinstance(outcome, Sent | Deferred | Uncertain) for outcome in outcomes)
    assert whole(tmp_path)
    assert len([name for name in files(tmp_path) if name.endswith("KLAR")]) == 3


class Overtaken(Folder):
    """While this attempt writes, another one hands everything over; then the disk is full."""

    def __init__(self, root: Path, other: Callable[[], Awaitable[Outcome]]) -> None:
        super().__init__(FolderAccount(provider="folder", path=str(root)))
        self._other = other

    async def write(self, path: str, data: bytes) -> None:
        await self._other()
        raise StorageFault("target-full", "full")


async def test_an_attempt_that_was_overtaken_does_not_tidy_away_what_was_decided(
    tmp_path: Path,
) -> None:
    key, composer = new_id(), LetterComposer(PROFILES["free-v2"], preflight_of(Limits()), Limits())

    async def half() -> Outcome:
        """Up to the second of three folders."""
        frail = Frail(tmp_path, 25, after=True, fault=StorageLost("unreachable", "gone"))
        return await HandOver(frail, HandoverLayout(), composer, key).run(batch(*THREE))

    outcome = await HandOver(Overtaken(tmp_path, half), HandoverLayout(), composer, key).run(
        batch(prepared())
    )
    assert isinstance(outcome, Deferred)
    taken = files(tmp_path)
    assert 0 < len([name for name in taken if name.endswith("KLAR")]) < 3
    os.rename(tmp_path / "Kultur", tmp_path / ".taken")
    assert isinstance(await hand_over(tmp_path, batch(*THREE), key), Sent)
    assert len([name for name in files(tmp_path) if name.endswith("KLAR")]) == 2


class Locked(Folder):
    """Lets nobody make a folder of this name where the printing house looks."""

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(FolderAccount(provider="folder", path=str(root)))
        self._name = name

    async def make(self, path: str) -> None:
        if path == self._name:
            raise forbidden()
        await super().make(path)


async def test_a_folder_that_may_not_be_made_is_our_mistake_unless_another_was_shown(
    tmp_path: Path,
) -> None:
    composer = LetterComposer(PROFILES["free-v2"], preflight_of(Limits()), Limits())
    for name, expected in (("Kultur", Misconfigured), ("Skola", Uncertain)):
        (tmp_path / name).mkdir()
        outcome = await HandOver(
            Locked(tmp_path / name, name), HandoverLayout(), composer, new_id()
        ).run(batch(*THREE))
        assert isinstance(outcome, expected)
        assert outcome.reason.code == "refused-access"


async def test_a_full_disk_defers_leaves_nothing_and_the_repeat_works(tmp_path: Path) -> None:
    composer = LetterComposer(PROFILES["free-v2"], preflight_of(Limits()), Limits())
    frail = Frail(tmp_path, 4, after=False, fault=StorageFault("target-full", "full"))
    outcome = await HandOver(frail, HandoverLayout(), composer, key := new_id()).run(batch(*THREE))
    assert isinstance(outcome, Deferred)
    assert list((tmp_path / ".utskick" / str(key)).iterdir()) == []
    assert isinstance(await hand_over(tmp_path, batch(*THREE), key), Sent)


def test_what_the_system_says_has_its_class() -> None:
    assert isinstance(fault_of(PermissionError(errno.EACCES, "no")).outcome(), Misconfigured)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE):
        assert isinstance(fault_of(OSError(number, "no")).outcome(), Deferred)
    assert fault_of(OSError(errno.ENOSPC, "no")).reason.code == "target-full"


async def test_many_letters_of_one_pdf_are_handed_over(tmp_path: Path) -> None:
    data = letter() + b"%" + b"x" * 300_000
    shared = pdf(data=data)
    one = prepared(shared)
    assert isinstance(await hand_over(tmp_path, batch(*[one] * 300)), Sent)
    assert len(files(tmp_path)) == 304


async def test_a_letter_that_cannot_be_composed_or_was_erased_stops_no_other(
    tmp_path: Path,
) -> None:
    ids, told = [new_id() for _ in range(3)], []

    async def leave_out(letters: Mapping[UUID, Reason]) -> None:
        told.append({letter: reason.code for letter, reason in letters.items()})

    broken = replace(prepared(text="Hej"), frozen=b"no address")
    whole = batch(prepared(), broken, prepared(), ids=ids)

    async def letters() -> AsyncIterator[tuple[UUID, Draft | None]]:
        assert whole.letters is not None
        async for delivery, one in whole.letters():
            yield delivery, None if delivery == ids[2] else one

    draft, key = replace(whole, letters=letters, leave_out=leave_out), new_id()
    for _ in range(2):  # a repeat tells it again
        assert isinstance(await hand_over(tmp_path, draft, key), Sent)
    assert told == [{ids[1]: "unprintable-letter", ids[2]: "erased"}] * 2
    manifest = orjson.loads((tmp_path / HOME / "manifest.json").read_bytes())
    assert [one["delivery"] for one in manifest["letters"]] == [str(ids[0])]


async def test_a_fault_of_ours_before_the_hand_over_is_a_known_no(tmp_path: Path) -> None:
    async def letters() -> AsyncIterator[tuple[UUID, Draft | None]]:
        yield new_id(), prepared()
        raise LookupError("a file is missing")

    outcome = await hand_over(tmp_path, replace(batch(prepared()), letters=letters))
    assert isinstance(outcome, Deferred)
    assert (outcome.reason.code, outcome.concerns) == ("adapter-fault", Concern.OURSELVES)
    assert files(tmp_path) == []
