"""Results printed by the demo: counts, comparison, uncertain deliveries and a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from utskick.cli.demo.ledgers import Comparison, RequestedDelivery
from utskick.domain.status import Status
from utskick_client import DeliveryResult, HistoryEntry, Statistics

_UNTIL: Final = 0.95
_MAX_VISIBLE: Final = 5
_UNDELIVERABLE: Final = "UNDELIVERABLE"
_COUNTED: Final = ("sent", "failed", "notSent", "pending", "awaitingFeedback")


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """Deliveries of one channel, as reported by the service."""

    name: str
    deliveries: tuple[DeliveryResult, ...]

    def number(self, status: Status) -> int:
        return sum(1 for delivery in self.deliveries if delivery.lifecycle == status)

    @property
    def attempts(self) -> int:
        return sum(delivery.attempts for delivery in self.deliveries)

    @property
    def rate(self) -> float:
        """Deliveries per second until 95 % had settled; the others wait for retries by design."""
        began = min(delivery.events[0].timestamp for delivery in self.deliveries)
        ends = sorted(_settled_at(delivery) for delivery in self.deliveries)
        number = max(1, int(len(ends) * _UNTIL))
        return number / max(0.001, (ends[number - 1] - began).total_seconds())


def _settled_at(delivery: DeliveryResult) -> datetime:
    """Return the time of the first final answer; later receipts only confirm it."""
    words = {Status.SENT, Status.DELIVERED, Status.FAILED, Status.EXPIRED}
    return next(
        (event.timestamp for event in delivery.events if event.status in words),
        delivery.events[-1].timestamp,
    )


def channel_table(channels: Sequence[ChannelResult]) -> Table:
    table = Table(
        title="reported by the service",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    table.add_column("channel", no_wrap=True)
    for name in ("accepted", "sent", "delivered", "failed", "uncertain", "attempts", "/s*"):
        table.add_column(name, justify="right", no_wrap=True)
    for channel in channels:
        counts = [
            channel.number(status)
            for status in (Status.SENT, Status.DELIVERED, Status.FAILED, Status.UNCERTAIN)
        ]
        table.add_row(
            channel.name,
            *(str(n) for n in (len(channel.deliveries), *counts, channel.attempts)),
            f"{channel.rate:.0f}",
        )
    table.caption = (
        "* deliveries per second until 95 % had settled; the others wait for retries by design"
    )
    return table


def statistics_table(result: Statistics) -> Table:
    """Render ``GET /{municipalityId}/statistics`` as a table."""
    table = Table(
        title="statistics, by API",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    table.add_column("type", no_wrap=True)
    for name in ("sent", "failed", "not sent", "pending", "awaiting feedback"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, reports in result.raw.items():
        ways = (
            {kind: reports}
            if "sent" in reports
            else {
                f"{kind} as {way}": counter
                for way, counter in reports.items()
                if way != _UNDELIVERABLE
            }
        )
        for name, counter in ways.items():
            table.add_row(name, *(str(counter.get(member, 0)) for member in _COUNTED))
        if reports.get(_UNDELIVERABLE):
            table.add_row(f"{kind}, undeliverable", "", "", str(reports[_UNDELIVERABLE]), "", "")
    return table


def comparison_table(result: Comparison, received: int, downloads: int) -> Table:
    table = Table(
        title=f"compared with what citizens received ({received} copies)", title_justify="left"
    )
    table.add_column("difference", overflow="fold")
    table.add_column("deliveries", justify="right")
    table.add_column("", no_wrap=True)
    rows: list[tuple[str, list[str]]] = [
        ("lost: reported as sent, received by nobody", result.lost),
        ("duplicated without being reported as uncertain", result.doubled),
        ("altered: subject, text, HTML or attachment", result.different),
        ("received, but reported as failed or expired", result.contradicted),
        ("not settled", result.unsettled),
        (
            f"files in the history that differ from what was sent ({downloads} downloaded)",
            result.damaged,
        ),
    ]
    for question, ids in rows:
        table.add_row(question, str(len(ids)), _verdict(not ids))
    table.add_row(
        "copies without a request", str(result.unrequested), _verdict(not result.unrequested)
    )
    table.add_row(
        "duplicated, and reported as uncertain (same Message-ID)",
        str(len(result.reported)),
        "as reported",
    )
    return table


def _verdict(good: bool) -> str:
    return "[green]ok[/]" if good else "[bold red]WRONG[/]"


def show_faults(result: Comparison, console: Console) -> None:
    """Print the first ids of every difference, to examine with ``utskick status`` and the log."""
    named = {
        "lost": result.lost,
        "duplicated": result.doubled,
        "altered": result.different,
        "contradicted": result.contradicted,
    }
    for name, ids in {**named, "not settled": result.unsettled}.items():
        if ids:
            console.print(
                f"[bold red]{name}[/]: "
                f"{', '.join(ids[:_MAX_VISIBLE])}{' …' if len(ids) > _MAX_VISIBLE else ''}",
                soft_wrap=True,
            )


def uncertain_text(channels: Sequence[ChannelResult], url: str) -> str:
    """Describe the SMS whose answer was lost: they are held, not sent again."""
    sms = [d for channel in channels if channel.name == "sms" for d in channel.deliveries]
    uncertain = [d for d in sms if any(event.status == Status.UNCERTAIN for event in d.events)]
    held = [d for d in uncertain if d.lifecycle == Status.UNCERTAIN]
    lines = [
        f"{len(uncertain)} SMS were sent without a readable answer. None was sent again, since a "
        "blind retry could be a second SMS. The gateway's delivery reports resolved "
        f"{len(uncertain) - len(held)} of them; {len(held)} are still held."
    ]
    for delivery in held[:_MAX_VISIBLE]:
        body = '{"decision": "resend"}'  # or "sent", "not-sent", "give-up"
        lines.append(f"  curl --json '{body}' {url}/2281/deliveries/{delivery.delivery_id}/resolve")
    return "\n".join(lines)


def conversation_panel(
    entries: Sequence[HistoryEntry], requested: Sequence[RequestedDelivery]
) -> Panel:
    """Render the messages to one person, oldest first."""
    where = {entry.delivery_id: entry.recipient for entry in requested}
    blocks = []
    for entry in sorted(entries, key=lambda e: (e.timestamp, e.delivery_id or "")):
        content = entry.content
        names = "".join(
            f"\n[dim]attached: {escape(file['name'])}[/]" for file in content.get("attachments", ())
        )
        subject = f"[bold]{escape(content['subject'])}[/]\n" if content.get("subject") else ""
        head = (
            f"[cyan]{entry.timestamp:%H:%M:%S}  {entry.message_type}  to "
            f"{escape(where.get(entry.delivery_id or '', ''))}[/]"
        )
        blocks.append(
            f"{head}  [green]{entry.lifecycle}[/]\n"
            f"{subject}{escape(content['message'].strip())}{names}"
        )
    return Panel(
        "\n\n".join(blocks),
        title="one person's conversation history",
        title_align="left",
        width=100,
    )
