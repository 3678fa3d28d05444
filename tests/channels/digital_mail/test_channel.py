"""The channel's own work: plans, what is looked at before anything is stored, the question who has
a mailbox, what history shows."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.channels.digital_mail.pki import ORGANIZATION
from tests.channels.digital_mail.stage import ANNA, KIVRA, NUMBER, OTHER, Stage
from tests.channels.digital_mail.test_reachability import BO, CARIN
from tests.channels.snail_mail import pdfs
from tests.contracts.faulty_server import text
from utskick.channels.digital_mail.channel import build
from utskick.channels.digital_mail.mailboxes import RegisterUnavailable
from utskick.channels.digital_mail.requests import DigitalMailRequest, MailboxesRequest
from utskick.channels.digital_mail.settings import DigitalMailSettings
from utskick.directory.empty import EmptyDirectory
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Account, Channel, Draft, Plan, Priority, RequestContext
from utskick.domain.directory_ports import Neighbours
from utskick.domain.errors import Invalid, Violation
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Reason, Rejected, Sent
from utskick.domain.preparation import Ready
from utskick.domain.recipient import Recipient

PDF = pdfs.letter()
FILE = {
    "contentType": "application/pdf",
    "content": b64encode(PDF).decode(),
    "filename": "beslut.pdf",
}
HERE = RequestContext("2281", ORGANIZATION)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = await Stage(tmp_path).open()
    yield stage
    await stage.close()


def plan(
    stage: Stage, asked: RequestContext = HERE, parties: tuple[str, ...] = (ANNA,), **members: Any
) -> Plan:
    return stage.channel.plan(
        DigitalMailRequest.model_validate({"party": {"partyIds": list(parties)}, **members}), asked
    )


async def inspected(stage: Stage, asked: RequestContext = HERE, **members: Any) -> list[Violation]:
    made = plan(stage, asked, **members)
    return await stage.channel.inspect(made.content, made.attachments, asked)


async def test_it_is_a_channel(stage: Stage) -> None:
    seen: Channel = stage.channel
    assert (seen.name, seen.message_type, seen.integration) == (
        "digital_mail",
        "DIGITAL_MAIL",
        "DigitalMailSender",
    )
    assert [(f.path, f.operation, f.many, f.waits, f.deprecated, f.short) for f in seen.forms] == [
        ("{organizationNumber}/digital-mail", "sendDigitalMail", True, True, False, None),
        ("digital-mail", "sendDigitalMailDeprecated", True, True, True, None),
    ]
    assert [(q.path, q.operation) for q in seen.questions] == [
        ("{organizationNumber}/mailboxes", "getMailboxes")
    ]
    assert seen.accounts == (Account("mm", "minameddelanden", 1, 20, None),)
    await seen.start()


async def test_a_plan_keeps_all_that_was_said_and_each_party_once(stage: Stage) -> None:
    made = plan(
        stage,
        parties=(ANNA, BO, ANNA.upper()),
        subject="Beslut",
        contentType="text/plain",
        body="Hej",
        department="SBK",
        attachments=[FILE],
        reference="row 7",
        sendAt="2026-02-25T08:00:00",
    )
    digest = Attachment.of("beslut.pdf", "application/pdf", PDF).digest.hex()
    assert made.content == {
        "subject": "Beslut",
        "contentType": "text/plain",
        "body": "Hej",
        "department": "SBK",
        "attachments": [
            {"filename": "beslut.pdf", "contentType": "application/pdf", "digest": digest}
        ],
        "_organization": ORGANIZATION,
        "_supportInfo": {"text": "Kontakta oss om du har frågor."},
    }
    assert (list(made.recipients), list(made.entries)) == (
        [Recipient("", ANNA), Recipient("", BO)],
        [0, 1, 0],
    )
    assert (made.department, made.reference, made.send_at) == (
        "SBK",
        "row 7",
        datetime(2026, 2, 25, 7, tzinfo=UTC),
    )
    assert made.attachments[0].data == PDF


@pytest.mark.parametrize(
    ("priority", "alone", "many"),
    [
        (None, Priority.NORMAL, Priority.BULK),
        ("NORMAL", Priority.NORMAL, Priority.BULK),
        ("HIGH", Priority.HIGH, Priority.NORMAL),
    ],
)
async def test_many_wait_behind_single_messages(
    stage: Stage, priority: str | None, alone: Priority, many: Priority
) -> None:
    assert plan(stage, priority=priority).priority is alone
    assert plan(stage, parties=(ANNA, BO), priority=priority).priority is many


async def test_the_deprecated_form_sends_for_the_organisation_of_the_settings(stage: Stage) -> None:
    assert plan(stage, RequestContext("2281")).content["_organization"] == "2120002411"
    assert await inspected(stage, RequestContext("2281")) == []


async def test_what_is_well_is_not_complained_of(stage: Stage) -> None:
    html = b64encode("<p>Hej <b>å</b></p>".encode()).decode()
    assert await inspected(stage, contentType="text/html", body=html, attachments=[FILE]) == []


async def test_everything_that_is_wrong_with_the_content_is_told_at_once(stage: Stage) -> None:
    html = b64encode(b"<p>a\n<img src='https://a'>").decode()
    gif = {**FILE, "content": b64encode(b"GIF89a").decode()}
    found = await inspected(
        stage,
        RequestContext("2281", "5560000001"),
        contentType="text/html",
        body=html,
        attachments=[FILE, gif],
    )
    assert [(v.field, v.message[:62]) for v in found] == [
        ("body", "must be HTML that mailboxes accept: line 1, column 1: <p> is n"),
        ("body", "must be HTML that mailboxes accept: line 2, column 6: the attr"),
        ("attachments[1].content", "must be a PDF that mailboxes can show: it is not a PDF"),
        (
            "sendDigitalMail.organizationNumber",
            "Sending organization is not registered as authorized sender",
        ),
    ]


async def test_an_organisation_of_another_municipality_may_not_send(stage: Stage) -> None:
    (violation,) = await inspected(stage, RequestContext("2260", ORGANIZATION))
    assert violation.field == "sendDigitalMail.organizationNumber"


async def test_html_that_is_not_utf8_is_told_by_its_byte(stage: Stage) -> None:
    (violation,) = await inspected(
        stage, contentType="text/html", body=b64encode("<p>å</p>".encode("latin-1")).decode()
    )
    assert violation == Violation("body", "must be HTML in UTF-8: byte 3 is not")


async def test_the_limit_is_exact(stage: Stage) -> None:
    """The largest file that is taken at acceptance makes an envelope that fills the limit to the
    last group of BASE64, and is sent."""
    made = plan(stage, attachments=[FILE])

    async def refusals(size: int) -> tuple[Draft, list[Violation]]:
        file = Attachment.of("beslut.pdf", "application/pdf", pdfs.padded(size))
        content = {
            **made.content,
            "attachments": [{"filename": "beslut.pdf", "digest": file.digest.hex()}],
        }
        return Draft("2281", content, Recipient("", ANNA), (file,)), await stage.channel.inspect(
            content, (file,), HERE
        )

    least, most = 1_500_000, 1_600_000
    while most - least > 1:
        middle = (least + most) // 2
        _, found = await refusals(middle)
        least, most = (least, middle) if found else (middle, most)
    _, (violation,) = await refusals(most)
    assert violation.field == "attachments"
    assert violation.message.startswith(
        "Message is too big to be sent as a digital mail: its envelope would be 20971"
    )
    # Also before an attempt, to the byte: of a letter, which then goes on paper.
    asked = len(stage.questions)
    outcome = await stage.send(new_id(), (await refusals(most))[0])
    assert isinstance(outcome, Rejected)
    assert outcome.reason == Reason("too-large-for-mailbox", violation.message)
    assert (len(stage.questions), stage.envelopes) == (asked, [])
    assert isinstance(await stage.send(new_id(), (await refusals(least))[0]), Sent)
    assert 2_097_152 - 4 < len(stage.envelopes[0]) <= 2_097_152


async def test_a_letters_content_is_looked_at_in_the_same_way(stage: Stage) -> None:
    """As another channel hands it over: attachments described by digest, the organisation as a
    member, nothing in the path."""
    good, bad = Attachment.of("a.pdf", None, PDF), Attachment.of("b.pdf", None, b"no")
    described = [{"filename": f.name, "digest": f.digest.hex()} for f in (good, bad)]
    content = {
        "subject": "Beslut",
        "body": "Hej",
        "attachments": described,
        "_organization": ORGANIZATION,
    }
    (violation,) = await stage.channel.inspect(content, (good, bad), RequestContext("2281"))
    assert violation.field == "attachments[1].content"


async def test_history_shows_the_request_of_one_recipient(stage: Stage) -> None:
    references = [{"key": "a", "value": "b"}]
    members = {
        "sender": {"supportInfo": {"text": "Ring"}},
        "subject": "Beslut",
        "contentType": "text/plain",
        "body": "Hej",
    }
    request = {
        "party": {"partyIds": [ANNA, BO], "externalReferences": references},
        **members,
        "attachments": [FILE],
    }
    made = stage.channel.plan(DigitalMailRequest.model_validate(request), HERE)
    draft = Draft("2281", made.content, made.recipients[1], made.attachments)
    shown = {
        "party": {"partyIds": [BO], "externalReferences": references},
        **members,
        "attachments": [FILE],
    }
    assert stage.channel.show(draft) == shown
    bare = {name: value for name, value in FILE.items() if name != "content"}
    assert stage.channel.show(replace(draft, attachments=())) == {**shown, "attachments": [bare]}


async def test_only_accounts_of_the_sender_are_able_and_a_frozen_draft_stays_with_its_own(
    stage: Stage,
) -> None:
    draft = stage.draft()
    assert stage.channel.able(draft) == ("mm",)
    assert stage.channel.able(replace(draft, municipality_id="2260")) == ()
    assert stage.channel.able(stage.draft(_organization="5560000001")) == ()
    prepared = await stage.channel.prepare(draft, new_id())
    assert stage.channel.able(replace(draft, frozen=prepared.frozen)) == ("mm",)  # type: ignore[union-attr]


async def test_the_text_of_the_settings_stands_in_where_none_was_given(stage: Stage) -> None:
    draft = Draft("2281", {"_organization": ORGANIZATION}, Recipient("", ANNA))
    assert isinstance(await stage.send(new_id(), draft), Sent)
    sent = stage.envelopes[0].decode()
    assert (
        "<Subject>Meddelande</Subject><Supportinfo><Text>Kontakta oss om du har"
        " frågor.</Text></Supportinfo>"
    ) in sent
    assert (
        '>text/plain</ContentType><Body xmlns="http://minameddelanden.gov.se/schema/Message"></Body></Body>'
        in sent
    )


# -- the question who has a mailbox ----------------------------------------


async def ask(stage: Stage, *parties: str, asked: RequestContext = HERE) -> Any:
    (question,) = stage.channel.questions
    return await question.ask(MailboxesRequest(list(parties)), asked)


async def test_mailboxes_are_told_in_the_order_asked(stage: Stage) -> None:
    unknown = "6a5c3d04-412d-11ec-973a-0242ac139999"
    stage.people.known = {ANNA: NUMBER, BO: "190001010001", CARIN: "190001010002"}
    stage.reachability["190001010001"] = {"type": "Not", "supplier": "", "accepted": "false"}
    stage.reachability["190001010002"] = {"supplier": OTHER, "name": "Brevdosan"}
    assert await ask(stage, BO, unknown, ANNA, CARIN) == [
        {"partyId": BO, "reachable": False, "reason": "No service supplier available"},
        {
            "partyId": unknown,
            "reachable": False,
            "reason": f"No legal Id found for partyId: {unknown}",
        },
        {"partyId": ANNA, "reachable": True, "supplier": "Kivra"},
        {
            "partyId": CARIN,
            "reachable": False,
            "supplier": "Brevdosan",
            "reason": "Unsupported service supplier",
        },
    ]
    assert list(map(len, stage.questions)) == [3]
    assert stage.envelopes == []


async def test_a_register_or_a_directory_that_is_away_is_a_bad_gateway(stage: Stage) -> None:
    stage.register = text(503, "")
    with pytest.raises(RegisterUnavailable) as fault:
        await ask(stage, ANNA)
    assert fault.value.status == 502
    stage.people.away = Deferred(Reason("away", "the directory is away"))
    with pytest.raises(RegisterUnavailable, match="the directory is away"):
        await ask(stage, ANNA)


async def test_an_organisation_that_may_not_send_may_not_ask(stage: Stage) -> None:
    with pytest.raises(Invalid) as fault:
        await ask(stage, ANNA, asked=RequestContext("2260", ORGANIZATION))
    assert fault.value.violations[0].field == "getMailboxes.organizationNumber"
    assert stage.questions == []


def handed_over(**content: Any) -> Draft:
    """As a letter hands it over."""
    return Draft(
        "2281", {"contentType": "text/plain", "body": "Hej", **content}, Recipient("", ANNA)
    )


SAID = {
    "subject": "Beslut",
    "sender": {"supportInfo": {"text": "Ring"}},
    "_organization": ORGANIZATION,
}


async def test_what_another_channel_hands_over_gets_the_defaults_of_who_completed_it(
    stage: Stage,
) -> None:
    ours = stage.channel_of({"subject": "Från skolan", "support_info": {"text": "Ring skolan"}})
    completed = ours.completed(handed_over())
    assert isinstance(await stage.send(new_id(), completed), Sent)
    assert b">Fr\xc3\xa5n skolan</Subject>" in stage.envelopes[-1]
    assert b">Ring skolan</Text>" in stage.envelopes[-1]
    assert isinstance(await stage.send(new_id(), ours.completed(handed_over(**SAID))), Sent)
    assert b">Beslut</Subject>" in stage.envelopes[-1]
    assert b">Ring</Text>" in stage.envelopes[-1]


def test_what_says_everything_itself_is_not_changed(stage: Stage) -> None:
    hidden = {"_subject": "Beslut", "_supportInfo": {"text": "Ring"}, "_organization": ORGANIZATION}
    for draft in (handed_over(**SAID), handed_over(**hidden)):
        assert stage.channel.completed(draft) is draft


async def test_the_organisation_of_who_completed_it_sends(stage: Stage) -> None:
    """The channel that sends would not know which of two organisations is meant."""
    other = stage.authority.sender(stage.folder / "other", which=1, number="5560000001")
    senders = {
        ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **stage.files},
        "5560000001": {"name": "Bolaget", "municipality": "2281", **other},
    }
    sending = stage.channel_with(senders=senders)
    assert sending.able(handed_over()) == ()
    completed = stage.channel_of({"organization": "5560000001"}, senders=senders).completed(
        handed_over()
    )
    assert isinstance(await stage.send(new_id(), completed, sending), Sent)
    assert b">165560000001</Id>" in stage.envelopes[-1]


async def test_the_support_info_of_an_organisation_goes_before_that_of_the_settings(
    stage: Stage,
) -> None:
    sender = {
        "name": "Sundsvalls kommun",
        "municipality": "2281",
        **stage.files,
        "support_info": {"text": "Ring kommunen"},
    }
    made = stage.channel_with(senders={ORGANIZATION: sender})
    assert made.completed(handed_over()).content["_supportInfo"] == {"text": "Ring kommunen"}


async def test_a_repeat_is_the_same_though_it_is_completed_anew_by_other_settings(
    stage: Stage,
) -> None:
    key = new_id()
    await stage.misbehave("timeout")
    await stage.send(key, stage.channel.completed(handed_over()))
    await stage.misbehave("well")
    changed = stage.channel_of({"subject": "Annat", "support_info": {"text": "Annat"}})
    assert isinstance(await stage.send(key, changed.completed(handed_over()), changed), Sent)
    assert isinstance(await stage.send(key, handed_over(), changed), Sent)
    assert stage.envelopes[0] == stage.envelopes[1] == stage.envelopes[2]


async def test_of_several_accounts_of_an_organisation_the_operators_one_is_used(
    stage: Stage,
) -> None:
    """Also in the query; and where none has it, the first account's reason is told."""
    host = f"127.0.0.1:{stage.port}"
    accounts = {
        "first": stage.settings(operators={KIVRA: {"name": "Kivra", "hosts": [host]}}),
        "second": {
            **stage.settings(operators={OTHER: {"name": "Min myndighetspost", "hosts": [host]}}),
            "priority": 2,
        },
    }
    section = DigitalMailSettings.model_validate({"accounts": accounts})
    context = RequestContext("2281", ORGANIZATION)
    for supplier, account in ((KIVRA, "first"), (OTHER, "second")):
        stage.reachability[NUMBER] = {"supplier": supplier}
        channel = build(section, Neighbours(stage.people, EmptyDirectory()), stage.clock)
        stage.channels.append(channel)
        key = new_id()
        prepared = await channel.prepare(stage.draft(), key)
        assert isinstance(prepared, Ready)
        draft = replace(stage.draft(), frozen=prepared.frozen)
        assert channel.able(draft) == (account,)
        assert isinstance(await channel.send(draft, key, account), Sent)
        [query] = channel.questions
        [said] = await query.ask(MailboxesRequest([ANNA]), context)
        assert said["reachable"]
    stage.reachability[NUMBER] = {"supplier": "165500000000"}
    channel = build(section, Neighbours(stage.people, EmptyDirectory()), stage.clock)
    stage.channels.append(channel)
    outcome = await channel.prepare(stage.draft(), new_id())
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "unsupported-operator"
