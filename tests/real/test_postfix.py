"""E-mail against Postfix: what it accepts arrives, and what it refuses is understood."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest

from tests.channels.email.wire import draft
from tests.real.postfix import PASSWORD, Postfix
from utskick.channels.email.channel import EmailChannel, build
from utskick.channels.email.settings import EmailSettings
from utskick.domain.attachment import Attachment
from utskick.domain.channel import AccountHealth, Draft
from utskick.domain.ids import new_id
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Rejected, Sent

SENDER = {"name": "Kommunen", "address": "noreply@kommun.test"}
RECIPIENT, DESTINATION, ACCOUNT, OURSELVES = Concern


def channel_to(postfix: Postfix, service: str, **account: Any) -> EmailChannel:
    section = account.pop("section", {})
    accounts = {"relay": postfix.account(service, **account)}
    return build(EmailSettings.model_validate({"sender": SENDER, "accounts": accounts, **section}))


def to(recipient: str, **content: Any) -> Draft:
    return draft(f"{recipient}@kommun.test", _sender=SENDER, **content)


async def send(postfix: Postfix, service: str, mail: Draft | None = None, **more: Any) -> Outcome:
    channel = channel_to(postfix, service, **more)
    try:
        return await channel.send(mail or to("anna"), new_id(), "relay")
    finally:
        await channel.close()


async def look(postfix: Postfix, service: str, **more: Any) -> AccountHealth:
    channel = channel_to(postfix, service, **more)
    try:
        [health] = await channel.look()
    finally:
        await channel.close()
    return health


def told(outcome: Outcome) -> tuple[type, str, Concern | None]:
    assert not isinstance(outcome, Sent)
    return type(outcome), outcome.reason.code, getattr(outcome, "concerns", None)


@pytest.mark.parametrize("service", ["plain", "starttls", "tls"])
async def test_a_mail_arrives_whole_by_every_kind_of_connection(
    postfix: Postfix, service: str
) -> None:
    key, text = new_id(), f"Hej å ä ö\r\n.punkt först\r\n.\r\n{service}\r\n"
    channel = channel_to(postfix, service)
    assert isinstance(await channel.send(to("anna", message=text), key, "relay"), Sent)
    await channel.close()
    mail = await asyncio.to_thread(postfix.mail_to, "anna", str(key))
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().splitlines() == text.splitlines()
    assert mail["Return-Path"] == "<noreply@kommun.test>"
    assert postfix.accepted(str(key)) == 1


async def test_html_files_and_ways_to_unsubscribe_arrive_as_they_were_meant(
    postfix: Postfix,
) -> None:
    link = "https://kommun.test/?id=1&copy=2"
    page = f"<meta charset=iso-8859-15><p>10 € <a href='{link.replace('&', '&amp;')}'>här</a>"
    one_click = "<https://kommun.test/avsluta?id=" + "a" * 400 + ">"
    mail = replace(
        to(
            "anna",
            message="\xa0",
            htmlMessage=b64encode(page.encode("iso-8859-15")).decode(),
            headers={
                "List-Unsubscribe": ["<mailto:av@kommun.test>", one_click],
                "List-Unsubscribe-Post": ["List-Unsubscribe=One-Click"],
            },
        ),
        attachments=(Attachment.of("Förskolor å–ö.csv", "text/csv", "Åsö;1\r\n".encode()),),
    )
    key, channel = new_id(), channel_to(postfix, "starttls")
    assert isinstance(await channel.send(mail, key, "relay"), Sent)
    await channel.close()
    stored = await asyncio.to_thread(postfix.mail_to, "anna", str(key))
    message = message_from_bytes(stored.as_bytes(), policy=policy.default)
    body, file = message.iter_parts()
    text, markup = body.iter_parts()
    assert text.get_content() == f"10 € [här]({link})\n"
    assert "10 €" in markup.get_content()
    assert file.get_filename() == "Förskolor å–ö.csv"
    assert file.get_content() == "Åsö;1\r\n"
    assert message.get_all("List-Unsubscribe") == [f"<mailto:av@kommun.test>, {one_click}"]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


async def test_a_large_mail_arrives_whole(postfix: Postfix) -> None:
    key, text = new_id(), "x" * 70 + "\r\n"
    channel = channel_to(postfix, "starttls")
    assert isinstance(await channel.send(to("anna", message=text * 60_000), key, "relay"), Sent)
    await channel.close()
    mail = await asyncio.to_thread(postfix.mail_to, "anna", str(key))
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert len(body.splitlines()) == 60_000


async def test_a_mail_above_the_size_limit_is_rejected(postfix: Postfix) -> None:
    outcome = await send(postfix, "small", to("anna", message="x\r\n" * 20_000))
    assert told(outcome) == (Rejected, "too-large", None)


@pytest.mark.parametrize(
    ("service", "more", "code"),
    [
        ("starttls", {"password": "wrong"}, "refused-login"),
        ("tls", {"password": "wrong"}, "refused-login"),
        ("starttls", {"ca_file": None}, "tls"),
        ("tls", {"ca_file": None}, "tls"),
        ("closed", {}, "refused-connection"),
        ("closed-at-once", {}, "refused-connection"),
        ("no-relay", {}, "refused-relay"),
        ("no-relay-yet", {}, "refused-relay"),
        ("strict-helo", {}, "refused-helo"),
        ("strict-helo-at-once", {}, "refused-helo"),
    ],
)
async def test_faults_of_the_account_are_ours_wherever_they_are_answered(
    postfix: Postfix, service: str, more: dict[str, Any], code: str
) -> None:
    stranger = draft("bo@elsewhere.test", _sender=SENDER)
    outcome = await send(postfix, service, stranger, **more)
    assert told(outcome) == (Misconfigured, code, ACCOUNT)
    assert PASSWORD not in repr(outcome)


async def test_starttls_without_login_is_refused_as_ours(postfix: Postfix) -> None:
    outcome = await send(postfix, "starttls", username=None, password=None)
    assert told(outcome)[0] is Misconfigured


async def test_a_refused_sender_concerns_the_sender_and_not_the_account(postfix: Postfix) -> None:
    mail = replace(
        to("anna"), content={**to("anna").content, "_sender": {"address": "refused@kommun.test"}}
    )
    assert told(await send(postfix, "plain", mail)) == (Misconfigured, "refused-sender", OURSELVES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("busy", (Deferred, "mailbox-unavailable", RECIPIENT)),
        ("grey", (Deferred, "greylisted", RECIPIENT)),
        ("local", (Deferred, "provider-fault", ACCOUNT)),
        ("bare451", (Deferred, "mailbox-unavailable", RECIPIENT)),
        ("system-full", (Deferred, "provider-fault", ACCOUNT)),
        ("full-for-now", (Deferred, "mailbox-full", RECIPIENT)),
        ("no-route", (Deferred, "unroutable", DESTINATION)),
        ("closing", (Deferred, "closing", ACCOUNT)),
        ("unknown", (Rejected, "unknown-recipient", None)),
        ("denied", (Misconfigured, "refused-access", RECIPIENT)),
        ("disabled", (Rejected, "mailbox-disabled", None)),
        ("moved", (Rejected, "unknown-recipient", None)),
        ("full", (Rejected, "mailbox-full", None)),
        ("syntax", (Rejected, "unknown-recipient", None)),
        ("refused", (Rejected, "refused-recipient", None)),
        ("policy", (Misconfigured, "refused-access", RECIPIENT)),
    ],
)
async def test_what_postfix_answers_at_rcpt_is_understood(
    postfix: Postfix, name: str, expected: tuple[Any, ...]
) -> None:
    assert told(await send(postfix, "plain", to(f"rcpt.{name}"))) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grey", (Deferred, "greylisted", RECIPIENT)),
        ("local", (Deferred, "provider-fault", ACCOUNT)),
        ("system-full", (Deferred, "provider-fault", ACCOUNT)),
        ("full-for-now", (Deferred, "mailbox-full", RECIPIENT)),
        ("no-route", (Deferred, "unroutable", DESTINATION)),
        ("closing", (Deferred, "closing", ACCOUNT)),
        ("unknown", (Rejected, "unknown-recipient", None)),
        ("full", (Rejected, "mailbox-full", None)),
        ("refused", (Rejected, "refused-content", None)),
        ("policy", (Rejected, "refused-content", None)),
        ("dmarc", (Misconfigured, "refused-access", ACCOUNT)),
    ],
)
async def test_what_postfix_answers_after_the_final_dot_is_understood(
    postfix: Postfix, name: str, expected: tuple[Any, ...]
) -> None:
    assert told(await send(postfix, "plain", to(f"end.{name}"))) == expected


async def test_a_refusal_costs_neither_the_connection_nor_the_next_mail(postfix: Postfix) -> None:
    channel = channel_to(postfix, "plain", concurrency=1)
    for name, expected in (("rcpt.full", Rejected), ("anna", Sent), ("end.grey", Deferred)):
        for _ in range(2):
            assert isinstance(await channel.send(to(name), new_id(), "relay"), expected)
    await channel.close()


async def test_a_rate_limit_is_told_as_such_and_costs_no_mail(postfix: Postfix) -> None:
    channel = channel_to(postfix, "limited", concurrency=1)
    outcomes = [await channel.send(to("anna"), new_id(), "relay") for _ in range(4)]
    await channel.close()
    assert [type(o) for o in outcomes] == [Sent, Sent, Deferred, Deferred]
    assert told(outcomes[2]) == (Deferred, "throttled", ACCOUNT)


async def test_too_many_connections_are_told_as_such(postfix: Postfix) -> None:
    outcomes = [await send(postfix, "crowded") for _ in range(3)]
    assert isinstance(outcomes[0], Sent)
    assert told(outcomes[2]) == (Deferred, "closing", ACCOUNT)


async def test_a_connection_closed_while_idle_costs_no_attempt(postfix: Postfix) -> None:
    channel = channel_to(postfix, "impatient", concurrency=1, idle_seconds=60)
    for pause in (0.2, 1.0, 1.02, 1.5, 2.5):
        assert isinstance(await channel.send(to("anna"), new_id(), "relay"), Sent)
        await asyncio.sleep(pause)
    await channel.close()


async def test_a_slow_greeting_is_waited_for_apart_from_the_connection(postfix: Postfix) -> None:
    assert isinstance(await send(postfix, "slow", connect_timeout=1, banner_timeout=30), Sent)
    outcome = await send(postfix, "slow", connect_timeout=1, banner_timeout=0.3)
    assert told(outcome) == (Deferred, "no-greeting", ACCOUNT)


@pytest.mark.parametrize("verp", [False, True])
async def test_a_bounce_returns_to_the_envelope_sender(postfix: Postfix, verp: bool) -> None:
    section = {"envelope_sender": "bounces@kommun.test", "verp": verp}
    key = new_id()
    channel = channel_to(postfix, "plain", section=section)
    assert isinstance(await channel.send(to("refusing"), key, "relay"), Sent)
    await channel.close()
    bounce = await asyncio.to_thread(postfix.mail_to, "bounces", str(key))
    assert bounce.get_content_type() == "multipart/report"
    assert bounce["To"] == f"bounces{'+' + key.hex if verp else ''}@kommun.test"


async def test_a_look_offers_the_default_sender_and_sends_nothing(postfix: Postfix) -> None:
    before = len(postfix.mails("noreply"))
    assert (await look(postfix, "starttls")).ok
    assert not (await look(postfix, "starttls", password="wrong")).ok
    refused = {"section": {"sender": {"name": "K", "address": "refused@kommun.test"}}}
    assert not (await look(postfix, "plain", **refused)).ok
    assert not (await look(postfix, "closed")).ok
    stranger = {"section": {"sender": {"name": "K", "address": "noreply@elsewhere.test"}}}
    assert not (await look(postfix, "no-relay", **stranger)).ok
    full = await look(
        postfix, "plain", section={"sender": {"name": "K", "address": "rcpt.full@kommun.test"}}
    )
    assert (full.ok, full.warns) == (True, True)
    assert len(postfix.mails("noreply")) == before
