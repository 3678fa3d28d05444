"""The calls that send. Each carries an Idempotency-Key, so that it can be made again without
sending twice."""

from __future__ import annotations

from collections.abc import Sequence

from utskick_client.calls import Call, Manner, path_of, query_of, sent_many, sent_one
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


def send_sms(sms: Sms, manner: Manner = Manner()) -> Call[MessageResult]:
    """One SMS."""
    return sent_one("sms", sms, manner)


def send_sms_batch(batch: SmsBatch, manner: Manner = Manner()) -> Call[BatchResult]:
    """The same SMS to up to 100 000."""
    return sent_many("sms/batch", batch, Manner(manner.key))


def send_email(email: Email, manner: Manner = Manner()) -> Call[MessageResult]:
    """One e-mail."""
    return sent_one("email", email, manner)


def send_email_batch(batch: EmailBatch, manner: Manner = Manner()) -> Call[BatchResult]:
    """The same e-mail to up to 100 000."""
    return sent_many("email/batch", batch, Manner(manner.key))


def send_web_message(message: WebMessage, manner: Manner = Manner()) -> Call[MessageResult]:
    """A message into a case of Open-E."""
    return sent_one("webmessage", message, manner)


def send_digital_mail(
    mail: DigitalMail, manner: Manner = Manner(), *, organization_number: str | None = None
) -> Call[BatchResult]:
    """A digital mail. ``organization_number``: who sends it; without it, the (deprecated) call for
    the contract's own."""
    path = (
        path_of(organization_number, "digital-mail")
        if organization_number is not None
        else "digital-mail"
    )
    return sent_many(path, mail, manner)


def send_digital_invoice(invoice: DigitalInvoice, manner: Manner = Manner()) -> Call[MessageResult]:
    """A digital invoice."""
    return sent_one("digital-invoice", invoice, manner)


def send_messages(messages: Messages, manner: Manner = Manner()) -> Call[BatchResult]:
    """Messages by the ways that people have chosen."""
    return sent_many("messages", messages, manner)


def send_letter(letter: Letter, manner: Manner = Manner()) -> Call[BatchResult]:
    """A letter: digitally where it can be, else on paper."""
    return sent_many("letter", letter, manner)


def send_slack(message: Slack, manner: Manner = Manner()) -> Call[MessageResult]:
    """A message into a channel of Slack."""
    return sent_one("slack", message, manner)


def send_push(push: Push, manner: Manner = Manner()) -> Call[BatchResult]:
    """A notification to the devices of some parties."""
    return sent_many("push", push, manner)


def send_snail_mail(
    letter: SnailMail, batch_id: str, manner: Manner = Manner()
) -> Call[MessageResult]:
    """One letter on paper into a print batch of your own (a UUID); ``close_snail_mail_batch``
    follows the last one."""
    return sent_one("snail-mail", letter, manner, query_of(batchId=batch_id))


def close_snail_mail_batch(batch_id: str) -> Call[None]:
    """Hand a print batch over. May be repeated."""
    return Call(Request("POST", path_of("snail-mail", "batch", batch_id)), lambda _: None)


def mailboxes(organization_number: str, party_ids: Sequence[str]) -> Call[tuple[Mailbox, ...]]:
    """Who has a digital mailbox that takes mail from the organisation."""
    path, body = path_of(organization_number, "mailboxes"), encoded(list(party_ids))
    return Call(Request("POST", path, body=body), lambda reply: read_list(Mailbox, reply.json()))
