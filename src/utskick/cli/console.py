"""The terminal: the two consoles, and how results are drawn on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from utskick.domain.status import Status
from utskick_client import DeliveryResult, MessageResult, Reason, SmsMeasure

console: Final = Console()
errors: Final = Console(stderr=True)


def say(text: str) -> None:
    """A line that somebody may want to copy: never broken."""
    console.print(text, soft_wrap=True, highlight=False)


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


def told(reason: Reason | None) -> str:
    """Sentence, code, and the provider's own word."""
    if reason is None:
        return ""
    said = f", provider said {reason.provider_code}" if reason.provider_code else ""
    return escape(f"{reason.message} ({reason.code}{said})")


def sheet(rows: Iterable[tuple[str, str]], title: str | None = None) -> Table:
    """Two columns: what, and its value."""
    table = Table(show_header=False, title=title, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def of_message(message: MessageResult) -> Table:
    rows = [("message", message.message_id), ("batch", message.batch_id or "")]
    if message.reference:
        rows.append(("reference", escape(message.reference)))
    for delivery in message.deliveries:
        rows += of_delivery(delivery)
    return sheet([*rows, *of_measure(message.sms)])


def of_delivery(delivery: DeliveryResult) -> list[tuple[str, str]]:
    rows = [("delivery", delivery.delivery_id), ("type", delivery.message_type)]
    if delivery.lifecycle is None:
        return [*rows, ("status", "accepted, on its way")]
    rows += [
        ("status", delivery.status or ""),
        ("lifecycle", coloured(delivery.lifecycle)),
        ("attempts", str(delivery.attempts)),
    ]
    if delivery.reason is not None:
        rows.append(("reason", told(delivery.reason)))
    return rows


def of_measure(sms: SmsMeasure | None) -> list[tuple[str, str]]:
    if sms is None:
        return []
    rows = [("segments", f"{sms.segments} ({sms.encoding}, {sms.characters} characters)")]
    return [*rows, ("notice", escape(sms.notice))] if sms.notice else rows


def story(delivery: DeliveryResult) -> Table:
    """What happened to a delivery, in order."""
    table = Table(title="story", title_justify="left")
    for name in ("time", "what", "attempt", "provider"):
        table.add_column(name, no_wrap=True)
    table.add_column("why, and by whom", overflow="fold")
    for event in delivery.events:
        by = escape(f"by {event.actor}") if event.actor else ""
        why = "; ".join(text for text in (told(event.reason), by) if text)
        status = coloured(escape(event.status))
        table.add_row(
            f"{event.timestamp:%H:%M:%S.%f}"[:-3],
            status,
            str(event.attempt or ""),
            event.provider or "",
            why,
        )
    return table


def of_counts(counts: Mapping[str, int], title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("lifecycle")
    table.add_column("deliveries", justify="right")
    for status in Status:
        if counts.get(status):
            table.add_row(coloured(status), f"{counts[status]:,}".replace(",", " "))
    return table


def in_words(counts: Mapping[str, int]) -> str:
    return "  ".join(
        f"{coloured(status)} {counts[status]}" for status in Status if counts.get(status)
    )
