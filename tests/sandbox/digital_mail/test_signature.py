"""Tests of the operator's verification: our envelopes pass, and every change is rejected."""

from __future__ import annotations

import random
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from tests.channels.digital_mail.pki import ORGANIZATION, Authority, rsa_key
from tests.channels.digital_mail.test_envelope import FILE, FULL, HEAD
from utskick.channels.digital_mail.attachments import AttachmentElements
from utskick.channels.digital_mail.credentials import Credentials, load
from utskick.channels.digital_mail.envelope import delivery
from utskick.channels.digital_mail.settings import OwnCertificate
from utskick.channels.digital_mail.signature import Sealing
from utskick.sandbox.digital_mail.schema_check import SERVICE_3, check
from utskick.sandbox.digital_mail.signature import InvalidDelivery, verify
from utskick.sandbox.digital_mail.soap import body_of

AUTHORITY = Authority()
STRANGER = Authority("Nobody that anybody trusts")


def credentials_of(folder: Path, authority: Authority = AUTHORITY, **more: object) -> Credentials:
    return load(OwnCertificate.model_validate(authority.sender(folder, **more)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def envelope(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return sealed(credentials_of(tmp_path_factory.mktemp("pki")))


def sealed(credentials: Credentials) -> bytes:
    return Sealing(
        delivery(HEAD, FULL, (FILE,), AttachmentElements()), HEAD.date, credentials.signer
    ).envelope()


def accepted(
    envelope: bytes, trusted: x509.Certificate = AUTHORITY.certificate, now: datetime | None = None
) -> None:
    """Parse and verify an envelope; raise ``InvalidDelivery``."""
    wrapper = body_of(envelope, f"{{{SERVICE_3}}}deliverSecure")
    if len(wrapper) != 1 or (wrapper.text or "").strip() or wrapper.attrib:
        raise InvalidDelivery("deliverSecure must hold exactly one element")
    check(wrapper[0])
    verify(wrapper[0], trusted, now)


def test_an_envelope_of_ours_is_accepted(envelope: bytes) -> None:
    accepted(envelope)


def test_prefixes_make_no_difference(envelope: bytes) -> None:
    """Accept a delivery as written by a Java client: all namespaces declared on the envelope."""
    text = envelope.decode()
    uris = list(dict.fromkeys(re.findall(r' xmlns="([^"]+)"', text)))
    prefixed, stack = [], ["x"]
    for piece in re.split(r"(<[^>]+>)", text):
        if piece.startswith("</"):
            prefixed.append(f"</{stack.pop()}:{piece[2:]}")
        elif piece.startswith("<"):
            declared = re.search(r' xmlns="([^"]+)"', piece)
            stack.append(f"ns{uris.index(declared[1])}" if declared else stack[-1])
            bare = piece[1:].replace(declared[0], "") if declared else piece[1:]
            prefixed.append(f"<{stack[-1]}:{bare}")
        else:
            prefixed.append(piece)
    declared_once = "".join(f' xmlns:ns{n}="{uri}"' for n, uri in enumerate(uris))
    whole = "".join(prefixed).replace("<ns0:Envelope", f"<ns0:Envelope{declared_once}", 1)
    assert whole != text
    accepted(whole.encode())


#: Changes that a forger might try, each by its own idea.
TARGETED = {
    "another recipient": lambda t: t.replace("190101010159", "190101010160", 1),
    "another sender": lambda t: t.replace(">162120002411<", ">162120002412<", 1),
    "another subject": lambda t: t.replace("<Subject>Beslut", "<Subject>Beslutet", 1),
    "white space between elements": lambda t: t.replace(
        "</Header><Message>", "</Header> <Message>", 1
    ),
    "white space in the seal": lambda t: t.replace("<Seal ", "<Seal  xml:space='preserve' ", 1),
    "a comment": lambda t: t.replace("<Subject>Beslut", "<Subject>Bes<!-- -->lut", 1),
    "a processing instruction": lambda t: t.replace("</Subject>", "<?x y?></Subject>", 1),
    "an Id": lambda t: t.replace("<SignedDelivery ", '<SignedDelivery Id="a" ', 1),
    "an Id on the seal": lambda t: t.replace(
        "<deliverSecure><Signed", '<deliverSecure Id="a"><Signed', 1
    ),
    "another day": lambda t: t.replace(
        "2026-11-23+01:00</ReceivedTime>", "2026-11-24+01:00</ReceivedTime>", 1
    ),
    "signatures not ok": lambda t: t.replace(">true</SignaturesOK>", ">false</SignaturesOK>", 1),
    "no signature of the sender": lambda t: re.sub(r"<Signature .*?</Signature>", "", t, count=1),
    "no seal signature": lambda t: re.sub(
        r"</Seal><Signature .*?</Signature>", "</Seal>", t, count=1
    ),
    "no seal": lambda t: re.sub(r"<Seal .*?</Seal>", "", t, count=1),
    "two signatures": lambda t: re.sub(r"(<Signature .*?</Signature>)", r"\1\1", t, count=1),
    "the signatures exchanged": lambda t: exchanged(t),
    "SHA-1 as the method": lambda t: t.replace("xmldsig-more#rsa-sha256", "xmldsig#rsa-sha1"),
    "SHA-1 as the digest": lambda t: t.replace("xmlenc#sha256", "xmldsig#sha1"),
    "another canonical form": lambda t: t.replace(
        "2001/10/xml-exc-c14n#", "TR/2001/REC-xml-c14n-20010315"
    ),
    "a second transform": lambda t: re.sub(r"(<Transform .*?</Transform>)", r"\1\1", t),
    "no transform": lambda t: re.sub(r"<Transform .*?</Transform>", "", t),
    "an XPath transform": lambda t: t.replace(
        "2000/09/xmldsig#enveloped-signature", "TR/1999/REC-xpath-19991116"
    ),
    "a second reference": lambda t: re.sub(r"(<Reference .*?</Reference>)", r"\1\1", t),
    "another reference": lambda t: t.replace('URI=""', 'URI="#a"'),
    "no reference": lambda t: t.replace(' URI=""', ""),
    "another name of the signer": lambda t: t.replace("CN=Sundsvalls", "CN=Stockholms"),
    "another name of the sealer": lambda t: "CN=Stockholms".join(t.rsplit("CN=Sundsvalls", 1)),
    "no key": lambda t: re.sub(r"<KeyInfo>.*?</KeyInfo>", "", t),
    "a message more": lambda t: re.sub(r"(?s)(<Message>.*?</Message>)", r"\1\1", t),
    "a delivery wrapped in a delivery": lambda t: re.sub(
        r"(?s)(<Delivery>.*?</Delivery>)", r"\1<Wrapped>\1</Wrapped>", t
    ),
    "the checksum in lower case": lambda t: re.sub(
        r"(<Checksum[^>]*>)([^<]+)", lambda m: m[1] + m[2].lower(), t
    ),
    "no attachment": lambda t: re.sub(r"<Attachment>.*?</Attachment>", "", t),
    "a file that is no PDF": lambda t: t.replace(">JVBERi", ">JVBERj"),
    "a DOCTYPE": lambda t: "<!DOCTYPE Envelope>" + t,
    "named SealedDelivery on the wire": lambda t: t.replace(
        "<deliverSecure><S", "<SealedDelivery><S"
    ).replace("</deliverSecure></deliverSecure>", "</SealedDelivery></deliverSecure>"),
    "v2 of the schema": lambda t: t.replace(
        '<SignedDelivery xmlns="http://minameddelanden.gov.se/schema/Message/v3"',
        '<SignedDelivery xmlns="http://minameddelanden.gov.se/schema/Message/v2"',
    ),
}


def exchanged(text: str) -> str:
    first, second = re.findall(r"<Signature .*?</Signature>", text)
    return text.replace(first, "\0").replace(second, first).replace("\0", second)


@pytest.mark.parametrize("what", TARGETED)
def test_a_forgery_is_rejected(envelope: bytes, what: str) -> None:
    text = envelope.decode()
    forged = TARGETED[what](text)
    assert forged != text
    with pytest.raises(InvalidDelivery):
        accepted(forged.encode())


def mutate(text: str, luck: random.Random) -> str:
    """Return the document with a random change in the signed part."""
    start, end = text.index("<SignedDelivery"), text.index("</deliverSecure></deliverSecure>")
    at = luck.randrange(start, end)
    other = luck.choice(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=<>&\"' åäö"
    )
    return luck.choice(
        (
            lambda: text[:at] + other + text[at + 1 :],
            lambda: text[:at] + text[at + 1 :],
            lambda: text[:at] + text[at] + text[at:],
            lambda: text[:at] + other + text[at:],
        )
    )()


def is_equivalent(text: str, changed: str) -> bool:
    """Whether a change is equivalent: white space in a tag or other quotation marks.

    Canonical XML section 2.3.
    """

    def plain(text: str) -> str:
        return re.sub(
            r"<[^<>]*>", lambda tag: re.sub(r"\s+(?=[/>])", "", re.sub(r"\s+", " ", tag[0])), text
        )

    return plain(text) == plain(changed)


def test_every_one_of_200_mutations_is_rejected(envelope: bytes) -> None:
    text, luck, count, by = envelope.decode(), random.Random(20261123), 0, dict[str, int]()
    while count < 200:
        changed = mutate(text, luck)
        if is_equivalent(text, changed):
            continue
        count += 1
        with pytest.raises(InvalidDelivery) as fault:
            accepted(changed.encode())
        kind = "not XML" if "well-formed" in str(fault.value) else "read"
        by[kind] = by.get(kind, 0) + 1
    assert by["read"] > 100  # most of them are well-formed, and reach the signatures


def test_every_mutation_of_the_signature_elements_is_rejected(envelope: bytes) -> None:
    """Reject 200 random changes in digests, values, certificates and names of both signatures."""
    text, luck = envelope.decode(), random.Random(4)
    spots = [
        m.span(2)
        for m in re.finditer(
            r"<(DigestValue|SignatureValue|X509Certificate|X509SubjectName)>([^<]+)<", text
        )
    ]
    assert len(spots) == 8
    for number in range(200):
        start, end = spots[number % len(spots)]
        at = luck.randrange(start, end)
        other = luck.choice([c for c in "ABCDEFabcdef0123456789+/=,# " if c != text[at]])
        with pytest.raises(InvalidDelivery):
            accepted((text[:at] + other + text[at + 1 :]).encode())


def test_unused_bits_of_base64_are_no_way_around(envelope: bytes) -> None:
    text = envelope.decode()
    value = re.findall(r"<SignatureValue>([^<]+)<", text)[1]
    assert value.endswith("==")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = value[:-3] + letters[letters.index(value[-3]) ^ 1] + "=="
    with pytest.raises(InvalidDelivery, match="not BASE64"):
        accepted(text.replace(value, twin).encode())


def test_a_certificate_of_an_authority_that_is_not_trusted_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidDelivery, match="trusted"):
        accepted(sealed(credentials_of(tmp_path, STRANGER)))


def test_a_certificate_of_an_authority_with_the_same_name_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidDelivery, match="trusted"):
        accepted(sealed(credentials_of(tmp_path, Authority())))


def test_an_expired_certificate_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidDelivery, match="not valid today"):
        accepted(sealed(credentials_of(tmp_path, days=-1)))
    later = datetime.now(UTC) + timedelta(days=400)
    with pytest.raises(InvalidDelivery, match="not valid today"):
        accepted(sealed(credentials_of(tmp_path)), now=later)


