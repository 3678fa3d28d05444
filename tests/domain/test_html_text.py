"""The text of HTML is what a browser shows, with the addresses of its links."""

from __future__ import annotations

import re

import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.html_text import address_of, is_blank, longest_text, text_of
from utskick.domain.html_tree import LIMIT

PICTURE = "data:image/png;base64," + "iVBORw0KGgo" * 40_000


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>R&auml;k &amp; &Aring;l</p>", "Räk & Ål"),
        ("&amp;copy; &amp;#228; &amp;amp;", "&copy; &#228; &amp;"),
        ("&copy &copy=1 &notit;", "© ©=1 ¬it;"),
        ("<a href='?id=1&amp;copy=2'>x</a>", "[x](?id=1&copy=2)"),
        ("<a href='?a=1&copy=2&lang=sv'>x</a>", "[x](?a=1&copy=2&lang=sv)"),
        ("<a href='?a=1&copy'>x</a>", "[x](?a=1©)"),
        ("<a href='?a=1&copy;=2'>x</a>", "[x](?a=1©=2)"),
        ("<a href='?a&copya'>x</a>", "[x](?a&copya)"),
        ("<a href='&#x3f;q&#61;1'>x</a>", "[x](?q=1)"),
    ],
)
def test_entities_are_decoded_once(markup: str, text: str) -> None:
    assert text_of(markup) == text + "\n"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a</p><p hidden>b</p>", "a"),
        ("<p hidden style='display:block'>a</p>", "a"),
        ("a<template><p>b</p></template>", "a"),
        ("a<noscript>b</noscript>", "a"),
        ("<head><noscript><style>x</style></noscript></head>a", "a"),
        ("<title>t</title><style>p{}</style><script>s</script><p>a", "a"),
        ("<div style='DISPLAY : none !important; display:block'>b</div>a", "a"),
        ("<div style='display:none;display:block'>a</div>", "a"),
        ("<div style='display:nonsense'>a</div>", "a"),
        ("<div style='/* display:none */'>a</div>", "a"),
        ("<div style='visibility:hidden'>b<b style='visibility:visible'>a</b></div>", "a"),
        ("<span class=preheader style='display:none;max-height:0'>b</span>a", "a"),
        ("<dialog>b</dialog><dialog open>a</dialog>", "a"),
        ("<!--[if mso]><p>b</p><![endif]-->a", "a"),
        ("<![if !mso]><p>a</p><![endif]>", "a"),
        ("<textarea>b</textarea><input value=b type=text><video>b</video>a", "a"),
        ("<svg>b<title>b</title><g><text>a</text></g></svg>", "a"),
        ("<svg><foreignObject><p>a</p></foreignObject></svg>", "a"),
        ("<select>b<option>a</option></select>", "a"),
        ("<p aria-hidden=true>a</p>", "a"),
        ("<details><summary>a</summary>b</details>", "a\nb"),
    ],
)
def test_what_a_browser_does_not_show_is_not_in_the_text(markup: str, text: str) -> None:
    assert text_of(markup) == text + "\n"


