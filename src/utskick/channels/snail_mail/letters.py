"""Composition of one letter of a hand-over: addressee, envelope and PDFs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from utskick.channels.snail_mail.settings import EnvelopeWindow, Limits, Profile
from utskick.channels.snail_mail.typesetting import LetterPage, LetterTypesetter
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft
from utskick.domain.postal_recipient import Addressee
from utskick.pdf.preflight import Preflight, PreflightFault, PreflightLimits, PreflightResult
from utskick.pdf.rules import Area, Rules

Kind = Literal["cover", "text", "attachment"]


@dataclass(frozen=True, slots=True)
class LetterPdf:
    """One PDF of a letter. ``pages``: None if they cannot be counted."""

    kind: Kind
    name: str
    data: bytes
    digest: bytes
    pages: int | None


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter. ``windowed``: its PDFs show the address themselves."""

    delivery: UUID
    addressee: Addressee
    department: str
    folder_name: str | None
    deviation: str | None
    windowed: bool
    sheets: Sequence[LetterPdf]


class LetterComposer:
    """Composes letters for one profile: typesets texts and counts pages."""

    def __init__(self, profile: Profile, preflight: Preflight, limits: Limits) -> None:
        self._profile = profile
        self._preflight = preflight
        self._rules = Rules(
            paper=True,
            pages=limits.page_limit,
            zones=tuple(
                (Area(z.name, z.x, z.y, z.width, z.height), profile.zone_pages == "all")
                for z in profile.zones
            ),
        )
        self._typesetter = LetterTypesetter()
        self._lock = asyncio.Lock()

    async def compose(self, delivery: UUID, draft: Draft) -> Letter:
        """Compose the letter of one delivery."""
        content = draft.content
        addressee = Addressee.thaw(draft.frozen)
        windowed = (
            (_envelope(content) == "WINDOWED")
            or bool(content.get("text"))
            or bool(content.get("coverPage"))
        )
        own_page = await self._own_page(draft, addressee)
        sheets = [own_page] if own_page is not None else []
        sheets += [await self._enclosed(attachment) for attachment in draft.attachments]
        return Letter(
            delivery=delivery,
            addressee=addressee,
            department=str(content.get("department") or ""),
            folder_name=content.get("folderName"),
            deviation=content.get("deviation"),
            windowed=windowed,
            sheets=sheets,
        )

    async def _own_page(self, draft: Draft, addressee: Addressee) -> LetterPdf | None:
        """Typeset the letter's text, or the cover page, or neither.

        A text's first page shows the address, so a cover page is made for PDFs only.
        """
        content, attachments = draft.content, draft.attachments
        if content.get("text"):
            kind, name = "text", "brev.pdf"
        elif content.get("coverPage"):
            first = attachments[0].name if attachments else "brev"
            kind, name = "cover", f"{first.removesuffix('.pdf').removesuffix('.PDF')}-adress.pdf"
        else:
            return None
        page = self.page(content, addressee.lines())
        data = await self.typeset(
            replace(page, made=draft.created_at) if draft.created_at else page
        )
        pdf = Attachment.of(name, "application/pdf", data)
        return LetterPdf(
            "text" if kind == "text" else "cover",
            name,
            data,
            pdf.digest,
            await self._pages(pdf) if kind == "text" else 1,
        )

    async def _enclosed(self, attachment: Attachment) -> LetterPdf:
        """Return the PDF that is printed: that of the sender, or a copy mended and decrypted.

        Raises ``OSError`` if no worker process can be started.
        """
        try:
            printed = await self._preflight.sendable(attachment, self._rules)
        except PreflightFault:
            # It was accepted, and the log has the fault: the printing house gets the file itself.
            printed = attachment
        pages = await self._pages(attachment)
        return LetterPdf("attachment", attachment.name, printed.data, printed.digest, pages)

    async def check(
        self, attachment: Attachment, *, addresses_itself: bool = False
    ) -> PreflightResult:
        """Check a PDF. ``addresses_itself``: its first page has the address in the window.

        Raises ``OSError`` if no worker process can be started.
        """
        window = _area(self._profile.window) if addresses_itself else None
        return await self._preflight.check(attachment, replace(self._rules, window=window))

    @property
    def window(self) -> EnvelopeWindow:
        return self._profile.window

    def page(self, content: Mapping[str, Any], lines: Sequence[str]) -> LetterPage:
        """Build the page to typeset from a letter's content."""
        sender, subject, text = (
            str(content.get(name) or "") for name in ("department", "subject", "text")
        )
        return LetterPage(self._profile.window, lines, sender, subject, text)

    async def typeset(self, page: LetterPage) -> bytes:
        """Typeset the page as a PDF, substituting characters that the fonts lack."""
        async with self._lock:
            return await asyncio.to_thread(self._typesetter.set, page)

    async def typeset_strictly(self, page: LetterPage) -> bytes:
        """Typeset the page as a PDF. Raises ``MissingGlyphs``."""
        async with self._lock:
            return await asyncio.to_thread(self._typesetter.set_strictly, page)

    async def _pages(self, attachment: Attachment) -> int | None:
        try:
            return (await self.check(attachment)).pages
        except (OSError, PreflightFault):
            return None


def _envelope(content: Mapping[str, Any]) -> str | None:
    """Return the envelope type, which the first attachment determines."""
    attachments = content.get("attachments") or []
    return attachments[0].get("envelopeType") if attachments else None


def _area(window: EnvelopeWindow) -> Area:
    """Return the part of a page that the envelope's window shows."""
    return Area("the address", "left", "top", window.width, window.height, window.left, window.top)


def preflight_of(limits: Limits) -> Preflight:
    """Return a client of the preflight with these limits."""
    return Preflight(PreflightLimits(limits.size_limit, limits.check_seconds))


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
