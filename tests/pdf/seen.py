"""What the preflight finds, without its process, and PDFs that several tests build."""

from __future__ import annotations

import pikepdf
from pikepdf import Array, Dictionary, Name, String

from tests.channels.snail_mail import pdfs
from utskick.channels.snail_mail.settings import LEFT, POSTNORD
from utskick.pdf.rules import Area, Rules
from utskick.pdf.worker import Result, check

ZONE = Area(POSTNORD.name, POSTNORD.x, POSTNORD.y, POSTNORD.width, POSTNORD.height)
WINDOW = Area("w", "left", "top", LEFT.width, LEFT.height, LEFT.left, LEFT.top)
PAPER = Rules(pages=50, zones=((ZONE, False),))
MAILBOX = Rules(paper=False)


def on_paper(data: bytes) -> Result:
    return check(data, PAPER)


def in_mailbox(data: bytes) -> Result:
    return check(data, MAILBOX)


def texts(found: Result) -> list[str]:
    return [text for _, text in found.findings]


def codes(found: Result) -> list[str]:
    """The notices; a refused PDF has none that counts."""
    assert found.findings == []
    return [code for code, _ in found.notices]


def signed(pdf: pikepdf.Pdf) -> None:
    """A signature field with a value (its bytes prove nothing here)."""
    value = Dictionary(
        Type=Name.Sig,
        Filter=Name("/Adobe.PPKLite"),
        ByteRange=Array([0, 10, 20, 30]),
        Contents=String(b"\x30" * 20),
    )
    field = Dictionary(FT=Name.Sig, T=String("s"), V=pdf.make_indirect(value))
    pdf.Root.AcroForm = Dictionary(Fields=Array([pdf.make_indirect(field)]), SigFlags=3)


def with_rights(pdf: pikepdf.Pdf) -> None:
    """A signature that only extends rights in Adobe Reader."""
    rights = Dictionary(Type=Name.Sig, ByteRange=Array([0, 1, 2, 3]), Contents=String(b"\x30"))
    pdf.Root.Perms = Dictionary(UR3=rights)


def owned(data: bytes | None = None) -> bytes:
    """With an owner's password only."""
    how = pikepdf.Encryption(owner="owner", user="")
    return pdfs.changed(lambda pdf: None, data, encryption=how)


def shifted(data: bytes) -> bytes:
    """With offsets in the cross-reference table that are wrong, as after an editor's change."""
    at = data.rindex(b"xref\n", 0, data.rindex(b"startxref"))
    return data[:at].replace(b"%PDF-1.", b"%PDF-1.\x37%  \n%", 1) + data[at:]
