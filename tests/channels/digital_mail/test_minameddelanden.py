"""Mina Meddelanden: the provider contract, the answers one by one, the request as it is on the
wire, and repeats equal to the byte."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from tests.channels.digital_mail.pki import ORGANIZATION
from tests.channels.digital_mail.stage import (
    KIVRA,
    NUMBER,
    OTHER,
    TRANS_ID,
    Stage,
    fault,
    plain_fault,
    result,
    soap,
)
from tests.contracts.faulty_server import text
from tests.contracts.provider import ProviderContract
from utskick.domain.attachment import Attachment
from utskick.domain.ids import new_id
from utskick.domain.outcome import Concern, Deferred, Misconfigured, Rejected, Sent, Uncertain
from utskick.domain.preparation import Ready


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = await Stage(tmp_path).open()
    yield stage
    await stage.close()


class TestMinaMeddelanden(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: Stage) -> Stage:
        return stage


# -- the operator's answers ----------------------------------------


async def test_the_trans_id_is_kept(stage: Stage) -> None:
    assert await stage.send(new_id()) == Sent(TRANS_ID, delivered=True)


async def test_not_delivered_in_a_successful_answer_is_a_polite_no(stage: Stage) -> None:
    await stage.misbehave("refuse")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Rejected)
    assert (outcome.polite, outcome.reason.provider_code) == (True, TRANS_ID)


async def test_after_a_no_the_register_is_asked_anew(stage: Stage) -> None:
    await stage.misbehave("refuse")
    await stage.send(new_id())
    await stage.send(new_id())
    assert len(stage.questions) == 2


async def test_a_fault_is_logged_with_its_code_and_call_id_and_nothing_personal(
    stage: Stage,
) -> None:
    await stage.misbehave("temporary")
    with structlog.testing.capture_logs() as lines:
        outcome = await stage.send(new_id())
    assert isinstance(outcome, Deferred)
    assert outcome.reason.provider_code == "5000"
    assert [(line["code"], line["call_id"]) for line in lines] == [(5000, TRANS_ID)]
    assert NUMBER not in str(lines)
    assert "Hej" not in str(lines)


@pytest.mark.parametrize(
    ("answer", "kind", "code", "sentence"),
    [
        (
            fault(5003, words=f"Sender is not authorized for {NUMBER}"),
            Misconfigured,
            "sender-refused",
            f"the sending organisation has no permission there: Sender is not authorized for … (call {TRANS_ID})",
        ),
        (
            fault(5003, words="Avsändaren saknar behörighet"),
            Misconfigured,
            "sender-refused",
            f"the sending organisation has no permission there: Avsändaren saknar behörighet (call {TRANS_ID})",
        ),
        (
            fault(5000, words="Database is closed"),
            Deferred,
            "application-fault",
            f"the mailbox operator reported an application fault: Database is closed (call {TRANS_ID})",
        ),
        (
            plain_fault("Server", f"Avsändare ej godkänd: {NUMBER}"),
            Misconfigured,
            "sender-refused",
            "the sending organisation has no permission there: Avsändare ej godkänd: …",
        ),
        (
            plain_fault("Client", f"value '{NUMBER}' of RecipientId is not valid"),
            Rejected,
            "refused",
            "the call was rejected as invalid (SOAP fault Client): value … of RecipientId is not valid",
        ),
    ],
)
async def test_the_operators_words_are_in_the_reason(
    stage: Stage, answer: Any, kind: type, code: str, sentence: str
) -> None:
    stage.replies["well"] = answer
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert (outcome.reason.code, outcome.reason.sentence) == (code, sentence)
    assert getattr(outcome, "concerns", None) is not Concern.ACCOUNT


async def test_the_settings_say_what_an_operators_codes_mean(stage: Stage) -> None:
    operator = {
        "name": "Kivra",
        "hosts": [f"127.0.0.1:{stage.port}"],
        "fault_codes": {"5001": "message", "5003": "sender"},
    }
    channel = stage.channel_with(operators={KIVRA: operator})
    key = new_id()
    prepared = await channel.prepare(stage.draft(), key)
    assert isinstance(prepared, Ready)
    draft = replace(stage.draft(), frozen=prepared.frozen)
    outcomes = []
    for code in (5001, 5003, 5002):
        stage.replies["well"] = fault(code)
        outcomes.append(await channel.send(draft, key, "mm"))
    kinds = [(type(o), o.reason.code, o.reason.provider_code) for o in outcomes]  # type: ignore[union-attr]
    assert kinds == [
        (Rejected, "refused", "5001"),
        (Misconfigured, "sender-refused", "5003"),
        (Deferred, "application-fault", "5002"),
    ]


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fault(5000), Deferred),
        (fault(4999), Deferred),
        (fault(call_id="<script>"), Deferred),  # no XML any more; HTTP's 500 says the same
        (plain_fault("Server"), Deferred),
        (plain_fault("Client"), Rejected),
        (result("perhaps"), Uncertain),
        (result("true", recipient="190001010000"), Uncertain),
        (soap("<a/>"), Uncertain),
        (text(200, ""), Uncertain),
        (text(200, BOMB), Uncertain),
        (text(500, "<html>"), Deferred),
        (text(503, "closed"), Deferred),
        (text(502, ""), Uncertain),
        (text(504, ""), Uncertain),
        (text(404, ""), Misconfigured),
        (text(413, ""), Rejected),
        (
            lambda: web.Response(status=302, headers={"Location": "https://127.0.0.1:1/"}),
            Misconfigured,
        ),
    ],
)
async def test_every_answer_has_its_class(stage: Stage, answer: Any, kind: type) -> None:
    stage.replies["well"] = answer
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert NUMBER not in repr(outcome)


async def test_an_entity_from_outside_is_not_fetched(stage: Stage, tmp_path: Path) -> None:
    """XXE: the file's content would say that it was delivered."""
    secret = tmp_path / "secret"
    secret.write_text("true")
    said = result("&x;")().body
    assert isinstance(said, bytes)
    hostile = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]>'.encode() + said
    stage.replies["well"] = lambda: web.Response(body=hostile)
    assert isinstance(await stage.send(new_id()), Uncertain)


