"""Terminal output: the two consoles, and the tables that several commands print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from utskick.domain.clock import SWEDEN
from utskick.domain.errors import Unreadable
from utskick.domain.status import Status
from utskick_client import DeliveryResult, MessageResult, Reason, SmsMeasure

#: Columns of output that goes into a pipe or a file, where there is no terminal to fit.
_PIPE_WIDTH: Final = 200


def _width(stream: TextIO) -> int | None:
    return None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH


stdout: Final = Console(width=_width(sys.stdout))
stderr: Final = Console(stderr=True)


def confirmed(question: str) -> None:
    """Ask; raise ``typer.Exit`` with 1 for no and with 130 for Ctrl-C.

    Raises ``Unreadable`` where nobody can answer.
    """
    if not sys.stdin.isatty():
        raise Unreadable("confirmation needs a terminal: add --yes")
    try:
        if typer.confirm(question):
            return
    except typer.Abort as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):
            raise typer.Exit(130) from None
    print_line("Nothing was done.")
    raise typer.Exit(1)


def print_line(text: str) -> None:
    """Print a line without breaking it, so that it can be copied."""
    stdout.print(text, soft_wrap=True, highlight=False)


_COLOURS: Final[Mapping[str, str]] = {
    Status.DELIVERED: "green",
    Status.SENT: "green",
    Status.FAILED: "red",
    Status.EXPIRED: "red",
    Status.CANCELLED: "red",
    Status.UNCERTAIN: "yellow",
    Status.DEFERRED: "cyan",
}


def coloured(status: str) -> str:
    colour = _COLOURS.get(status)
    return f"[{colour}]{status}[/]" if colour else str(status)


def reason_text(reason: Reason | None) -> str:
    """Return a reason as text: its sentence, its code and the provider's code."""
    if reason is None:
        return ""
    code = f", provider code {reason.provider_code}" if reason.provider_code else ""
    return escape(f"{reason.message} ({reason.code}{code})")


def value_table(rows: Iterable[tuple[str, str]], title: str | None = None) -> Table:
    """Return a table of two columns: label and value."""
    table = Table(show_header=False, title=title, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def message_table(message: MessageResult) -> Table:
    rows = [("message", message.message_id), ("batch", message.batch_id or "")]
    if message.reference:
        rows.append(("reference", escape(message.reference)))
    for delivery in message.deliveries:
        rows += delivery_rows(delivery)
    return value_table([*rows, *sms_rows(message.sms)])


def delivery_rows(delivery: DeliveryResult) -> list[tuple[str, str]]:
    rows = [("delivery", delivery.delivery_id), ("type", delivery.message_type)]
    if delivery.lifecycle is None:
        return [*rows, ("status", "accepted, in progress")]
    rows += [
        ("status", delivery.status or ""),
        ("lifecycle", coloured(delivery.lifecycle)),
        ("attempts", str(delivery.attempts)),
    ]
    if delivery.reason is not None:
        rows.append(("reason", reason_text(delivery.reason)))
    return rows


def sms_rows(sms: SmsMeasure | None) -> list[tuple[str, str]]:
    if sms is None:
        return []
    rows = [("segments", f"{sms.segments} ({sms.encoding}, {sms.characters} characters)")]
    return [*rows, ("notice", escape(sms.notice))] if sms.notice else rows


def event_table(delivery: DeliveryResult) -> Table:
    """Return the events of a delivery in chronological order."""
    table = Table(title="events", title_justify="left")
    for name in ("time", "event", "attempt", "provider"):
        table.add_column(name, overflow="fold", no_wrap=name == "time")
    table.add_column("reason and actor", overflow="fold")
    for event in delivery.events:
        by = escape(f"by {event.actor}") if event.actor else ""
        why = "; ".join(text for text in (reason_text(event.reason), by) if text)
        status = coloured(escape(event.status))
        table.add_row(
            f"{event.timestamp:%H:%M:%S.%f}"[:-3],
            status,
            str(event.attempt or ""),
            event.provider or "",
            why,
        )
    return table


def count_table(counts: Mapping[str, int], title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("lifecycle")
    table.add_column("deliveries", justify="right")
    for status in Status:
        if counts.get(status):
            table.add_row(coloured(status), f"{counts[status]:,}".replace(",", " "))
    return table


def counts_line(counts: Mapping[str, int]) -> str:
    return "  ".join(
        f"{coloured(status)} {counts[status]}" for status in Status if counts.get(status)
    )


def share_text(settled: int, total: int) -> str:
    """Return ``97 % settled``: rounded down, so that 100 % means all."""
    return f"{100 * settled // total if total else 0} % settled"


def waiting_text(open_: int, waiting: int, until: datetime | None) -> str:
    """Return ``3 wait until 14:05``, ``3 open`` or nothing.

    ``waiting``: how many of the open ones are tried again at ``until`` or later; without a zone it
    is Swedish time.
    """
    if not open_:
        return ""
    if not waiting or until is None:
        return f"{open_} open"
    local, today = until.replace(tzinfo=until.tzinfo or SWEDEN), datetime.now(SWEDEN).date()
    at = f"{local:%H:%M}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"
    others = f", {open_ - waiting} more open" if open_ > waiting else ""
    return f"{waiting} {'waits' if waiting == 1 else 'wait'} until {at}{others}"
