"""A PDF of one page, written out by hand (ISO 32000-1 section 7.5): the demo's attachment."""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPED = str.maketrans({"\\": r"\\", "(": r"\(", ")": r"\)"})


def page(lines: Sequence[str]) -> bytes:
    """A4, one line of text below the other. What Windows-1252 cannot say becomes a question
    mark."""
    said = "\n".join(f"({line.translate(_ESCAPED)}) Tj T*" for line in lines)
    content = f"BT /F1 14 Tf 72 770 Td 20 TL\n{said}\nET".encode("windows-1252", "replace")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    written, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    # Section 7.5.4: each entry of the table is 20 bytes, its end of line included.
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(objects) + 1, len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table)
    return written + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        start,
    )
