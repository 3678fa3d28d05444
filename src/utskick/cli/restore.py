"""``utskick restore-check`` and ``utskick release``: restored databases."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.cli import console
from utskick.cli.client import login
from utskick.domain.clock import SWEDEN, swedish
from utskick.domain.errors import Unreadable
from utskick.settings import Settings
from utskick.store.database import answering
from utskick.store.restore.journal import AcceptedBatch, unknown_to
from utskick.store.restore.release import Check, Choice, HeldDatabase, HeldGroup, Release
from utskick.store.restore.verdict import AfterPromotion


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for. ``choice``: None to list only."""

    before: datetime
    choice: str | None
    reason: str
    channel: str | None


def check(settings: Settings, lost: Path | None, *, hold: bool) -> bool:
    """Print the state. Returns whether something is held or will be at the next start.

    ``lost``: where to list the batches that this node accepted and the database does not have.
    """
    found, missing = asyncio.run(_checked(settings, hold=hold))
    out = console.stdout
    out.print(
        f"[bold]Database[/]  cluster {found.observed.system or 'unknown'}, database "
        f"{found.observed.database}, timeline {found.observed.timeline}"
    )
    if found.verdict is not None:
        out.print(
            f"[bold red]Restored[/]  {escape(found.verdict)}. The next start of the service holds "
            "what waits."
        )
    for restore in found.restores:
        state = "released" if restore.released_at else "[bold yellow]held[/]"
        out.print(
            f"[bold]Restore[/]   noticed {swedish(restore.detected_at)}: {escape(restore.reason)}; "
            f"{restore.held} held, {state}"
        )
        out.print(f"          {_window(restore.database_until, restore.marker_until)}")
    if missing:
        out.print(_missing_table(missing))
    if lost is not None:
        _write(lost, missing)
    if found.groups:
        out.print(_table(found.groups, "held"))
        out.print("Release it with: utskick release --before TIME --as send|unknown --reason WHY")
    else:
        out.print("Nothing is held.")
    return bool(found.groups) or found.verdict is not None


def release(settings: Settings, wanted: Wanted, *, confirmed: bool) -> None:
    """Show what would be released, ask, and release it."""
    before = wanted.before.replace(tzinfo=SWEDEN)
    if wanted.choice is not None and not wanted.reason.strip():
        raise Unreadable("--reason is missing: it is recorded in the audit log")
    groups = asyncio.run(_groups(settings, before, wanted.channel))
    if not groups:
        console.print_line("Nothing that is held was accepted before this time.")
        return
    console.stdout.print(_table(groups, f"held, accepted before {swedish(before)}"))
    if wanted.choice is None:
        console.print_line("Nothing was released: choose with --as send or --as unknown.")
        return
    if wanted.choice == Choice.SEND:
        console.print_line(
            "It is sent now. What was sent between the backup and the restore is sent twice."
        )
    if not confirmed:
        console.confirmed("Release it?")
    decision = Release(
        before, Choice(wanted.choice), wanted.channel, login() or "unknown", wanted.reason.strip()
    )
    console.print_line(f"{asyncio.run(_released(settings, decision))} deliveries released.")


async def _checked(settings: Settings, *, hold: bool) -> tuple[Check, list[AcceptedBatch]]:
    async with bootstrap.opened(settings) as database, answering():
        held = HeldDatabase(database)
        if hold:
            await held.hold(login() or "somebody")
        found = await held.check(
            bootstrap.marker_of(settings), AfterPromotion(settings.database.after_promotion)
        )
        windows = found.unknown_times()
        accepted = (
            [
                each
                for each in bootstrap.journal_of(settings).since(min(start for start, _ in windows))
                if any(start <= each.at <= end for start, end in windows)
            ]
            if windows
            else []
        )
        return found, await unknown_to(database.pool, accepted)


async def _groups(settings: Settings, before: datetime, channel: str | None) -> list[HeldGroup]:
    async with bootstrap.opened(settings) as database, answering():
        return await HeldDatabase(database).groups(before, channel)


async def _released(settings: Settings, decision: Release) -> int:
    async with bootstrap.opened(settings) as database, answering():
        return await HeldDatabase(database).release(decision)


def _table(groups: Sequence[HeldGroup], title: str) -> Table:
    table = Table(
        "municipality", "channel", "status", "deliveries", "oldest", "newest", title=title
    )
    for group in groups:
        table.add_row(
            group.municipality_id,
            group.channel,
            group.status,
            str(group.count),
            swedish(group.oldest),
            swedish(group.newest),
        )
    return table


def _missing_table(missing: Sequence[AcceptedBatch]) -> Table:
    """Sum up what this node accepted and the database does not have."""
    table = Table(
        "municipality",
        "channel",
        "batches",
        "recipients",
        "first",
        "last",
        title="accepted by this node, unknown to the database",
    )
    for place in sorted({(each.municipality_id, each.channel) for each in missing}):
        own = [each for each in missing if (each.municipality_id, each.channel) == place]
        table.add_row(
            *place,
            str(len(own)),
            str(sum(each.recipients for each in own)),
            swedish(min(each.at for each in own)),
            swedish(max(each.at for each in own)),
        )
    return table


def _write(path: Path, missing: Sequence[AcceptedBatch]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["acceptedAt", "municipalityId", "channel", "batchId", "recipients"])
        for each in missing:
            rows.writerow(
                [each.at, each.municipality_id, each.channel, each.batch_id, each.recipients]
            )


def _window(start: datetime | None, end: datetime | None) -> str:
    """Say which time the database knows nothing of."""
    if start is None:
        return "What was accepted and sent after the backup is unknown."
    if end is None or end <= start:
        return (
            f"Everything that was accepted or sent after {swedish(start)} is unknown; this node "
            "does not know until when."
        )
    return (
        f"Everything that was accepted or sent between {swedish(start)} and {swedish(end)} is "
        "unknown to the database."
    )
