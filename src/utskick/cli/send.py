"""``utskick send``: send one message to one recipient, and print its status."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from utskick.cli import console, payloads, pdf_letters
from utskick.cli.client import ServiceTarget, open_client
from utskick.cli.options import (
    EXIT_STATUS,
    Address,
    High,
    Key,
    Message,
    MessageFile,
    Municipality,
    NoWait,
    Party,
    Reference,
    target_of,
)
from utskick.cli.payloads import EmailContent, SmsContent, message_of, read_file, sender_of
from utskick.cli.status import NOT_SENT
from utskick.domain.characters import composed
from utskick.domain.phone_number import national_to_msisdn
from utskick.domain.recipient import Recipient
from utskick_client import Email, MessageResult, SendOptions, Sms

send = typer.Typer(no_args_is_help=True, help="Send one message and print its status.")


@send.command(epilog=EXIT_STATUS)
def sms(
    to: Annotated[str, typer.Option(help="Mobile number, such as 070-174 06 05 or +46701740605.")],
    message: Message = None,
    message_file: MessageFile = None,
    sender: Annotated[
        str | None, typer.Option(help="Sender name shown on the phone, 3-11 characters.")
    ] = None,
    party: Party = None,
    reference: Reference = None,
    high: High = False,
    no_wait: NoWait = False,
    key: Key = None,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send one SMS.

    Example: utskick send sms --to 070-1740605 --message "Welcome on Monday."
    """
    # An invalid number is passed on as it is written: the service reports what is wrong with it.
    recipient = Recipient(national_to_msisdn(to) or to, party, reference)
    body = SmsContent(message_of(message, message_file), sender, high).to_one(recipient)
    _carry_out(target_of(url, municipality), body, SendOptions(key, wait=not no_wait))


@send.command(epilog=EXIT_STATUS)
def email(
    to: Annotated[str, typer.Option(help="E-mail address.")],
    subject: Annotated[str, typer.Option(help="Subject line.")],
    message: Message = None,
    message_file: MessageFile = None,
    html: Annotated[
        Path | None, typer.Option(help="File with the HTML version of the message.")
    ] = None,
    attach: Annotated[
        list[Path] | None, typer.Option(help="File to attach. May be repeated.")
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Sender address.")] = None,
    sender_name: Annotated[str | None, typer.Option(help="Sender name; requires --sender.")] = None,
    party: Party = None,
    reference: Reference = None,
    high: High = False,
    no_wait: NoWait = False,
    key: Key = None,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send one e-mail.

    Example: utskick send email --to anna@example.se --subject Hello --message "Welcome."
    """
    page = read_file(html).data if html else None
    files = tuple(read_file(path) for path in attach or ())
    text, by = message_of(message, message_file), sender_of(sender, sender_name)
    content = EmailContent(composed(subject), text, page, files, by, high)
    body = content.to_one(Recipient(to, party, reference))
    _carry_out(target_of(url, municipality), body, SendOptions(key, wait=not no_wait))


send.command("letter")(pdf_letters.letter)
send.command("digital-mail")(pdf_letters.digital_mail)


def _carry_out(target: ServiceTarget, body: Sms | Email, options: SendOptions) -> None:
    """Send the message; exit with status 1 if the answer reports that it was not sent."""
    message = asyncio.run(_send(target, body, options))
    console.stdout.print(console.message_table(message))
    if message.replayed:
        console.print_line(
            "This key has been used before: nothing new was sent, and the result above is from "
            "the earlier request."
        )
    if any(delivery.lifecycle in NOT_SENT for delivery in message.deliveries):
        raise typer.Exit(1)


async def _send(target: ServiceTarget, body: Sms | Email, options: SendOptions) -> MessageResult:
    async with open_client(target) as client:
        return await payloads.send(client, body, options)
