"""Check of a mailing without a service, by the service's own rules: sender, texts and segments."""

from __future__ import annotations

from pydantic import ValidationError

from utskick.channels.sms.segments import measure, with_line_feeds
from utskick.channels.sms.settings import SmsSettings
from utskick.cli.mailing import Mailing
from utskick.cli.payloads import SmsContent
from utskick.domain.errors import Invalid
from utskick.domain.recipient import Recipient
from utskick.domain.validators import refusal
from utskick_client.wire import encoded


def faults(mailing: Mailing) -> list[str]:
    """Return what the service would refuse of the content, each as one sentence.

    The segment limit is that of default settings; a municipality may have set another.
    """
    form, someone = mailing.kind.request, Recipient(mailing.kind.example)
    found = []
    try:
        form.model_validate_json(encoded(mailing.content.to_many([someone])))
    except ValidationError as fault:
        error = refusal(fault, form)
        found = (
            [f"{violation.field} {violation.message}" for violation in error.violations]
            if isinstance(error, Invalid)
            else [error.detail]
        )
    limit = SmsSettings().segment_limit
    if isinstance(mailing.content, SmsContent):
        size = measure(with_line_feeds(mailing.content.message))
        if size.segments > limit:
            found.append(f"message takes {size.segments} segments; the limit is {limit}")
    return found
