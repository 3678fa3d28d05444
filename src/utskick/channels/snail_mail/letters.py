"""One letter of a hand-over: whom it is to, in which envelope, and the PDFs that it consists of."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from utskick.channels.snail_mail.preflight_client import PreflightClient, PreflightResult
from utskick.channels.snail_mail.settings import Profile
from utskick.channels.snail_mail.typesetting import LetterPage, LetterTypesetter
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft
from utskick.domain.postal_recipient import Addressee

Kind = Literal["cover", "text", "attachment"]


@dataclass(frozen=True, slots=True)
class LetterPdf:
    """One PDF of a letter. ``pages``: None where it cannot be counted."""

    kind: Kind
    name: str
    data: bytes
    digest: bytes
    pages: int | None


@dataclass(frozen=True, slots=True)
class Letter:
    """``windowed``: the PDFs show the address themselves."""

    delivery: UUID
    addressee: Addressee
    department: str
    folder_name: str | None
    deviation: str | None
    windowed: bool
    sheets: Sequence[LetterPdf]


class Bench:
    """Where letters are put together: the press, and who counts pages."""

    def __init__(self, profile: Profile, inspection: PreflightClient) -> None:
        self._profile = profile
        self._inspection = inspection
        self._press = LetterTypesetter()
        self._one_at_a_time = asyncio.Lock()

    async def letter(self, delivery: UUID, draft: Draft) -> Letter:
        content = draft.content
        addressee = Addressee.thaw(draft.frozen)
        windowed = (
            (_envelope(content) == "WINDOWED")
            or bool(content.get("text"))
            or bool(content.get("coverPage"))
        )
        sheets = [sheet for sheet in (await self._set(draft, addressee),) if sheet is not None]
        sheets += [
            LetterPdf("attachment", a.name, a.data, a.digest, await self._pages(a))
            for a in draft.attachments
        ]
        return Letter(
            delivery=delivery,
            addressee=addressee,
            department=str(content.get("department") or ""),
            folder_name=content.get("folderName"),
            deviation=content.get("deviation"),
            windowed=windowed,
            sheets=sheets,
        )

    async def _set(self, draft: Draft, addressee: Addressee) -> LetterPdf | None:
        """The letter of a text; its first page carries the address, so that a cover page is made
        only for PDFs alone."""
        content, attachments = draft.content, draft.attachments
        if content.get("text"):
            kind, name = "text", "brev.pdf"
        elif content.get("coverPage"):
            first = attachments[0].name if attachments else "brev"
            kind, name = "cover", f"{first.removesuffix('.pdf').removesuffix('.PDF')}-adress.pdf"
        else:
            return None
        page = self.page(content, addressee.lines())
        data = await self.press(replace(page, made=draft.created_at) if draft.created_at else page)
        made = Attachment.of(name, "application/pdf", data)
        return LetterPdf(
            "text" if kind == "text" else "cover",
            name,
            data,
            made.digest,
            await self._pages(made) if kind == "text" else 1,
        )

    async def look(self, attachment: Attachment) -> PreflightResult:
        """Raises ``OSError`` when no process can be started."""
        return await self._inspection.look(attachment, self._profile)

    def page(self, content: Mapping[str, Any], lines: Sequence[str]) -> LetterPage:
        """What is set for a letter's content."""
        sender, subject, text = (
            str(content.get(name) or "") for name in ("department", "subject", "text")
        )
        return LetterPage(self._profile.window, lines, sender, subject, text)

    async def press(self, page: LetterPage) -> bytes:
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._press.set, page)

    async def prove(self, page: LetterPage) -> bytes:
        """As ``press``, but raises ``Undrawable``."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._press.set_strictly, page)

    async def _pages(self, attachment: Attachment) -> int | None:
        try:
            return (await self.look(attachment)).pages
        except OSError:
            return None


def _envelope(content: Mapping[str, Any]) -> str | None:
    """Of the first attachment, as today."""
    told = content.get("attachments") or []
    return told[0].get("envelopeType") if told else None


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