@pytest.mark.parametrize(
    ("css", "text"),
    [
        (".x { color: red; display: none }", "a"),
        ("p{margin:0}/* .x{} */ span.x, #z { display:none !important }", "a"),
        ("<!-- #y {display:none} -->", "a"),
        (".x.v {display:none}", "a"),
        ("@import url(a.css); .x {display:none}", "a"),
        (".x {display:none} @media (max-width: 600px) { .x {display:block} }", "a b"),
        (".x {display:none} td .x {display:inline}", "a b"),
        (".x {display:none} [class='x'] {display:inline}", "a b"),
        ("@media print { .x {display:none} }", "a b"),
        ("div.x {display:none} .xx {display:none} .w .x {display:none}", "a b"),
        ("p {color:red; .x {display:none}", "a b"),
        (".x {display:nonesuch} }} {", "a b"),
    ],
)
def test_what_a_style_sheet_surely_hides_is_not_in_the_text(css: str, text: str) -> None:
    assert text_of(f"<style>{css}</style>a <span class='v x' id=y>b</span>") == text + "\n"
    shown = f"<style>{css}</style>a <span class='v x' id=y style='display:inline'>b</span>"
    assert text_of(shown) == "a b\n"
    assert text_of(f"<style media=print>{css}</style>a <b class='v x' id=y>b</b>") == "a b\n"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a<br>b<br/><br />c</br>d", "a\nb\n\nc\nd"),
        ("<div>a<br></div><div>b</div>", "a\nb"),
        ("<p>a</p><p>&nbsp;</p><p>b</p>", "a\n\nb"),
        ("<h1>a</h1>b<hr>c", "a\n\nb\n\nc"),
        ("a  <b> b</b>\n\tc", "a b c"),
        ("<span style='display:block'>a</span>b", "a\nb"),
        ("<div style='display:inline'>a</div>b", "ab"),
        ("<dl><dt>a<dd>b<dt>c<dd>d</dl>e", "a\nb\nc\nd\n\ne"),
        ("<ul><li>a<li>b<ul><li>c</ul><li></ul>d", "* a\n* b\n  + c\n\nd"),
        ("<ol start=3><li>a<li value=7>b<li>c</ol>", "3. a\n7. b\n8. c"),
        ("<ol reversed><li>a<li>b</ol>", "2. a\n1. b"),
        ("<ul style='list-style: none inside'><li>a</ul>", "a"),
        ("<pre>\n a\n\tb</pre>c", " a\n\tb\n\nc"),
        ("<p style='white-space: pre-line'>a  b\nc</p>", "a b\nc"),
        ("<p style='white-space: pre-wrap'>a  b\nc</p>", "a  b\nc"),
        ("<pre style='white-space: normal'>a\n b</pre>", "a b"),
        ("<table><tr><th>a<th>b<tr><td>c<td>d</table>e", "a b\nc d\ne"),
        ("<table><tr><td><p>a</p></td><td hidden>x<td><p>b</p></table>", "a\n\nb"),
        ("so\xadcial", "social"),
        ("10\xa0000\xa0kr", "10\xa0000\xa0kr"),
        ("<p>Förhandstext" + "&#847;&zwnj;&nbsp;" * 50 + "</p><p>a", "Förhandstext\n\na"),
        ("❤&#xfe0f;", "❤\ufe0f"),
        ("<p>a<table><tr><td>b</table>c", "a\nb\nc"),
        ("<table><tr>x<td>a</table>", "x\na"),
    ],
)
def test_lines_and_spaces_are_a_browsers(markup: str, text: str) -> None:
    assert text_of(markup) == text + "\n"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<a href='https://a.se'>b</a>", "[b](https://a.se)"),
        ("<a href='https://a.se'><img alt='b' src=x></a>", "[b](https://a.se)"),
        ("<a href='https://a.se'><img src=x></a>", "https://a.se"),
        ("a<a href=//b.se><img></a><a href=//c.se></a>d", "a //b.se //c.se d"),
        ("<a href=' https://a.se/x y\n'>b</a>", "[b](https://a.se/x%20y)"),
        ("<a href='https://a.se'>https://a.se</a>.", "https://a.se."),
        ("<a href='mailto:a@b.se'>a@b.se</a>", "[a@b.se](mailto:a@b.se)"),
        ("<a href='tel:+4660191000'>060-19 10 00</a>", "[060-19 10 00](tel:+4660191000)"),
        ("<a href='#top'>b</a>", "b"),
        ("<a name=x>b</a>", "b"),
        ("<a href='javascript:f()'>b</a>", "b"),
        (f"<a href='{PICTURE}'>b</a>", "b"),
        ("<a href='https://a.se'><h2>b</h2><p>c</p></a> d", "[b\n\nc](https://a.se)\n\nd"),
        ("<a href='https://a.se' hidden>b</a>c", "c"),
        ("<a href=//a.se>b <a href=//c.se>d</a>", "[b](//a.se) [d](//c.se)"),
        ("<base href=https://a.se/b/><a href=c?d#e>f</a>", "[f](https://a.se/b/c?d#e)"),
        ("<map><area href=https://a.se alt=b></map>", "[b](https://a.se)"),
        ("<ul><li><a href=//a.se>b</a></ul>", "* [b](//a.se)"),
        ("<input type=IMAGE alt=b>", "b"),
        ("<img alt='' src=x>a<img alt='b\n c'>", "ab c"),
    ],
)
def test_links_and_pictures_are_told(markup: str, text: str) -> None:
    assert text_of(markup) == text + "\n"


_PIECES = ["&copy=", "&amp;copy=", "&lt", "&lt;", "&not", "&notit;", "&#38;", "&#x26;", "&", "=",
           "&quot", "&reg1", "&ampamp;", "&amp;amp;", "1", "å", " ", ";", "/"]  # fmt: skip
_PIECE_TEXT = st.lists(st.sampled_from(_PIECES), max_size=8).map("".join)
_WRAP = st.sampled_from(["{}", "<b>{}</b>", "<td>{}", "<div><span>{}</div>", "<h2>{}", "<li>{}"])


