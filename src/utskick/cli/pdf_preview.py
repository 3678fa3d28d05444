"""Preview of PDFs: what the service will find in them, and pictures of the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.markup import escape

from utskick.channels.snail_mail.letters import preflight_of
from utskick.channels.snail_mail.settings import PROFILES, Limits, Profile
from utskick.cli import console
from utskick.cli.payloads import LocalFile
from utskick.domain.attachment import Attachment
from utskick.domain.errors import Unreadable
from utskick.domain.notice import TEXTS
from utskick.pdf.preflight import Preflight
from utskick.pdf.rules import Area, Rules

_ZONE, _WINDOW = "#d00000", "#0060d0"


@dataclass(frozen=True, slots=True)
class PdfPreview:
    """How to look at PDFs.

    ``ways``: *paper*, *mailbox* or both, at least one of which has to take each file. ``picture``:
    where to write the first page; further ones get ``-2``, ``-3`` … before the suffix.
    """

    files: Sequence[LocalFile]
    ways: tuple[str, ...]
    picture: Path | None
    profile: str = "postnord-v2"

    async def show(self) -> bool:
        """Print what is found in each file and write the pictures. Return whether all are taken."""
        if self.profile not in PROFILES:
            raise Unreadable(f"--profile must be one of {', '.join(PROFILES)}")
        if self.picture is not None and self.picture.suffix.lower() != ".png":
            raise Unreadable(f"--preview {self.picture} must be the name of a picture (.png)")
        preflight = preflight_of(Limits())
        try:
            taken = [await self._check(preflight, file) for file in self.files]
            if self.picture is not None:
                await self._draw(preflight, self.picture)
        except OSError as fault:
            raise Unreadable(f"the preview cannot be made: {fault}") from fault
        finally:
            await preflight.close()
        return all(taken)

    async def _check(self, preflight: Preflight, file: LocalFile) -> bool:
        attachment = Attachment.of(file.name, "application/pdf", file.data)
        rows: list[tuple[str, str]] = [("file", escape(file.name))]
        taken = []
        for way in self.ways:
            found = await preflight.check(attachment, _rules(PROFILES[self.profile], way))
            taken.append(not found.findings)
            if found.pages is not None and len(rows) == 1:
                rows.append(("pages", str(found.pages)))
            rows += [(way, escape(text)) for _, text in found.findings] or [(way, "taken")]
            rows += [
                (f"{way} notice", escape(TEXTS[code]["en"].replace("{value}", value)))
                for code, value in found.notices
                if not found.findings
            ]
        console.stdout.print(console.value_table(rows))
        return any(taken)

    async def _draw(self, preflight: Preflight, first: Path) -> None:
        """Write a picture of every page of every file."""
        profile, number = PROFILES[self.profile], 0
        for file in self.files:
            page = 0
            while True:
                frames = _frames(profile) if page == 0 or profile.zone_pages == "all" else []
                picture = await preflight.picture(file.data, page, frames)
                if picture is None:
                    break
                page, number = page + 1, number + 1
                path = first if number == 1 else first.with_stem(f"{first.stem}-{number}")
                path.write_bytes(picture)
                console.print_line(f"{path}: page {page} of {file.name}")
        if "paper" in self.ways:
            console.print_line(
                "Red: must be empty, for the sorting codes of the post. Blue: the window of the"
                " envelope."
            )


def _rules(profile: Profile, way: str) -> Rules:
    if way == "mailbox":
        return Rules(paper=False)
    every = profile.zone_pages == "all"
    return Rules(
        paper=True,
        pages=Limits().page_limit,
        zones=tuple((Area(z.name, z.x, z.y, z.width, z.height), every) for z in profile.zones),
    )


def _frames(profile: Profile) -> list[tuple[Area, str]]:
    window = profile.window
    zones = [(Area(z.name, z.x, z.y, z.width, z.height), _ZONE) for z in profile.zones]
    shown = Area("window", "left", "top", window.width, window.height, window.left, window.top)
    return [*zones, (shown, _WINDOW)]


#: Profiles of envelopes that a preview can be made for.
KNOWN: Final = tuple(PROFILES)
