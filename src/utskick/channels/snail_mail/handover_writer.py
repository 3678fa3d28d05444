"""Writer of a hand-over's folders: PDFs first, then the lists, then the done marker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from utskick.channels.snail_mail.file_names import (
    DONE,
    MANIFEST,
    SUMS,
    Names,
    address_list,
    file_name,
    segment,
    sums,
)
from utskick.channels.snail_mail.letters import Letter, LetterComposer, LetterPdf, sha256
from utskick.channels.snail_mail.settings import HandoverLayout
from utskick.channels.snail_mail.storage import Storage, StorageFault
from utskick.domain.channel import Draft
from utskick.domain.outcome import Reason
from utskick.domain.postal_recipient import Addressee

#: Why a hand-over goes without a letter.
UNPRINTABLE: Final = Reason("unprintable-letter", "the letter cannot be typeset")
ERASED: Final = Reason("erased", "its content was erased before it was handed over")

log = structlog.get_logger(__name__)

#: Files written concurrently: enough to hide the latency, few enough to bound the memory.
_AT_ONCE: Final = 8


@dataclass
class _Folder:
    """Contents of one folder: ``number`` is its name in staging, ``path`` its final place."""

    number: str
    path: str
    names: Names = field(default_factory=Names)
    rows: list[Sequence[str]] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)
    digests: list[tuple[str, bytes]] = field(default_factory=list)
    once: dict[bytes, str] = field(default_factory=dict)
    first: str = "brev"


class HandOverWriter:
    """Writer for one attempt, below the folder ``attempt``."""

    def __init__(
        self, target: Storage, attempt: str, layout: HandoverLayout, composer: LetterComposer
    ) -> None:
        self._target = target
        self._attempt = attempt
        self._layout = layout
        self._composer = composer
        self._folders: dict[str, _Folder] = {}
        #: Letters that the hand-over goes without, with the reason of each.
        self.left_out: dict[UUID, Reason] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def write(self, draft: Draft, key: UUID, name: str) -> list[dict[str, str]]:
        """Write all folders. Return ``number`` and ``path`` of each. Raises ``StorageFault``."""
        assert draft.letters is not None
        try:
            async with asyncio.TaskGroup() as group:
                async for delivery, letter_draft in draft.letters():
                    letter = await self._composed(delivery, letter_draft)
                    if letter is None:
                        continue
                    folder = await self._folder(draft.municipality_id, letter, name)
                    for path, data in self._add(folder, letter):
                        await self._slots.acquire()
                        group.create_task(self._put(path, data))
        except BaseExceptionGroup as faults:
            raise _worst(faults) from faults
        for folder in self._folders.values():
            await self._close(folder, draft, key)
        return [{"number": folder.number, "path": folder.path} for folder in self._folders.values()]

    async def _composed(self, delivery: UUID, draft: Draft | None) -> Letter | None:
        """Compose a letter; None for one that is left out, so that it does not stop the others.

        ``prepare`` has composed it before. Raises ``OSError`` for want of a process or memory.
        """
        if draft is None:
            self.left_out[delivery] = ERASED
            return None
        try:
            return await self._composer.compose(delivery, draft)
        except OSError:
            raise
        except Exception:
            log.exception("unprintable-letter", delivery=str(delivery))
            self.left_out[delivery] = UNPRINTABLE
            return None

    async def _put(self, path: str, data: bytes) -> None:
        try:
            await self._target.write(path, data)
        finally:
            self._slots.release()

    async def _folder(self, municipality_id: str, letter: Letter, name: str) -> _Folder:
        """Return the letter's folder; names that differ only in case are one, as on a share."""
        outer = [municipality_id] if self._layout.municipality_folder else []
        parts = [*outer, *([letter.folder_name] if letter.folder_name else []), letter.department]
        path = "/".join([*(segment(part) for part in parts), name])
        folder = self._folders.get(path.casefold())
        if folder is None:
            folder = self._folders[path.casefold()] = _Folder(str(len(self._folders) + 1), path)
            await self._target.make(f"{self._attempt}/{folder.number}")
        return folder

    def _add(self, folder: _Folder, letter: Letter) -> list[tuple[str, bytes]]:
        """Add the letter to the lists and return the files to write."""
        files, to_write = [], []
        for sheet in letter.sheets:
            name = folder.once.get(sheet.digest)
            if name is None:
                name = folder.names.give(file_name(sheet.name, ".pdf"))
                folder.digests.append((name, sheet.digest))
                to_write.append((f"{self._attempt}/{folder.number}/{name}", sheet.data))
                if self._layout.shared == "once":
                    folder.once[sheet.digest] = name
            files.append((name, sheet))
        if not folder.letters:
            folder.first = next(
                (name for name, sheet in files if sheet.kind != "cover"), "brev.pdf"
            ).removesuffix(".pdf")
        listed = self._layout.rows == "all" or not letter.windowed
        if listed:
            folder.rows.append(self._row(letter, files[0][0] if files else ""))
        folder.letters.append(_entry(letter, files, listed=listed))
        return to_write

    def _row(self, letter: Letter, file: str) -> list[str]:
        to = letter.addressee
        names = ", ".join(part for part in (to.organization, to.name) if part)
        additional = {
            "fil": file,
            "organisationsnummer": to.organization_number,
            "land": to.country,
            "avvikelse": letter.deviation or "",
            "leverans": str(letter.delivery),
        }
        return [
            names,
            to.care_of,
            to.street,
            to.apartment,
            to.postal_code,
            self._city(to),
            *(additional[column] for column in self._layout.columns),
        ]

    def _city(self, to: Addressee) -> str:
        """Return the town; abroad with the country, where no column of its own has that."""
        if to.is_domestic or "land" in self._layout.columns:
            return to.city
        return f"{to.city}, {to.country.upper()}"

    async def _close(self, folder: _Folder, draft: Draft, key: UUID) -> None:
        """Write the lists, the checksums and finally the marker of a complete folder."""
        lists: list[tuple[str, bytes]] = [(MANIFEST, _manifest(folder, draft, key))]
        if folder.rows:
            lists.insert(
                0,
                (
                    folder.names.give(f"sandlista-{folder.first}.csv"),
                    address_list(folder.rows, self._layout),
                ),
            )
        summed = sums([*folder.digests, *((name, sha256(data)) for name, data in lists)])
        marker = f"{key}\n{sha256(summed).hex()}\n".encode()
        for name, data in (*lists, (SUMS, summed), (DONE, marker)):
            await self._target.write(f"{self._attempt}/{folder.number}/{name}", data)


