"""Kivra: the provider contract, the requests word for word, and what its codes mean."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import yaml

from tests.channels.digital_invoice.stage import DETAILS, KivraStage, Town, body, person, planned
from tests.contracts.faulty_server import json
from tests.contracts.provider import ProviderContract
from utskick.channels.digital_invoice.content import EDITION, Receiver, encode_content
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Reason, Rejected, Sent, Uncertain
from utskick.domain.preparation import Ready
from utskick.sandbox.faults import FaultRule, ProviderFault

SPECIFICATION = (
    Path(__file__).parents[3].parent / "shared" / "contracts" / "kivra-swagger-2025-06.yml"
)


class CoreLoader(yaml.SafeLoader):
    """A loader that leaves dates as text, which is what JSON has."""


CoreLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = await Town().open(tmp_path)
    yield town
    await town.close()


@pytest.fixture
async def told() -> AsyncIterator[KivraStage]:
    told = await KivraStage().open()
    yield told
    await told.close()


class TestKivra(ProviderContract):
    @pytest.fixture
    async def stage(self, told: KivraStage) -> KivraStage:
        return told


async def test_the_content_is_the_one_of_kivras_schema(told: KivraStage) -> None:
    assert await told.send(new_id()) == Sent("obj-1")
    content = orjson.loads(told.bodies[0])
    assert content.pop("parts")[0]["name"] == "faktura.pdf"
    assert content == {
        "ssn": person(),
        "subject": "Faktura",
        "generated_at": "2026-11-25",
        "type": "invoice",
        "retain": False,
        "payment_multiple_options": {
            "payable": True,
            "currency": "SEK",
            "method": "1",
            "account": "9912346",
            "options": [
                {
                    "due_date": "2026-12-21",
                    "amount": "1234.50",
                    "type": "SE_OCR",
                    "reference": "47118",
                }
            ],
        },
    }


async def test_a_repeat_is_the_same_to_the_byte(told: KivraStage) -> None:
    await told.misbehave("drop")
    assert isinstance(await told.send(new_id()), Uncertain)
    await told.misbehave("well")
    await told.send(new_id())
    assert told.bodies[0] == told.bodies[1]
    assert told.channel.when_uncertain("kivra", told.draft) == "resend"


async def test_a_person_gets_the_invoice_and_a_repeat_is_not_a_second_one(town: Town) -> None:
    draft, prepared = await town.prepare(body(town.roll.enter(person())))
    assert isinstance(prepared, Ready)
    first = await town.channel.send(draft, new_id(), "kivra")
    assert isinstance(first, Sent)
    assert first.reference is not None
    assert await town.channel.send(draft, new_id(), "kivra") == first
    [received] = town.ledger.of("digital_invoice", person())
    assert received.text == "1234,50 kr senast 2026-12-21 till Bankgiro 9912346, OCR 47118"


async def test_a_company_is_reached_by_its_vat_number_without_a_question(town: Town) -> None:
    town.faults.add(FaultRule(ProviderFault.LOGIN, "kivra", times=None))
    draft, prepared = await town.prepare(body(town.roll.enter("2120002411")))
    town.faults.clear()
    assert isinstance(prepared, Ready)
    assert isinstance(await town.channel.send(draft, new_id(), "kivra"), Sent)
    assert town.ledger.of("digital_invoice", "SE212000241101")


async def test_what_is_not_payable_carries_no_payment(town: Town) -> None:
    free = {
        "amount": 1,
        "dueDate": "2020-01-01",
        "paymentReferenceType": "SE_OCR",
        "paymentReference": "1",
        "accountType": "BANKGIRO",
        "accountNumber": "1",
    }
    for kind in ("INVOICE", "REMINDER"):
        await town.send(body(town.roll.enter(person()), type=kind, payable=False, details=free))
    [received] = town.ledger.of("digital_invoice", person())  # the same letter, sent twice
    assert received.text == "Inget att betala"
    content = orjson.loads(received.raw)
    assert "payment_multiple_options" not in content
    assert content["type"] == "letter"


async def test_a_repeat_of_what_release_0_2_0_began_is_the_same_to_the_byte(town: Town) -> None:
    """It sent content without a payment as an invoice, and froze receiver and date alone."""
    plan = planned(town.channel, body(payable=False))
    frozen = orjson.dumps(["ssn", person(), "2026-11-25"])
    content = orjson.loads(encode_content(Receiver.decode(frozen), plan.content, plan.attachments))
    assert (content["type"], content["generated_at"]) == ("invoice", "2026-11-25")
    newer = Receiver.decode(Receiver("ssn", person(), "2026-11-25", EDITION).encode())
    assert orjson.loads(encode_content(newer, plan.content, plan.attachments))["type"] == "letter"


async def test_kivras_words_are_in_the_reason_without_personal_data(told: KivraStage) -> None:
    told.replies["well"] = json(
        400,
        {"code": "40012", "long_message": f"Type not allowed for '{person()}' {person()}"},
        x_error_code="40012",
        x_correlation_id="3832352f-fa74-4c17",
    )
    outcome = await told.send(new_id())
    assert isinstance(outcome, Rejected)
    assert outcome.reason == Reason(
        "refused-type",
        "Kivra does not accept this content type from the tenant: Type not allowed for … …"
        " (call 3832352f-fa74-4c17)",
        "40012",
    )


def schema() -> Any:
    document = yaml.load(SPECIFICATION.read_text("utf-8"), CoreLoader)
    return jsonschema_rs.Draft202012Validator(
        {"$ref": "#/components/schemas/Content_user_v2", "components": document["components"]}
    )


@pytest.mark.skipif(
    not SPECIFICATION.is_file(),
    reason="Kivra's specification (shared/contracts) is not beside this repository",
)
@pytest.mark.parametrize("payable", [True, False, None])
@pytest.mark.parametrize("kind", ["INVOICE", "REMINDER"])
@pytest.mark.parametrize("reference", [{}, {"reference": "Vatten 2026"}])
@pytest.mark.parametrize(
    "details",
    [
        {},
        {"amount": 1, "accountType": "PLUSGIRO", "accountNumber": "18-2"},
        {"amount": 999999999.99},
        {
            "paymentReferenceType": "TENANT_REF",
            "paymentReference": "Hyra å 12 / 25 tecken långt"[:25],
        },
    ],
)
@pytest.mark.parametrize("number", [person(), "2120002411"])
async def test_every_content_is_valid_by_kivras_specification(
    town: Town, payable: bool | None, kind: str, reference: Any, details: Any, number: str
) -> None:
    """Also by what its description says: a payment where and only where the type has one."""
    said = body(town.roll.enter(number), type=kind, details={**DETAILS, **details}, **reference) | (
        {} if payable is None else {"payable": payable}
    )
    assert isinstance(await town.send(said), Sent)
    received = town.ledger.get(1)
    assert received is not None
    content = orjson.loads(received.raw)
    assert [fault.message for fault in schema().iter_errors(content)] == []
    assert ("payment_multiple_options" in content) is content["type"].startswith("invoice")
    receivers = [name for name in ("ssn", "vat_number", "email") if name in content]
    assert len(receivers) == 1
    if payment := content.get("payment_multiple_options"):
        assert payment["payable"] is True
        [option] = payment["options"]
        assert float(option["amount"]) >= 1
        assert len(option["reference"]) <= 25


@pytest.mark.skipif(
    not SPECIFICATION.is_file(),
    reason="Kivra's specification (shared/contracts) is not beside this repository",
)
def test_the_specification_refuses_what_is_wrong() -> None:
    """The comparison can fail."""
    right = {"subject": "a", "type": "letter", "parts": []}
    assert schema().is_valid(right)
    for wrong in (
        {**right, "parts": [{"name": "a"}]},
        {**right, "retention_time": "31"},
        {**right, "payment_multiple_options": {"payable": False}},
        {"type": "letter"},
    ):
        assert not schema().is_valid(wrong)


async def test_who_has_no_kivra_is_a_polite_no_before_anything_is_sent(town: Town) -> None:
    outcome = await town.send(body(town.roll.enter(person("01"))))
    assert isinstance(outcome, Rejected)
    assert outcome.polite
    assert len(town.ledger) == 0


async def test_a_party_without_a_number_is_rejected_and_a_directory_that_is_away_defers(
    town: Town,
) -> None:
    assert isinstance(await town.send(body()), Rejected)
    town.roll.away = True
    assert isinstance(await town.send(body(town.roll.enter(person()))), Deferred)


async def test_a_token_that_was_taken_back_is_renewed_once(town: Town) -> None:
    draft, _ = await town.prepare(body(town.roll.enter(person())))
    town.faults.add(FaultRule(ProviderFault.LOGIN, "kivra", times=1))
    assert isinstance(await town.channel.send(draft, new_id(), "kivra"), Sent)
    town.faults.add(FaultRule(ProviderFault.LOGIN, "kivra", recipient=person(), times=None))
    assert isinstance(await town.channel.send(draft, new_id(), "kivra"), Misconfigured)


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        ("40105", Rejected, "no-recipient"),
        ("40024", Rejected, "no-recipient"),
        ("40021", Rejected, "refused-account"),
        ("40041", Rejected, "refused-due-date"),
        ("40042", Rejected, "refused-amount"),
        ("40047", Rejected, "refused-pdf"),
        ("41300", Rejected, "too-large"),
        ("40300", Misconfigured, "refused-login"),
        ("40400", Misconfigured, "wrong-address"),
        ("40915", Uncertain, "conflict"),
        ("50300", Deferred, "provider-fault"),
        ("50200", Uncertain, "gateway-lost-answer"),
    ],
)
def test_every_code_of_kivras_table_has_its_meaning(code: str, kind: type[Any], word: str) -> None:
    from multidict import CIMultiDict

    from utskick.channels.digital_invoice.kivra import read
    from utskick.outgoing.http_client import HttpResponse

    outcome = read(HttpResponse(int(code[:3]), CIMultiDict({"x-error-code": code}), b"{}"))
    assert isinstance(outcome, kind)
    assert outcome.reason.code == word


async def test_no_number_reaches_a_sentence(town: Town) -> None:
    for magic in ("01", "03", "04", "06", "08"):
        outcome = await town.send(body(town.roll.enter(person(magic))))
        said = re.sub(r"\(call [0-9a-f]{32}\)", "", repr(outcome))
        assert not re.search(r"\d{8}", said)


async def test_look_tells_whether_address_login_and_tenant_fit(town: Town) -> None:
    [health] = await town.channel.look()
    assert health.ok
