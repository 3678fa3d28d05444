"""PDFs at the wire: what is refused names its field, what is taken has its notices in the answer
and in history, and the mended copy is what is printed and delivered."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import Any
from uuid import uuid4

import aiohttp
import pikepdf
import pytest

from tests.channels.snail_mail import pdfs
from tests.channels.snail_mail.pdfs import box, changed
from tests.http.conftest import Client
from tests.http.messages.test_letter import ADDRESS, citizen, large, letter, printed, told
from tests.http.test_strict import strictly
from tests.pdf.seen import owned, shifted, signed
from utskick.domain.notice import TEXTS
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database

ORGANIZATION = "2120002411"
PAGE = pdfs.letter()


def encoded(data: bytes) -> str:
    return b64encode(data).decode()


def file(data: bytes, name: str = "beslut.pdf", **more: Any) -> dict[str, Any]:
    return {"filename": name, "contentType": "application/pdf", "content": encoded(data), **more}


def mail(party: str, *files: dict[str, Any]) -> dict[str, Any]:
    said = {"contentType": "text/plain", "body": "Hej", "subject": "Beslut"}
    return {"party": {"partyIds": [party]}, **said, "attachments": list(files)}


def snail_mail(*files: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"address": ADDRESS, "department": "SBK", "attachments": list(files), **more}


def paper() -> str:
    return f"/2281/snail-mail?batchId={uuid4()}"


def notices(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["code"], each["field"]) for each in answer.get("notices", [])]


async def in_mailbox(client: Client, legal_id: str) -> bytes:
    """The first file of the one message in a person's mailbox."""
    [entry] = await client.received("digital_mail", legal_id)
    path = f"/mailboxes/{legal_id}/{entry['number']}/files/1"
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{client.running.viewer_url}{path}", raise_for_status=True) as answer,
    ):
        return await answer.read()


UNOPENABLE = {
    "cut off": (PAGE[:300], "is cut off: its end is missing"),
    "no pages": (
        pdfs.by_hand(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 0/Kids[]>>"),
        "has no pages",
    ),
    "no pdf": (b"hej", "is not a PDF"),
    "password": (
        pdfs.encrypted("hemligt"),
        "is encrypted: it cannot be opened without a password",
    ),
}


@pytest.mark.parametrize("name", sorted(UNOPENABLE))
async def test_what_nobody_can_open_is_refused_at_acceptance(client: Client, name: str) -> None:
    data, sentence = UNOPENABLE[name]
    party = await citizen(client, number(41))
    refused = await client.post(
        f"/2281/{ORGANIZATION}/digital-mail", mail(party, file(PAGE), file(data))
    )
    assert refused.status == 400
    assert refused.json["violations"] == [
        {
            "field": "attachments[1].content",
            "message": f"must be a PDF that mailboxes can show: it {sentence}",
        }
    ]
    refused = await client.post(paper(), snail_mail(file(data)))
    assert refused.json["violations"] == [{"field": "attachments[0]", "message": sentence}]
    assert await client.all_received("digital_mail") == []


@pytest.mark.parametrize(
    ("path", "most"), [(f"{ORGANIZATION}/digital-mail", 255), ("letter", 255), ("snail-mail", 200)]
)
async def test_a_file_name_that_is_too_long_is_refused(
    client: Client, path: str, most: int
) -> None:
    party = await citizen(client, number(42))
    for size, status in ((most, 201), (most + 1, 400)):
        named = file(PAGE, "å" * (size - 4) + ".pdf", deliveryMode="ANY")
        body = {
            "letter": letter(party, attachments=[named]),
            "snail-mail": snail_mail(named),
        }.get(path, mail(party, named))
        path_ = paper() if path == "snail-mail" else f"/2281/{path}"
        answer = await client.post(path_, body)
        assert answer.status == status, answer.text
    assert [each["field"] for each in answer.json["violations"]] == ["attachments[0].filename"]


async def test_notices_are_in_the_answer_and_in_the_history_of_each_way(client: Client) -> None:
    digital, on_paper = await citizen(client, number(43)), await citizen(client, number(44, "10"))
    data = owned()
    files = [file(PAGE, deliveryMode="ANY"), file(data, "b.pdf", deliveryMode="ANY")]
    answer = await client.post("/2281/letter", letter(digital, on_paper, attachments=files))
    assert told(answer) == [
        [("DIGITAL_MAIL", "SENT")],
        [("DIGITAL_MAIL", "FAILED"), ("SNAIL_MAIL", "SENT")],
    ]
    assert notices(answer.json) == [
        ("pdf-restricted", "attachments[1]"),
        ("pdf-decrypted", "attachments[1]"),
    ]
    [said] = (await client.get(f"/2281/conversation-history/{digital}")).json
    assert notices(said) == [("pdf-restricted", "attachments[1]")]
    assert said["content"]["attachments"][1]["content"] == encoded(data), "as it was sent"
    both = (await client.get(f"/2281/conversation-history/{on_paper}")).json
    assert sorted(notices(each) for each in both) == [
        [("pdf-decrypted", "attachments[1]")],
        [("pdf-restricted", "attachments[1]")],
    ]
    assert "_notices" not in str(both)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "sv"),
        ("de, en;q=0.5", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("sv-SE,sv;q=0.9,en;q=0.8", "sv"),
        ("x;q=nonsense", "sv"),
    ],
)
async def test_notices_are_worded_in_the_language_of_the_reader(
    client: Client, header: str, language: str
) -> None:
    answer = await client.post(paper(), snail_mail(file(owned())), Accept_Language=header)
    texts: dict[str, str] = dict(TEXTS["pdf-decrypted"])
    assert [each["text"] for each in answer.json["notices"]] == [texts[language]]


