"""The envelope: canonical as it is written, of the length foretold, valid by the schemas, signed
twice."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.channels.digital_mail.pki import Authority, rsa_key
from utskick.channels.digital_mail.attachments import AttachmentElements
from utskick.channels.digital_mail.credentials import Credentials, load
from utskick.channels.digital_mail.envelope import LIMIT, Letterhead, delivery, length
from utskick.channels.digital_mail.settings import OwnCertificate
from utskick.channels.digital_mail.signature import Sealing, envelope_length
from utskick.domain.attachment import Attachment

SCHEMAS = Path(__file__).parents[3].parent / "shared" / "contracts" / "mina-meddelanden" / "schema"
M3 = "http://minameddelanden.gov.se/schema/Message/v3"
HEAD = Letterhead(
    id="0190b1c2-0000-7000-8000-000000000001",
    recipient="190101010159",
    sender="162120002411",
    sender_name="Sundsvalls kommun & <vänner>",
    date="2026-11-23+01:00",
    subject="Meddelande",
    support_info={"text": "Ring oss"},
)
FILE = Attachment.of("beslut.pdf", "application/pdf", b"%PDF-1.7 " + bytes(range(256)) * 40)
FULL: dict[str, Any] = {
    "subject": 'Beslut <i> ditt ärende & "annat"\r\nrad två',
    "contentType": "text/plain",
    "body": "Hej!\r\nDitt beslut är bifogat. ]]> 😀",
    "sender": {
        "supportInfo": {
            "text": "Fråga > oss",
            "emailAddress": "a@b.se",
            "phoneNumber": "060-19 10 00",
            "url": "https://a.se/?b=1&c=2",
        }
    },
    "attachments": [{"filename": "beslut & bilaga.pdf", "digest": FILE.digest.hex()}],
    "headerReference": "Dnr 2026/17",
    "officialMatter": {
        "id": "BYGG-2026-17",
        "eventId": "3",
        "precedingEventId": "2",
        "subject": "Bygglov",
        "eventType": "Beslut",
        "status": "closed",
    },
    "reply": "NOT_ALLOWED",
    "receiptRequest": "SIMPLE",
}


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return load(OwnCertificate.model_validate(Authority().sender(tmp_path_factory.mktemp("pki"))))


def sealed(
    credentials: Credentials, content: dict[str, Any], files: tuple[Attachment, ...] = ()
) -> bytes:
    return Sealing(
        delivery(HEAD, content, files, AttachmentElements()), HEAD.date, credentials.signer
    ).envelope()


def documents(envelope: bytes) -> Iterator[tuple[str, ElementTree.Element]]:
    """The two signed documents, each as a tree of its own: cut out of the wire's bytes, and the
    outer one named back."""
    text = envelope.decode()
    start, end = (
        text.index("<SignedDelivery"),
        text.index("</SignedDelivery>") + len("</SignedDelivery>"),
    )
    yield "SignedDelivery", ElementTree.fromstring(text[start:end])
    inner = text[
        text.index("<deliverSecure>") + len("<deliverSecure>") : text.index("</deliverSecure>")
    ]
    yield (
        "SealedDelivery",
        ElementTree.fromstring(f'<SealedDelivery xmlns="{M3}">{inner}</SealedDelivery>'),
    )


def unprefixed(text: str) -> str:
    """What the standard library's canonical form (C14N 2.0, which keeps default namespaces) makes
    of it."""
    return ElementTree.canonicalize(text)


@pytest.mark.parametrize("content", [FULL, {}, {"body": "", "contentType": "text/plain"}])
def test_what_is_signed_is_canonical_as_it_is_written(content: dict[str, Any]) -> None:
    files = (FILE,) if "attachments" in content else ()
    document = b"".join(
        (
            f'<SignedDelivery xmlns="{M3}">'.encode(),
            *delivery(HEAD, content, files, AttachmentElements()),
            b"</SignedDelivery>",
        )
    )
    assert unprefixed(document.decode()).encode() == document


@given(
    text=st.text(
        alphabet=st.characters(
            codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"
        )
    )
)
def test_any_text_is_canonical_and_read_back(text: str) -> None:
    document = b"".join(delivery(HEAD, {"subject": text or "-"}, (), AttachmentElements())).decode()
    wrapped = f'<SignedDelivery xmlns="{M3}">{document}</SignedDelivery>'
    assert unprefixed(wrapped) == wrapped
    assert ElementTree.fromstring(wrapped).findtext(f".//{{{M3}}}Subject") == (text or "-")


def test_both_signatures_verify_by_the_standard_librarys_canonical_form(
    credentials: Credentials,
) -> None:
    ds = "{http://www.w3.org/2000/09/xmldsig#}"
    seen = []
    for name, root in documents(sealed(credentials, FULL, (FILE,))):
        signature = root.findall(f"{ds}Signature")
        assert len(signature) == 1
        info = signature[0].find(f"{ds}SignedInfo")
        assert info is not None
        root.remove(signature[0])
        digest = hashlib.sha256(canonical(root).encode()).digest()
        assert b64decode(info.findtext(f"{ds}Reference/{ds}DigestValue") or "") == digest
        value = b64decode(signature[0].findtext(f"{ds}SignatureValue") or "")
        rsa_key(0).public_key().verify(value, canonical(info).encode(), PKCS1v15(), hashes.SHA256())
        seen.append(name)
    assert seen == ["SignedDelivery", "SealedDelivery"]


def canonical(root: ElementTree.Element) -> str:
    """Without prefixes: ElementTree would invent some, so each namespace is written as the default
    where it changes."""

    def write(element: ElementTree.Element, around: str) -> str:
        namespace, _, name = element.tag[1:].rpartition("}")
        declared = f' xmlns="{namespace}"' if namespace != around else ""
        attributes = "".join(f' {key}="{value}"' for key, value in sorted(element.attrib.items()))
        text = (element.text or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return (
            f"<{name}{declared}{attributes}>{text}"
            f"{''.join(write(child, namespace) for child in element)}</{name}>"
        )

    return write(root, "")


@given(
    subject=st.text(
        alphabet=st.characters(
            codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"
        ),
        min_size=1,
    ),
    size=st.integers(5, 4000),
    filename=st.text(alphabet="abcåäö<&>", min_size=1),
)
@settings(deadline=None)
def test_the_length_is_foretold_to_the_byte(
    credentials: Credentials, subject: str, size: int, filename: str
) -> None:
    file = Attachment.of(filename, None, b"%PDF-" + b"x" * (size - 5))
    content = {
        **FULL,
        "subject": subject,
        "attachments": [{"filename": filename, "digest": file.digest.hex()}],
    }
    foretold = envelope_length(length(HEAD, content, (file,)), HEAD.date, credentials.signer.length)
    assert foretold == len(sealed(credentials, content, (file,)))


def test_equal_fingerprints_mean_equal_envelopes_and_any_change_shows(
    credentials: Credentials, tmp_path: Path
) -> None:
    other = load(OwnCertificate.model_validate(Authority().sender(tmp_path)))

    def sealing(
        content: dict[str, Any], date: str = HEAD.date, by: Credentials = credentials
    ) -> Sealing:
        return Sealing(delivery(HEAD, content, (FILE,), AttachmentElements()), date, by.signer)

    first = sealing(FULL)
    assert sealing(dict(FULL)).fingerprint == first.fingerprint
    assert sealing(dict(FULL)).envelope() == first.envelope()
    changed = [
        sealing({**FULL, "reply": "ACCEPTED"}),
        sealing(FULL, "2026-11-24+01:00"),
        sealing(FULL, by=other),
    ]
    assert len({first.fingerprint, *(s.fingerprint for s in changed)}) == 4


def test_no_prefix_is_declared_anywhere(credentials: Credentials) -> None:
    assert b"xmlns:" not in sealed(credentials, FULL, (FILE,))


def test_the_checksum_is_md5_in_upper_case_and_the_file_is_whole(credentials: Credentials) -> None:
    m1 = "{http://minameddelanden.gov.se/schema/Message}"
    root = ElementTree.fromstring(sealed(credentials, FULL, (FILE,)))
    attachment = next(root.iter(f"{{{M3}}}Attachment"))
    assert [child.tag for child in attachment] == [
        f"{m1}{name}" for name in ("ContentType", "Body", "Checksum", "Filename")
    ]
    assert attachment.findtext(f"{m1}Checksum") == hashlib.md5(FILE.data).hexdigest().upper()
    assert b64decode(attachment.findtext(f"{m1}Body") or "") == FILE.data
    assert attachment.findtext(f"{m1}Filename") == "beslut & bilaga.pdf"


def test_html_goes_out_as_the_caller_encoded_it(credentials: Credentials) -> None:
    html = "<p>Hallå</p>".encode()
    envelope = sealed(
        credentials, {"contentType": "text/html", "body": b64encode(html).decode().rstrip("=")}
    )
    bodies = list(
        ElementTree.fromstring(envelope).iter("{http://minameddelanden.gov.se/schema/Message}Body")
    )
    assert b64decode(bodies[0].text or "") == html


def test_a_shared_file_is_encoded_once_and_the_cache_is_bounded() -> None:
    files = [Attachment.of(f"{n}.pdf", None, b"%PDF-" + bytes([n]) * 3000) for n in range(4)]
    cache = AttachmentElements(limit=9000)
    first, _ = cache.pieces(files[0], "a.pdf")
    assert cache.pieces(files[0], "b.pdf")[0] is first
    for file in files[1:]:
        cache.pieces(file, "c.pdf")
    assert cache.pieces(files[0], "a.pdf")[0] is not first
    assert len(cache._cache) == 2


@pytest.fixture(scope="module")
def schema() -> Any:
    if not SCHEMAS.is_dir():
        pytest.skip(
            "the schemas of Mina Meddelanden are not beside this repository"
            " (../shared/contracts/mina-meddelanden)"
        )
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "v3" / "Service.xsd")))


@pytest.mark.parametrize(
    "content",
    [
        FULL,
        {},
        {"subject": "Å" * 255, "officialMatter": {"subject": "bara ämne"}},
        {"officialMatter": {"id": "17"}, "receiptRequest": "SIGNED", "reply": "REQUESTED"},
    ],
)
def test_our_envelopes_are_valid_by_the_schemas(
    credentials: Credentials, schema: Any, content: dict[str, Any]
) -> None:
    files = (FILE,) if "attachments" in content else ()
    body = etree.fromstring(sealed(credentials, content, files)).find("{*}Body")
    schema.assertValid(etree.fromstring(etree.tostring(body[0])))


def test_the_schemas_refuse_what_is_wrong(credentials: Credentials, schema: Any) -> None:
    body = etree.fromstring(sealed(credentials, {"reply": "PERHAPS"})).find("{*}Body")
    assert not schema.validate(etree.fromstring(etree.tostring(body[0])))


def test_the_limit_is_that_of_the_operators() -> None:
    assert LIMIT == 2_097_152
