"""What is refused at the door, each rule in its words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from tests.channels.digital_invoice.stage import (
    DETAILS,
    FILES,
    Roll,
    Town,
    body,
    channel_at,
    draft_of,
    planned,
)
from utskick.channels.digital_invoice.requests import DigitalInvoiceRequest
from utskick.domain.errors import Invalid, NotBuilt, Unreadable, UtskickError
from utskick.domain.validators import refusal


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = await Town().open(tmp_path)
    yield town
    await town.close()


def faults(town: Town, said: dict[str, Any]) -> dict[str, str]:
    try:
        planned(town.channel, said)
    except ValidationError as fault:
        error: UtskickError = refusal(fault, DigitalInvoiceRequest)
        assert isinstance(error, Invalid), error.detail
    except Invalid as found:
        error = found
    else:
        return {}
    return {v.field: v.message for v in error.violations}


def details(**more: Any) -> dict[str, Any]:
    return body(details={**DETAILS, **more})


def test_a_right_invoice_is_planned_and_shown_as_it_was_asked_for(town: Town) -> None:
    plan = planned(town.channel, body(reference="Vatten 2026"))
    shown = town.channel.show(draft_of(plan))
    assert shown["details"] == {**DETAILS, "amount": 1234.5}
    assert shown["files"] == FILES
    assert (shown["reference"], shown["payable"], plan.content["_amount"]) == (
        "Vatten 2026",
        True,
        "1234.50",
    )


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"amount": 0}, "details.amount", "must be greater than 0"),
        ({"amount": -3}, "details.amount", "must be greater than 0"),
        ({"amount": 0.99}, "details.amount", "must be at least 1: Kivra takes no lower payment"),
        ({"amount": 1.005}, "details.amount", "must not have more than two decimals"),
        (
            {"dueDate": "2026-11-24"},
            "details.dueDate",
            "must be a date in the present or in the future",
        ),
        (
            {"dueDate": "2026-12-26"},
            "details.dueDate",
            "must be a bank day: not a weekend or a holiday",
        ),
        (
            {"paymentReference": "47111"},
            "details.paymentReference",
            "must be an OCR number: 2-25 digits with a valid check digit",
        ),
        (
            {"paymentReference": "1" * 26},
            "details.paymentReference",
            "size must be between 1 and 25",
        ),
        ({"paymentReference": " "}, "details.paymentReference", "must not be blank"),
        (
            {"accountNumber": "991-2347"},
            "details.accountNumber",
            "must be a BANKGIRO number: 7-8 digits with a valid check digit",
        ),
        (
            {"accountType": "PLUSGIRO", "accountNumber": "18-1"},
            "details.accountNumber",
            "must be a PLUSGIRO number: 2-8 digits with a valid check digit",
        ),
    ],
)
def test_a_payment_that_no_bank_would_take_is_refused(
    town: Town, change: dict[str, Any], field: str, message: str
) -> None:
    assert faults(town, details(**change)) == {field: message}


def test_a_tenants_own_reference_needs_no_check_digit(town: Town) -> None:
    assert (
        faults(town, details(paymentReferenceType="TENANT_REF", paymentReference="Hyra 12")) == {}
    )


def test_files_are_needed_and_must_be_pdf(town: Town) -> None:
    assert faults(town, body(files=[])) == {"files": "must not be empty"}
    assert faults(town, {k: v for k, v in body().items() if k != "files"}) == {
        "files": "must not be empty"
    }
    assert faults(town, body(files=[{**FILES[0], "content": "AAAA"}])) == {
        "files[0].content": "must be a PDF"
    }
    assert faults(
        town,
        body(files=[{**FILES[0], "content": "***", "contentType": "text/plain", "filename": ""}]),
    ) == {
        "files[0].content": "not a valid BASE64-encoded string",
        "files[0].contentType": "must be one of: [application/pdf]",
        "files[0].filename": "must not be blank",
    }


def test_an_invoice_larger_than_kivra_takes_is_refused_with_its_size(town: Town) -> None:
    from base64 import b64encode

    large = b64encode(b"%PDF-" + bytes(800_000)).decode()
    [(field, message)] = faults(town, body(files=[{**FILES[0], "content": large}])).items()
    assert field == "files"
    assert message.startswith("the encoded invoice would be 1067")


def test_words_that_are_none_are_unreadable(town: Town) -> None:
    with pytest.raises(ValidationError) as found:
        planned(town.channel, orjson.loads(orjson.dumps(body(type="GIFT"))))
    assert isinstance(refusal(found.value, DigitalInvoiceRequest), Unreadable)


def test_without_an_account_of_the_municipality_nothing_is_accepted() -> None:
    with pytest.raises(NotBuilt, match=r"\[digital_invoice\]"):
        planned(channel_at("http://127.0.0.1:9", Roll(), municipalities=["2262"]), body())