async def test_letters_of_one_print_batch_have_their_own_notices(client: Client) -> None:
    """The caller names the batch, which other letters share."""
    path = paper()
    party = await citizen(client, number(45))
    parties = {"party": {"partyId": party}}
    assert notices((await client.post(path, snail_mail(file(owned()), **parties))).json) != []
    assert "notices" not in (await client.post(path, snail_mail(file(PAGE), **parties))).json
    said = (await client.get(f"/2281/conversation-history/{party}")).json
    assert sorted(len(each.get("notices", [])) for each in said) == [0, 1]


async def test_a_repeated_request_has_the_notices_of_the_first(client: Client) -> None:
    path, body = paper(), snail_mail(file(owned()))
    first = await client.post(path, body, Idempotency_Key="a")
    again = await client.post(path, body, Idempotency_Key="a")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == first.json
    assert notices(first.json) == [("pdf-decrypted", "attachments[0]")]


async def test_an_answer_that_does_not_wait_has_the_notices(client: Client) -> None:
    party = await citizen(client, number(52))
    files = [file(owned(), deliveryMode="SNAIL_MAIL")]
    for path, body in (
        (f"{paper()}&async=true", snail_mail(file(owned()))),
        ("/2281/letter?async=true", letter(party, attachments=files)),
    ):
        answer = await client.post(path, body)
        assert notices(answer.json) == [("pdf-decrypted", "attachments[0]")]


async def test_strict_clients_get_no_notices(client: Client, database: Database) -> None:
    party = await citizen(client, number(46))
    await strictly(client, database)
    answer = await client.post(paper(), snail_mail(file(owned()), party={"partyId": party}))
    assert answer.status == 201
    [said] = (await client.get(f"/2281/conversation-history/{party}")).json
    assert "notices" not in {*answer.json, *said}


async def test_the_mended_copy_is_what_is_printed_and_delivered(client: Client) -> None:
    """The sandbox's mailbox and printing house read what they got."""
    broken = b"\xef\xbb\xbf" + shifted(PAGE)
    party = await citizen(client, number(47))
    files = [file(broken, deliveryMode="ANY")]
    answer = await client.post(
        "/2281/letter", letter(party, attachments=files, addresses=[ADDRESS])
    )
    assert told(answer) == [[("DIGITAL_MAIL", "SENT")], [("SNAIL_MAIL", "SENT")]]
    assert notices(answer.json) == [("pdf-repaired", "attachments[0]")]
    [sheet] = await printed(client, 1)
    mailed = await in_mailbox(client, number(47))
    assert len(mailed) == sheet["size"], "the same copy both ways"
    with pikepdf.open(io.BytesIO(mailed), attempt_recovery=False) as pdf:
        assert (len(pdf.pages), pdf.check_pdf_syntax()) == (1, [])


