"""Pages of invoices, displayed like in a bank: payee, amount, due date and reference."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from utskick.sandbox.invoice_parser import Invoice, Payment, parse_invoice
from utskick.sandbox.ledger import Received
from utskick.sandbox.mail_parser import AttachedFile
from utskick.sandbox.views.components import ROWS, ItemKind, ItemPages
from utskick.sandbox.views.formatting import bankgiro, kronor, legal_id, moment, plusgiro

_UNTITLED = "(ingen rubrik)"


class Invoices(ItemPages):
    """Pages below ``/invoices``."""

    kind: ClassVar[ItemKind] = ItemKind(
        "digital_invoice",
        "/invoices",
        "Fakturor",
        "fakturamottagare",
        "faktura",
        "fakturor",
        "Ingen har fått någon faktura än.",
    )

    def label(self, recipient: str) -> str:
        return legal_id(recipient)

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        return self.context.layout.live_page(
            request,
            "payer",
            rows=await asyncio.to_thread(self._rows, entries),
            **self.frame(entries),
        )

    def _rows(self, entries: list[Received]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for entry in reversed(entries[-ROWS:]):
            invoice = parse_invoice(entry.raw)
            paid = invoice.payments[0] if invoice.payments else None
            row: dict[str, Any] = {
                "payee": entry.sender,
                "subject": invoice.subject or entry.subject or _UNTITLED,
            }
            row |= {
                "due": paid.due if paid else "",
                "amount": kronor(paid.amount) if paid else nothing_due(invoice),
            }
            row |= {"link": self.link(entry), "number": entry.number, "reminder": invoice.reminder}
            rows.append(row)
        return rows

    async def item_page(self, request: web.Request, entry: Received) -> web.Response:
        invoice = await asyncio.to_thread(parse_invoice, entry.raw)
        return self.context.layout.page(
            request,
            "invoice",
            title=invoice.subject or entry.subject or _UNTITLED,
            href=self.link(entry).rpartition("/")[0],
            entry=entry.number,
            owner=self.label(entry.recipient),
            payee=entry.sender,
            generated_at=invoice.generated_at,
            at=moment(entry.at),
            reminder=invoice.reminder,
            readable=invoice.readable,
            nothing=nothing_due(invoice) if not invoice.payments else "",
            payments=[payable(payment) for payment in invoice.payments],
            **self.files_members(entry, invoice.files),
        )

    async def files(self, entry: Received) -> Sequence[AttachedFile]:
        return (await asyncio.to_thread(parse_invoice, entry.raw)).files


def nothing_due(invoice: Invoice) -> str:
    return "Inget att betala" if invoice.readable else "Går inte att läsa"


def payable(payment: Payment) -> dict[str, Any]:
    written = {"Bankgiro": bankgiro, "Plusgiro": plusgiro}.get(payment.giro, str)
    return {
        "amount": kronor(payment.amount),
        "due": payment.due,
        "giro": payment.giro or "Konto",
        "account": written(payment.account),
        "reference": payment.reference,
        "called": "OCR-nummer" if payment.is_ocr else "Referens",
        "named": payment.title,
    }
