"""E-mail as the engine sees it: plans, accounts, history."""

from __future__ import annotations

from base64 import b64encode
from email import message_from_bytes
from email.utils import parseaddr
from typing import Any

import pytest
from pydantic import ValidationError

from tests.channels.digital_mail.pki import Authority, pem_of
from tests.channels.email.test_requests import FILE, GOOD, PARTY
from tests.channels.email.wire import ScriptedServer, channel_to
from utskick.channels.email.channel import EmailChannel, build
from utskick.channels.email.mime import AttachmentCache, compose
from utskick.channels.email.requests import (
    EmailBatchRequest,
    EmailRequest,
    ShortEmailBatchRequest,
    ShortEmailRequest,
)
from utskick.channels.email.settings import EmailSettings
from utskick.domain.channel import Channel, Draft, Plan, Priority, ProviderCallback, RequestContext
from utskick.domain.errors import Invalid, NotBuilt, NotFound, Violation
from utskick.domain.ids import new_id
from utskick.domain.recipient import Recipient

CA = pem_of(Authority().certificate)
SETTINGS: dict[str, Any] = {
    "sender": {"name": "Kommunen", "address": "noreply@sundsvall.se"},
    "domains": ["sundsvall.se", "räksmörgås.se"],
    "accounts": {"second": {"host": "b", "priority": 2}, "first": {"host": "a", "rate": 5}},
}


def channel(**changes: Any) -> EmailChannel:
    return build(EmailSettings.model_validate({**SETTINGS, **changes}))


def plan(body: dict[str, Any], **changes: Any) -> Plan:
    return channel(**changes).plan(
        EmailRequest.model_validate({**GOOD, **body}), RequestContext("2281")
    )


def batch(parties: list[dict[str, Any]], **more: Any) -> Plan:
    return channel().plan(
        EmailBatchRequest.model_validate({"subject": "Hej", "parties": parties, **more}),
        RequestContext("2281"),
    )


def draft(planned: Plan) -> Draft:
    return Draft("2281", planned.content, planned.recipients[0], planned.attachments)


def test_it_is_a_channel() -> None:
    made: Channel = channel()
    assert [(f.path, f.operation, f.many, f.limit >> 20) for f in made.forms] == [
        ("email", "sendEmail", False, 32),
        ("email/batch", "sendEmailBatch", True, 64),
    ]
    assert (made.name, made.message_type, made.integration) == ("email", "EMAIL", "EmailSender")
    assert made.when_uncertain("first", draft(plan({}))) == "resend"


def test_accounts_are_tried_by_priority() -> None:
    assert channel().able(draft(plan({}))) == ("first", "second")
    assert {(a.name, a.rate) for a in channel().accounts} == {("first", 5), ("second", None)}


def test_content_has_no_recipients_and_no_bytes() -> None:
    planned = plan(
        {
            "attachments": [FILE],
            "party": {"partyId": PARTY, "externalReferences": [{"key": "k", "value": "v"}]},
        }
    )
    assert planned.content == {
        "party": {"externalReferences": [{"key": "k", "value": "v"}]},
        "subject": "Hej",
        "message": "Hej du",
        "attachments": [
            {
                "name": "a.pdf",
                "contentType": "application/pdf",
                "digest": planned.attachments[0].digest.hex(),
            }
        ],
        "_sender": {"name": "Kommunen", "address": "noreply@sundsvall.se"},
    }
    assert planned.attachments[0].data == b"%PDF-"


def test_exact_duplicates_share_a_recipient() -> None:
    planned = batch(
        [
            {"emailAddress": "a@B.se", "partyId": PARTY},
            {"emailAddress": "b@b.se"},
            {"emailAddress": "a@b.se", "partyId": PARTY.upper()},
            {"emailAddress": "a@b.se"},
            {"emailAddress": "A@b.se"},
            {"emailAddress": "b@b.se", "reference": "another row"},
        ]
    )
    assert list(planned.entries) == [0, 1, 0, 2, 3, 1]
    assert [r.destination for r in planned.recipients] == ["a@B.se", "b@b.se", "a@b.se", "A@b.se"]


def test_batches_wait_behind_single_messages() -> None:
    one = [{"emailAddress": "a@b.se"}]
    assert plan({}).priority is Priority.NORMAL
    assert plan({"priority": "HIGH"}).priority is Priority.HIGH
    assert batch(one).priority is Priority.BULK
    assert batch(one, priority="HIGH").priority is Priority.NORMAL


