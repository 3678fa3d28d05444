"""``utskick send``: one message to one recipient, and what became of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from utskick.cli import console as screen
from utskick.cli import payloads as bodies
from utskick.cli.client import ServiceTarget, reaching
from utskick.cli.options import (
    Address,
    AtOnce,
    High,
    Key,
    Municipality,
    Party,
    Reference,
    target_of,
)
from utskick.cli.payloads import EmailContent, SmsContent, read_file, sender_of
from utskick.cli.recipients_csv import read_number
from utskick.domain.recipient import Recipient
from utskick.domain.status import Status
from utskick_client import Email, Manner, MessageResult, Sms

send = typer.Typer(no_args_is_help=True, help="Send one message, and see what became of it.")

_NOT_SENT = (Status.FAILED, Status.EXPIRED, Status.CANCELLED)


@send.command()
def sms(
    to: Annotated[str, typer.Option(help="Mobile number: 070-174 06 05 or +46701740605.")],
    message: Annotated[str, typer.Option(help="The text.")],
    sender: Annotated[str | None, typer.Option(help="Name on the phone, 3-11 characters.")] = None,
    party: Party = None,
    reference: Reference = None,
    high: High = False,
    at_once: AtOnce = False,
    key: Key = None,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send one SMS."""
    # What is no number goes as it is written: the service says what is wrong with it.
    recipient = Recipient(read_number(to) or to, party, reference)
    body = SmsContent(message, sender, high).to_one(recipient)
    _carry_out(target_of(url, municipality), body, Manner(key, wait=not at_once))


@send.command()
def email(
    to: Annotated[str, typer.Option(help="E-mail address.")],
    subject: Annotated[str, typer.Option(help="The subject.")],
    message: Annotated[str, typer.Option(help="The plain text.")],
    html: Annotated[Path | None, typer.Option(help="File with the same as HTML.")] = None,
    attach: Annotated[
        list[Path] | None, typer.Option(help="File to attach; may be repeated.")
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Address that it is from.")] = None,
    sender_name: Annotated[str | None, typer.Option(help="Name beside that address.")] = None,
    party: Party = None,
    reference: Reference = None,
    high: High = False,
    at_once: AtOnce = False,
    key: Key = None,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send one e-mail."""
    page = read_file(html).data if html else None
    files = tuple(read_file(path) for path in attach or ())
    content = EmailContent(subject, message, page, files, sender_of(sender, sender_name), high)
    body = content.to_one(Recipient(to, party, reference))
    _carry_out(target_of(url, municipality), body, Manner(key, wait=not at_once))


def _carry_out(target: ServiceTarget, body: Sms | Email, manner: Manner) -> None:
    """Exit status 1 where the answer says that it was not sent."""
    message = asyncio.run(_send(target, body, manner))
    screen.console.print(screen.of_message(message))
    if message.replayed:
        screen.say(
            "This key was used before: nothing new was sent, and this is what became of it then."
        )
    if any(delivery.lifecycle in _NOT_SENT for delivery in message.deliveries):
        raise typer.Exit(1)


async def _send(target: ServiceTarget, body: Sms | Email, manner: Manner) -> MessageResult:
    async with reaching(target) as client:
        return await bodies.send(client, body, manner)
