"""The envelope: the schema's order, nothing injected, the same bytes every time; held against
Open-E's own schema where it is at hand."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from utskick.channels.web_message.soap_request import (
    NAMESPACE,
    SOAP,
    Principal,
    WebMessage,
    is_xml_text,
    write,
)
from utskick.domain.attachment import Attachment

WHEN = datetime(2026, 1, 1, 11, tzinfo=UTC)
XML_TEXT = st.text(st.characters(exclude_categories=["Cs"]).filter(is_xml_text), max_size=50)
FILES = st.lists(
    st.builds(Attachment.of, XML_TEXT, st.none(), st.binary(max_size=50)), max_size=3
).map(tuple)
SCHEMA = Path(__file__).parents[3].parent / "shared" / "contracts" / "open-e" / "oep.xsd"


def message(**changes: Any) -> WebMessage:
    return WebMessage(
        **{
            "case": 102251,
            "added": WHEN,
            "text": "Hej",
            "user": "joe01doe",
            "principal": Principal("joe01doe"),
            **changes,
        }
    )


def call(data: bytes) -> Any:
    root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, strip_cdata=False))
    assert root.tag == f"{{{SOAP}}}Envelope"
    (body,) = root
    (inner,) = body
    return inner


def plain(element: Any) -> Any:
    """Names and texts, without the namespace, in their order."""
    name = etree.QName(element).localname
    return (
        (name, [plain(child) for child in element]) if len(element) else (name, element.text or "")
    )


def test_the_children_stand_in_the_order_of_the_schema() -> None:
    made = message(
        attachments=(Attachment.of("a.pdf", None, b"%PDF"), Attachment.of("b.txt", None, b"")),
        read_receipts=True,
    )
    inner = call(write(made))
    assert etree.QName(inner).namespace == NAMESPACE
    files = [
        ("attachments", [("encodedData", "JVBERg=="), ("filename", "a.pdf"), ("size", "4")]),
        ("attachments", [("encodedData", ""), ("filename", "b.txt"), ("size", "0")]),
    ]
    added = ("added", "2026-01-01T12:00:00.000+01:00")
    assert plain(inner) == (
        "addMessage",
        [
            ("flowInstanceID", "102251"),
            (
                "message",
                [
                    added,
                    *files,
                    ("message", "Hej"),
                    ("userID", "joe01doe"),
                    ("readReceiptEnabled", "true"),
                ],
            ),
            ("principal", [("userID", "joe01doe")]),
        ],
    )


def test_the_owner_is_told_by_the_citizens_number_and_what_is_missing_is_nil() -> None:
    inner = call(
        write(message(as_owner=True, principal=Principal(None, "199001012385"), user="a-party"))
    )
    assert plain(inner)[0] == "addMessageAsOwner"
    assert plain(inner[-1]) == ("principal", [("userID", ""), ("citizenID", "199001012385")])
    nil = "{http://www.w3.org/2001/XMLSchema-instance}nil"
    assert [child.get(nil) for child in inner[-1]] == ["true", None]


def test_without_anybody_there_is_no_principal() -> None:
    assert [name for name, _ in plain(call(write(message(principal=None))))[1]] == [
        "flowInstanceID",
        "message",
    ]


@given(text=XML_TEXT, user=XML_TEXT, files=FILES)
def test_whatever_is_said_comes_out_as_it_went_in(
    text: str, user: str, files: tuple[Attachment, ...]
) -> None:
    inner = call(write(message(text=text, user=user, principal=Principal(user), attachments=files)))
    ns = {"o": NAMESPACE}
    assert [child.tag for child in inner] == [
        f"{{{NAMESPACE}}}{name}" for name in ("flowInstanceID", "message", "principal")
    ]
    assert inner.findtext("o:message/o:message", namespaces=ns) == text
    assert inner.findtext("o:principal/o:userID", namespaces=ns) == user
    found = inner.findall("o:message/o:attachments", ns)
    assert [(f[1].text or "", b64decode(f[0].text or ""), int(f[2].text)) for f in found] == [
        (a.name, a.data, len(a.data)) for a in files
    ]


@pytest.mark.parametrize(
    "text",
    [
        "</message><userID>eve</userID>",
        "]]>",
        "&lt;",
        "<![CDATA[x]]>",
        "a\r\nb\rc",
        "\t",
        "å😀",
        "\"'",
    ],
)
def test_markup_stays_text(text: str) -> None:
    inner = call(write(message(text=text)))
    assert inner.findtext(f"{{{NAMESPACE}}}message/{{{NAMESPACE}}}message") == text


@pytest.mark.parametrize(
    ("text", "well"),
    [
        ("a\nb\t\r", True),
        ("\x0b", False),
        ("\x00", False),
        ("\ufffe", False),
        ("\ud800", False),
        ("😀", True),
    ],
)
def test_what_xml_cannot_hold_is_known(text: str, well: bool) -> None:
    assert is_xml_text(text) is well


@pytest.mark.skipif(
    not SCHEMA.is_file(),
    reason="Open-E's schema (shared/contracts/open-e/oep.xsd) is not beside this repository",
)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"principal": None},
        {
            "attachments": (
                Attachment.of("å & ä.pdf", "application/pdf", bytes(range(256))),
                Attachment.of("b", None, b""),
            )
        },
        {"text": "<>&\r\n😀"},
    ],
)
def test_the_schema_of_open_e_takes_it(changes: dict[str, Any]) -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    schema.assertValid(etree.fromstring(etree.tostring(call(write(message(**changes))))))
    assert not schema.validate(
        etree.fromstring(write(message(user="x")).replace(b"<userID>x</userID>", b"", 1))
    )