def test_the_sender_is_the_asked_one_or_that_of_the_settings() -> None:
    assert plan({}).content["_sender"]["name"] == "Kommunen"
    answered = {"name": "Ånge", "address": "info@ange.se", "reply_to": "svar@ange.se"}
    assert plan({}, sender=answered).content["_sender"] == {
        "name": "Ånge",
        "address": "info@ange.se",
        "replyTo": "svar@ange.se",
    }
    asked = {"name": "Jag", "address": "jag@sundsvall.se", "replyTo": ""}
    assert plan({"sender": asked}).content["_sender"] == {
        "name": "Jag",
        "address": "jag@sundsvall.se",
    }


@pytest.mark.parametrize(
    "address", ["a@SUNDSVALL.se", "a@räksmörgås.se", "a@xn--rksmrgs-5wao1o.se"]
)
def test_a_sender_of_an_allowed_domain_may_send(address: str) -> None:
    plan({"sender": {"name": "x", "address": address}})


@pytest.mark.parametrize("address", ["a@timra.se", "a@it.sundsvall.se", "a@evilsundsvall.se"])
def test_a_sender_of_another_domain_may_not(address: str) -> None:
    sender = {"name": "x", "address": address}
    with pytest.raises(Invalid) as caught:
        plan({"sender": sender})
    assert [v.field for v in caught.value.violations] == ["sender.address"]
    plan({"sender": sender}, domains=None)


def test_a_short_form_is_from_its_plain_address() -> None:
    body = {
        "sender": "a@sundsvall.se",
        "emailAddress": "b@c.se",
        "personId": "p1",
        "message": "Hej",
    }
    planned = channel().plan(ShortEmailRequest.model_validate(body), RequestContext("2281"))
    assert planned.content == {
        "subject": "Meddelande",
        "message": "Hej",
        "_sender": {"name": "a@sundsvall.se", "address": "a@sundsvall.se"},
    }
    known = channel().plan(
        ShortEmailRequest.model_validate({**body, "sender": "noreply@sundsvall.se"}),
        RequestContext("2281"),
    )
    assert known.content["_sender"]["name"] == "Kommunen"
    with pytest.raises(Invalid) as caught:
        channel().plan(
            ShortEmailRequest.model_validate({**body, "sender": "a@b.se"}), RequestContext("2281")
        )
    assert [v.field for v in caught.value.violations] == ["sender"]


def test_a_short_batch_is_planned_as_a_long_one() -> None:
    body = {
        "sender": "a@sundsvall.se",
        "message": "Hej",
        "subject": "S",
        "parties": [{"personId": "p", "emailAddress": "b@c.se"}] * 2,
    }
    planned = channel().plan(ShortEmailBatchRequest.model_validate(body), RequestContext("2281"))
    assert (list(planned.entries), planned.priority, planned.content["subject"]) == (
        [0, 0],
        Priority.BULK,
        "S",
    )


def test_the_limit_is_exactly_the_size_of_the_message() -> None:
    body = {"attachments": [{**FILE, "content": b64encode(b"x" * 5000).decode()}]}
    size = len(compose(draft(plan(body)), new_id(), AttachmentCache()).data)
    plan(body, message_limit=size)
    with pytest.raises(Invalid) as caught:
        plan(body, message_limit=size - 1)
    assert [v.field for v in caught.value.violations] == ["attachments"]
    assert str(size) in caught.value.violations[0].message


def test_a_long_text_is_limited_too() -> None:
    with pytest.raises(Invalid) as caught:
        plan({"message": "x" * 2000}, message_limit=1000)
    assert [v.field for v in caught.value.violations] == ["message"]


def test_history_shows_the_request_of_one_recipient() -> None:
    body = {
        **GOOD,
        "party": {"partyId": PARTY, "externalReferences": [{"key": "k", "value": "v"}]},
        "htmlMessage": b64encode(b"<p>x").decode(),
        "sender": {"name": "Jag", "address": "jag@sundsvall.se", "replyTo": "svar@sundsvall.se"},
        "attachments": [FILE, {"name": "b", "content": "aGVq"}],
        "headers": {"IN_REPLY_TO": ["<a@b>"]},
    }
    made = channel()
    planned = made.plan(EmailRequest.model_validate(body), RequestContext("2281"))
    assert made.show(draft(planned)) == body
    bare = made.show(Draft("2281", planned.content, planned.recipients[0]))
    assert [set(a) for a in bare["attachments"]] == [{"name", "contentType"}, {"name"}]


