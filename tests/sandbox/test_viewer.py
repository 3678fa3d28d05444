"""Tests of the viewer's pages of phones and inboxes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient

from tests.sandbox.viewer_client import SCRIPT, open_viewer, page, tags
from utskick.sandbox.faults import FaultRule, Faults, ProviderFault
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.mail_parser import parse_mail
from utskick.sandbox.views.layout import fill
from utskick.sandbox.views.misbehaviour import FAULTS

ANNA = "+46701740605"
ADDRESS = "anna@example.se"
LISTS = ["/", "/phones", f"/phones/{ANNA}", "/inboxes", f"/inboxes/{ADDRESS}"]
PAGES = [*LISTS, f"/inboxes/{ADDRESS}/2", "/misbehaviour"]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def client(ledger: Ledger, faults: Faults) -> AsyncIterator[TestClient[Any, Any]]:
    async with open_viewer(ledger, faults) as client:
        yield client


def sms(
    text: str, sender: str = "Kommunen", at: datetime = datetime(2026, 3, 5, 13, 3, tzinfo=UTC)
) -> Received:
    return Received("sms", "link", ANNA, sender, text, at=at)


def mail(
    raw: bytes, address: str = ADDRESS, sender: str = "noreply@example.se", subject: str = "Hej"
) -> Received:
    return Received(
        "email", "smtp", address, sender, "Hej", key="<k@utskick>", subject=subject, raw=raw
    )


def letter(html: str | None = None, name: str | None = None, data: bytes = b"") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "Kommunen <noreply@example.se>",
        ADDRESS,
        "Beslut om bygglov åäö",
    )
    message["Date"] = datetime(2026, 7, 1, 6, 30, tzinfo=UTC)
    message.set_content("Hej Anna, det är klart.")
    if html is not None:
        message.add_alternative(html, subtype="html")
    if name is not None:
        message.add_attachment(data, maintype="application", subtype="pdf", filename=name)
    return message.as_bytes()


def test_inserted_text_is_escaped_and_never_rendered_again() -> None:
    template = '{{#rows}}<p title="{{text}}">{{text}}</p>{{/rows}}{{^rows}}nothing{{/rows}}'
    assert fill(template, {"rows": [{"text": "{{secret}}<\"'&>"}]}) == (
        '<p title="{{secret}}&lt;&quot;&#x27;&amp;&gt;">{{secret}}&lt;&quot;&#x27;&amp;&gt;</p>'
    )
    assert fill(template, {"rows": []}) == "nothing"


def test_every_fault_has_a_description() -> None:
    assert FAULTS.keys() == set(ProviderFault)


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_announces_that_nothing_leaves_the_machine(
    ledger: Ledger, client: TestClient[Any, Any], path: str
) -> None:
    ledger.add(sms("Hej"))
    ledger.add(mail(letter("<p>Hej</p>")))
    answer = await client.get(path)
    text = await answer.text()
    assert "<strong>Sandlåda: inget lämnar den här maskinen</strong>" in text
    assert '<html lang="sv">' in text
    policy = answer.headers["Content-Security-Policy"]
    for part in (
        "default-src 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "frame-src 'self'",
    ):
        assert part in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_loads_external_resources(
    ledger: Ledger, client: TestClient[Any, Any], path: str
) -> None:
    ledger.add(sms("Hej"))
    ledger.add(mail(letter("<p>Hej</p>")))
    for tag, attributes in tags(await page(client, path)):
        assert tag != "script"
        for name in ("href", "src"):
            assert (attributes.get(name) or "/").startswith(("/", "#", "?", "data:,")), (
                tag,
                attributes,
            )


@pytest.mark.parametrize("path", PAGES)
async def test_only_lists_refresh_and_they_can_be_paused(
    ledger: Ledger, client: TestClient[Any, Any], path: str
) -> None:
    ledger.add(sms("Hej"))
    ledger.add(mail(letter()))
    assert ('http-equiv="refresh" content="2"' in await page(client, path)) == (path in LISTS)
    assert "http-equiv" not in await page(client, f"{path}?paus=ja")


async def test_the_overview_counts_and_warns_of_copies(
    ledger: Ledger, faults: Faults, client: TestClient[Any, Any]
) -> None:
    assert "Mer än ett exemplar" not in await page(client, "/")
    ledger.add(sms("Hej"))
    ledger.add(mail(letter()))
    ledger.add(mail(letter()))
    faults.add(FaultRule(ProviderFault.DROP))
    text = await page(client, "/")
    assert [int(n) for n in re.findall(r"<b>(\d+)</b>", text)] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert "1 sms" in text
    assert "2 brev" in text
    assert "Mer än ett exemplar: 1" in text
    assert "2 exemplar av <code>&lt;k@utskick&gt;</code>" in text


async def test_a_phone_shows_its_messages_in_swedish_time(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(sms("Första raden\nAndra raden"))
    ledger.add(sms("På sommaren", "Fritid", datetime(2026, 6, 30, 22, 5, tzinfo=UTC)))
    text = await page(client, f"/phones/{ANNA}")
    assert re.findall(r'class="day">([^<]+)<', text) == ["5 mars 2026", "1 juli 2026"]
    assert re.findall(r"<time>([^<]+)<", text) == ["14:03", "00:05"]
    assert re.findall(r'class="from"><bdi>([^<]+)<', text) == ["Kommunen", "Fritid"]
    assert "Första raden\nAndra raden" in text


async def test_lists_lead_to_phones_and_inboxes(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    strange = "a/b{c}?#%+down@example.se"
    ledger.add(sms("Hej"))
    ledger.add(mail(letter(name="x.pdf"), strange))
    for path in (
        "/phones",
        "/inboxes",
        "/",
        f"/inboxes/{quote(strange, safe='')}",
        f"/inboxes/{quote(strange, safe='')}/2",
    ):
        for tag, attributes in tags(await page(client, path)):
            href = unescape(attributes.get("href") or "")
            if tag == "a" and href.startswith(("/phones/", "/inboxes/")):
                async with client.session.get(
                    str(client.make_url("/")).rstrip("/") + href
                ) as answer:
                    assert answer.status == 200, href


async def test_a_long_list_shows_the_newest_and_a_notice(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    for number in range(450):
        ledger.add(Received("sms", "link", f"+4670{number:07}", "Kommunen", "Hej"))
        ledger.add(sms("Hej"))
    text = await page(client, "/phones")
    assert text.count("<li>") == 200
    assert f"{ANNA}</bdi></a> <small>450 sms" in text
    assert "De 200 senaste av 451 visas" in text
    assert "+46700000449" in text
    assert "+46700000001" not in text
    assert (await page(client, f"/phones/{ANNA}")).count('class="bubble"') == 200


async def test_no_received_text_becomes_markup(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = f'"{SCRIPT}" <noreply@example.se>', SCRIPT
    message.set_content(SCRIPT)
    message.add_attachment(b"x", maintype="application", subtype="pdf", filename=f"{SCRIPT}.pdf")
    ledger.add(sms(SCRIPT, sender=SCRIPT))
    ledger.add(mail(message.as_bytes(), sender=SCRIPT, subject=SCRIPT))
    ledger.add(Received("sms", f"{SCRIPT}", f"{SCRIPT}", SCRIPT, SCRIPT))
    for path in (*PAGES, f"/phones/{quote(SCRIPT, safe='')}"):
        text = await page(client, path)
        assert "script" not in {tag for tag, _ in tags(text)}
        if path != "/misbehaviour":
            assert "&lt;script&gt;" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.pdf" in await page(
        client, f"/inboxes/{ADDRESS}/2"
    )
    assert "<script" not in await page(client, f"/inboxes/{quote(SCRIPT, safe='')}", 404)


async def test_a_mail_is_displayed_like_in_a_mail_reader(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(mail(letter()))
    text = await page(client, f"/inboxes/{ADDRESS}/1")
    assert '<h1 dir="auto">Beslut om bygglov åäö</h1>' in text
    assert "Kommunen &lt;noreply@example.se&gt;" in text
    assert "2026-07-01 08:30:00" in text
    assert '<pre dir="auto">Hej Anna, det är klart.\n</pre>' in text
    assert "<iframe" not in text


async def test_html_is_displayed_in_a_sandboxed_frame(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    html = (
        '<LINK rel="preconnect" href="//x"><meta http-equiv=refresh content="0"><iframe '
        'src="x"></iframe><p id="&quot;">Hej</p>'
    )
    ledger.add(mail(letter(html + SCRIPT)))
    frames = [
        attributes
        for tag, attributes in tags(await page(client, f"/inboxes/{ADDRESS}/1"))
        if tag == "iframe"
    ]
    assert [frame["sandbox"] for frame in frames] == [""]
    inside = frames[0]["srcdoc"] or ""
    assert '<p id="&quot;">Hej</p>' in inside
    assert {"link", "meta", "iframe"}.isdisjoint(tag for tag, _ in tags(inside))


@pytest.mark.parametrize(
    "name", ["Ritning åäö – 2.pdf", 'a"b\\c;d.pdf', "../../etc/passwd", f"{SCRIPT}.pdf"]
)
async def test_an_attachment_is_saved_under_its_own_name(
    ledger: Ledger, client: TestClient[Any, Any], name: str
) -> None:
    ledger.add(mail(letter("<p>Hej</p>", name, b"%PDF" + b"x" * 1230)))
    text = await page(client, f"/inboxes/{ADDRESS}/1")
    assert "application/pdf, 1,2 kB" in text
    answer = await client.get(f"/inboxes/{ADDRESS}/1/files/1")
    assert await answer.read() == b"%PDF" + b"x" * 1230
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.content_type == "application/octet-stream"
    header = answer.headers["Content-Disposition"]
    assert header.startswith("attachment; ")
    assert header.endswith(f"filename*=UTF-8''{quote(name, safe='')}")


async def test_the_source_is_displayed_as_plain_text(
    ledger: Ledger, client: TestClient[Any, Any]
) -> None:
    ledger.add(mail(b"Subject: \xff\r\n\r\n" + SCRIPT.encode()))
    answer = await client.get(f"/inboxes/{ADDRESS}/1/source")
    assert answer.content_type == "text/plain"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (await answer.text()).endswith(SCRIPT)


@pytest.mark.parametrize(
    "path",
    [
        "/phones/+46700000001",
        "/inboxes/bo@example.se",
        f"/inboxes/{ADDRESS}/1",
        f"/inboxes/{ADDRESS}/3",
        "/inboxes/bo@example.se/2",
        f"/inboxes/{ADDRESS}/2/files/1",
        f"/inboxes/{ADDRESS}/2/files/0",
        f"/inboxes/{ADDRESS}/9/source",
        "/nowhere",
        "/favicon.ico",
    ],
)
async def test_a_missing_page_gives_help(
    ledger: Ledger, client: TestClient[Any, Any], path: str
) -> None:
    ledger.add(sms("Hej"))
    ledger.add(mail(letter()))
    text = await page(client, path, 404)
    assert '<a href="/">översikten</a>' in text


async def test_a_program_gets_a_plain_response_for_a_missing_address(
    client: TestClient[Any, Any],
) -> None:
    answer = await client.get("/nowhere", headers={"Accept": "application/json"})
    assert (answer.status, answer.content_type) == (404, "text/plain")


async def test_the_misbehaviour_page_lists_script_and_magic_recipients(
    faults: Faults, client: TestClient[Any, Any]
) -> None:
    faults.add(FaultRule(ProviderFault.THROTTLE, "link", r"^\+4670<", times=3))
    text = await page(client, "/misbehaviour")
    assert (
        r"<td>link</td><td><code>^\+4670&lt;</code></td><td>ber oss sakta ner</td><td>3 gånger</td>"
        in text
    )
    assert "<code>+46700####14</code>" in text


ODD = {
    "empty": b"",
    "no headers": b"just text",
    "unknown charset": b"Content-Type: text/plain; charset=klingon\r\n\r\nHej",
    "not a text codec": b"Content-Type: text/plain; charset=base64\r\n\r\nHej",
    "NUL charset": b'Content-Type: text/plain; charset="a\x00b"\r\n\r\nHej',
    "broken base64": b"Content-Transfer-Encoding: base64\r\n\r\n%%%=",
    "bytes in headers": b"Subject: \xff\xfe\r\nFrom: \xe5\xe4\r\n\r\n\xff",
    "bare From": b"From: <>\r\nTo: ,,;:\r\nDate: yesterday\r\n\r\nHej",
    "broken encoded word": b"Subject: =?utf-8?q?=FF=?= =?x?b?!?=\r\n\r\nHej",
    "deep comment": b"From: " + b"(" * 5000 + b"\r\n\r\nHej",
    "far date": b"Date: Mon, 01 Jan 0001 00:00:00 +2359\r\n\r\nHej",
    "multipart without parts": b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing",
    "multipart without boundary": b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nHej",
    "deep multipart": b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n)
        for n in range(2000)
    ),
    "mail in mail": b"Content-Type: message/rfc822\r\n\r\nSubject: \xff\r\n\r\nHej",
    "odd type": b"Content-Type: ;;;=\r\nContent-Disposition: ;;; filename*=x''%FF\r\n\r\nHej",
    "bad name": (
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment; "
        b"filename*=klingon'x'%FF%00\r\n\r\nHej"
    ),
    "split name": (
        b"Content-Disposition: attachment; filename*0*=utf-8''%E5; filename*2=b; "
        b"filename*1=c\r\n\r\nHej"
    ),
}


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_mail_is_still_displayed(
    ledger: Ledger, client: TestClient[Any, Any], odd: str
) -> None:
    opened = parse_mail(ODD[odd])
    ledger.add(mail(ODD[odd]))
    text = await page(client, f"/inboxes/{ADDRESS}/1")
    assert ("går inte att tolka" in text) == (not opened.readable)
    for index in range(1, len(opened.files) + 1):
        assert (await client.get(f"/inboxes/{ADDRESS}/1/files/{index}")).status == 200


def test_malformed_mail_is_parsed_leniently() -> None:
    assert parse_mail(ODD["deep comment"]).text == "Hej"
    assert not parse_mail(ODD["deep multipart"]).readable