async def test_a_script_goes_on_paper_and_no_mailbox_is_asked(client: Client) -> None:
    party = await citizen(client, number(48))
    data = changed(pdfs.opening_script)
    answer = await client.post(
        "/2281/letter", letter(party, attachments=[file(data, deliveryMode="ANY")])
    )
    assert told(answer) == [[("DIGITAL_MAIL", "FAILED"), ("SNAIL_MAIL", "SENT")]]
    assert answer.json["messages"][0]["deliveries"][0]["reason"]["code"] == "active-content"
    assert notices(answer.json) == [
        ("active-content", "attachments[0].content"),
        ("pdf-interactive", "attachments[0]"),
    ]
    assert await client.all_received("digital_mail") == []


async def test_what_is_too_large_for_a_mailbox_is_noted(client: Client) -> None:
    party = await citizen(client, number(51))
    answer = await client.post("/2281/letter", letter(party, attachments=[large("ANY", 1_700_000)]))
    assert told(answer) == [[("DIGITAL_MAIL", "FAILED"), ("SNAIL_MAIL", "SENT")]]
    assert notices(answer.json) == [("too-large-for-mailbox", "attachments")]


async def test_a_script_that_may_only_go_digitally_is_refused(client: Client) -> None:
    party = await citizen(client, number(49))
    data = changed(pdfs.launching_link)
    rule = "must be a PDF that mailboxes can show: it contains an action that starts a program"
    for path, body in (
        ("letter", letter(party, attachments=[file(data, deliveryMode="DIGITAL_MAIL")])),
        (f"{ORGANIZATION}/digital-mail", mail(party, file(data))),
    ):
        refused = await client.post(f"/2281/{path}", body)
        [violation] = refused.json["violations"]
        assert violation["field"] == "attachments[0].content"
        assert violation["message"] == f"{rule}, which mailboxes must not get"


async def test_a_signed_pdf_that_would_have_to_be_altered_is_refused_and_says_why(
    client: Client,
) -> None:
    data = owned(changed(signed))
    [violation] = (await client.post(paper(), snail_mail(file(data)))).json["violations"]
    assert violation["message"].startswith("is encrypted and carries a signature")
    party = await citizen(client, number(50))
    answer = await client.post(f"/2281/{ORGANIZATION}/digital-mail", mail(party, file(data)))
    assert answer.status == 201
    assert await in_mailbox(client, number(50)) == data


async def test_an_empty_window_is_refused_naming_the_cover_page(client: Client) -> None:
    windowed = file(PAGE, envelopeType="WINDOWED")
    refused = await client.post(paper(), snail_mail(windowed))
    assert refused.status == 400
    assert refused.json["violations"] == [
        {
            "field": "coverPage",
            "message": "must be true, or attachments[0] must show the address in the envelope's"
            " window (15-115 mm from the left, 44-74 mm from the top): its envelopeType is"
            " WINDOWED, and nothing is printed there",
        }
    ]
    addressed = file(pdfs.letter(ink=lambda _: box(20, 50, 40, 4)), envelopeType="WINDOWED")
    for body in (
        snail_mail(windowed, coverPage=True),
        snail_mail(windowed, text="Hej"),
        snail_mail(addressed, windowed),
        snail_mail(file(PAGE)),
    ):
        assert (await client.post(paper(), body)).status == 201


async def test_a_fault_of_ours_is_a_500_and_not_the_callers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utskick.pdf.preflight.asdict", lambda rules: {})
    answer = await client.post(paper(), snail_mail(file(pdfs.letter(3))))
    assert answer.status == 500
    assert "violations" not in answer.json