async def test_ten_megabytes_of_answer_are_not_read(stage: Stage) -> None:
    stage.replies["well"] = lambda: web.Response(body=b"<a>" + b" " * 10_000_000 + b"</a>")
    outcome = await stage.send(new_id())
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.code == "oversized-answer"


# -- the request ----------------------------------------


async def test_the_request_is_soap_1_1_with_an_empty_action(stage: Stage) -> None:
    key = new_id()
    await stage.send(key)
    assert stage.headers[0]["Content-Type"] == "text/xml; charset=utf-8"
    assert stage.headers[0]["SOAPAction"] == '""'
    sent = stage.envelopes[0].decode()
    today = datetime.now(UTC).date()
    for words in (
        f"<Id>{key}</Id>",
        ">162120002411<",
        ">Sundsvalls kommun<",
        f">{NUMBER}<",
        ">svSE<",
        ">SGVq<",
    ):
        assert words in sent, words
    sealed = re.search(r"<ReceivedTime[^>]*>(\d{4}-\d{2}-\d{2})(\+0[12]:00)<", sent)
    assert sealed
    assert abs((datetime.fromisoformat(sealed[1]).date() - today).days) <= 1


# -- repeats ----------------------------------------


async def test_a_repeat_is_the_same_to_the_byte_whatever_changed_meanwhile(stage: Stage) -> None:
    key = new_id()
    await stage.misbehave("timeout")
    assert isinstance(await stage.send(key), Uncertain)
    stage.clock.now += timedelta(days=1)
    stage.reachability[NUMBER] = {"type": "Not"}
    sender = {
        "name": "Kommunen",
        "municipality": "2281",
        **stage.files,
        "support_info": {"text": "En annan text"},
    }
    changed = stage.channel_with(senders={ORGANIZATION: sender})
    await stage.misbehave("well")
    assert isinstance(await stage.send(key, channel=changed), Sent)
    assert stage.envelopes[0] == stage.envelopes[1]


async def test_a_new_certificate_sends_what_is_new_and_the_former_one_repeats_what_was_begun(
    stage: Stage, tmp_path: Path
) -> None:
    begun = new_id()
    await stage.misbehave("drop")
    await stage.send(begun)
    fresh = stage.authority.sender(tmp_path / "new", which=1)
    sender = {"name": "Sundsvalls kommun", "municipality": "2281", **fresh, "former": [stage.files]}
    renewed = stage.channel_with(senders={ORGANIZATION: sender})
    await stage.misbehave("well")
    assert isinstance(await stage.send(begun, channel=renewed), Sent)
    assert stage.envelopes[0] == stage.envelopes[1]
    assert isinstance(await stage.send(new_id(), channel=renewed), Sent)
    assert signed_by(stage.envelopes[2]) != signed_by(stage.envelopes[1])


def signed_by(envelope: bytes) -> bytes:
    found = re.search(rb"<X509Certificate>([^<]+)<", envelope)
    assert found
    return found[1]


async def test_what_would_differ_by_a_byte_is_not_sent_again(stage: Stage, tmp_path: Path) -> None:
    key = new_id()
    await stage.misbehave("timeout")
    await stage.send(key)
    fresh = stage.authority.sender(tmp_path / "new", which=1)
    renewed = stage.channel_with(
        senders={ORGANIZATION: {"name": "Sundsvalls kommun", "municipality": "2281", **fresh}}
    )
    await stage.misbehave("well")
    for channel, draft in ((renewed, None), (None, stage.draft(body="Något annat"))):
        outcome = await stage.send(key, draft, channel)
        assert isinstance(outcome, Uncertain)
        assert outcome.reason.code == "changed-since-first-attempt"
    assert len(stage.envelopes) == 1


async def test_what_is_frozen_is_small(stage: Stage) -> None:
    file = Attachment.of("a.pdf", None, b"%PDF-" + b"x" * 900_000)
    described = [{"filename": "a.pdf", "digest": file.digest.hex()}]
    prepared = await stage.channel.prepare(
        replace(stage.draft(attachments=described), attachments=(file,)), new_id()
    )
    assert isinstance(prepared, Ready)
    assert prepared.frozen is not None
    assert len(prepared.frozen) < 1000
    assert stage.envelopes == []


@pytest.mark.parametrize(("deduplicates", "rule"), [(True, "resend"), (False, "hold")])
async def test_an_uncertain_message_is_sent_again_only_where_its_operator_knows_a_repeat(
    stage: Stage, deduplicates: bool, rule: str
) -> None:
    host = f"127.0.0.1:{stage.port}"
    operators = {
        KIVRA: {"name": "Kivra", "hosts": [host], "deduplicates": deduplicates},
        OTHER: {"name": "Min myndighetspost", "hosts": [host], "deduplicates": not deduplicates},
    }
    channel = stage.channel_with(operators=operators)
    prepared = await channel.prepare(stage.draft(), new_id())
    assert isinstance(prepared, Ready)
    assert channel.when_uncertain("mm", replace(stage.draft(), frozen=prepared.frozen)) == rule
    assert channel.when_uncertain("mm", stage.draft()) == "hold"
    one = stage.channel_with(operators={KIVRA: operators[KIVRA]})
    assert one.when_uncertain("mm", stage.draft()) == rule
