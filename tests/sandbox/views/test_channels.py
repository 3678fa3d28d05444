"""Tests of the viewer's pages of all other channels."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from aiohttp.test_utils import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.channels.snail_mail.pdfs import letter
from tests.sandbox.ledger_entries import (
    ADDRESS,
    ANNA,
    PDF,
    case_call,
    case_message,
    digital_letter,
    invoice,
    paper,
    post,
    push,
    sealed,
)
from tests.sandbox.viewer_client import SCRIPT, open_viewer, page, tags
from utskick.sandbox.digital_mail.parser import parse_digital_letter
from utskick.sandbox.invoice_parser import parse_invoice
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.views import cases, devices
from utskick.sandbox.views.formatting import bankgiro, kronor, legal_id, plusgiro

TWO = letter(2)
BOX = f"/letters/{quote(ADDRESS, safe='')}"
#: By channel: the list of recipients, a recipient's page, and the page of entry 1, if any.
ADDRESSES = {
    "digital_mail": ["/mailboxes", f"/mailboxes/{ANNA}", f"/mailboxes/{ANNA}/1"],
    "digital_invoice": ["/invoices", f"/invoices/{ANNA}", f"/invoices/{ANNA}/1"],
    "snail_mail": ["/letters", BOX, f"{BOX}/1"],
    "web_message": ["/cases", "/cases/102251"],
    "slack": ["/channels", "/channels/%23drift"],
    "push": ["/devices", "/devices/annas-telefon"],
}
ONE_OF_EACH = [digital_letter(), invoice(), paper(), case_message(), post(), push()]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture
async def client(ledger: Ledger, inbox: Path) -> AsyncIterator[TestClient[Any, Any]]:
    async with open_viewer(ledger, batches=Batches(inbox)) as client:
        yield client


# -- every channel ----------------------------------------


@pytest.mark.parametrize("entry", ONE_OF_EACH, ids=lambda entry: entry.channel)
async def test_every_channel_has_pages_and_only_its_lists_refresh(
    ledger: Ledger, client: TestClient[Any, Any], entry: Received
) -> None:
    paths = ADDRESSES[entry.channel]
    assert "<li>" not in await page(client, paths[0])
    assert "Här är det tomt" in await page(client, paths[1], 404)
    ledger.add(entry)
    for path in paths:
        text = await page(client, path)
        assert "inget lämnar den här maskinen" in text
        assert ('http-equiv="refresh" content="2"' in text) == (path in paths[:2])
        assert "http-equiv" not in await page(client, f"{path}?paus=ja")
        for tag, attributes in tags(text):
            assert tag != "script"
            for name in ("href", "src"):
                assert (attributes.get(name) or "/").startswith(("/", "#", "?", "data:,")), (
                    tag,
                    attributes,
                )


async def test_every_link_of_the_viewer_leads_somewhere(
    ledger: Ledger, client: TestClient[Any, Any], inbox: Path
) -> None:
    handed_over(inbox / "Kultur" / "å 1%")
    for entry in (*ONE_OF_EACH, paper(key="d1", reference="Kultur/å 1%")):
        ledger.add(entry)
    waiting, seen = ["/"], {"/"}
    while waiting:
        answer = await client.session.get(str(client.make_url("/")).rstrip("/") + waiting.pop())
        assert answer.status == 200, answer.url
        if answer.content_type != "text/html":
            continue
        for tag, attributes in tags(await answer.text()):
            href = unescape(attributes.get("href" if tag == "a" else "src") or "").split("#")[0]
            if (
                href.startswith("/")
                and not href.startswith(("/ledger", "/faults"))
                and href not in seen
            ):
                seen.add(href)
                waiting.append(href)
    kinds = {re.sub(r"\d+", "N", path.rpartition("/")[2]) for path in seen}
    assert {"page.png", "page-N.png", "saved", "manifest.json", "N"} <= kinds
    assert len(seen) > 50


async def test_the_overview_has_a_card_for_each_kind_and_the_newest_of_all(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    for entry in ONE_OF_EACH:
        ledger.add(entry)
    text = await page(client, "/")
    assert [int(n) for n in re.findall(r"<b>(\d+)</b>", text)] == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    newest = re.findall(r'<span class="who"><a href="([^"]+)">', text)
    assert [href.split("/")[1] for href in newest] == [
        "devices",
        "channels",
        "cases",
        "letters",
        "invoices",
        "mailboxes",
    ]


async def test_nothing_of_any_channel_becomes_markup(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(digital_letter(sealed(SCRIPT, subject=SCRIPT, name=SCRIPT)))
    ledger.add(
        invoice(
            subject=SCRIPT,
            generated_at=SCRIPT,
            parts=[{"name": SCRIPT, "data": "", "content_type": SCRIPT}],
        )
    )
    ledger.add(paper(text=f"{SCRIPT}.pdf", reference=SCRIPT))
    ledger.add(case_message(case_call(SCRIPT, user=SCRIPT, name=SCRIPT)))
    ledger.add(post(f"{SCRIPT} ```{SCRIPT}``` &lt;script&gt;"))
    ledger.add(push(title=SCRIPT, message=SCRIPT, url=SCRIPT, topic=SCRIPT, urgency=SCRIPT))
    for channel in (
        "digital_mail",
        "digital_invoice",
        "snail_mail",
        "web_message",
        "slack",
        "push",
    ):
        ledger.add(
            Received(
                channel, SCRIPT, SCRIPT, SCRIPT, SCRIPT, SCRIPT, SCRIPT, SCRIPT, SCRIPT.encode()
            )
        )
    odd = quote(SCRIPT, safe="")
    paths = [
        "/",
        *(
            re.sub("/1$", f"/{n}", path)
            for n, each in enumerate(ADDRESSES.values(), 1)
            for path in each
            if BOX not in path
        ),
    ]
    for path in (
        *paths,
        BOX,
        f"{BOX}/3",
        *(
            f"/{kind}/{odd}"
            for kind in ("mailboxes", "invoices", "letters", "cases", "channels", "devices")
        ),
    ):
        text = await page(client, path)
        assert "script" not in {tag for tag, _ in tags(text)}, path
        assert "&lt;script&gt;" in text or path == f"/mailboxes/{ANNA}", (
            path
        )  # it shows the ledger's members beside the envelope


async def test_an_entry_is_visible_to_its_recipient_only(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(digital_letter())
    ledger.add(Received("digital_mail", "kivra", "bo", "x", "y"))
    for path in (
        f"/mailboxes/{ANNA}/2",
        "/mailboxes/bo/1",
        "/mailboxes/bo/1/files/1",
        f"/invoices/{ANNA}/1",
        f"/mailboxes/{ANNA}/99",
    ):
        assert '<a href="/">översikten</a>' in await page(client, path, 404)


# -- malformed content ----------------------------------------

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "parts",
                    "payment_multiple_options",
                    "options",
                    "amount",
                    "due_date",
                    "method",
                    "account",
                    "type",
                    "title",
                    "message",
                    "topic",
                    "data",
                    "name",
                    "notification",
                    "android",
                    "webpush",
                    "headers",
                    "tag",
                    "subject",
                    "url",
                    "urgency",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
_SOME_XML = [sealed(), case_call(), case_call(inside="<!-- a comment -->"), b"<a/>"]


@st.composite
def raws(draw: st.DrawFn) -> bytes:
    """Draw bytes, JSON, and damaged envelopes."""
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return draw(st.binary(max_size=200))
    if kind == 1:
        return orjson.dumps(draw(_JSON))
    whole = draw(st.sampled_from(_SOME_XML))
    at, gone = draw(st.integers(0, len(whole))), draw(st.integers(0, 60))
    return whole[:at] + draw(st.binary(max_size=8)) + whole[at + gone :]


@settings(max_examples=300, deadline=None)
@given(raws())
def test_any_content_can_be_parsed(raw: bytes) -> None:
    parse_digital_letter(raw)
    parse_invoice(raw)
    cases.parse_message(raw)
    devices.parse_notification(push(raw))


@settings(max_examples=15, deadline=None)
@given(raws(), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
async def test_every_page_displays_any_content(raw: bytes, text: str) -> None:
    ledger = Ledger()
    async with open_viewer(ledger) as client:
        for channel, paths in ADDRESSES.items():
            recipient = ONE_OF_EACH[list(ADDRESSES).index(channel)].recipient
            entry = ledger.add(
                Received(channel, text, recipient, text, text, text, text, text, raw)
            )
            for path in (
                "/",
                *paths[:2],
                *(path.removesuffix("1") + str(entry.number) for path in paths[2:]),
            ):
                await page(client, path)


async def test_a_comment_in_a_case_message_is_no_obstacle(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(case_message(case_call(inside="<!-- a comment -->")))
    assert "går inte att tolka" not in await page(client, "/cases/102251")


# -- digital mail ----------------------------------------


async def test_a_digital_letter_is_displayed_like_in_a_mailbox(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(digital_letter(provider="minmyndighetspost"))
    assert "Min myndighetspost" in await page(client, f"/mailboxes/{ANNA}")
    assert "19000101-4000</bdi></a> <small>1 meddelande</small>" in await page(client, "/mailboxes")
    text = await page(client, f"/mailboxes/{ANNA}/1")
    assert "Digital brevlåda: <b>Min myndighetspost</b>" in text
    assert '<h1 dir="auto">Beslut</h1>' in text
    assert "<bdi>Sundsvalls kommun</bdi> <small>212000-2411</small>" in text
    assert '<pre dir="auto">Hej Anna.</pre>' in text
    for part in (
        "Beslut?",
        "060-191000",
        "a@example.se",
        "https://example.se",
        "2026-03-05 14:03:00",
    ):
        assert part in text
    assert (
        f'<img src="/mailboxes/{ANNA}/1/files/1/page.png" alt="Första sidan av beslut.pdf"' in text
    )


async def test_html_in_a_digital_letter_is_displayed_in_a_sandboxed_frame(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(
        digital_letter(sealed(f'<link rel="preconnect" href="//x"><p>Hej</p>{SCRIPT}', "text/html"))
    )
    frames = [
        attributes
        for tag, attributes in tags(await page(client, f"/mailboxes/{ANNA}/1"))
        if tag == "iframe"
    ]
    assert [frame["sandbox"] for frame in frames] == [""]
    assert "<p>Hej</p>" in (frames[0]["srcdoc"] or "")
    assert "link" not in {tag for tag, _ in tags(frames[0]["srcdoc"] or "")}


# -- files and pictures ----------------------------------------


@pytest.mark.parametrize(
    "entry", [digital_letter(), invoice(), paper(), case_message()], ids=lambda entry: entry.channel
)
async def test_a_pdf_is_displayed_and_saved(
    ledger: Ledger, client: TestClient[Any, Any], entry: Received
) -> None:
    ledger.add(entry)
    base = ADDRESSES[entry.channel][1] + "/1/files/1"
    saved = await client.get(base)
    assert (await saved.read(), saved.content_type) == (PDF, "application/octet-stream")
    assert saved.headers["Content-Disposition"].startswith("attachment; ")
    picture = await client.get(f"{base}/page.png")
    assert (picture.status, picture.content_type) == (200, "image/png")
    assert "default-src 'none'" in picture.headers["Content-Security-Policy"]
    with Image.open(io.BytesIO(await picture.read())) as image:
        assert (image.format, max(image.size)) == ("PNG", 1200)


async def test_five_pages_are_drawn_and_no_more(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(paper(letter(7, ink=lambda number: b"%f g 0 0 400 400 re f" % (number / 10))))
    pictures = [
        await (await client.get(f"{BOX}/1/files/1/page{page}.png")).read()
        for page in ("", "-2", "-5")
    ]
    assert len(set(pictures)) == 3
    assert (await client.get(f"{BOX}/1/files/1/page-6.png")).status == 404
    text = await page(client, f"{BOX}/1")
    assert re.findall(r"/files/1/(page[-0-9]*\.png)", text) == [
        "page.png",
        "page-2.png",
        "page-3.png",
        "page-4.png",
        "page-5.png",
    ]
    assert "2 sidor till finns i filen" in text


async def test_a_picture_that_the_browser_has_is_not_sent_again(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(paper())
    first = await client.get(f"{BOX}/1/files/1/page.png")
    again = await client.get(
        f"{BOX}/1/files/1/page.png", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status, await again.read()) == (304, b"")
    other = await client.get(
        f"{BOX}/1/files/1/page-2.png", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert other.status == 200


@pytest.mark.parametrize("raw", [b"", b"no PDF", b"%PDF-1.7 broken", PDF[: len(PDF) // 2][:60]])
async def test_an_invalid_pdf_has_no_picture(
    ledger: Ledger, client: TestClient[Any, Any], raw: bytes
) -> None:
    ledger.add(paper(raw))
    assert "<figure>" not in await page(client, f"{BOX}/1")
    assert (await client.get(f"{BOX}/1/files/1/page.png")).status == 404


# -- invoices ----------------------------------------


async def test_an_invoice_shows_amount_payee_and_due_date(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(invoice())
    for path in (f"/invoices/{ANNA}", f"/invoices/{ANNA}/1"):
        text = await page(client, path)
        for part in ("1\xa0234,50\xa0kr", "2026-12-21", "Sandlådans kommun", "Barnomsorg"):
            assert part in text
        assert "Påminnelse" not in text
        assert "Inget att betala" not in text
    for part in (
        "<dt>Bankgiro</dt><dd><bdi>5050-1055",
        "<dt>OCR-nummer</dt><dd><bdi>47115",
        "<dt>Avser</dt><dd><bdi>November",
    ):
        assert part in text


async def test_a_reminder_and_an_invoice_without_payment_are_marked(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(invoice(type="invoice.reminder", payment_multiple_options=None))
    for path in (f"/invoices/{ANNA}", f"/invoices/{ANNA}/1"):
        text = await page(client, path)
        assert ">Påminnelse</small>" in text
        assert "Inget att betala" in text
        assert "Förfaller" not in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (kronor("1234.50"), "1\xa0234,50\xa0kr"),
        (kronor("0.5"), "0,50\xa0kr"),
        (kronor("1234567"), "1\xa0234\xa0567,00\xa0kr"),
        (kronor("-1"), "-1"),
        (kronor("1,5"), "1,5"),
        (kronor("٣.٥"), "٣.٥"),
        (kronor(""), ""),
        (bankgiro("50501055"), "5050-1055"),
        (bankgiro("9912346"), "991-2346"),
        (bankgiro("1"), "1"),
        (bankgiro("x"), "x"),
        (plusgiro("1234567"), "12\xa034\xa056-7"),
        (plusgiro("285"), "28-5"),
        (plusgiro("12345678"), "1\xa023\xa045\xa067-8"),
        (plusgiro(""), ""),
        (legal_id(ANNA), "19000101-4000"),
        (legal_id("162120002411"), "212000-2411"),
        (legal_id("SE212000241101"), "SE212000241101"),
    ],
)
def test_amounts_and_numbers_are_written_in_swedish(text: str, written: str) -> None:
    assert text == written


# -- letters and cases ----------------------------------------


def handed_over(folder: Path) -> None:
    """Write a batch of one letter with two files."""
    folder.mkdir(parents=True)
    files = [{"file": "a, b.pdf"}, {"file": "två.pdf"}]
    (folder / "a, b.pdf").write_bytes(PDF)
    (folder / "två.pdf").write_bytes(TWO)
    (folder / "manifest.json").write_bytes(
        orjson.dumps(
            {"letters": [{"delivery": "d1", "files": files}, {"delivery": "d2", "files": []}]}
        )
    )
    (folder / "sandlista-a.csv").write_bytes(
        'namn,adress\nÅsa,"Vägen 1, B"\n\'=1,x\n'.encode("iso-8859-1")
    )
    (folder / "SHA256SUMS").write_text("00  a.pdf\n")
    (folder / "KLAR").write_text("")


async def test_a_letter_shows_every_file_that_its_manifest_names(
    ledger: Ledger, client: TestClient[Any, Any], inbox: Path
) -> None:
    handed_over(inbox / "Kultur" / "b1")
    ledger.add(paper(text="a, b.pdf, två.pdf", key="d1", reference="Kultur/b1"))
    text = await page(client, f"{BOX}/1")
    assert re.findall(r"<h2><bdi>([^<]+)", text) == ["a, b.pdf", "två.pdf"]
    assert re.findall(r"<dd><bdi>([^<]+)", text)[:3] == [
        "Storgatan 1 lgh 1101",
        "852 30 SUNDSVALL",
        "Kultur",
    ]
    assert '<a href="/print/Kultur%2Fb1">' in text
    assert await (await client.get(f"{BOX}/1/files/2")).read() == TWO


async def test_a_letter_of_a_removed_batch_shows_what_the_ledger_has(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(paper(text="a, b.pdf, två.pdf", key="d1", reference="Kultur/gone"))
    assert re.findall(r"<h2><bdi>([^<]+)", await page(client, f"{BOX}/1")) == ["a, b.pdf"]


async def test_a_case_shows_the_authors(ledger: Ledger, client: TestClient[Any, Any]) -> None:
    ledger.add(case_message())
    ledger.add(case_message(case_call("Hej\nigen", owner=True, user="anna")))
    text = await page(client, "/cases/102251")
    assert re.findall(r'<h2><bdi>(\w+)</bdi> <small class="mark">([^<]+)', text) == [
        ("joe01doe", "handläggare"),
        ("anna", "ärendets ägare"),
    ]
    assert "5 mars 2026 14:03, extern e-tjänst" in text
    assert "Hej\nigen" in text
    assert text.count("plan.pdf</bdi>") == 2


# -- Slack and devices ----------------------------------------


async def test_code_in_slack_is_rendered_as_a_block(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(post("Före &lt;b&gt;\nrad\n```\nx = 1\n  y &amp;amp;\n```\nEfter ```"))
    text = await page(client, "/channels/%23drift")
    assert re.findall(r"<pre>([^<]*)</pre>", text) == ["x = 1\n  y &amp;amp;"]
    assert re.findall(r'<p class="message-text" dir="auto">([^<]*)</p>', text) == [
        "Före &lt;b&gt;\nrad",
        "Efter ```",
    ]


async def test_the_newest_of_a_topic_replaces_the_others(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(push(title="Första", topic="vatten", urgency="high"))
    ledger.add(push(title="Sopor"))
    ledger.add(push(title="Sopor igen"))
    ledger.add(push(title="Sista", tag="vatten", key="d9", deliveryId="d9"))
    text = await page(client, "/devices/annas-telefon")
    assert re.findall(r'<h2 dir="auto">([^<]+)', text) == ["Sista", "Sopor igen", "Sopor"]
    assert "Ämne: <bdi>vatten</bdi>. Ersatte 1 tidigare." in text
    assert "Hög angelägenhet" not in text


async def test_a_copy_of_the_same_delivery_is_displayed_once(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    for _ in range(2):
        ledger.add(push(key="d1", tag="d1", deliveryId="d1"))
    text = await page(client, "/devices/annas-telefon")
    assert text.count('class="push"') == 1
    assert "Ämne" not in text


async def test_a_message_of_fcm_is_displayed_as_any_other(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    message = {
        "token": "annas-telefon",
        "notification": {"title": "Vatten", "body": "Tillbaka"},
        "data": {"deliveryId": "d1", "url": "https://example.se"},
        "android": {"notification": {"tag": "vatten"}},
        "webpush": {"headers": {"Urgency": "high"}},
    }
    ledger.add(push(orjson.dumps({"message": message}), provider="fcm", key="d1"))
    text = await page(client, "/devices/annas-telefon")
    for part in (
        '<h2 dir="auto">Vatten',
        "Tillbaka",
        "https://example.se",
        "Hög angelägenhet. Ämne: <bdi>vatten",
    ):
        assert part in text
