"""``utskick retention``: which rules apply, and what they would remove; the database is read and
written directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from utskick import bootstrap
from utskick.bootstrap import channels as speaking
from utskick.cli import console as screen
from utskick.cli.options import Config
from utskick.domain.clock import SWEDEN, utc_now
from utskick.domain.retention import Kept, RetentionRule
from utskick.settings import Settings
from utskick.store.database import Database, answering
from utskick.store.history.statistics import Tallies
from utskick.store.retention.purge import RemovalCounts
from utskick.store.retention.rules import RetentionRules
from utskick.store.retention.sweep import Retention, Sweep, SweepPreview

retention = typer.Typer(
    no_args_is_help=True, help="How long messages are kept, and what is past its time."
)

_REASONS: Final = {
    Kept.HOLD: "held",
    Kept.ON_ITS_WAY: "on its way or in doubt",
    Kept.UNTOLD: "not told yet",
}


@dataclass(frozen=True, slots=True)
class RuleUsage:
    """What stands under one rule, or under none."""

    walk: Sweep
    rule: RetentionRule | None
    due: SweepPreview | None


@retention.command()
def status(config: Config = None) -> None:
    """Show the rule of every type of request, and how much is past its time."""
    found = asyncio.run(_look(bootstrap.read_settings(config)))
    screen.console.print(_drawn(found))


@retention.command()
def run(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go; change nothing.")
    ] = False,
    config: Config = None,
) -> None:
    """Remove what is past its time now, without waiting for a worker to come to it."""
    settings = bootstrap.read_settings(config)
    if dry_run:
        screen.console.print(_drawn(asyncio.run(_look(settings))))
        screen.say("Dry run: nothing was removed.")
        return
    rows = asyncio.run(_carry_out(settings))
    table = Table(
        "municipality",
        "type",
        "messages",
        "deliveries",
        "batches",
        "files",
        title="removed",
        title_justify="left",
    )
    for walk, gone in rows:
        table.add_row(
            walk.municipality_id,
            walk.message_type,
            *map(str, (gone.messages, gone.deliveries, gone.batches, gone.files)),
        )
    screen.console.print(table)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, Retention]]:
    async with bootstrap.opened(settings) as database, answering():
        yield database, Retention(database, speaking.rules_of(settings))


async def _look(settings: Settings) -> list[RuleUsage]:
    now = utc_now()
    async with _opened(settings) as (database, store):
        rules, found = RetentionRules(database, speaking.rules_of(settings)), list[RuleUsage]()
        for walk in await store.sweeps():
            applied = (await rules.of(walk.municipality_id)).of_type(
                walk.message_type, walk.municipality_id
            )
            due = await store.due(walk, now)
            found += [RuleUsage(walk, rule, due.get(rule)) for rule in applied] or [
                RuleUsage(walk, None, None)
            ]
        return found


async def _carry_out(settings: Settings) -> list[tuple[Sweep, RemovalCounts]]:
    """A walk of the workers that rests is begun anew."""
    done = []
    async with _opened(settings) as (database, store):
        await Tallies(database).keep_up()
        await store.wake()
        for walk in await store.sweeps():
            total = RemovalCounts()
            while (gone := await store.step(walk, utc_now())) is not None:
                total += gone
            done.append((walk, total))
    return done


def _drawn(found: Sequence[RuleUsage]) -> Table:
    table = Table(
        "municipality", "type", "for", "rule", "decision", title="retention", title_justify="left"
    )
    table.add_column("past its time", justify="right")
    table.add_column("oldest", no_wrap=True)
    table.add_column("newest", no_wrap=True)
    table.add_column("stays though it is old")
    for each in found:
        rule, due = each.rule, each.due
        said = (
            "none: all is kept"
            if rule is None
            else "preserve"
            if rule.days is None
            else f"{rule.days} days"
        )
        table.add_row(
            each.walk.municipality_id,
            each.walk.message_type,
            escape(_part(rule)),
            said,
            escape(rule.decision) if rule else "",
            str(due.messages) if due else "",
            _day(due.oldest) if due else "",
            _day(due.newest) if due else "",
            ", ".join(
                f"{due.kept[reason]} {words}"
                for reason, words in _REASONS.items()
                if due.kept.get(reason)
            )
            if due
            else "",
        )
    return table


def _part(rule: RetentionRule | None) -> str:
    """The part of the municipality that a rule is for."""
    if rule is None or rule.unit is None:
        return ""
    return ", ".join(name for name in (rule.unit.organization_number, rule.unit.department) if name)


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(SWEDEN):%Y-%m-%d}" if moment else ""