def test_it_returns_signer_and_sealer(envelope: bytes) -> None:
    wrapper = body_of(envelope, f"{{{SERVICE_3}}}deliverSecure")
    sender, sealer = verify(wrapper[0], AUTHORITY.certificate)
    assert sender == sealer
    assert f"16{ORGANIZATION}" in sender.subject.rfc4514_string()


DSIG = "http://www.w3.org/2000/09/xmldsig#"


@pytest.mark.parametrize(
    ("this", "that"),
    [
        (
            "http://www.w3.org/2001/10/xml-exc-c14n#",
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        ),
        ("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-sha512"),
        ("xmlenc#sha256", "xmlenc#sha512"),
        (f"{DSIG}enveloped-signature", "http://www.w3.org/2001/10/xml-exc-c14n#"),
        (
            "</Transform>",
            (
                "</Transform><Transform "
                'Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></Transform>'
            ),
        ),
        ("</Reference>", '</Reference><Reference URI=""></Reference>'),
        ('URI=""', 'URI="#a"'),
        ("<Reference ", '<Reference Type="a" '),
        ("<Transforms>", '<Transforms Id="a">'),
        ("", ""),
    ],
)
def test_a_valid_signature_with_wrong_algorithms_is_rejected(
    envelope: bytes, this: str, that: str
) -> None:
    """Reject signatures by the key's holder with other parameters than operators accept.

    The last row proves that the test works.
    """
    text = envelope.decode()
    head, info, between, _, tail = re.split(
        r"(<SignedInfo>.*</SignedInfo>)(<SignatureValue>)([^<]+)", text.rpartition("<Signature ")[2]
    )
    changed = info.replace(this, that) if this else info
    signed = changed.replace("<SignedInfo>", f'<SignedInfo xmlns="{DSIG}">').encode()
    value = b64encode(rsa_key(0).sign(signed, PKCS1v15(), hashes.SHA256())).decode()
    forged = f"{text.rpartition('<Signature ')[0]}<Signature {head}{changed}{between}{value}{tail}"
    if not this:
        accepted(forged.encode())
        return
    with pytest.raises(InvalidDelivery, match=r"is not|must hold|does not refer"):
        accepted(forged.encode())