def _worst(faults: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the exception to raise for several: a bug takes precedence over a storage fault."""
    bugs = [fault for fault in faults.exceptions if not isinstance(fault, StorageFault)]
    return (bugs or list(faults.exceptions))[0]


def _entry(
    letter: Letter, files: Sequence[tuple[str, LetterPdf]], *, listed: bool
) -> dict[str, Any]:
    to = letter.addressee
    pages = [sheet.pages for _, sheet in files]
    members: dict[str, Any] = {
        "delivery": str(letter.delivery),
        "department": letter.department,
        "name": to.printed_name,
        "lines": to.lines(),
        "country": to.country or ("Sverige" if to.lines() else ""),
        "organizationNumber": to.organization_number,
        "deviation": letter.deviation or "",
        "envelope": "WINDOWED" if letter.windowed else "PLAIN",
        "inAddressList": listed,
        "files": [
            {
                "file": name,
                "kind": sheet.kind,
                "sha256": sheet.digest.hex(),
                **({"pages": sheet.pages} if sheet.pages else {}),
            }
            for name, sheet in files
        ],
    }
    if None not in pages:
        members["pages"] = sum(count for count in pages if count is not None)
    return {name: value for name, value in members.items() if value != ""}


def _manifest(folder: _Folder, draft: Draft, key: UUID) -> bytes:
    """Build ``manifest.json``: everything that has no column in the address list."""
    content = draft.content
    head = {
        "version": 1,
        "handOver": str(key),
        "batchId": str(content["batchId"]),
        "sequence": content.get("sequence"),
        "municipalityId": draft.municipality_id,
        "sentBy": content.get("sentBy"),
        "folder": folder.path,
    }
    members = {name: value for name, value in head.items() if value is not None}
    return orjson.dumps({**members, "letters": folder.letters}, option=orjson.OPT_INDENT_2)