@given(st.lists(st.tuples(_PIECE_TEXT, _PIECE_TEXT, _WRAP), max_size=6))
def test_the_links_of_the_text_are_those_of_the_page(links: list[tuple[str, str, str]]) -> None:
    markup = "<table><tr>" + "".join(
        "<td><p>" + wrap.format(f'<a href="https://a.se/?{query}">L {label}</a>') + "</p>"
        for query, label, wrap in links
    )
    found = re.findall(r"\]\((https://a\.se/\?[^)]*)\)", text_of(markup))
    expected = [address_of(a.get("href")) for a in lxml.html.document_fromstring(markup).iter("a")]
    assert found == expected


@pytest.mark.parametrize("size", [1, 3000])
def test_data_of_pictures_are_neither_counted_nor_told(size: int) -> None:
    pictures = [
        f"<img src='{PICTURE}' alt=a>",
        f'<img alt=b src="{PICTURE}">',
        f"<img src={PICTURE[:5000]} alt=c>",
        f"<p style=\"background: url('{PICTURE}')\">d</p>",
        f"<style>p {{ background: url({PICTURE}) }}</style>",
    ]
    text = text_of("".join(pictures * 3) + "<p>" + "e " * size)
    assert text == ("abc\n\nd\n\n" * 3) + ("e " * size).strip() + "\n"


def test_words_about_data_are_kept() -> None:
    words = '"data:;base64, och mer" (data:text;base64, och mer) data:a,b'
    assert text_of(f"<p>{words}") == f"{words}\n"


@pytest.mark.parametrize(
    "large",
    [
        "<p>x" * (LIMIT // 4 + 1) + "<p>slut",
        "<div>" * 1500 + "slut",
        "<p " + "a b " * 5000 + ">slut",
        "<font><p>x" * 2000 + "slut",
        "<div>" + "".join(f"<b id={i}>" for i in range(300)) + "</div>" + "<div>x</div>" * 999
        + "slut",
    ],
)  # fmt: skip
def test_a_large_page_has_a_text_too(large: str) -> None:
    assert text_of(large).endswith("slut\n")


@pytest.mark.parametrize(
    "markup",
    [
        "<ol><li value='²'>x</ol>",
        "<ol><li value='" + "9" * 5000 + "'>x</ol>",
        '<?xml version="1.0" encoding="utf-8"?><p>x',
        '<?XML version="1.0" encoding="utf-8"?><p>x',
        "<ol>" * 400 + "<li>x" * 3000,
        "<p style='padding-left: 99999em; margin-top: 99999em'>x</p>" * 50,
        "<div><a href='https://a.se/" + "a" * 9000 + "'></div>" + "<div>x</div>" * 5000,
        f"<base href='https://a.se/{'a' * 9000}/'>" + "<a href=b>x</a>" * 5000,
        "<table><tr><td>" + "x" * 20_000 + "<tr><td>a<td>b" * 500,
    ],
)
def test_hostile_html_costs_nothing(markup: str) -> None:
    text = text_of(markup)
    assert "x" in text
    assert len(text) <= longest_text(len(markup))


@pytest.mark.parametrize("markup", ["", " ", "<!-- x -->", "<img src=x>", "&nbsp;&zwnj;&#8203;<p>"])
def test_what_says_nothing_has_no_text(markup: str) -> None:
    assert text_of(markup) == ""


@given(st.text(max_size=300))
def test_no_html_is_too_strange_for_a_text(markup: str) -> None:
    text = text_of(markup)
    assert text == "" or (text.endswith("\n") and not is_blank(text))


_TAGS = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<a",
        "href=x>",
        "</a>",
        "<b>",
        "</b>",
        "<table>",
        "<tr>",
        "<td>",
        "</table>",
        "<li>",
        "<ul>",
        "</ul>",
        "<select>",
        "<option>",
        "<svg>",
        "<math>",
        "<mi>",
        "</svg>",
        "<title>",
        "<frameset>",
        "<body>",
        "</body>",
        "<html>",
        "<form>",
        "</form>",
        "<button>",
        "x",
        "<template>",
        "</template>",
        "<br>",
        "</br>",
        "<i>",
        "</i>",
        "<h1>",
        "</h2>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<!doctype>",
        "<caption>",
        "<col>",
        "<colgroup>",
        "<tbody>",
        "<dd>",
        "<dt>",
        "<ruby>",
        "<rp>",
        "<rt>",
        "<textarea>",
        "<plaintext>",
        "&lt",
    ]
)


@given(st.lists(_TAGS, max_size=40).map(" ".join))
def test_no_order_of_tags_is_too_strange_for_a_text(markup: str) -> None:
    text_of(markup)
