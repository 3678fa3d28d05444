"""Terminal output: the two consoles, and the tables that several commands print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from utskick.domain.status import Status
from utskick_client import DeliveryResult, MessageResult, Reason, SmsMeasure

stdout: Final = Console()
stderr: Final = Console(stderr=True)


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
        table.add_column(name, no_wrap=True)
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
