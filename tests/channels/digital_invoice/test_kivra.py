"""Kivra: the provider contract, the requests word for word, and what its codes mean."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.channels.digital_invoice.stage import Told, Town, body, person
from tests.contracts.provider import ProviderContract
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred, Misconfigured, Rejected, Sent, Uncertain
from utskick.domain.preparation import Ready
from utskick.sandbox.faults import FaultRule, ProviderFault


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = await Town().open(tmp_path)
    yield town
    await town.close()


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    told = await Told().open()
    yield told
    await told.close()


class TestKivra(ProviderContract):
    @pytest.fixture
    async def stage(self, told: Told) -> Told:
        return told


async def test_the_content_is_the_one_of_kivras_schema(told: Told) -> None:
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


async def test_a_repeat_is_the_same_to_the_byte(told: Told) -> None:
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
    await town.send(body(town.roll.enter(person()), payable=False, details=free))
    [received] = town.ledger.of("digital_invoice", person())
    assert received.text == "Inget att betala"
    assert "payment_multiple_options" not in orjson.loads(received.raw)


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
        assert not re.search(r"\d{8}", repr(outcome))


async def test_look_tells_whether_address_login_and_tenant_fit(town: Town) -> None:
    [health] = await town.channel.look()
    assert health.ok
