"""PDFs of a digital mail: checked at acceptance, and mended copies of those that need it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from utskick.channels.digital_mail.envelope import LIMIT
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft
from utskick.domain.errors import Violation
from utskick.domain.notice import Notice, notices_of
from utskick.domain.outcome import Deferred, Reason, Rejected
from utskick.pdf.preflight import Preflight, PreflightFault, PreflightLimits
from utskick.pdf.rules import ACTIVE, Rules

_RULES: Final = Rules(paper=False)
_RULE: Final = "must be a PDF that mailboxes can show"
#: Code of the notice that a mended copy is sent.
_REPAIRED: Final = "pdf-repaired"
#: CPU seconds for a PDF, which is not drawn.
_SECONDS: Final = 0.5


class Enclosures:
    """Checks and prepares PDFs for mailboxes."""

    def __init__(self) -> None:
        # A larger one is refused for its size, whatever is in it.
        self._preflight = Preflight(PreflightLimits(LIMIT, _SECONDS))

    async def inspect(self, attachments: Sequence[Attachment]) -> list[Violation | Notice]:
        """Check PDFs. Raises ``OSError`` if no worker process can be started."""
        small = [file for file in attachments if len(file.data) <= LIMIT]
        results = await asyncio.gather(*(self._preflight.check(f, _RULES) for f in small))
        by_digest = {file.digest: found for file, found in zip(small, results, strict=True)}
        found: list[Violation | Notice] = []
        for index, file in enumerate(attachments):
            if (result := by_digest.get(file.digest)) is None:
                continue
            field = f"attachments[{index}]"
            found += [
                Violation(f"{field}.content", f"{_RULE}: it {text}", code)
                for code, text in result.findings
            ]
            found += [Notice(code, field, value) for code, value in result.notices]
        return found

    async def prepared(self, draft: Draft) -> Draft | Deferred | Rejected:
        """Return the draft with what is sent of its PDFs; deferred while they cannot be read.

        By the notices of acceptance, so that most PDFs are not opened again. A PDF that no mailbox
        gets is rejected: of a letter, which then goes on paper.
        """
        notices = {notice.code: notice.field for notice in notices_of(draft.content)}
        if ACTIVE in notices:
            sentence = f"{notices[ACTIVE]} contains a script or starts a program"
            return Rejected(Reason("active-content", sentence))
        if _REPAIRED not in notices:
            return draft
        try:
            content, files = await self.mended(draft.content, draft.attachments)
        except (OSError, PreflightFault):
            return Deferred(Reason("preflight-away", "the process that reads PDFs does not work"))
        return replace(draft, content=content, attachments=files)

    async def mended(
        self, content: Mapping[str, Any], attachments: Sequence[Attachment]
    ) -> tuple[Mapping[str, Any], tuple[Attachment, ...]]:
        """Return content and PDFs with mended copies in place of those that need it.

        Raises ``OSError`` and ``PreflightFault``.
        """
        sent = {file.digest.hex(): await self._sendable(file) for file in attachments}
        described = [
            {**entry, "digest": sent[entry["digest"]].digest.hex()}
            for entry in content.get("attachments") or ()
        ]
        files = tuple(sent[file.digest.hex()] for file in attachments)
        return {**content, "attachments": described}, files

    async def _sendable(self, file: Attachment) -> Attachment:
        return await self._preflight.sendable(file, _RULES) if len(file.data) <= LIMIT else file

    def warm(self) -> None:
        self._preflight.warm()

    async def close(self) -> None:
        await self._preflight.close()