async def test_nobody_reports_on_email_and_nobody_can_be_asked() -> None:
    made = channel()
    with pytest.raises(NotFound):
        made.read_receipt(ProviderCallback("first", None, {}, {}, b""))
    assert await made.ask(draft(plan({})), new_id(), "first", None) is None


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"sender": {"name": "x", "address": "y"}},
        {"sender": {"name": "x", "address": "a@b", "extra": 1}},
        {"accounts": {"a": {"host": "x", "username": "u"}}},
        {"accounts": {"a": {"host": "x", "security": "none"}}},
        {"accounts": {"a": {"host": "x", "security": "plain", "ca_file": "x"}}},
        {"accounts": {"a": {"host": "x", "helo": "a b"}}},
        {"accounts": {"a": {"host": "x", "security": "plain", "ca": CA}}},
        {"domains": {"2281": ["sundsvall.se"]}},
        {"senders": {}},
        {"municipalities": {}},
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EmailSettings.model_validate({**SETTINGS, **change})


def test_a_password_is_never_shown() -> None:
    account = {"host": "x", "username": "u", "password": "correct-horse-battery"}
    assert "correct-horse" not in repr(
        EmailSettings.model_validate(
            {**SETTINGS, "accounts": {"first": account, "second": account}}
        )
    )


def test_without_an_account_nothing_is_accepted() -> None:
    with pytest.raises(NotBuilt, match=r"\[email\]"):
        plan({}, accounts={})


SCHOOL = {"name": "Skolan", "address": "skolan@ange.se"}


def handed_over(*, deferred: tuple[str, ...] = (), **content: Any) -> Draft:
    """As a message hands it over."""
    members = {"subject": "Hej", "message": "Hej du", **content}
    return Draft("2281", members, Recipient("anna@example.com"), deferred=deferred)


async def test_what_another_channel_hands_over_is_from_the_sender_of_who_completed_it() -> None:
    server = ScriptedServer()
    await server.start()
    other = channel_to(server.port)
    ours = channel(sender=SCHOOL)
    await other.send(ours.completed(handed_over()), new_id(), "relay")
    await other.send(
        ours.completed(handed_over(sender={"name": "Badet", "address": "badet@ange.se"})),
        new_id(),
        "relay",
    )
    senders = [parseaddr(message_from_bytes(m)["From"]) for m in server.messages]
    assert senders == [("Skolan", "skolan@ange.se"), ("Badet", "badet@ange.se")]
    await other.close()
    await server.close()


def test_what_says_everything_itself_is_not_changed() -> None:
    for draft in (
        handed_over(_sender=SCHOOL),
        handed_over(_sender=SCHOOL, deferred=("message",), _domains=None),
    ):
        assert channel().completed(draft) is draft


@pytest.mark.parametrize(
    ("content", "domains", "fits"),
    [
        ({}, ["sundsvall.se"], True),  # the default may always be used
        ({"sender": SCHOOL}, None, True),
        ({"sender": SCHOOL}, ["ange.se"], True),
        ({"sender": SCHOOL}, ["sundsvall.se"], False),
    ],
)
async def test_a_sender_that_is_looked_at_later_is_held_to_the_domains_of_who_completed_it(
    content: dict[str, Any], domains: list[str] | None, fits: bool
) -> None:
    ours = channel(domains=domains, sender={"name": "Badet", "address": "badet@timra.se"})
    draft = ours.completed(handed_over(**content, deferred=("message",)))
    for other in (channel(domains=["x.se"]), channel(domains=None), ours):
        found = await other.inspect(draft.content, (), RequestContext("2281"))
        assert (found == []) is fits
    assert not any(name.startswith("_") for name in ours.show(draft))


async def test_html_that_is_no_text_is_refused_where_it_is_accepted() -> None:
    broken = b64encode(b"<meta charset=utf-8>Sm\xf6rg\xe5s").decode()
    told = "must be text in utf-8 (by its declaration), but the byte 0xF6 at offset 22 is not"
    with pytest.raises(Invalid) as caught:
        plan({"htmlMessage": broken})
    assert list(caught.value.violations) == [Violation("htmlMessage", told)]
    handed_over = await channel().inspect({"htmlMessage": broken}, (), RequestContext("2281"))
    assert handed_over == [Violation("htmlMessage", told)]
