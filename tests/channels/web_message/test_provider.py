"""Open-E: the provider contract, the table of faults, and answers that are not to be trusted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import process_time
from xml.etree import ElementTree

import pytest

from tests.channels.web_message.stage import ANNA, NOBODY, NUMBER, OpenEStage, draft
from tests.contracts.provider import SECRET, ProviderContract
from utskick.channels.web_message.soap_request import NAMESPACE
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Reason, Rejected, Sent, Uncertain


@pytest.fixture
async def stage() -> AsyncIterator[OpenEStage]:
    stage = await OpenEStage().open()
    yield stage
    await stage.close()


class TestOpenE(ProviderContract):
    @pytest.fixture
    async def stage(self, stage: OpenEStage) -> OpenEStage:
        return stage


async def test_a_message_id_is_the_receipt(stage: OpenEStage) -> None:
    assert await stage.send(new_id()) == Sent("151", delivered=True)


async def test_the_request_is_the_one_that_the_binding_describes(stage: OpenEStage) -> None:
    await stage.send(new_id(), draft(sender={"userId": "joe01doe"}))
    call = stage.calls[0]
    assert (call.method, call.path) == ("POST", "/e/api/callback")
    assert call.headers["Content-Type"] == "text/xml; charset=UTF-8"
    assert call.headers["SOAPAction"] == '""'
    assert call.headers["Authorization"] == "Basic dXRza2ljazpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="
    assert SECRET.encode() not in stage.bodies[0]


@pytest.mark.parametrize(
    ("how", "kind", "code", "provider_code"),
    [
        ("refuse", Rejected, "unknown-case", "FlowInstanceNotFoundFault"),
        ("fault-in-200", Rejected, "unknown-case", "FlowInstanceNotFoundFault"),
        ("access", Misconfigured, "refused-access", "AccessDeniedFault"),
        ("client", Rejected, "refused-content", "Client"),
        ("client-sub", Rejected, "refused-content", "Client"),
        ("version", Misconfigured, "wrong-address", "VersionMismatch"),
        ("temporary", Deferred, "provider-fault", "Server"),
        ("foreign-detail", Deferred, "provider-fault", "Server"),
        ("html-500", Deferred, "provider-fault", "500"),
        ("404", Misconfigured, "wrong-address", "404"),
        ("413", Rejected, "http-413", "413"),
        ("504", Uncertain, "gateway-lost-answer", "504"),
    ],
)
async def test_every_fault_has_its_class(
    stage: OpenEStage, how: str, kind: type, code: str, provider_code: str
) -> None:
    await stage.misbehave(how)
    outcome = await stage.send(new_id())
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Sent)
    assert (outcome.reason.code, outcome.reason.provider_code) == (code, provider_code)


async def test_a_faults_own_words_are_repeated_without_the_person(stage: OpenEStage) -> None:
    for how in ("temporary", "refuse", "access", "client"):
        await stage.misbehave(how)
        outcome = await stage.send(new_id())
        assert not isinstance(outcome, Sent)
        assert outcome.reason.sentence.endswith(": … saknar behörighet i ärendet")
        assert NUMBER not in repr(outcome)
        assert "Anna" not in repr(outcome)


@pytest.mark.parametrize(
    "how",
    [
        *(
            "no-id",
            "word-id",
            "other-operation",
            "as-owner",
            "empty",
            "not-xml",
            "two-in-body",
            "no-body",
            "deep",
        ),
        *("bomb", "bomb-utf16", "entity", "file", "declaration", "10-megabytes"),
    ],
)
async def test_a_yes_that_cannot_be_trusted_is_uncertain(stage: OpenEStage, how: str) -> None:
    await stage.misbehave(how)
    begun = process_time()
    assert isinstance(await stage.send(new_id()), Uncertain)
    assert process_time() - begun < 2


@pytest.mark.parametrize("how", ["bomb-500", "yes-in-500"])
async def test_a_500_is_no_yes_whatever_it_holds(stage: OpenEStage, how: str) -> None:
    await stage.misbehave(how)
    assert isinstance(await stage.send(new_id()), Deferred)


async def test_a_message_as_owner_is_answered_by_its_own_element(stage: OpenEStage) -> None:
    sent = draft(party_id=ANNA, sendAsOwner=True)
    await stage.misbehave("as-owner")
    assert await stage.send(new_id(), sent) == Sent("152", delivered=True)
    await stage.misbehave("well")
    assert isinstance(await stage.send(new_id(), sent), Uncertain)


async def test_the_owners_number_is_looked_up_at_every_attempt_and_goes_only_into_citizen_id(
    stage: OpenEStage,
) -> None:
    await stage.send(new_id(), draft(party_id=ANNA, sendAsOwner=True))
    assert stage.directory.asked == [("2281", [ANNA])]
    root = ElementTree.fromstring(stage.bodies[0])
    holding = [element.tag for element in root.iter() if NUMBER in (element.text or "")]
    assert holding == [f"{{{NAMESPACE}}}citizenID"]


@pytest.mark.parametrize("party_id", [NOBODY])
async def test_an_unknown_owner_is_not_written_for(stage: OpenEStage, party_id: str) -> None:
    outcome = await stage.send(new_id(), draft(party_id=party_id, sendAsOwner=True))
    assert isinstance(outcome, Rejected)
    assert outcome.reason.code == "no-legal-id"
    assert not stage.calls


async def test_a_directory_that_is_away_defers(stage: OpenEStage) -> None:
    stage.directory.away = Deferred(Reason("directory-away", "the directory cannot be asked now"))
    assert (
        await stage.send(new_id(), draft(party_id=ANNA, sendAsOwner=True)) == stage.directory.away
    )
    assert not stage.calls


async def test_a_message_that_is_not_the_owners_asks_nobody(stage: OpenEStage) -> None:
    await stage.send(new_id(), draft(party_id=ANNA))
    assert stage.directory.asked == []


async def test_a_repeat_is_the_same_byte_for_byte(stage: OpenEStage) -> None:
    sent, key = draft(party_id=ANNA, sender={"userId": "joe01doe"}), new_id()
    await stage.send(key, sent)
    await stage.send(key, sent)
    assert stage.bodies[0] == stage.bodies[1]
