"""``utskick retention``: show and apply the retention rules, directly in the database."""

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
from utskick.bootstrap import channels as channel_setup
from utskick.cli import console
from utskick.cli.options import Config
from utskick.domain.clock import SWEDEN
from utskick.domain.retention import Kept, RetentionRule
from utskick.settings import Settings
from utskick.store.database import Database, answering
from utskick.store.history.statistics import Tallies
from utskick.store.retention.purge import RemovalCounts
from utskick.store.retention.rules import RetentionRules
from utskick.store.retention.sweep import Retention, Sweep, SweepPreview

retention = typer.Typer(
    no_args_is_help=True, help="Show and apply the retention rules of messages."
)

_REASONS: Final = {
    Kept.HOLD: "on legal hold",
    Kept.ON_ITS_WAY: "in progress or uncertain",
    Kept.UNTOLD: "not yet reported",
}


@dataclass(frozen=True, slots=True)
class RuleUsage:
    """Retention rule, and the messages due under it; without a rule, everything is preserved."""

    walk: Sweep
    rule: RetentionRule | None
    due: SweepPreview | None


@retention.command()
def status(config: Config = None) -> None:
    """Show the retention rule of every message type, and how many messages are overdue."""
    found = asyncio.run(_usage(bootstrap.read_settings(config)))
    console.stdout.print(_usage_table(found))


@retention.command()
def run(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed; change nothing.")
    ] = False,
    config: Config = None,
) -> None:
    """Remove overdue messages now, instead of waiting for a worker."""
    settings = bootstrap.read_settings(config)
    if dry_run:
        console.stdout.print(_usage_table(asyncio.run(_usage(settings))))
        console.print_line("Dry run: nothing was removed.")
        return
    rows = asyncio.run(_sweep(settings))
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
    for walk, removed in rows:
        table.add_row(
            walk.municipality_id,
            walk.message_type,
            *map(str, (removed.messages, removed.deliveries, removed.batches, removed.files)),
        )
    console.stdout.print(table)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Database, Retention]]:
    async with bootstrap.opened(settings) as database, answering():
        yield database, Retention(database, channel_setup.rules_of(settings))


async def _usage(settings: Settings) -> list[RuleUsage]:
    async with _opened(settings) as (database, store):
        now = database.clock()
        rules, found = RetentionRules(database, channel_setup.rules_of(settings)), list[RuleUsage]()
        for walk in await store.sweeps():
            applied = (await rules.of(walk.municipality_id)).of_type(
                walk.message_type, walk.municipality_id
            )
            due = await store.due(walk, now)
            found += [RuleUsage(walk, rule, due.get(rule)) for rule in applied] or [
                RuleUsage(walk, None, None)
            ]
        return found


async def _sweep(settings: Settings) -> list[tuple[Sweep, RemovalCounts]]:
    """Sweep everything, including walks that the workers have paused."""
    done = []
    async with _opened(settings) as (database, store):
        await Tallies(database).keep_up()
        await store.wake()
        for walk in await store.sweeps():
            total = RemovalCounts()
            while (removed := await store.step(walk, database.clock())) is not None:
                total += removed
            done.append((walk, total))
    return done


def _usage_table(found: Sequence[RuleUsage]) -> Table:
    table = Table(
        "municipality", "type", "unit", "rule", "decision", title="retention", title_justify="left"
    )
    table.add_column("overdue", justify="right")
    table.add_column("oldest", no_wrap=True)
    table.add_column("newest", no_wrap=True)
    table.add_column("retained although overdue")
    for usage in found:
        rule, due = usage.rule, usage.due
        period = (
            "none: everything is preserved"
            if rule is None
            else "preserve"
            if rule.days is None
            else f"{rule.days} days"
        )
        table.add_row(
            usage.walk.municipality_id,
            usage.walk.message_type,
            escape(_unit_of(rule)),
            period,
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


def _unit_of(rule: RetentionRule | None) -> str:
    """Return the unit that a rule applies to, empty for the whole municipality."""
    if rule is None or rule.unit is None:
        return ""
    return ", ".join(name for name in (rule.unit.organization_number, rule.unit.department) if name)


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(SWEDEN):%Y-%m-%d}" if moment else ""
