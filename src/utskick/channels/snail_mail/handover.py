"""The hand-over of a print batch: everything is written where nobody looks, and appears at once
when it is whole.

Below the account's root: ``.utskick/<key>/<attempt>/<n>/`` is the n-th folder of the hand-over (one
for each folder name and department) while it is being written. Then three steps, each a rename,
which a file system does wholly or not at all:

1. ``.utskick/<key>/<attempt>`` → ``.utskick/<key>/ready``. From here on it is decided what is
handed over. Only one attempt can do it, and
   an attempt that was overtaken by another (its leftovers are renamed before they are removed) can
   not.
2. ``.utskick/<key>/ready/<n>`` → ``<folder>/<department>/<batch>``, one after the other. The
printing house sees each of them whole.
3. ``ready/PLAN`` stays behind as the memory that it was done, for ``REMEMBERED``; a later hand-over
sweeps it away.

A repeat finds ``ready``, writes nothing and renames what is still there: what is not there has been
renamed before, wherever the printing house has moved it since. So a crash between two renames
neither loses nor doubles a letter, and a rename whose answer was lost may be asked for again: an
attempt without an answer is *resent*. Where the memory has been removed by others, the done marker
of a folder that is still there names the key, and says the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from utskick.channels.snail_mail.file_names import DESK, DONE, batch_folder
from utskick.channels.snail_mail.handover_writer import Writing
from utskick.channels.snail_mail.letters import Bench
from utskick.channels.snail_mail.settings import HandoverLayout
from utskick.channels.snail_mail.storage import (
    Missing,
    NameTaken,
    Storage,
    StorageAccessDenied,
    StorageFault,
    remove_all,
)
from utskick.domain.channel import Draft
from utskick.domain.ids import made_at, parse_id
from utskick.domain.outcome import Outcome, Reason, Rejected, Sent, Uncertain

REMEMBERED: Final = timedelta(days=30)
_READY, _PLAN = "ready", "PLAN"


@dataclass(frozen=True, slots=True)
class HandOver:
    """One hand-over to one target."""

    target: Storage
    layout: HandoverLayout
    bench: Bench
    key: UUID

    @property
    def _desk(self) -> str:
        return f"{DESK}/{self.key}"

    async def run(self, draft: Draft) -> Outcome:
        """Raises nothing that the target does."""
        try:
            plan = await self._decided() or await self._write(draft)
        except StorageFault as fault:
            return fault.outcome()
        if not plan["folders"]:
            return Rejected(
                Reason("empty-batch", "the print batch holds no letter that could be handed over")
            )
        return await self._show(plan)

    async def _decided(self) -> dict[str, Any] | None:
        plan = await self.target.read(f"{self._desk}/{_READY}/{_PLAN}")
        decided: dict[str, Any] | None = orjson.loads(plan) if plan else None
        return decided

    async def _write(self, draft: Draft) -> dict[str, Any]:
        """Steps up to the first rename. What an earlier attempt left goes first; what this one
        leaves when it fails, too."""
        await self._clear()
        attempt = f"{self._desk}/{uuid4().hex}"
        name = _name(draft)
        writing = Writing(self.target, attempt, self.layout, self.bench)
        try:
            await self.target.make(attempt)
            folders = await writing.write(draft, self.key, name)
            plan = {"key": str(self.key), "reference": name, "folders": folders}
            await self.target.write(f"{attempt}/{_PLAN}", orjson.dumps(plan))
            await self.target.rename(attempt, f"{self._desk}/{_READY}")
        except NameTaken:
            # Another attempt at the same hand-over was faster: what it decided is what counts.
            return await self._decided() or {"folders": []}
        except StorageFault:
            await self._tidy()
            raise
        return plan

    async def _clear(self) -> None:
        for name in await self.target.names(self._desk):
            if name != f"{_READY}/":
                await self._drop(f"{self._desk}/{name.rstrip('/')}")

    async def _drop(self, path: str) -> None:
        """Renamed first: who was still writing there finds no folder to be proud of."""
        trash = f"{self._desk}/trash-{uuid4().hex}"
        try:
            await self.target.rename(path, trash)
        except Missing:
            return
        await remove_all(self.target, trash)

    async def _tidy(self) -> None:
        """A full disk is not left fuller than it was. The next attempt tidies where this one
        cannot."""
        try:
            await self._clear()
        except StorageFault:
            return

    async def _show(self, plan: dict[str, Any]) -> Outcome:
        """The renames that the printing house sees."""
        shown = True
        try:
            waiting = set(await self.target.names(f"{self._desk}/{_READY}"))
            shown = any(f"{folder['number']}/" not in waiting for folder in plan["folders"])
            for folder in plan["folders"]:
                if f"{folder['number']}/" in waiting:
                    await self._show_one(
                        f"{self._desk}/{_READY}/{folder['number']}", folder["path"]
                    )
                    shown = True
        except StorageFault as fault:
            if not shown and isinstance(fault, StorageAccessDenied):
                return fault.outcome()
            said = "not every folder of the hand-over is known to have appeared; it may be asked for again safely"
            return Uncertain(Reason(fault.reason.code, f"{fault.reason.sentence}: {said}"))
        await self._sweep()
        return Sent(plan["reference"])

    async def _show_one(self, ready: str, path: str) -> None:
        parent, _, _ = path.rpartition("/")
        await self.target.make(parent)
        for place in (path, f"{path}-{self.key.hex[-8:]}"):
            try:
                await self.target.rename(ready, place)
            except Missing:
                return
            except NameTaken:
                # Another's of the same name (two municipalities may name their batches alike), or
                # this one, handed over before.
                if str(self.key).encode() in (await self.target.read(f"{place}/{DONE}") or b""):
                    await remove_all(self.target, ready)
                    return
                continue
            return
        raise StorageFault(
            "target-taken", "the printing house has other folders of this name already"
        )

    async def _sweep(self) -> None:
        """Memories that are old: every name here is a key, and a key tells when it was made."""
        before = datetime.now(UTC) - REMEMBERED
        try:
            for name in await self.target.names(DESK):
                key = parse_id(name.rstrip("/"))
                if (
                    key is not None
                    and key.version == 7
                    and made_at(key) < before
                    and key != self.key
                ):
                    await self._forget(f"{DESK}/{key}")
        except StorageFault:
            return

    async def _forget(self, desk: str) -> None:
        if set(await self.target.names(f"{desk}/{_READY}")) <= {_PLAN}:
            await remove_all(self.target, desk)


def _name(draft: Draft) -> str:
    content = draft.content
    return batch_folder(str(content["batchId"]), content.get("sequence"), content.get("sentBy"))
