"""Hand-over of a print batch: written to a staging folder, then published atomically.

Below the account's root, ``.utskick/<key>/<attempt>/<n>/`` is the n-th folder of the hand-over (one
for each folder name and department) while it is being written. Two kinds of atomic renames follow:

1. ``.utskick/<key>/<attempt>`` → ``.utskick/<key>/ready`` decides what is handed over. Only one
   attempt can succeed; one that has been superseded cannot, as its leftovers are renamed before
   they are removed.
2. ``.utskick/<key>/ready/<n>`` → ``<folder>/<department>/<batch>``, one after another. The printing
   house sees each folder complete.

``ready/PLAN`` stays as a record for ``REMEMBERED``; a later hand-over removes it.

A repeat finds ``ready``, writes nothing and renames what is still there: what is missing has been
renamed before, wherever the printing house has moved it since. So a crash between two renames
neither loses nor doubles a letter, and a rename without a response may be repeated: the channel
does so at once over a new connection, and an attempt that is uncertain all the same is *resent*. A
fault before the first rename of step 2 is a known no. If the record has been removed by others, the
done marker of a folder that is still there contains the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
import structlog

from utskick.channels.snail_mail.file_names import DONE, STAGING, batch_folder
from utskick.channels.snail_mail.handover_writer import ERASED, UNPRINTABLE, HandOverWriter
from utskick.channels.snail_mail.letters import LetterComposer
from utskick.channels.snail_mail.settings import HandoverLayout
from utskick.channels.snail_mail.storage import (
    Missing,
    NameTaken,
    Storage,
    StorageAccessDenied,
    StorageFault,
    StorageLost,
    remove_all,
)
from utskick.domain.channel import Draft
from utskick.domain.ids import made_at, parse_id
from utskick.domain.outcome import Concern, Deferred, Outcome, Reason, Rejected, Sent, Uncertain

REMEMBERED: Final = timedelta(days=30)
_FAULT: Final = Reason(
    "adapter-fault", "an internal fault before anything was handed over; it is repeated"
)
log = structlog.get_logger(__name__)
_READY, _PLAN = "ready", "PLAN"


@dataclass(frozen=True, slots=True)
class HandOver:
    """One hand-over to one storage. ``key``: the delivery's id."""

    target: Storage
    layout: HandoverLayout
    composer: LetterComposer
    key: UUID

    @property
    def _staging(self) -> str:
        return f"{STAGING}/{self.key}"

    async def run(self, draft: Draft) -> Outcome:
        """Write and publish the batch. Storage faults become outcomes."""
        try:
            plan = await self._decided() or await self._write(draft)
            await _leave_out(draft, plan)
        except StorageFault as fault:
            return fault.outcome()
        except Exception:  # logged in full; nothing has been published
            log.exception("adapter-fault", during="hand-over", delivery=str(self.key))
            return Deferred(_FAULT, concerns=Concern.OURSELVES)
        if not plan["folders"]:
            return Rejected(
                Reason("empty-batch", "the print batch contains no letter that can be handed over")
            )
        return await self._publish(plan)

    async def _decided(self) -> dict[str, Any] | None:
        plan = await self.target.read(f"{self._staging}/{_READY}/{_PLAN}")
        decided: dict[str, Any] | None = orjson.loads(plan) if plan else None
        return decided

    async def _write(self, draft: Draft) -> dict[str, Any]:
        """Write the folders and rename the attempt to ``ready``.

        Leftovers of earlier attempts are removed first, and this one's own if it fails.
        """
        await self._clear()
        attempt = f"{self._staging}/{uuid4().hex}"
        name = _name(draft)
        writer = HandOverWriter(self.target, attempt, self.layout, self.composer)
        try:
            await self.target.make(attempt)
            folders = await writer.write(draft, self.key, name)
            left_out = {str(letter): reason.code for letter, reason in writer.left_out.items()}
            plan = {
                "key": str(self.key),
                "reference": name,
                "folders": folders,
                "leftOut": left_out,
            }
            await self.target.write(f"{attempt}/{_PLAN}", orjson.dumps(plan))
            await self.target.rename(attempt, f"{self._staging}/{_READY}")
        except NameTaken:
            # A concurrent attempt at the same hand-over was faster: its decision counts.
            return await self._decided() or {"folders": []}
        except StorageFault:
            await self._clear_quietly()
            raise
        return plan

    async def _clear(self) -> None:
        for name in await self.target.names(self._staging):
            if name != f"{_READY}/":
                await self._remove(f"{self._staging}/{name.rstrip('/')}")

    async def _remove(self, path: str) -> None:
        """Rename before removing, so that a concurrent writer's final rename fails."""
        trash = f"{self._staging}/trash-{uuid4().hex}"
        try:
            await self.target.rename(path, trash)
        except Missing:
            return
        await remove_all(self.target, trash)

    async def _clear_quietly(self) -> None:
        """Remove leftovers to free space; if that fails, the next attempt does it."""
        try:
            await self._clear()
        except StorageFault:
            return

    async def repeat(self) -> Outcome | None:
        """Publish what an earlier connection may not have; None if it had decided nothing.

        Raises ``StorageFault`` if it cannot be looked up.
        """
        plan = await self._decided()
        return await self._publish(plan) if plan is not None else None

    async def _publish(self, plan: dict[str, Any]) -> Outcome:
        """Rename the folders to the places where the printing house finds them."""
        shown = renaming = False
        try:
            waiting = set(await self.target.names(f"{self._staging}/{_READY}"))
            left = [folder for folder in plan["folders"] if f"{folder['number']}/" in waiting]
            shown = len(left) < len(plan["folders"])
            for folder in left:
                ready, renaming = f"{self._staging}/{_READY}/{folder['number']}", True
                await self._publish_folder(ready, folder["path"])
                shown = True
        except StorageFault as fault:
            if not shown and not (renaming and isinstance(fault, StorageLost)):
                # What refuses the folders of this hand-over may take those of another.
                alone = isinstance(fault, StorageAccessDenied | NameTaken)
                return fault.outcome(Concern.RECIPIENT if alone else Concern.ACCOUNT)
            return Uncertain(
                Reason(
                    fault.reason.code,
                    f"{fault.reason.sentence}: some folders of the hand-over may not have been"
                    " published; it can safely be repeated",
                )
            )
        await self._sweep()
        return Sent(plan["reference"])

    async def _publish_folder(self, ready: str, path: str) -> None:
        parent, _, _ = path.rpartition("/")
        await self.target.make(parent)
        for destination in (path, f"{path}-{self.key.hex[-8:]}"):
            try:
                await self.target.rename(ready, destination)
            except Missing:
                return
            except NameTaken:
                # Another batch of the same name (municipalities may choose the same names), or this
                # one, published before.
                marker = await self.target.read(f"{destination}/{DONE}") or b""
                if str(self.key).encode() in marker:
                    await remove_all(self.target, ready)
                    return
                continue
            return
        raise NameTaken("target-taken", "the printing house already has other folders of this name")

    async def _sweep(self) -> None:
        """Remove old records; every name is a key (UUIDv7), which contains its creation time."""
        before = datetime.now(UTC) - REMEMBERED
        try:
            for name in await self.target.names(STAGING):
                key = parse_id(name.rstrip("/"))
                if (
                    key is not None
                    and key.version == 7
                    and made_at(key) < before
                    and key != self.key
                ):
                    await self._forget(f"{STAGING}/{key}")
        except StorageFault:
            return

    async def _forget(self, staging: str) -> None:
        if set(await self.target.names(f"{staging}/{_READY}")) <= {_PLAN}:
            await remove_all(self.target, staging)


async def _leave_out(draft: Draft, plan: dict[str, Any]) -> None:
    """Fail the letters that the decided hand-over goes without."""
    left_out = plan.get("leftOut") or {}
    if left_out and draft.leave_out is not None:
        reasons = {reason.code: reason for reason in (UNPRINTABLE, ERASED)}
        await draft.leave_out({UUID(key): reasons[code] for key, code in left_out.items()})


def _name(draft: Draft) -> str:
    content = draft.content
    return batch_folder(str(content["batchId"]), content.get("sequence"), content.get("sentBy"))
