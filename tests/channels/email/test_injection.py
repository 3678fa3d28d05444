"""Whatever is put into any field, it is refused or it comes back as that field's value, and nothing
else appears."""

from __future__ import annotations

from base64 import b64encode
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.channels.email.wire import NOON
from utskick.channels.email.addresses import wire_address
from utskick.channels.email.mime import AttachmentCache, compose
from utskick.channels.email.planning import plan
from utskick.channels.email.requests import EmailRequest
from utskick.channels.email.settings import EmailSettings
from utskick.domain.channel import Draft
from utskick.domain.errors import Invalid, Unreadable
from utskick.domain.ids import new_id
from utskick.domain.validators import refusal

SETTINGS = EmailSettings.model_validate(
    {"sender": {"name": "K", "address": "k@x.se"}, "accounts": {"a": {"host": "x"}}}
)
KEY = new_id()
FIELDS = {
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "MIME-Version",
}

NASTY = (
    "\r\n",
    "\n",
    "\r",
    "\r\nBcc: e@v.il",
    "\r\n\r\nbody",
    "\x00",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x7f",
    "\x85",
    "\u2028",
    "\ud800",
    "=?utf-8?q?=0D=0AX?=",
    "=?utf-8?b?DQpYOiB5?=",
    '"',
    "\\",
    "<",
    ">",
    ",",
    ";",
    ":",
    "(",
    ")",
    "@",
    "'",
    "%0d%0a",
    "*",
    "\t",
    "  ",
    "å",
    "🐻",
    "\u202e",
    "\xa0",
    "a" * 70,
)
text = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=8)), max_size=4).map("".join)
address = st.one_of(
    text,
    text.map(lambda t: f"a{t}@b.se"),
    text.map(lambda t: f"a@b{t}.se"),
    text.map(lambda t: f"a@{t}"),
)
message_id = st.one_of(
    text, text.map(lambda t: f"<{t}@b.se>"), text.map(lambda t: f"<a@b.se>{t}<c@d>")
)
SENDER = {"name": "Kommunen", "address": "k@x.se"}
FILE = {"name": "a.txt", "contentType": "text/plain", "content": b64encode(b"hej").decode()}
PLAIN = {"emailAddress": "anna@x.se", "subject": "Hej", "message": "Hej", "sender": SENDER}

#: Each field, made strange while the others are plain, so that they do not hide it by being
#: refused.
STRANGE: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "emailAddress": address.map(lambda t: {"emailAddress": t}),
    "subject": text.map(lambda t: {"subject": t}),
    "message": text.map(lambda t: {"message": t}),
    "html": text.map(
        lambda t: {"htmlMessage": b64encode(b"<p>" + t.encode("utf-8", "surrogatepass")).decode()}
    ),
    "sender.name": text.map(lambda t: {"sender": {**SENDER, "name": t}}),
    "sender.address": address.map(lambda t: {"sender": {**SENDER, "address": t}}),
    "sender.replyTo": address.map(lambda t: {"sender": {**SENDER, "replyTo": t}}),
    "headers": st.dictionaries(
        st.sampled_from(["Message-ID", "IN_REPLY_TO", "References"]),
        st.lists(message_id, min_size=1, max_size=2),
        max_size=2,
    ).map(lambda h: {"headers": h}),
    "headers.name": text.map(lambda t: {"headers": {t: ["<a@b>"]}}),
    "attachment.name": text.map(lambda t: {"attachments": [{**FILE, "name": t}]}),
    "attachment.type": st.one_of(
        text, text.map(lambda t: f"text/plain; a={t}"), text.map(lambda t: f"a/{t}")
    ).map(lambda t: {"attachments": [{**FILE, "contentType": t}]}),
}


def read(body: dict[str, Any]) -> EmailRequest | None:
    try:
        return EmailRequest.model_validate(body)
    except ValidationError as caught:
        refused = refusal(caught, EmailRequest)
    assert isinstance(refused, Invalid | Unreadable)
    return None


def expect(message: EmailMessage, name: str, value: str) -> None:
    assert [str(v) for v in message.get_all(name, [])] == [value]


def check(request: EmailRequest) -> None:
    try:
        planned = plan(request, "2281", SETTINGS, 0)
    except Invalid as refused:
        fields = [violation.field for violation in refused.violations]
        if fields == ["htmlMessage"]:
            return  # a lone surrogate is no UTF-8
        raise
    data = compose(
        Draft("2281", planned.content, planned.recipients[0], planned.attachments, created_at=NOON),
        KEY,
        AttachmentCache(),
    ).data
    message = message_from_bytes(data, policy=policy.SMTPUTF8)
    raw = message_from_bytes(data, policy=policy.compat32)
    sender = request.sender
    assert sender is not None
    asked = {"MESSAGE_ID": "Message-ID", "IN_REPLY_TO": "In-Reply-To"}
    headers = {
        asked.get(name, name): list(dict.fromkeys(values or []))
        for name, values in (request.headers or {}).items()
    }
    expected = (
        FIELDS - {"Reply-To", "In-Reply-To", "References"}
        | set(headers)
        | ({"Reply-To"} if sender.reply_to else set())
    )
    assert sorted(n for n, _ in raw.items() if not n.startswith("Content-")) == sorted(expected)
    expect(message, "Subject", request.subject)
    expect(message, "To", wire_address(request.email_address))
    assert len(message.get_all("From", [])) == 1
    [author] = message["From"].addresses
    assert author.addr_spec.encode("utf-8", "surrogateescape").decode() == wire_address(
        sender.address
    )
    name = "" if sender.name in (sender.address, wire_address(sender.address)) else sender.name
    assert "".join(author.display_name.split()) == "".join(name.split())
    if author.display_name != name:
        # The parser of the standard library shows the seams of encoded words as spaces, and drops
        # spaces at the ends; its older
        # half reads them rightly.
        assert str(make_header(decode_header(raw["From"]))).startswith(f"{name} <")
    if sender.reply_to:
        expect(message, "Reply-To", wire_address(sender.reply_to))
    for name, values in headers.items():
        assert " ".join(str(raw[name]).split()) == " ".join(values)
    if request.attachments:
        *_, file = message.iter_parts()
        assert file["Content-Disposition"].params["filename"] == request.attachments[0].name
        assert sorted(file.keys()) == [
            "Content-Disposition",
            "Content-Transfer-Encoding",
            "Content-Type",
        ]
        assert file.get_payload(decode=True) == b"hej"


@pytest.mark.parametrize("field", STRANGE)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_nothing_can_be_injected(field: str, data: st.DataObject) -> None:
    request = read({**PLAIN, **data.draw(STRANGE[field])})
    if request is not None:
        check(request)


@pytest.mark.parametrize("field", ["subject", "message", "sender.name", "attachment.name"])
def test_what_is_only_unusual_is_taken(field: str) -> None:
    taken = []

    @settings(max_examples=100, deadline=None)
    @given(STRANGE[field])
    def take(change: dict[str, Any]) -> None:
        taken.append(read({**PLAIN, **change}) is not None)

    take()
    assert sum(taken) > 10
