"""HTML: what a mailbox takes, and what is wrong with the rest, and where."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.channels.digital_mail.html_check import MOST, faults

LINK = "must be an inline image (data:image/png;base64,…), not an address"
STYLE = "a style must not load anything: inline images as data:image/…;base64"
FETCHED = "is not allowed: a message must not load external resources"
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hej",
        "<p>Hej &amp; hå &eacute; &#229; &#xE5;</p>",
        (
            "<!DOCTYPE html>\n<html lang='sv'><head><meta charset=utf-8><title>Å</title>"
            "</head><body><p>Hej<br>du</p></body></html>"
        ),
        f'<p><img src="{PIXEL}" alt="logga"></p>',
        (
            '<p><a href="https://sundsvall.se/?a=1&amp;b=2">Läs mer</a> <a'
            ' href="mailto:a@b.se">a</a> <a href="tel:+46">b</a></p>'
        ),
        (
            '<style>p > a { color: #333; background: url("data:image/png;base64,AA==")'
            ' }</style><p style="color: red">a</p>'
        ),
        (
            '<table><thead><tr><th scope="col">a</th></tr></thead><tbody><tr><td>1 &lt;'
            " 2</td></tr></tbody></table>"
        ),
        "<svg viewBox='0 0 1 1'><path d='M0 0'/></svg>",
        "<!-- <p> --><ul><li>a</li></ul><hr/>",
        "<p hidden data-x='<>'>a</p>",
    ],
)
def test_what_can_be_sent(text: str) -> None:
    assert faults(text) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<p>a", "line 1, column 1: <p> is not closed"),
        ("a\n  <div><p>b</div>", "line 2, column 8: <p> is not closed before </div>"),
        ("a\r\n</p>", "line 2, column 1: </p> closes a tag that is not open"),
        ("<br></br>", "line 1, column 5: </br> is not allowed: <br> has no end tag"),
        ("<div/>", "line 1, column 1: <div> is not closed"),
        (
            "1 < 2",
            "line 1, column 3: '<' does not begin a valid tag; as text it must be written &lt;",
        ),
        (
            '<p class="a>b</p>',
            "line 1, column 1: '<' does not begin a valid tag; as text it must be written &lt;",
        ),
        (
            "a & b",
            (
                "line 1, column 3: '&' does not begin a character reference; as text it must"
                " be written &amp;"
            ),
        ),
        ("&nonesuch;", "line 1, column 1: &nonesuch; is not a character reference of HTML"),
        ("<!-- a", "line 1, column 1: the comment is not closed"),
        ("<!--[if mso]> <![endif]-->", "line 1, column 1: a conditional comment is not allowed"),
        ("<p a='1' A='2'>b</p>", "line 1, column 10: the attribute a of <p> is repeated"),
        (
            "<script>alert('</p>')</script>",
            "line 1, column 1: <script> is not allowed: a message must not contain scripts",
        ),
        (
            "<SCRIPT SRC='a.js'></SCRIPT>",
            "line 1, column 1: <script> is not allowed: a message must not contain scripts",
        ),
        (
            "<p onclick='x()'>a</p>",
            (
                "line 1, column 4: the attribute onclick is not allowed: a message must not"
                " contain scripts"
            ),
        ),
        (
            "<a href='javascript:x()'>a</a>",
            "line 1, column 4: the attribute href must not contain a script",
        ),
        (
            "<a href=' jav&#x09;ascript:x()'>a</a>",
            "line 1, column 4: the attribute href must not contain a script",
        ),
        (
            "<a href='data:text/html,a'>a</a>",
            "line 1, column 4: the attribute href must not contain a script",
        ),
        ("<img src='https://a.se/x.png'>", "line 1, column 6: the attribute src of <img> " + LINK),
        ("<img src='cid:a'>", "line 1, column 6: the attribute src of <img> " + LINK),
        ("<img alt='a'>", "line 1, column 1: <img> has no src"),
        (
            "<img src='data:image/svg+xml;base64,AA=='>",
            "line 1, column 6: the attribute src of <img> " + LINK,
        ),
        (
            f"<img src='{PIXEL}' srcset='a.png 2x'>",
            f"line 1, column {13 + len(PIXEL)}: the attribute srcset is not allowed",
        ),
        (
            "<td background='a.png'></td>",
            "line 1, column 5: the attribute background of <td> " + LINK,
        ),
        ("<p style='background: URL( \"https://a\")'>a</p>", "line 1, column 4: " + STYLE),
        ("<style>\n@import 'a';</style>", "line 2, column 1: " + STYLE),
        ("<style>p{}", "line 1, column 1: <style> is not closed"),
        ("<link rel='stylesheet' href='a.css'>", "line 1, column 1: <link> " + FETCHED),
        (
            "<iframe></iframe>",
            "line 1, column 1: <iframe> is not allowed: a message must not contain scripts",
        ),
        (
            "<meta http-equiv='Refresh' content='0;url=x'>",
            "line 1, column 7: a message must not redirect (refresh)",
        ),
        (
            "<svg><image href='https://a'/></svg>",
            "line 1, column 13: the attribute href of <image> " + LINK,
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    assert told in [str(fault) for fault in faults(text)]


def test_all_faults_are_told_in_the_order_of_the_text() -> None:
    found = faults("<p>\n<b>\n<img src='x'>\n</p> &")
    assert [(f.line, f.what[:12]) for f in found] == [
        (2, "<b> is not c"),
        (3, "the attribut"),
        (4, "'&' does not"),
    ]


def test_tags_are_not_nested_without_end() -> None:
    assert "more than 500 tags are open at once" in str(faults("<b>" * 501 + "</b>" * 501)[0])
    assert faults("<b>" * 500 + "</b>" * 500) == []


def test_not_more_than_the_first_are_told() -> None:
    assert len(faults("</p>" * 1000)) == MOST


@given(st.text(alphabet="<>/!-&;='\" abp\n", max_size=200))
def test_it_always_ends_with_an_answer(text: str) -> None:
    found = faults(text)
    assert all(fault.line >= 1 and fault.column >= 1 for fault in found)


@pytest.mark.parametrize(
    "piece",
    [
        "<p ",
        "<p a",
        "<p a=",
        "<p a='",
        "&",
        "&a",
        "<!--",
        "<",
        "</p",
        "<style>",
        "<p>",
        "<a b = ",
        "<p a='b' ",
        "<script>",
        "\n",
    ],
)
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    start = time.process_time()
    faults(piece * (1_000_000 // len(piece)))
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        ("<", "a"),
        ("<p ", "a"),
        ("<p ", "a1"),
        ("<p ", "a "),
        ("<p ", "a=b "),
        ("<p a='", "&x"),
        ("<p a='", "\0"),
        ("<p a='&#", "1"),
        ("<!--", "- "),
        ("", "<!---->"),
        ("<!doctype ", "a"),
        ("<!doctype html public '", "a"),
        ("<style></", "a"),
        ("<style>", "</"),
        ("<style>", "</style a='"),
        ("", "<p a='<p b=\""),
        ("", "</p "),
    ],
)
def test_long_names_values_and_comments_cost_no_more_than_their_length(
    begin: str, piece: str
) -> None:
    start = time.process_time()
    faults(begin + piece * (500_000 // len(piece)))
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<p_a>", "line 1, column 1: '<' does not begin a valid tag"),
        ("<p a\0>", "line 1, column 1: '<' does not begin a valid tag"),
        ("<!DOCTYPE html PUBLIC 'a'>", "line 1, column 1: '<' does not begin a valid tag"),
        ("<!DOCTYPE  html>", "line 1, column 1: '<' does not begin a valid tag"),
        ("<p\r\n a = b\r\n onclick>", "line 3, column 2: the attribute onclick is not allowed"),
        ("<style></styles></style><p>", "line 1, column 25: <p> is not closed"),
        ("<ul><li>a<li>b</ul>", "line 1, column 10: <li> is not closed before </ul>"),
        ("<b><i>a</b></i>", "line 1, column 4: <i> is not closed before </b>"),
        ("<b><i>a</b></i>", "line 1, column 12: </i> closes a tag that is not open"),
        ("<P>a</p></P>", "line 1, column 9: </p> closes a tag that is not open"),
        ("<p></p/>", "line 1, column 4: '<' does not begin a valid tag"),
        ("<a href=x onclick>a</a>", "line 1, column 11: the attribute onclick is not allowed"),
        ("<A HREF=JavaScript:x()>a</A>", "line 1, column 4: the attribute href must not contain"),
        ("<form><form></form></form><p>", "line 1, column 27: <p> is not closed"),
        ("<![CDATA[<p>]]>", "line 1, column 1: '<' does not begin a valid tag"),
        ("<?php echo 1 ?>", "line 1, column 1: '<' does not begin a valid tag"),
        ("<p a=1b=2 c='>", "line 1, column 1: '<' does not begin a valid tag"),
        ("<p a'b>", "line 1, column 1: '<' does not begin a valid tag"),
        ("<!-- a --!><p></p>", "line 1, column 1: the comment is not closed"),
        ("a\r\rb\n<i>", "line 4, column 1: <i> is not closed"),
        ("&#x110000000;", "line 1, column 1: '&' does not begin a character reference"),
        ("<input/>&copy", "line 1, column 9: '&' does not begin a character reference"),
    ],
)
def test_neighbours_of_what_is_wrong_are_told_too(text: str, told: str) -> None:
    assert any(str(fault).startswith(told) for fault in faults(text)), faults(text)


SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"<!-->{SCRIPT}-->", "line 1, column 1: the comment is not closed"),
        (f"<!--->{SCRIPT}-->", "line 1, column 1: the comment is not closed"),
        (f"<!-- --!>{SCRIPT}-->", "line 1, column 1: the comment is not closed"),
        (f"<style></style a>{SCRIPT}<style></style>", "line 1, column 8: '<' does not begin"),
        (f"<style></style/>{SCRIPT}<style></style>", "line 1, column 8: '<' does not begin"),
        (f"<title><!--</title>{SCRIPT}--></title>", "line 1, column 8: '<' does not begin"),
        (f"<textarea><a b='</textarea>{SCRIPT}'></a></textarea>", "line 1, column 11: '<' does"),
        (
            "<svg><style><img src=x onerror=y()></style></svg>",
            "line 1, column 13: <style> within <svg> or <math> must not contain <",
        ),
        (
            "<svg><style>&#64;import 'https://a'</style></svg>",
            "line 1, column 13: <style> within <svg> or <math> must not contain &",
        ),
    ],
)
def test_what_browsers_read_as_tags_is_not_hidden(text: str, told: str) -> None:
    assert any(str(fault).startswith(told) for fault in faults(text)), faults(text)


def test_what_browsers_read_as_text_and_comments_is_sent() -> None:
    assert faults("<title>a &amp; b</title><!----><!-- - -- ! --><textarea>a</textarea>") == []
    assert faults("<svg><style>p { color: red }</style><title>a</title></svg>") == []


@pytest.mark.parametrize("name", ["area", "br", "col", "hr", "input", "param", "wbr"])
def test_void_elements_need_no_end(name: str) -> None:
    assert faults(f"<{name}><{name.upper()}/>") == []


NAMES = st.sampled_from(["p", "B", "div", "td", "h1"])
TREES = st.recursive(
    st.sampled_from(["", "a", "&lt;", "<br>", "<!-- <i> -->", "å\n"]),
    lambda inner: st.builds(
        lambda name, parts: f"<{name} class='x'>{''.join(parts)}</{name.lower()}>",
        NAMES,
        st.lists(inner, max_size=4),
    ),
    max_leaves=20,
)


@given(TREES, NAMES)
def test_a_well_formed_tree_is_sent_and_one_more_tag_is_told_at_its_place(
    tree: str, name: str
) -> None:
    assert faults(tree) == []
    (fault,) = faults(f"{tree}<{name}>")
    lines = tree.split("\n")
    assert (fault.line, fault.column) == (len(lines), len(lines[-1]) + 1)
    assert fault.what == f"<{name.lower()}> is not closed"
