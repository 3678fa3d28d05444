"""Calls that send. Each has an Idempotency-Key, so that it can be retried safely."""

from __future__ import annotations

from collections.abc import Sequence

from utskick_client.calls import Call, SendOptions, path_of, query_of, send_many, send_one
from utskick_client.letters import DigitalInvoice, DigitalMail, Letter, SnailMail
from utskick_client.messages import (
    Email,
    EmailBatch,
    Messages,
    Push,
    Slack,
    Sms,
    SmsBatch,
    WebMessage,
)
from utskick_client.results import BatchResult, Mailbox, MessageResult
from utskick_client.steps import Request
from utskick_client.wire import encoded, read_list


def send_sms(sms: Sms, options: SendOptions = SendOptions()) -> Call[MessageResult]:
    """Send one SMS."""
    return send_one("sms", sms, options)


def send_sms_batch(batch: SmsBatch, options: SendOptions = SendOptions()) -> Call[BatchResult]:
    """Send the same SMS to up to 100 000 recipients."""
    return send_many("sms/batch", batch, SendOptions(options.key))


def send_email(email: Email, options: SendOptions = SendOptions()) -> Call[MessageResult]:
    """Send one e-mail."""
    return send_one("email", email, options)


def send_email_batch(batch: EmailBatch, options: SendOptions = SendOptions()) -> Call[BatchResult]:
    """Send the same e-mail to up to 100 000 recipients."""
    return send_many("email/batch", batch, SendOptions(options.key))


def send_web_message(
    message: WebMessage, options: SendOptions = SendOptions()
) -> Call[MessageResult]:
    """Send a message to an Open-E case."""
    return send_one("webmessage", message, options)


def send_digital_mail(
    mail: DigitalMail,
    options: SendOptions = SendOptions(),
    *,
    organization_number: str | None = None,
) -> Call[BatchResult]:
    """Send digital mail from an organisation.

    Without ``organization_number`` the deprecated call with the default organisation is used.
    """
    path = (
        path_of(organization_number, "digital-mail")
        if organization_number is not None
        else "digital-mail"
    )
    return send_many(path, mail, options)


def send_digital_invoice(
    invoice: DigitalInvoice, options: SendOptions = SendOptions()
) -> Call[MessageResult]:
    """Send a digital invoice."""
    return send_one("digital-invoice", invoice, options)


def send_messages(messages: Messages, options: SendOptions = SendOptions()) -> Call[BatchResult]:
    """Send messages by the recipients' contact settings."""
    return send_many("messages", messages, options)


def send_letter(letter: Letter, options: SendOptions = SendOptions()) -> Call[BatchResult]:
    """Send a letter, digitally if possible, otherwise on paper."""
    return send_many("letter", letter, options)


def send_slack(message: Slack, options: SendOptions = SendOptions()) -> Call[MessageResult]:
    """Send a message to a Slack channel."""
    return send_one("slack", message, options)


def send_push(push: Push, options: SendOptions = SendOptions()) -> Call[BatchResult]:
    """Send a notification to the devices of the parties."""
    return send_many("push", push, options)


def send_snail_mail(
    letter: SnailMail, batch_id: str, options: SendOptions = SendOptions()
) -> Call[MessageResult]:
    """Send a paper letter in your own print batch (a UUID).

    Call ``close_snail_mail_batch`` after the last letter.
    """
    return send_one("snail-mail", letter, options, query_of(batchId=batch_id))


def close_snail_mail_batch(batch_id: str) -> Call[None]:
    """Close a print batch and hand it over; may be repeated."""
    return Call(Request("POST", path_of("snail-mail", "batch", batch_id)), lambda _: None)


def mailboxes(organization_number: str, party_ids: Sequence[str]) -> Call[tuple[Mailbox, ...]]:
    """Return which parties have a digital mailbox that accepts mail from the organisation."""
    path, body = path_of(organization_number, "mailboxes"), encoded(list(party_ids))
    return Call(Request("POST", path, body=body), lambda reply: read_list(Mailbox, reply.json()))
